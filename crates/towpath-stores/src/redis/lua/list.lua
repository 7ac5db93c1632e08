-- A window of one section, as ids.
--
-- ARGV: 2: section, 3: how many at most, 4: '' or where the window before ended
-- Where a section ended is true for its beginning.
-- Answers the ids; for each the priority of the list it stood in, or ''; and where to go on, or false.
-- A message moves while one looks, so what is read of an id afterwards decides whether it belongs here.
local limit = tonumber(ARGV[3])
local ids, priorities = {}, {}
local function add(id, priority)
  ids[#ids + 1], priorities[#priorities + 1] = id, priority or ''
end

-- The elements after a rank, those of the messages in packs among them, until there are more than there is room
-- for; and of how many that were found they are.
local function one_by_one(found, rank)
  local elements = {}
  for i, element in ipairs(found) do
    if #elements > limit - #ids then
      return elements, i - 1
    end
    if string.byte(element, 11) ~= IN_PACK then
      elements[#elements + 1] = element
    else
      local pack = string.sub(element, 1, PACK)
      for _, one in ipairs(elements_in(pack, members(call('HGET', P .. 'K', pack) or ''))) do
        if is_after(one, rank) then
          elements[#elements + 1] = one
        end
      end
    end
  end
  return elements, #found
end

-- Adds the messages of one list from a place on; answers the rank of the last that was looked at when
-- there was no room for all. An id stands there twice when its message went and came back; then only the
-- last of them is its message.
local function add_list(list, first, priority, rank)
  while true do
    local found, last = call('LRANGE', list, first, first + limit - #ids), {}
    if #found == 0 then
      return
    end
    local elements, count = one_by_one(found, rank)
    for i, element in ipairs(elements) do
      last[string.sub(element, 12)] = i
    end
    for i, element in ipairs(elements) do
      if #ids == limit then
        return rank
      end
      if last[string.sub(element, 12)] == i then
        add(string.sub(element, 12), priority)
      end
      rank = string.sub(element, 1, 10)
    end
    first = first + count
  end
end

local BEFORE_ALL = string.rep('\0', 10)
local function list_ready(after)
  local begun = after
  for _, queue in ipairs(call('ZRANGEBYLEX', P .. 'q', after and '[' .. after[1] or '-', '+', 'LIMIT', 0, 1000)) do
    begun = begun and queue == after[1] and begun
    local tasks = call('ZRANGE', P .. 'l' .. queue, 0, 9999)
    table.sort(tasks)
    for _, task in ipairs(tasks) do
      local here = begun and task == after[2]
      if not begun or here or after[2] < task then
        local line, from = line_of(queue, task), here and after[3] or '-inf'
        for _, priority in ipairs(call('ZRANGEBYSCORE', P .. 'p' .. line, from, '+inf', 'LIMIT', 0, 1000)) do
          local list, rank = P .. 'r' .. line .. ':' .. priority, BEFORE_ALL
          local first = 0
          if here and priority == after[3] then
            rank = after[4]
            first = place_after(list, rank)
            local before = first > 0 and call('LINDEX', list, first - 1)
            first = before and string.byte(before, 11) == IN_PACK and first - 1 or first
          end
          rank = add_list(list, first, priority, rank)
          if rank then
            return { queue, task, priority, rank }
          end
        end
      end
    end
  end
end

local function list_by_score(key, reverse, after)
  local first = 0
  if after then
    local score, id = after[1], after[2]
    local rank = call(reverse and 'ZREVRANK' or 'ZRANK', key, id)
    if rank and call('ZSCORE', key, id) == score then
      first = rank + 1
    elseif reverse then
      first = call('ZCOUNT', key, '(' .. score, '+inf')
    else
      first = call('ZCOUNT', key, '-inf', '(' .. score)
    end
  end
  local found = call(reverse and 'ZREVRANGE' or 'ZRANGE', key, first, first + limit - #ids, 'WITHSCORES')
  for i = 1, #found, 2 do
    if #ids == limit then
      return i > 1 and { found[i - 1], found[i - 2] } or after or true
    end
    add(found[i])
  end
end

-- In hexadecimal, for the server may compare bytes as some language does.
local function hexadecimal(ids)
  for i, id in ipairs(ids) do
    ids[i] = string.format('%08x%08x%08x%08x', struct.unpack('>I4I4I4I4', id))
  end
  table.sort(ids)
  return ids
end

local function binary(id)
  return (string.gsub(id, '%x%x', function(byte) return string.char(tonumber(byte, 16)) end))
end

-- What a worker holds, in packs or not.
local function in_hand(incarnation)
  local held = {}
  for _, one in ipairs(call('SMEMBERS', P .. 'w' .. incarnation)) do
    local all = #one == PACK and members(call('HGET', P .. 'K', one) or '') or {}
    local notes = #all > 0 and call('HMGET', P .. 'B', unpack(all)) or {}
    local dones = #all > 0 and call('HMGET', P .. 'f', unpack(all)) or {}
    for i, id in ipairs(all) do
      if notes[i] and string.sub(notes[i], 1, PACK) == one and not dones[i] then
        held[#held + 1] = id
      end
    end
    if #one ~= PACK then
      held[#held + 1] = one
    end
  end
  return held
end

-- Worker by worker, for a hash that grows or shrinks is in another order at every look.
local function list_running(after)
  local last = after or true
  for _, worker in ipairs(hexadecimal(call('HKEYS', P .. 'c'))) do
    if not after or worker >= after[1] then
      for _, id in ipairs(hexadecimal(in_hand(binary(worker)))) do
        if not after or worker > after[1] or id > after[2] then
          if #ids == limit then
            return last
          end
          add(binary(id))
          last = { worker, id }
        end
      end
    end
  end
end

local SECTIONS = {
  ready = list_ready,
  scheduled = function(after) return list_by_score(P .. 'z', false, after) end,
  running = list_running,
  succeeded = function(after) return list_by_score(P .. 's', true, after) end,
  dead = function(after) return list_by_score(P .. 'd', true, after) end,
}
local ORDER = { 'running', 'ready', 'scheduled', 'succeeded', 'dead' }
local function list_all(after)
  local section = after and after[1] or 1
  after = after and after[2] ~= true and after[2] or nil
  while section <= #ORDER do
    local next = SECTIONS[ORDER[section]](after)
    if next then
      return { section, next }
    end
    section, after = section + 1, nil
  end
end

local after = ARGV[4] ~= '' and cmsgpack.unpack(ARGV[4]) or nil
local next = (SECTIONS[ARGV[2]] or list_all)(after)
return { ids, priorities, next and cmsgpack.pack(next) or false }
