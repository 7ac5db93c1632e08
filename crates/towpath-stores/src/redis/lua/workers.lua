-- The workers that are known: per worker its incarnation, its card, the end of its lease or false, and how
-- many messages it holds; before them the time on the clock of leases.
local in_packs = {}
for _, held in ipairs(call('HVALS', P .. 'H')) do
  local incarnation = string.sub(held, 5, 20)
  in_packs[incarnation] = (in_packs[incarnation] or 0) + struct.unpack('>I2', held, 67) - 1
end
local answer, cards = { string.format('%.0f', lease_now) }, call('HGETALL', P .. 'c')
for i = 1, #cards, 2 do
  answer[#answer + 1] = cards[i]
  answer[#answer + 1] = cards[i + 1]
  answer[#answer + 1] = call('ZSCORE', P .. 'a', cards[i])
  answer[#answer + 1] = call('SCARD', P .. 'w' .. cards[i]) + (in_packs[cards[i]] or 0)
end
return answer
