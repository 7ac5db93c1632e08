-- The beginning of every script.
--
-- KEYS[1]: the prefix of all keys of the namespace. It holds the hash tag, so a cluster keeps them all
--          in one slot, and the scripts may make the names of keys from it. What each key holds is
--          written in mod.rs.
-- ARGV[1]: '' for the server's clock, else the time in ms (tests).
local P, call = KEYS[1], redis.call
local now = tonumber(ARGV[1])
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local now8 = struct.pack('>I8', now)
