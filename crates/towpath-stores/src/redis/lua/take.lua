-- Hands out ready messages.
--
-- Almost always what comes next stands in one list and is plain: there is nothing but its body. Such
-- messages are taken by the window; for all others see merge.lua.

-- Takes plain messages from the head of a list. Answers how many, and whether something else came next.
local function take_plain(list, want)
  local sub, byte = string.sub, string.byte
  local got, window, stopped = 0, 32, false
  while got < want and not stopped do
    local elements = call('LRANGE', list, got, got + math.min(window, want - got) - 1)
    local count, ids = #elements, {}
    if count == 0 then
      break
    end
    for i = 1, count do
      ids[i] = sub(elements[i], 12)
    end
    local bodies = call('HMGET', P .. 'b', unpack(ids))
    local t, h, n, before = #taken, #held_pairs, #taken_ids, bytes
    for i = 1, count do
      local element, body, id = elements[i], bodies[i], ids[i]
      if not body or bytes >= bytes_max or byte(element, 11) ~= 0 then
        stopped = true
        break
      end
      taken[t + 1], taken[t + 2] = element, body
      held_pairs[h + 1], held_pairs[h + 2] = id, plain_hold
      taken_ids[n + 1] = id
      t, h, n = t + 2, h + 2, n + 1
      got, bytes = got + 1, bytes + #body
    end
    -- Bodies may have a MiB each, so many are read at once only once they are seen to be small.
    window = bytes - before < count * 4096 and 500 or 32
  end
  if got > 0 then
    call('LTRIM', list, got, -1)
  end
  return got, stopped
end

-- The tasks that have messages of the best priority in a queue, and that priority; nothing when there are
-- none.
local function best_of(queue, tasks)
  local marks, best = call('ZMSCORE', P .. 'l' .. queue, unpack(tasks)), nil
  for i = 1, #tasks do
    local mark = marks[i] and tonumber(marks[i])
    marks[i] = mark
    if mark and (not best or mark < best) then
      best = mark
    end
  end
  local those, seen = {}, {}
  for i = 1, #tasks do
    if best and marks[i] == best and not seen[tasks[i]] then
      seen[tasks[i]] = true
      those[#those + 1] = tasks[i]
    end
  end
  return those, best and string.format('%.0f', best)
end

-- Takes from the lists of these tasks and this priority until the wish is granted or they are empty.
local function take_best(queue, tasks, priority, want)
  local got, sources = 0, {}
  for i, task in ipairs(tasks) do
    local line = #queue .. ':' .. queue .. task
    local list, stale = P .. 'r' .. line .. ':' .. priority, P .. 'x' .. line .. ':' .. priority
    local has_stale = call('EXISTS', stale) == 1
    if #tasks == 1 and not has_stale then
      local stopped
      got, stopped = take_plain(list, want)
      if not stopped then
        if got < want or call('EXISTS', list) == 0 then
          seldom().emptied(queue, task, line, priority)
        end
        return got
      end
    end
    sources[i] = {
      task = task,
      line = line,
      list = list,
      stale = stale,
      has_stale = has_stale,
      window = {},
      next = 1,
      taken = 0,
    }
  end
  return got + seldom().drain(queue, priority, sources, want - got)
end

-- Takes from the lines of these tasks in one queue, the best priority first.
local function take(queue, tasks, want)
  local got = 0
  if call('SISMEMBER', P .. 'u', queue) == 1 then
    return got
  end
  while got < want and not is_over do
    local those, priority = best_of(queue, tasks)
    if not priority then
      break
    end
    got = got + take_best(queue, those, priority, want - got)
  end
  return got
end

local QUEUES_MAX = 1000
-- Queues with ready messages, the one whose turn it is first.
local function in_turn(turn)
  local queues = call('ZRANGE', P .. 'q', 0, QUEUES_MAX - 1)
  local count = #queues
  if count == QUEUES_MAX then
    count = call('ZCARD', P .. 'q')
  end
  local first = count > 0 and turn % count or 0
  if first == 0 then
    return queues
  elseif count > QUEUES_MAX then
    queues = call('ZRANGE', P .. 'q', first, first + QUEUES_MAX - 1)
    local missing = QUEUES_MAX - #queues
    for _, queue in ipairs(missing > 0 and call('ZRANGE', P .. 'q', 0, missing - 1) or {}) do
      queues[#queues + 1] = queue
    end
    return queues
  end
  local turned = {}
  for i = 1, count do
    turned[i] = queues[(first + i - 1) % count + 1]
  end
  return turned
end

-- The wish stands at ARGV[at]: how many, bytes, and
--   'q', how many queues, the queues, how many tasks, the tasks: strict by queue
--   't', how many pairs; for each: queue, task: strict by pair
--   'a', turn, how many tasks, the tasks: every queue in turn
-- Answers per message: element, body, and, where its flag is not 0: more, saved.
-- ready → running; ready → failed (expired) in passing
local function claim(incarnation, at, keep)
  local want, kind = tonumber(ARGV[at]), ARGV[at + 2]
  bytes_max, taker, keep_dead = tonumber(ARGV[at + 1]), incarnation, keep
  plain_hold = struct.pack('>I4', 1) .. taker .. now8 .. struct.pack('>i8i8', -1, -1) .. HOLD_PAD
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
    local queues = in_turn(tonumber(ARGV[at]))
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
