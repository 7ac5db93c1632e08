-- Releases locks.
--
-- ARGV: 3…: tokens: fence (8), name
-- Answers a text with 1 for each that was held under its token and 0 for one that was not.
local held = {}
for i = 3, #ARGV do
  held[#held + 1] = release(ARGV[i], lease_now) and '1' or '0'
end
ring_all()
return table.concat(held)
