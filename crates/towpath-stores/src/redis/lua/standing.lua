-- What has become of tokens.
--
-- ARGV: 2: incarnation, 3…: tokens: id (16), claims (4)
-- Answers a text with h(eld), r(evoked) or l(ost) for each.
local incarnation, answers = ARGV[2], {}
local alive = call('ZSCORE', P .. 'a', incarnation)
for i = 3, #ARGV do
  local id, claims = string.sub(ARGV[i], 1, 16), string.sub(ARGV[i], 17)
  local held = held_of(id)
  local answer = 'l'
  if alive and held and string.sub(held, 1, 20) == claims .. incarnation then
    answer = 'h'
  elseif state_of(id) == 'revoked' and string.sub(call('HGET', P .. 'm', id) or '', 1, 4) == claims then
    answer = 'r'
  end
  answers[#answers + 1] = answer
end
return table.concat(answers)
