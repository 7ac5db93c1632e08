-- Hands out ready messages.
--
-- Almost always what comes next stands in one list and is plain: there is nothing but its body. Such
-- messages are taken by the window, and packs of them (see pack.lua) as they are; for all others see
-- merge.lua.

local IN_PACK = 8

-- Takes the packs that elements begin with and that are small enough, each as a whole. Answers how many
-- elements and how many messages.
local function take_packs(elements, want)
  local sub, byte, unpack_of = string.sub, string.byte, struct.unpack
  local packs, counts, sum = {}, {}, 0
  for i = 1, #elements do
    local count = byte(elements[i], 11) == IN_PACK and unpack_of('>I2', elements[i], 12)
    if not count or sum + count > want then
      break
    end
    packs[i], counts[i], sum = sub(elements[i], 1, 10), count, sum + count
  end
  local took, got = 0, 0
  local contents, hold = #packs > 0 and call('HMGET', P .. 'K', unpack(packs)), sub(plain_hold, 1, 66)
  for i = 1, #packs do
    local content = contents[i]
    if not content or byte(content) ~= 0 or bytes + #content > bytes_max then
      break
    end
    taken[#taken + 1], taken[#taken + 2] = elements[i], content
    held_packs[#held_packs + 1], held_packs[#held_packs + 2] = packs[i], hold .. sub(elements[i], 12, 13)
    taken_ids[#taken_ids + 1] = packs[i]
    took, got, bytes = i, got + counts[i], bytes + #content
  end
  plain = plain + got
  return took, got
end

-- Takes the plain messages that elements begin with. Answers how many, and whether something else comes next.
local function take_singles(elements)
  local sub, byte = string.sub, string.byte
  local count, ids = #elements, {}
  for i = 1, count do
    if byte(elements[i], 11) == IN_PACK then
      count = i - 1
      break
    end
    ids[i] = sub(elements[i], 12)
  end
  local bodies = call('HMGET', P .. 'b', unpack(ids))
  local t, h, n = #taken, #held_pairs, #taken_ids
  for i = 1, count do
    local element, body, id = elements[i], bodies[i], ids[i]
    if not body or bytes >= bytes_max or byte(element, 11) ~= 0 then
      return i - 1, true
    end
    taken[t + 1], taken[t + 2] = element, body
    held_pairs[h + 1], held_pairs[h + 2] = id, plain_hold
    taken_ids[n + 1] = id
    t, h, n = t + 2, h + 2, n + 1
    bytes, plain = bytes + #body, plain + 1
  end
  return count, false
end

-- Takes plain messages from the head of a list. Answers how many, and whether something else came next.
local function take_plain(list, inside, want)
  local got, at, in_packs, window, stopped = 0, 0, 0, 2, false
  while got < want and not stopped do
    local elements = call('LRANGE', list, at, at + math.min(window, want - got) - 1)
    local took, count, before = 0, 0, bytes
    if #elements == 0 then
      break
    elseif string.byte(elements[1], 11) ~= IN_PACK then
      took, stopped = take_singles(elements)
      count = took
    else
      took, count = take_packs(elements, want - got)
      in_packs = in_packs + count - took
      if took == 0 and plain >= enough then
        is_over = true -- A pack that nobody wants whole is best left to the next who claims.
        break
      elseif took == 0 then
        call('LTRIM', list, at, -1)
        seldom().open_head(list, inside)
        at = 0
      end
    end
    at, got = at + took, got + count
    -- Bodies may have a MiB each, so many are read at once only once they are seen to be small.
    window = bytes - before < count * 4096 and math.min(window * 16, 500) or 32
  end
  if at > 0 then
    call('LTRIM', list, at, -1)
  end
  if in_packs > 0 then
    call('DECRBY', inside, in_packs)
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
    local inside = P .. 'X' .. line .. ':' .. priority
    local has_stale = call('EXISTS', stale) == 1
    if #tasks == 1 and not has_stale then
      local stopped
      got, stopped = take_plain(list, inside, want)
      if is_over then
        return got
      elseif not stopped then
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
      inside = inside,
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

-- The wish stands at ARGV[at]: how many, how many are enough where a pack would have to be taken apart for more,
-- how many other calls of the same claim have handed out, bytes, and
--   'q', how many queues, the queues, how many tasks, the tasks: strict by queue
--   't', how many pairs; for each: queue, task: strict by pair
--   'a', turn, how many tasks, the tasks: every queue in turn
-- Answers per message: element, body, and, where its flag is not 0: more, saved. Per pack: element, content.
-- ready → running; ready → failed (expired) in passing
local function claim(incarnation, at, keep)
  local want, kind = tonumber(ARGV[at]), ARGV[at + 4]
  enough, before, bytes_max = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  taker, keep_dead = incarnation, keep
  plain_hold = struct.pack('>I4', 1) .. taker .. now8 .. struct.pack('>i8i8', -1, -1) .. HOLD_PAD
  at = at + 5
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
  if #held_pairs > 0 then
    call('HSET', P .. 'h', unpack(held_pairs))
  end
  if #held_packs > 0 then
    call('HSET', P .. 'H', unpack(held_packs))
  end
  if #taken_ids > 0 then
    call('SADD', P .. 'w' .. taker, unpack(taken_ids))
    rung.c = true
  end
  return taken
end
