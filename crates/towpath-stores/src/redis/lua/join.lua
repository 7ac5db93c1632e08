-- Makes a worker known and starts its lease.
--
-- ARGV: 3: incarnation, 4: lease in ms, 5: length of its name (2), the name, and the card as clients read it
-- Answers false for an incarnation that was there before.
local GONE_MAX = 1000
local incarnation = ARGV[3]
if call('HEXISTS', P .. 'c', incarnation) == 1 then
  return false
end
local len = struct.unpack('>I2', ARGV[5])
local card = string.sub(ARGV[5], 1, 2 + len) .. now8 .. string.sub(ARGV[5], 3 + len)
call('HSET', P .. 'c', incarnation, card)
call('ZADD', P .. 'a', lease_now + tonumber(ARGV[4]), incarnation)
-- Whoever has been gone the longest is forgotten, unless something is still to be taken from him.
for _ = 1, call('LLEN', P .. 'i') - GONE_MAX do
  local oldest = call('LINDEX', P .. 'i', 0)
  if call('SISMEMBER', P .. 'n', oldest) == 1 then
    break
  end
  call('LPOP', P .. 'i')
  call('HDEL', P .. 'c', oldest)
end
return true
