-- Lets messages whose time has come join their lines.
--
-- ARGV: 2: how many at most
-- Answers how many, and when the next one is due, or false.
-- scheduled → ready
local due = call('ZRANGEBYSCORE', P .. 'z', '-inf', now, 'LIMIT', 0, tonumber(ARGV[2]))
for _, id in ipairs(due) do
  call('ZREM', P .. 'z', id)
  local message = find(id)
  if message then
    wait(message, now)
  end
end
ring_all()
return { #due, call('ZRANGE', P .. 'z', 0, 0, 'WITHSCORES')[2] or false }
