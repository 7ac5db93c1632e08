-- Lines of ready messages: one list per (queue, task, priority).
--
-- An element is 27 bytes: rank (8), place in the call (2), flag (1), id (16). For the rank see rank.lua.
-- The flag is a sum: 1 for a message that has more than its body, 2 for one whose body a claim must look
-- into (a retention or an expiry of its own), 4 for one that expires. An element with the flag 8 stands for
-- several messages, see pack.lua.
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
  call('DEL', P .. 'x' .. line .. ':' .. priority, P .. 'X' .. line .. ':' .. priority)
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
  if call('HINCRBY', stale, 'n', -1) == 0 then
    call('DEL', stale)
  end
  return true
end

-- Whether an element stands for messages of a pack that was taken apart.
local function is_apart(element)
  local content = string.byte(element, 11) == IN_PACK and call('HGET', P .. 'K', string.sub(element, 1, 10))
  return content and string.byte(content) ~= 0
end

-- Takes elements that were left off the head. The bound is for the time of one script; a claim passes
-- over those that stay.
local function trim(queue, task, line, priority)
  local list, stale = P .. 'r' .. line .. ':' .. priority, P .. 'x' .. line .. ':' .. priority
  local inside = P .. 'X' .. line .. ':' .. priority
  if call('LLEN', list) == tonumber(call('HGET', stale, 'n') or 0) and tonumber(call('GET', inside) or 0) == 0 then
    call('UNLINK', list)
    emptied(queue, task, line, priority)
    return
  end
  for _ = 1, 1000 do
    local head = call('LINDEX', list, 0)
    if head and is_apart(head) then
      open_head(list, inside)
    elseif head and is_stale(stale, string.sub(head, 12)) then
      call('LPOP', list)
    else
      break
    end
  end
  if call('EXISTS', list) == 0 then
    emptied(queue, task, line, priority)
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

local function is_after(element, rank)
  local here, place = struct.unpack('>I8I2', element)
  local first, second = struct.unpack('>I8I2', rank)
  return here > first or (here == first and place > second)
end

-- The first place in a list, which is in the order of its ranks, whose rank is greater.
local function place_after(list, rank)
  local low, high = 0, call('LLEN', list)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_after(call('LINDEX', list, middle), rank) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end
