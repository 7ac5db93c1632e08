-- Takes members out of a sorted set.
--
-- ARGV: 2: bucket, 3: set, 4…: names of members
-- Answers a text with 1 for each that was there and 0 for one that was not.
local members, gone = members_of(ARGV[2], ARGV[3]), {}
for i = 4, #ARGV do
  gone[#gone + 1] = call('ZREM', members, ARGV[i])
end
forget_if_empty(ARGV[2], ARGV[3])
return table.concat(gone)
