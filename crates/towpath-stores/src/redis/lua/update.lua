-- Changes a message that waits.
--
-- ARGV: 2: id, 3: the body as it was read, or '' to be told, 4: the new body without its end, 5: the
--       new start ('' for none, 'now', '+MS', '@MS')
-- Answers '-' for one that is not known, the state for one that does not wait, '~' when the body has changed
-- since it was read, 'ok' else.
-- scheduled, ready → scheduled, ready
local id = ARGV[2]
local body = body_of(id)
if not body then
  return '-'
end
local message, state = read_message(id, body), state_of(id)
if state ~= 'scheduled' and state ~= 'ready' then
  return state
end
if body ~= ARGV[3] then
  return '~'
end
local due, start = nil, ARGV[5]
if start == 'now' then
  due = now
elseif start ~= '' then
  local ms = tonumber(string.sub(start, 2))
  due = string.sub(start, 1, 1) == '+' and now + ms or ms
end
-- The rank of a message in its line. Its time is known, so it is among those of one millisecond; where
-- those are very many it is taken to be their first.
local SAME_MS_MAX = 1000
local function rank_of(message)
  local list = P .. 'r' .. line_of(message.queue, message.task) .. ':' .. message.priority
  local first = struct.pack('>I8I2', message.due * 2048 - 1, 65535)
  local place = place_after(list, first)
  for _, element in ipairs(call('LRANGE', list, place, place + SAME_MS_MAX - 1)) do
    local elements = { element }
    if is_apart(element) then
      local pack = string.sub(element, 1, PACK)
      elements = elements_in(pack, members(call('HGET', P .. 'K', pack)))
    end
    for _, one in ipairs(elements) do
      if string.sub(one, 12) == id then
        return string.sub(one, 1, 10)
      end
    end
  end
  return struct.pack('>I8I2', message.due * 2048, 0)
end

-- Where a message comes back among those of the pack in which it was submitted, that pack gives way to its
-- messages. It does so in a list that is not long; in a long one the message stands behind all of them.
local function open_before(list, rank, inside)
  local place = place_after(list, rank)
  local before = place > 0 and place <= 1000 and call('LINDEX', list, place - 1)
  if before and string.sub(before, 1, 8) == string.sub(rank, 1, 8) and is_apart(before) then
    for _, element in ipairs(open(before, inside)) do
      call('LINSERT', list, 'BEFORE', before, element)
    end
    call('LREM', list, 1, before)
  end
end

-- Goes into the line of its new priority at the place that its time gives it. In the middle of a long list
-- that is a walk to there: the one step here that is not bounded by what was asked for, some ms at a
-- million messages.
local function move_to(priority)
  local rank = rank_of(message)
  leave_line(message.queue, message.task, message.priority, id)
  message.priority = priority
  local line = line_of(message.queue, message.task)
  local list, element = P .. 'r' .. line .. ':' .. priority, rank .. '\1' .. id
  open_before(list, rank, P .. 'X' .. line .. ':' .. priority)
  local place = place_after(list, rank)
  local behind = call('LINDEX', list, place)
  if not behind then
    join(message.queue, message.task, priority, element)
  elseif place == 0 then
    call('LPUSH', list, element)
  else
    call('LINSERT', list, 'BEFORE', behind, element)
  end
  rung.w = true
end

body = ARGV[4] .. string.sub(body, -8)
local priority = string.format('%.0f', (struct.unpack('>I4', body, 2)))
call('HSET', P .. 'b', id, body)
if state == 'ready' and (not due or due <= now) then
  if priority ~= message.priority then
    move_to(priority)
  end
  write_more(message)
  rung.c = true
elseif not due then
  message.due = tonumber(call('ZSCORE', P .. 'z', id))
  write_more(message)
  rung.c = true
else
  withdraw(message, state)
  message.priority = priority
  wait(message, due)
end
ring_all()
return 'ok'
