-- Ends a worker; what it holds returns to its lines, at most so many in one call.
--
-- ARGV: 2: incarnation, 3: how many at most
-- Answers whether there may be more. A worker that is gone already has left its messages to the rescue,
-- unless it was leaving.
-- running → ready
local incarnation, max = ARGV[2], tonumber(ARGV[3])
if call('ZREM', P .. 'a', incarnation) == 1 then
  call('SADD', P .. 'n', incarnation)
  call('SADD', P .. 'nl', incarnation)
  call('RPUSH', P .. 'i', incarnation)
elseif call('SISMEMBER', P .. 'nl', incarnation) == 0 then
  return false
end
local left = take_back(incarnation, max, give_back)
rung.w = true
ring_all()
return left == 0
