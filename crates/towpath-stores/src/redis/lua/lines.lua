-- Lines of ready messages: one list per (queue, task, priority).
--
-- An element is 27 bytes: rank (8), place in the call (2), flag (1), id (16). For the rank see rank.lua.
-- The flag is a sum: 1 for a message that has more than its body, 2 for one whose body a claim must look
-- into (a retention or an expiry of its own), 4 for one that expires.
local function line_of(queue, task)
  return #queue .. ':' .. queue .. task
end

-- Marks a list that was empty as one that is not.
local function opened(queue, task, line, priority)
  call('ZADD', P .. 'p' .. line, priority, priority)
  call('ZADD', P .. 'l' .. queue, 'LT', priority, task)
  call('ZADD', P .. 'q', 0, queue)
  rung.w = true
end

-- Takes the marks of a list that has become empty away.
local function emptied(queue, task, line, priority)
  call('DEL', P .. 'x' .. line .. ':' .. priority)
  call('ZREM', P .. 'p' .. line, priority)
  local best = call('ZRANGE', P .. 'p' .. line, 0, 0)[1]
  if best then
    call('ZADD', P .. 'l' .. queue, best, task)
    return
  end
  call('ZREM', P .. 'l' .. queue, task)
  if call('EXISTS', P .. 'l' .. queue) == 0 then
    call('ZREM', P .. 'q', queue)
  end
end

local function join(queue, task, priority, element)
  local line = line_of(queue, task)
  if call('RPUSH', P .. 'r' .. line .. ':' .. priority, element) == 1 then
    opened(queue, task, line, priority)
  end
end

-- Whether the element of this id at the head is one that its message has left; it is then counted off.
local function is_stale(stale, id)
  if not call('HGET', stale, id) then
    return false
  end
  if call('HINCRBY', stale, id, -1) == 0 then
    call('HDEL', stale, id)
  end
  call('HINCRBY', stale, 'n', -1)
  return true
end

-- Takes elements that were left off the head. The bound is for the time of one script; a claim passes
-- over those that stay.
local function trim(queue, task, line, priority)
  local list, stale = P .. 'r' .. line .. ':' .. priority, P .. 'x' .. line .. ':' .. priority
  if call('LLEN', list) == tonumber(call('HGET', stale, 'n') or 0) then
    call('UNLINK', list)
    emptied(queue, task, line, priority)
    return
  end
  for _ = 1, 1000 do
    if not is_stale(stale, string.sub(call('LINDEX', list, 0), 12)) then
      return
    end
    call('LPOP', list)
  end
end

-- A message leaves its line from anywhere. Its element stays behind: to find it would cost a walk
-- through the list. Elements of one message stand in the order of its coming, so to count those that
-- were left is enough to know them.
local function leave_line(queue, task, priority, id)
  local line = line_of(queue, task)
  local stale = P .. 'x' .. line .. ':' .. priority
  call('HINCRBY', stale, id, 1)
  call('HINCRBY', stale, 'n', 1)
  trim(queue, task, line, priority)
end

-- The first place in a list, which is in the order of its ranks, whose rank is greater.
local function place_after(list, rank)
  local low, high = 0, call('LLEN', list)
  local first, second = struct.unpack('>I8I2', rank)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local here, place = struct.unpack('>I8I2', call('LINDEX', list, middle))
    if here < first or (here == first and place <= second) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end
