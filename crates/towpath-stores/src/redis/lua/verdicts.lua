-- The ends of attempts one by one: those that are not plain successes, or were refused. (See settle.lua.)
--
-- After a 'd' follow how many callbacks, for each: queue, task, priority, tail, start, body; the end of the
-- record; and the result where it stands apart. After each other letter: claims (4), started_at (8), reason
-- (1), after (8), error.
local OUTCOMES = { R = 1, F = 2, L = RELEASED, S = 4 }
local done_pairs, kept_pairs, results, deleted = {}, {}, {}, {}

local function succeed(id, held, tail, result)
  if string.sub(tail, 5, 12) == NONE then
    tail = string.sub(tail, 1, 4) .. string.sub(held, 29, 36) .. string.sub(tail, 13)
  end
  local kept, ttl8 = now + keep_done, string.sub(held, 37, 44)
  if ttl8 ~= NONE then
    kept = now + struct.unpack('>i8', ttl8)
  end
  if kept <= now then
    deleted[#deleted + 1] = id
    return
  end
  if result then
    results[#results + 1] = id
    results[#results + 1] = result
  end
  done_pairs[#done_pairs + 1] = id
  done_pairs[#done_pairs + 1] = done_head(kept) .. tail
  kept_pairs[#kept_pairs + 1] = kept
  kept_pairs[#kept_pairs + 1] = id
end

local function set_back(id, how, held, verdict)
  local claims, started, reason, after = struct.unpack('>I4i8c1i8', verdict)
  local fault = string.sub(verdict, 22)
  if started < 0 then
    started = struct.unpack('>i8', held, 29)
  end
  local message = find(id)
  message.claims = claims
  if how == 'S' and message.snoozes >= 1000 then
    how, reason = 'F', 'j'
  elseif how == 'S' then
    fault = ''
  end
  if how ~= 'L' or started >= 0 then
    remember(id, claims, worker_name(incarnation), started, OUTCOMES[how], fault)
  end
  if how == 'F' then
    bury(message, 'F' .. reason, keep_dead_ms)
    return
  end
  if how == 'R' then
    message.retries, message.strays = message.retries + 1, 0
  elseif how == 'S' then
    message.snoozes, message.strays = message.snoozes + 1, 0
  end
  wait(message, now + after)
end

-- Where the arguments of the next verdict begin is `at`; answers where those after it do.
local function skip(letter, at)
  if letter ~= 'd' then
    return at + 1
  end
  at = at + 1 + 6 * tonumber(ARGV[at])
  return string.byte(ARGV[at], 13) == 3 and at + 2 or at + 1
end

local function end_one(id, letter, held, at)
  if letter == 'D' then
    succeed(id, held, ARGV[at])
  elseif letter == 'd' then
    local callbacks = tonumber(ARGV[at])
    for c = at + 1, at + 6 * callbacks, 6 do
      accept(ARGV[c], ARGV[c + 1], ARGV[c + 2], ARGV[c + 3], ARGV[c + 4], ARGV[c + 5])
    end
    at = at + 1 + 6 * callbacks
    succeed(id, held, ARGV[at], string.byte(ARGV[at], 13) == 3 and ARGV[at + 1])
  else
    set_back(id, letter, held, ARGV[at])
  end
end

-- Has every message stand for itself that does not just succeed. Answers the notes of those that do and are
-- in packs.
local function apart_others(letters, ids, notes)
  for i = 1, #letters do
    if notes[i] and string.sub(letters, i, i) ~= 'D' then
      body_of(ids[i])
    end
  end
  notes = call('HMGET', P .. 'B', unpack(ids))
  for i = 1, #letters do
    notes[i] = string.sub(letters, i, i) == 'D' and notes[i]
  end
  return notes
end

-- Ends those that have no answer yet, and answers them. Answers where the arguments end.
local function end_each(letters, ids, helds, answers)
  local at, unheld = 7, {}
  for i = 1, #letters do
    local id, letter, held = ids[i], string.sub(letters, i, i), helds[i]
    local tail = letter == 'd' and ARGV[at + 1 + 6 * tonumber(ARGV[at])] or ARGV[at]
    if answers[i] then
      -- It was in a pack.
    elseif held and string.sub(held, 1, 20) == string.sub(tail, 1, 4) .. incarnation then
      answers[i] = '1'
      unheld[#unheld + 1] = id
      end_one(id, letter, held, at)
    else
      answers[i] = '0'
    end
    at = skip(letter, at)
  end
  if #unheld > 0 then
    call('HDEL', P .. 'h', unpack(unheld))
    call('SREM', P .. 'w' .. incarnation, unpack(unheld))
    rung.c = true
  end
  if #done_pairs > 0 then
    call('HSET', P .. 'f', unpack(done_pairs))
    call('ZADD', P .. 's', unpack(kept_pairs))
  end
  if #results > 0 then
    call('HSET', P .. 'y', unpack(results))
  end
  if #deleted > 0 then
    delete(deleted)
  end
  return at
end
