-- The results of messages; taken ones are deleted in the same step.
--
-- ARGV: 2: '1' to take, 3…: ids
-- Answers four values per message: '-' for one that is not known, 'w' for one that has not ended, else 'd';
-- done, the result where it is kept apart, the attempts of a dead letter.
local answer, take = {}, ARGV[2] == '1'
for i = 3, #ARGV do
  local id = ARGV[i]
  local done = call('HGET', P .. 'f', id)
  local how, apart, attempts = done and 'd', false, false
  if not done then
    how = is_known(id) and 'w' or '-'
  elseif string.byte(done, 1) == 83 then
    local at = 20 + struct.unpack('>I2', done, 18) + 12
    local kind = string.byte(done, at)
    apart = kind == 3 and call('HGET', P .. 'y', id)
    if take and (kind == 2 or kind == 3) then
      call('HSET', P .. 'f', id, string.sub(done, 1, at - 1) .. '\4')
      call('HDEL', P .. 'y', id)
    end
  else
    attempts = call('HGET', P .. 't', id)
  end
  answer[#answer + 1] = how
  answer[#answer + 1] = done
  answer[#answer + 1] = apart
  answer[#answer + 1] = attempts
end
return answer
