-- Takes a lock, if nobody holds it.
--
-- ARGV: 3: name, 4: owner, 5: ttl in ms, or '' until it is released
-- Answers the fence; or who holds it: the lock, and how long it still holds.
local name = ARGV[3]
local lock, left = find_lock(name, lease_now)
if lock then
  return { lock, left }
end
-- So that those which nobody releases do not become ever more.
for _, over in ipairs(call('ZRANGEBYSCORE', P .. 'F', '-inf', lease_now, 'LIMIT', 0, 2)) do
  forget_lock(over)
end
local fence = call('INCR', P .. 'G')
call('HSET', P .. 'L', name, struct.pack('>I8', fence) .. now8 .. ARGV[4])
call('ZADD', P .. 'A', 0, name)
hold_lock(name, lease_now, ARGV[5])
return fence
