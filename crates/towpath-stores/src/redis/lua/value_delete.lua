-- Deletes values.
--
-- ARGV: 2: bucket, 3…: keys
-- Answers a text with 1 for each that was there and 0 for one that was not.
local bucket, found = bucket_of(ARGV[2]), {}
for i = 3, #ARGV do
  found[#found + 1] = find_value(bucket, ARGV[i]) and '1' or '0'
  forget_value(bucket, ARGV[i])
end
note_first_expiry(bucket)
return table.concat(found)
