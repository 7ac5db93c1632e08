-- The values of one bucket.
--
-- A value and its codec stand apart, and so does when it goes: to look at a key or to give it another time
-- reads no value. What has expired is as if it were not there, and lies there until a set deletes it.
local function bucket_of(name)
  return { name = name, values = P .. 'V' .. name, codecs = P .. 'C' .. name, names = P .. 'N' .. name,
    expiries = P .. 'E' .. name }
end

local function expiry_of(bucket, key)
  return tonumber(call('ZSCORE', bucket.expiries, key) or nil)
end

-- Whether a key has a value, and when that goes.
local function find_value(bucket, key)
  if call('HEXISTS', bucket.values, key) == 0 then
    return false
  end
  local expires = expiry_of(bucket, key)
  return not expires or expires > now, expires
end

local function keep_until(bucket, key, expires)
  if expires then
    call('ZADD', bucket.expiries, string.format('%.0f', expires), key)
  else
    call('ZREM', bucket.expiries, key)
  end
end

-- When a value goes that is given this ttl ('' keeps, 'n' never, else ms) and went at `before`.
local function expiry_by(ttl, before)
  if ttl == '' then
    return before
  end
  return ttl ~= 'n' and now + tonumber(ttl) or nil
end

local function forget_value(bucket, key)
  call('HDEL', bucket.values, key)
  call('HDEL', bucket.codecs, key)
  call('ZREM', bucket.names, key)
  call('ZREM', bucket.expiries, key)
end

-- Tells the namespace when the first value of a bucket goes.
local function note_first_expiry(bucket)
  local first = call('ZRANGE', bucket.expiries, 0, 0, 'WITHSCORES')
  if first[1] then
    call('ZADD', P .. 'D', first[2], bucket.name)
  else
    call('ZREM', P .. 'D', bucket.name)
  end
end

-- Deletes at most `most` values that have expired, of whatever bucket.
local function sweep_values(most)
  while most > 0 do
    local name = call('ZRANGEBYSCORE', P .. 'D', '-inf', now, 'LIMIT', 0, 1)[1]
    if not name then
      return
    end
    local bucket = bucket_of(name)
    local expired = call('ZRANGEBYSCORE', bucket.expiries, '-inf', now, 'LIMIT', 0, most)
    for _, key in ipairs(expired) do
      forget_value(bucket, key)
    end
    note_first_expiry(bucket)
    most = most - #expired
  end
end
