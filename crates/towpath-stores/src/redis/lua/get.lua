-- All that is known of messages.
--
-- ARGV: 2…: ids
-- Answers nine values per message: body, more, attempts, saved, details, held, done, when it is due if it
-- is scheduled, and the name of its worker; and a tenth, whether its queue is paused. An unknown one has
-- false for its body.
local ids, answer = { unpack(ARGV, 2) }, {}
if #ids == 0 then
  return answer
end
local columns = {}
for _, key in ipairs({ 'b', 'm', 't', 'v', 'g', 'h', 'f' }) do
  columns[#columns + 1] = call('HMGET', P .. key, unpack(ids))
end
for i, note in ipairs(call('HMGET', P .. 'B', unpack(ids))) do
  if note then
    columns[1][i] = body_in(note, ids[i]) or false
    columns[6][i] = not columns[7][i] and call('HGET', P .. 'H', string.sub(note, 1, 10))
  end
end
columns[8] = call('ZMSCORE', P .. 'z', unpack(ids))
local any_paused = call('EXISTS', P .. 'u') == 1
local names = {}
for i = 1, #ids do
  for column = 1, 8 do
    answer[#answer + 1] = columns[column][i]
  end
  local body, held = columns[1][i], columns[6][i]
  local incarnation = held and string.sub(held, 5, 20)
  if incarnation and not names[incarnation] then
    names[incarnation] = worker_name(incarnation)
  end
  answer[#answer + 1] = incarnation and names[incarnation]
  local queue = any_paused and body and string.sub(body, 24, 23 + string.byte(body, 22))
  answer[#answer + 1] = queue and call('SISMEMBER', P .. 'u', queue) or 0
end
return answer
