-- Takes messages from workers whose lease has ended.
--
-- ARGV: 3: how many at most, 4: how long dead letters are kept in ms, 5…: the wait after the 1st, 2nd …
--       loss; one loss more ends the message
-- Answers how many wait again, how many were given up, how many workers were found dead.
-- running → ready, scheduled | failed (lost)
local max, keep = tonumber(ARGV[3]), tonumber(ARGV[4])
local overdue = call('ZRANGEBYSCORE', P .. 'a', '-inf', lease_now, 'LIMIT', 0, max)
for _, incarnation in ipairs(overdue) do
  call('ZREM', P .. 'a', incarnation)
  call('SADD', P .. 'n', incarnation)
  call('RPUSH', P .. 'i', incarnation)
end
local returned, given_up = 0, 0
local function lose(message, name, started)
  remember(message.id, message.claims, name, started, LOST, '')
  if started < 0 then
    message.strays = message.strays + 1
    wait(message, now)
  else
    message.losses = message.losses + 1
    local pause = ARGV[4 + message.losses]
    if not pause then
      bury(message, 'Fl', keep)
      given_up = given_up + 1
      return
    end
    wait(message, now + tonumber(pause))
  end
  returned = returned + 1
end
for _ = 1, max do
  local incarnation = call('SRANDMEMBER', P .. 'n')
  local left = max - returned - given_up
  if not incarnation or left == 0 then
    break
  end
  local leaving = call('SISMEMBER', P .. 'nl', incarnation) == 1
  take_back(incarnation, left, leaving and give_back or lose)
end
ring_all()
return { returned, given_up, #overdue }
