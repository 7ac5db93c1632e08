-- The values of keys.
--
-- ARGV: 2: bucket, 3…: keys
-- Answers two values per key: its value and its codec (false for JSON); false and false for none.
local bucket, answer = bucket_of(ARGV[2]), {}
for i = 3, #ARGV do
  local there = find_value(bucket, ARGV[i])
  answer[#answer + 1] = there and call('HGET', bucket.values, ARGV[i])
  answer[#answer + 1] = there and call('HGET', bucket.codecs, ARGV[i])
end
return answer
