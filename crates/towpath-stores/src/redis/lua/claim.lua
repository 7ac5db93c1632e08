-- Hands out ready messages to a worker that has a lease.
--
-- ARGV: 2: incarnation, 3: how long dead letters are kept in ms, 4…: the wish, see take.lua
-- Answers false for a worker without a lease, else the messages.
if not call('ZRANK', P .. 'a', ARGV[2]) then
  return false
end
local answer = claim(ARGV[2], 4, tonumber(ARGV[3]))
ring_all()
return answer
