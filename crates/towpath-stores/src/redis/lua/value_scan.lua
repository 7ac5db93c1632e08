-- A stretch of the keys of a bucket, in the order of their bytes.
--
-- ARGV: 2: bucket, 3, 4: from where and to where, as ZRANGEBYLEX has it, 5: how many keys to look at
-- Answers whether there may be more, the last key that was looked at, and those that have a value.
local bucket, found, most = bucket_of(ARGV[2]), {}, tonumber(ARGV[5])
local names = call('ZRANGEBYLEX', bucket.names, ARGV[3], ARGV[4], 'LIMIT', 0, most)
for _, key in ipairs(names) do
  local expires = expiry_of(bucket, key)
  if not expires or expires > now then
    found[#found + 1] = key
  end
end
return { #names == most and 1 or 0, names[#names] or false, found }
