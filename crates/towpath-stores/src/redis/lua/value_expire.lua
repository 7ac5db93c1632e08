-- Keeps values for another time.
--
-- ARGV: 2: bucket, 3: ttl ('' keeps, 'n' never, else ms), 4…: keys
-- Answers a text with 1 for each that was there and 0 for one that was not.
local bucket, found = bucket_of(ARGV[2]), {}
for i = 4, #ARGV do
  local there, before = find_value(bucket, ARGV[i])
  if there then
    keep_until(bucket, ARGV[i], expiry_by(ARGV[3], before))
  end
  found[#found + 1] = there and '1' or '0'
end
note_first_expiry(bucket)
return table.concat(found)
