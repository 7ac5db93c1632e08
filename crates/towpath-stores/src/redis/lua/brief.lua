-- The little that waiters ask for.
--
-- ARGV: 2…: ids
-- Answers three values per message: its state or false, its claims, how often its details were set.
local answer = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local done = call('HGET', P .. 'f', id)
  local held = not done and held_of(id)
  local more = not held and call('HGET', P .. 'm', id)
  local claims, state = more and struct.unpack('>I4', more) or 0, false
  if done then
    state = STATES[string.sub(done, 1, 1)]
    if state == 'succeeded' then
      claims = struct.unpack('>I4', done, 20 + struct.unpack('>I2', done, 18))
    end
  elseif held then
    state, claims = 'running', struct.unpack('>I4', held)
  elseif is_known(id) then
    state = call('ZSCORE', P .. 'z', id) and 'scheduled' or 'ready'
  end
  local details = call('HGET', P .. 'g', id)
  answer[#answer + 1] = state
  answer[#answer + 1] = claims
  answer[#answer + 1] = details and struct.unpack('>I4', details) or 0
end
return answer
