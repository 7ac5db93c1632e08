-- Puts dead letters back, ready at once.
--
-- ARGV: 2…: ids
-- Answers for each 'ok', '-' for one that is not known, else the state it may not be requeued in.
-- failed, revoked → ready
local answers = {}
local function requeue(id)
  local message = find(id)
  if not message then
    return '-'
  end
  local state = state_of(id)
  if state ~= 'failed' and state ~= 'revoked' then
    return state
  end
  call('HDEL', P .. 'f', id)
  call('ZREM', P .. 'd', id)
  call('SREM', P .. 'k', id)
  remember(id, message.claims, '', -1, REQUEUED, '')
  message.retries, message.losses, message.strays, message.snoozes = 0, 0, 0, 0
  -- Its time to start begins again too: else one that had expired would expire at once.
  message.expires = message.expires_in >= 0 and now + message.expires_in or 0
  wait(message, now)
  return 'ok'
end
for i = 2, #ARGV do
  answers[#answers + 1] = requeue(ARGV[i])
end
ring_all()
return answers
