-- Calls messages off.
--
-- ARGV: 2: how long dead letters are kept in ms, 3: '1' to leave those alone that run, 4…: ids
-- Answers for each: 'waiting' or 'running' when it was, '-' for one that is not known, '=' for one that runs
-- and is to be left alone, else the state that it may not be revoked in.
-- scheduled, ready, running → revoked
local keep, answers = tonumber(ARGV[2]), {}
local function revoke(id)
  local message = find(id)
  if not message then
    return '-'
  end
  local state, held = state_of(id)
  if state == 'scheduled' or state == 'ready' then
    withdraw(message, state)
    bury(message, 'R', keep)
    return 'waiting'
  elseif state ~= 'running' then
    return state
  elseif ARGV[3] == '1' then
    return '='
  end
  local incarnation = string.sub(held, 5, 20)
  local started = struct.unpack('>i8', held, 29)
  message.claims = struct.unpack('>I4', held)
  if started >= 0 then
    remember(id, message.claims, worker_name(incarnation), started, REVOKED, '')
  end
  unhold(id, incarnation)
  bury(message, 'R', keep)
  rung.r = true
  return 'running'
end
for i = 4, #ARGV do
  answers[#answers + 1] = revoke(ARGV[i])
end
ring_all()
return answers
