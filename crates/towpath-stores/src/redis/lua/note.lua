-- Writes what a handler leaves with its message.
--
-- ARGV: 2: incarnation, 3: token: id (16), claims (4), 4: 'g' for details, 'v' for saved, 5: the value
-- Answers false when the token does not hold. Details have how often they were set (4) before them.
local id, claims = string.sub(ARGV[3], 1, 16), string.sub(ARGV[3], 17)
local held = held_of(id)
if not held or string.sub(held, 1, 20) ~= claims .. ARGV[2] or not call('ZSCORE', P .. 'a', ARGV[2]) then
  return false
end
local value = ARGV[5]
if ARGV[4] == 'g' then
  local before = call('HGET', P .. 'g', id)
  local count = before and struct.unpack('>I4', before) or 0
  value = struct.pack('>I4', math.min(count + 1, 4294967295)) .. value
  rung.c = true
end
call('HSET', P .. ARGV[4], id, value)
ring_all()
return true
