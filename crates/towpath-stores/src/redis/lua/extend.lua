-- Renews a lease, and notes which attempts have started.
--
-- ARGV: 3: incarnation, 4: lease in ms, 5…: tokens: id (16), claims (4)
-- Answers false for a worker that has no lease.
local incarnation = ARGV[3]
if not call('ZSCORE', P .. 'a', incarnation) then
  return false
end
call('ZADD', P .. 'a', lease_now + tonumber(ARGV[4]), incarnation)
local NONE = struct.pack('>i8', -1)
for i = 5, #ARGV do
  local id, claims = string.sub(ARGV[i], 1, 16), string.sub(ARGV[i], 17)
  local held = held_of(id)
  if held and string.sub(held, 1, 20) == claims .. incarnation and string.sub(held, 29, 36) == NONE then
    body_of(id) -- Which has it stand for itself.
    held = call('HGET', P .. 'h', id)
  else
    held = false
  end
  if held then
    call('HSET', P .. 'h', id, string.sub(held, 1, 28) .. now8 .. string.sub(held, 37))
  end
end
return true
