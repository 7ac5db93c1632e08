-- The workers that are known: per worker its incarnation, its card, the end of its lease or false, and how
-- many messages it holds; before them the time on the clock of leases.
local answer, cards = { string.format('%.0f', lease_now) }, call('HGETALL', P .. 'c')
for i = 1, #cards, 2 do
  answer[#answer + 1] = cards[i]
  answer[#answer + 1] = cards[i + 1]
  answer[#answer + 1] = call('ZSCORE', P .. 'a', cards[i])
  answer[#answer + 1] = call('SCARD', P .. 'w' .. cards[i])
end
return answer
