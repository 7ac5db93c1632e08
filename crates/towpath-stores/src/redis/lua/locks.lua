-- The locks that are held, and a few whose time has run out.
--
-- lock: fence (8), taken_at (8), owner
-- `at` is the time on the clock of leases.

-- A lock that holds, and how long it still does (false: until it is released); nothing for one that does not.
local function find_lock(name, at)
  local lock = call('HGET', P .. 'L', name)
  if not lock then
    return nil
  end
  local ends = tonumber(call('ZSCORE', P .. 'F', name) or nil)
  if ends and ends <= at then
    return nil
  end
  return lock, ends and string.format('%.0f', ends - at) or false
end

local function hold_lock(name, at, ttl)
  if ttl ~= '' then
    call('ZADD', P .. 'F', string.format('%.0f', at + tonumber(ttl)), name)
  else
    call('ZREM', P .. 'F', name)
  end
end

local function forget_lock(name)
  call('HDEL', P .. 'L', name)
  call('ZREM', P .. 'A', name)
  call('ZREM', P .. 'F', name)
end

-- Whether a lock holds under a token: fence (8), name.
local function is_held(token, at)
  local name = string.sub(token, 9)
  local lock = find_lock(name, at)
  return lock and string.sub(lock, 1, 8) == string.sub(token, 1, 8), name
end

local function release(token, at)
  local held, name = is_held(token, at)
  if held then
    forget_lock(name)
    rung.u = true
  end
  return held
end
