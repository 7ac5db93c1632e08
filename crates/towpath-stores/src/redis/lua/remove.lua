-- Deletes messages with all that is known of them.
--
-- ARGV: 2…: ids
-- Answers for each 'ok', '-' for one that is not known, else the state it may not be removed in.
-- any but running → –
local answers = {}
local function remove(id)
  local message = find(id)
  if not message then
    return '-'
  end
  local state = state_of(id)
  if state == 'running' then
    return state
  elseif state == 'scheduled' or state == 'ready' then
    withdraw(message, state)
  else
    call('ZREM', P .. 's', id)
    call('ZREM', P .. 'd', id)
    call('SREM', P .. 'k', id)
  end
  delete({ id })
  return 'ok'
end
for i = 2, #ARGV do
  answers[#answers + 1] = remove(ARGV[i])
end
ring_all()
return answers
