-- The scores of members, as texts, which say them to the last bit.
--
-- ARGV: 2: bucket, 3: set, 4…: names of members
-- Answers a score for each, or false.
local members, scores = members_of(ARGV[2], ARGV[3]), {}
for i = 4, #ARGV do
  scores[#scores + 1] = call('ZSCORE', members, ARGV[i])
end
return scores
