-- Deletes members of the sets of a bucket, then its values.
--
-- ARGV: 2: bucket, 3: how many at most
-- Answers how many.
local bucket, left = bucket_of(ARGV[2]), tonumber(ARGV[3])
local most = left
while left > 0 do
  local set = call('SRANDMEMBER', sets_of(bucket.name))
  if not set then
    break
  end
  left = left - #call('ZPOPMIN', members_of(bucket.name, set), left) / 2
  forget_if_empty(bucket.name, set)
end
if left > 0 then
  local names = call('ZPOPMIN', bucket.names, left)
  for i = 1, #names, 2 do
    forget_value(bucket, names[i])
  end
  left = left - #names / 2
  note_first_expiry(bucket)
end
return most - left
