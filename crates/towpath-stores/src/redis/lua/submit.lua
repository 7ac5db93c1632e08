-- Accepts messages.
--
-- ARGV: 2: how many lines; for each: queue, task, priority, how many messages that may run at once; for
--       each: tail, body
--       then how many that have a time to start; for each: queue, task, priority, tail, start, body
--       A tail is the place in the call (2), the flag (1) and the id (16).
-- Answers the places of those whose id is known.
-- – → ready, scheduled
local at, known = 3, {}
local function place_of(tail)
  return struct.unpack('>I2', tail)
end
for _ = 1, tonumber(ARGV[2]) do
  local queue, task, priority, count = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  at = at + 4
  local ids = {}
  for i = 1, count do
    ids[i] = string.sub(ARGV[at + 2 * i - 2], 4)
  end
  local bodies, fields, elements, n = call('HMGET', P .. 'b', unpack(ids)), {}, {}, 0
  begin_rank(20000)
  local clock_was_set_back = ready_at() > now
  for i = 1, count do
    local tail = ARGV[at + 2 * i - 2]
    if bodies[i] then
      known[#known + 1] = place_of(tail)
    else
      n = n + 1
      fields[2 * n - 1], fields[2 * n] = ids[i], now8 .. ARGV[at + 2 * i - 1]
      elements[n] = rank8 .. tail
      if string.byte(tail, 3) >= 4 then
        expire_later(ids[i], fields[2 * n])
      end
      if clock_was_set_back then
        note_ready_at(ids[i], fields[2 * n])
      end
    end
  end
  if n > 0 then
    call('HSET', P .. 'b', unpack(fields))
    local line = line_of(queue, task)
    if call('RPUSH', P .. 'r' .. line .. ':' .. priority, unpack(elements)) == n then
      opened(queue, task, line, priority)
    end
    rung.c = true
  end
  at = at + 2 * count
end
for i = at + 1, at + 6 * tonumber(ARGV[at]), 6 do
  if not accept(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]) then
    known[#known + 1] = place_of(ARGV[i + 3])
  end
end
ring_all()
return known
