-- Fails messages that wait and were not started in time.
--
-- ARGV: 2: how many at most, 3: how long dead letters are kept in ms
-- Answers how many.
-- scheduled, ready → failed (expired)
local ids = call('ZRANGEBYSCORE', P .. 'e', '-inf', now, 'LIMIT', 0, tonumber(ARGV[2]))
for _, id in ipairs(ids) do
  local message = find(id)
  if message then
    withdraw(message, state_of(id))
    bury(message, 'Fx', tonumber(ARGV[3]))
  end
  call('ZREM', P .. 'e', id)
end
ring_all()
return #ids
