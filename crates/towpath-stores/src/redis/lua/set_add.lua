-- Puts members into a sorted set, or gives them another score.
--
-- ARGV: 2: bucket, 3: set; for each member: score, name
-- Answers a text with 1 for each that is new and 0 for one that was there.
local members, added = members_of(ARGV[2], ARGV[3]), {}
for i = 4, #ARGV, 2 do
  added[#added + 1] = call('ZADD', members, ARGV[i], ARGV[i + 1])
end
if #added > 0 then
  call('SADD', sets_of(ARGV[2]), ARGV[3])
end
return table.concat(added)
