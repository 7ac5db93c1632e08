-- Hands out ready messages.
--
-- A claim reads elements of lists in windows, the bodies of a window at once, and goes through them one by
-- one, for each may end it: the wish is granted, the payloads have their bytes, a message wants to be alone.
local taken, taken_ids, held_pairs = {}, {}, {}
local bytes, is_over, expired_in_passing = 0, false, 0
local bytes_max, taker, keep_dead
local EXPIRED_IN_PASSING = 1000

-- The element that is next in a list; nil at its end.
local function head(source, window)
  if source.next > #source.window then
    source.taken = source.taken + #source.window
    source.window = call('LRANGE', source.list, source.taken, source.taken + window - 1)
    source.next = 1
  end
  return source.window[source.next]
end

-- Of several lists the one whose head waits longest.
local function longest_waiting(sources, window)
  if #sources == 1 then
    return sources[1]
  end
  local best, best_rank, best_place
  for _, source in ipairs(sources) do
    local element = head(source, window)
    if element then
      local rank, place = struct.unpack('>I8I2', element)
      if not best or rank < best_rank or (rank == best_rank and place < best_place) then
        best, best_rank, best_place = source, rank, place
      end
    end
  end
  return best
end

local function pick(sources, window)
  local picks = {}
  while #picks < window do
    local source = longest_waiting(sources, window)
    local element = source and head(source, window)
    if not element then
      break
    end
    source.next = source.next + 1
    picks[#picks + 1] = { source = source, element = element, id = string.sub(element, 12) }
  end
  return picks
end

-- What a claim does with one message: 'take', 'pass' (it stays out of its line), or 'stop' (it stays).
local plain_hold
local function judge(one, body)
  if one.source.has_stale and is_stale(one.source.stale, one.id) then
    return 'pass'
  end
  if not body then
    return 'pass'
  end
  if bytes >= bytes_max then
    rung.w = true
    return 'stop'
  end
  local flag = string.byte(one.element, 11)
  if flag == 0 then
    taken[#taken + 1] = one.element
    taken[#taken + 1] = body
    held_pairs[#held_pairs + 1] = one.id
    held_pairs[#held_pairs + 1] = plain_hold
    return 'take'
  end
  local message = read_message(one.id, body)
  if message.expires > 0 and message.expires <= now then
    if expired_in_passing == EXPIRED_IN_PASSING then
      rung.w = true
      return 'stop'
    end
    expired_in_passing = expired_in_passing + 1
    call('ZREM', P .. 'e', one.id)
    bury(message, 'Fx', keep_dead)
    return 'pass'
  end
  local alone = message.losses + message.strays >= 2
  if alone and #held_pairs > 0 then
    return 'stop'
  end
  if message.expires > 0 then
    call('ZREM', P .. 'e', one.id)
  end
  taken[#taken + 1] = one.element
  taken[#taken + 1] = body
  taken[#taken + 1] = call('HGET', P .. 'm', one.id)
  taken[#taken + 1] = call('HGET', P .. 'v', one.id)
  held_pairs[#held_pairs + 1] = one.id
  held_pairs[#held_pairs + 1] = struct.pack('>I4', message.claims + 1) .. taker .. now8
    .. struct.pack('>i8i8', alone and now or -1, message.ttl)
  return alone and 'alone' or 'take'
end

-- Takes from lists of one priority until the wish is granted or they are empty. Answers how many.
local function drain(queue, priority, sources, want)
  local got, window = 0, 32
  while got < want and not is_over do
    local picks = pick(sources, math.min(window, want - got))
    if #picks == 0 then
      break
    end
    local ids = {}
    for i, one in ipairs(picks) do
      ids[i] = one.id
    end
    local bodies, before = call('HMGET', P .. 'b', unpack(ids)), bytes
    for i, one in ipairs(picks) do
      local verdict = judge(one, bodies[i])
      if verdict == 'stop' then
        for j = i, #picks do
          picks[j].source.next = picks[j].source.next - 1
        end
        is_over = true
        break
      end
      if verdict ~= 'pass' then
        got = got + 1
        bytes = bytes + #bodies[i]
        taken_ids[#taken_ids + 1] = one.id
      end
      if verdict == 'alone' then
        for j = i + 1, #picks do
          picks[j].source.next = picks[j].source.next - 1
        end
        is_over = true
        break
      end
    end
    -- Bodies may have a MiB each, so many are read at once only once they are seen to be small.
    window = bytes - before < #picks * 4096 and 500 or 32
  end
  for _, source in ipairs(sources) do
    local gone = source.taken + source.next - 1
    if gone > 0 then
      call('LTRIM', source.list, gone, -1)
      if call('EXISTS', source.list) == 0 then
        emptied(queue, source.task, source.line, priority)
      elseif source.has_stale then
        trim(queue, source.task, source.line, priority)
      end
    end
  end
  return got
end

-- Takes from the lines of these tasks in one queue, the best priority first.
local function take(queue, tasks, want)
  local got = 0
  if call('SISMEMBER', P .. 'u', queue) == 1 then
    return got
  end
  while got < want and not is_over do
    local marks, best = call('ZMSCORE', P .. 'l' .. queue, unpack(tasks)), nil
    for i = 1, #tasks do
      local mark = tonumber(marks[i])
      if mark and (not best or mark < best) then
        best = mark
      end
    end
    if not best then
      break
    end
    local priority, sources, seen = string.format('%.0f', best), {}, {}
    for i, task in ipairs(tasks) do
      if tonumber(marks[i]) == best and not seen[task] then
        seen[task] = true
        local line = line_of(queue, task)
        local stale = P .. 'x' .. line .. ':' .. priority
        sources[#sources + 1] = {
          task = task,
          line = line,
          list = P .. 'r' .. line .. ':' .. priority,
          stale = stale,
          has_stale = call('EXISTS', stale) == 1,
          window = {},
          next = 1,
          taken = 0,
        }
      end
    end
    got = got + drain(queue, priority, sources, want - got)
  end
  return got
end

-- The wish stands at ARGV[at]: how many, bytes, and
--   'q', how many queues, the queues, how many tasks, the tasks: strict by queue
--   't', how many pairs; for each: queue, task: strict by pair
--   'a', turn, how many tasks, the tasks: every queue in turn
-- Answers per message: element, body, and, where its flag is not 0: more, saved.
-- ready → running; ready → failed (expired) in passing
local QUEUES_MAX = 1000
local function claim(incarnation, at, keep)
  local want, kind = tonumber(ARGV[at]), ARGV[at + 2]
  bytes_max, taker, keep_dead = tonumber(ARGV[at + 1]), incarnation, keep
  plain_hold = struct.pack('>I4', 1) .. taker .. now8 .. struct.pack('>i8i8', -1, -1)
  at = at + 3
  if kind == 'q' then
    local queues = { unpack(ARGV, at + 1, at + tonumber(ARGV[at])) }
    at = at + 1 + #queues
    local tasks = { unpack(ARGV, at + 1, at + tonumber(ARGV[at])) }
    for _, queue in ipairs(queues) do
      if want > 0 and not is_over and #tasks > 0 then
        want = want - take(queue, tasks, want)
      end
    end
  elseif kind == 't' then
    for i = at + 1, at + 2 * tonumber(ARGV[at]), 2 do
      if want > 0 and not is_over then
        want = want - take(ARGV[i], { ARGV[i + 1] }, want)
      end
    end
  else
    local tasks = { unpack(ARGV, at + 2, at + 1 + tonumber(ARGV[at + 1])) }
    local count = call('ZCARD', P .. 'q')
    local first = count > 0 and tonumber(ARGV[at]) % count or 0
    local queues = call('ZRANGE', P .. 'q', first, first + QUEUES_MAX - 1)
    if #queues < QUEUES_MAX and first > 0 then
      for _, queue in ipairs(call('ZRANGE', P .. 'q', 0, math.min(first, QUEUES_MAX - #queues) - 1)) do
        queues[#queues + 1] = queue
      end
    end
    while #queues > 0 and want > 0 and not is_over and #tasks > 0 do
      local left = {}
      for _, queue in ipairs(queues) do
        if want > 0 and not is_over then
          local got = take(queue, tasks, #queues == 1 and want or 1)
          want = want - got
          if got > 0 then
            left[#left + 1] = queue
          end
        end
      end
      queues = left
    end
  end
  if #taken_ids > 0 then
    call('HSET', P .. 'h', unpack(held_pairs))
    call('SADD', P .. 'w' .. taker, unpack(taken_ids))
    rung.c = true
  end
  return taken
end
