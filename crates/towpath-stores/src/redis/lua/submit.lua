-- Accepts messages.
--
-- ARGV: 2: how many rows; for each: queue, task, priority, how many messages that may run at once, and
--         '', or 'e' when one of them expires; for each: tail, body
--         or 'p' when they make a pack: the place of the first, the content
--       then how many that have a time to start; for each: queue, task, priority, tail, start, body
--       A tail is the place in the call (2), the flag (1) and the id (16). For packs see pack.lua.
-- Answers the places of those whose id is known.
-- – → ready, scheduled
local known = {}

local function push(queue, task, priority, count, ...)
  local line = #queue .. ':' .. queue .. task
  if call('RPUSH', P .. 'r' .. line .. ':' .. priority, ...) == count then
    seldom().opened(queue, task, line, priority)
  end
  rung.c = true
end

-- Accepts messages each of which stands for itself.
local function put(queue, task, priority, expire, tails, bodies)
  local ids, fields, elements, n = {}, {}, {}, 0
  for i, tail in ipairs(tails) do
    ids[i] = string.sub(tail, 4)
  end
  local olds = call('HMGET', P .. 'b', unpack(ids))
  local packed = call('HMGET', P .. 'B', unpack(ids))
  begin_rank(20000)
  local look = expire or ready_at() > now
  for i, tail in ipairs(tails) do
    if olds[i] or packed[i] then
      known[#known + 1] = struct.unpack('>I2', tail)
    else
      n = n + 1
      fields[2 * n - 1], fields[2 * n] = ids[i], bodies[i] .. now8
      elements[n] = rank8 .. tail
      if look then
        seldom().note_times(ids[i], fields[2 * n])
      end
    end
  end
  if n > 0 then
    call('HSET', P .. 'b', unpack(fields))
    push(queue, task, priority, n, unpack(elements))
  end
end

local NOTE_PAD = string.rep('\0', 45)
-- Accepts a pack. Answers whether it did: not when one of its messages is known, nor when the clock was set back,
-- for then something is to be noted of each.
local function put_pack(queue, task, priority, count, place, content)
  local ids, notes = {}, {}
  for i = 1, count do
    ids[i] = string.sub(content, 16 * i - 12, 16 * i + 3)
  end
  local olds, packed = call('HMGET', P .. 'b', unpack(ids)), call('HMGET', P .. 'B', unpack(ids))
  for i = 1, count do
    if olds[i] or packed[i] then
      return false
    end
  end
  begin_rank(20000)
  if ready_at() > now then
    return false
  end
  local pack, rest = rank8 .. place, struct.pack('>I2', count) .. now8
  local note = pack .. rest .. NOTE_PAD
  for i = 1, count do
    notes[2 * i - 1], notes[2 * i] = ids[i], note
  end
  call('HSET', P .. 'B', unpack(notes))
  call('HSET', P .. 'K', pack, content)
  call('INCRBY', P .. 'X' .. #queue .. ':' .. queue .. task .. ':' .. priority, count - 1)
  push(queue, task, priority, 1, pack .. '\8' .. rest .. '\0\0\0\0\0\0')
  return true
end

local at = 3
for _ = 1, tonumber(ARGV[2]) do
  local queue, task, priority, count, kind = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4]
  at = at + 5
  if kind ~= 'p' then
    local tails, bodies = {}, {}
    for i = 1, count do
      tails[i], bodies[i] = ARGV[at + 2 * i - 2], ARGV[at + 2 * i - 1]
    end
    put(queue, task, priority, kind == 'e', tails, bodies)
    at = at + 2 * count
  else
    local place, content = ARGV[at], ARGV[at + 1]
    if not put_pack(queue, task, priority, count, place, content) then
      put(queue, task, priority, false, seldom().apart(place, content))
    end
    at = at + 2
  end
end
for i = at + 1, at + 6 * tonumber(ARGV[at]), 6 do
  if not seldom().accept(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]) then
    known[#known + 1] = struct.unpack('>I2', ARGV[i + 3])
  end
end
ring_all()
return known
