-- Keeps values, and deletes some that have expired.
--
-- ARGV: 2: bucket, 3: how many that have expired to delete at most; for each value: key, codec ('' for JSON),
--       ttl ('' keeps, 'n' never, else ms), '1' to replace none, the value
-- Answers a text with 1 for each that was kept and 0 for one that would have replaced another.
local bucket, kept, at_a_time = bucket_of(ARGV[2]), {}, false
sweep_values(tonumber(ARGV[3]))
for i = 4, #ARGV, 5 do
  local key, codec, ttl, absent = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3] == '1'
  local there, before = find_value(bucket, key)
  if there and absent then
    kept[#kept + 1] = '0'
  else
    kept[#kept + 1] = '1'
    call('HSET', bucket.values, key, ARGV[i + 4])
    call('ZADD', bucket.names, 0, key)
    if codec ~= '' then
      call('HSET', bucket.codecs, key, codec)
    else
      call('HDEL', bucket.codecs, key)
    end
    local expires = expiry_by(ttl, there and before or nil)
    if before or expires then
      keep_until(bucket, key, expires)
      at_a_time = true
    end
  end
end
if at_a_time then
  note_first_expiry(bucket)
end
return table.concat(kept)
