-- Accepts messages.
--
-- ARGV: 2: how many lines; for each: queue, task, priority, how many messages that may run at once, 'e' when
--       one of them expires; for each: tail, body
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
  local expire, ids = ARGV[at + 4] == 'e', {}
  at = at + 5
  local first, sub = at - 2, string.sub
  for i = 1, count do
    ids[i] = sub(ARGV[first + 2 * i], 4)
  end
  local bodies, fields, elements, n = call('HMGET', P .. 'b', unpack(ids)), {}, {}, 0
  begin_rank(20000)
  local look = expire or ready_at() > now
  for i = 1, count do
    local tail = ARGV[first + 2 * i]
    if bodies[i] then
      known[#known + 1] = place_of(tail)
    else
      n = n + 1
      fields[2 * n - 1], fields[2 * n] = ids[i], ARGV[first + 2 * i + 1] .. now8
      elements[n] = rank8 .. tail
      if look then
        seldom().note_times(ids[i], fields[2 * n])
      end
    end
  end
  if n > 0 then
    call('HSET', P .. 'b', unpack(fields))
    if call('RPUSH', P .. 'r' .. #queue .. ':' .. queue .. task .. ':' .. priority, unpack(elements)) == n then
      seldom().opened(queue, task, #queue .. ':' .. queue .. task, priority)
    end
    rung.c = true
  end
  at = at + 2 * count
end
for i = at + 1, at + 6 * tonumber(ARGV[at]), 6 do
  if not seldom().accept(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]) then
    known[#known + 1] = place_of(ARGV[i + 3])
  end
end
ring_all()
return known
