-- The sorted sets of buckets. A bucket has a set of their names, so that they can be cleared with it.
local function sets_of(bucket)
  return P .. 'S' .. bucket
end

local function members_of(bucket, set)
  return P .. 'Z' .. #bucket .. ':' .. bucket .. set
end

local function forget_if_empty(bucket, set)
  if call('EXISTS', members_of(bucket, set)) == 0 then
    call('SREM', sets_of(bucket), set)
  end
end
