-- What is known of keys.
--
-- ARGV: 2: bucket, 3…: keys
-- Answers two values per key: the size of its value, and when that goes or false; false and false for none.
local bucket, answer = bucket_of(ARGV[2]), {}
for i = 3, #ARGV do
  local there, expires = find_value(bucket, ARGV[i])
  answer[#answer + 1] = there and call('HSTRLEN', bucket.values, ARGV[i])
  answer[#answer + 1] = there and expires and string.format('%.0f', expires) or false
end
return answer
