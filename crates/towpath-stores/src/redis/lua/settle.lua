-- Ends attempts under their tokens, and claims in the same step if asked to.
--
-- ARGV: 2: incarnation, 3, 4: how long succeeded and dead messages are kept in ms, 5: how many attempts
--       ended, each token once; for each a verdict, which is one argument or more:
--         D, id (16), claims (4), started_at (8), kind (1) and what the kind says: succeeded; with kind 3
--            the result is another argument; with 8 added to the kind there come, before that, how many
--            callbacks, and for each: queue, task, priority, tail, start, body
--         R, F, L, S, id, claims, started_at, reason (1), after (8), error: retry, fail, release, snooze
--       then, where locks end with attempts, what linked.lua reads
--       then '' or '+' and the wish, see take.lua
-- Answers a text with 1 for each that was accepted and 0 for one whose lease was lost, and the messages.
-- done of a success: S, finished_at, kept_until, length of the worker's name (2), the name, claims (4),
--       started_at (8), kind (1): 0 no result, 1 too large: size (8), 2 inline: the result, 3 apart: its
--       size (8), 4 taken
-- running → succeeded | ready, scheduled | failed
local incarnation, keep_done, keep_dead_ms = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local count, at = tonumber(ARGV[5]), 6
local answers, claimed = {}, {}
local unheld, done_pairs, kept_pairs, results, deleted = {}, {}, {}, {}, {}
local alive = call('ZSCORE', P .. 'a', incarnation)

-- Where each verdict begins, and its message.
local starts, ids = {}, {}
for i = 1, count do
  local verdict = ARGV[at]
  starts[i], ids[i] = at, string.sub(verdict, 2, 17)
  at = at + 1
  if string.byte(verdict, 1) == 68 then
    local kind = string.byte(verdict, 30)
    if kind >= 8 then
      at = at + 1 + 6 * tonumber(ARGV[at])
      kind = kind - 8
    end
    if kind == 3 then
      at = at + 1
    end
  end
end
local helds = count > 0 and alive and call('HMGET', P .. 'h', unpack(ids)) or {}
local name = alive and worker_name(incarnation) or ''
local NONE = struct.pack('>i8', -1)
local done_head = 'S' .. now8
local named = struct.pack('>I2', #name) .. name
local default_kept = now + keep_done
local default_kept8 = struct.pack('>I8', default_kept)

local function succeed(i, verdict, held)
  local id, position, kind = ids[i], starts[i] + 1, string.byte(verdict, 30)
  if string.sub(verdict, 22, 29) == NONE then
    verdict = string.sub(verdict, 1, 21) .. string.sub(held, 29, 36) .. string.sub(verdict, 30)
  end
  local kept, kept8 = default_kept, default_kept8
  local ttl8 = string.sub(held, 37, 44)
  if ttl8 ~= NONE then
    kept = now + struct.unpack('>i8', ttl8)
    kept8 = struct.pack('>I8', kept)
  end
  if kind >= 8 then
    local callbacks = tonumber(ARGV[position])
    for c = position + 1, position + 6 * callbacks, 6 do
      accept(ARGV[c], ARGV[c + 1], ARGV[c + 2], ARGV[c + 3], ARGV[c + 4], ARGV[c + 5])
    end
    position, kind = position + 1 + 6 * callbacks, kind - 8
    verdict = string.sub(verdict, 1, 29) .. string.char(kind) .. string.sub(verdict, 31)
  end
  if kept <= now then
    deleted[#deleted + 1] = id
    return
  end
  if kind == 3 then
    results[#results + 1] = id
    results[#results + 1] = ARGV[position]
  end
  done_pairs[#done_pairs + 1] = id
  done_pairs[#done_pairs + 1] = done_head .. kept8 .. named .. string.sub(verdict, 18)
  kept_pairs[#kept_pairs + 1] = kept
  kept_pairs[#kept_pairs + 1] = id
end

local OUTCOMES = { R = 1, F = 2, L = RELEASED, S = 4 }
local function set_back(i, verdict, held)
  local id, how = ids[i], string.sub(verdict, 1, 1)
  local claims, started, reason, after = struct.unpack('>I4i8c1i8', verdict, 18)
  local fault = string.sub(verdict, 39)
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
    remember(id, claims, name, started, OUTCOMES[how], fault)
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

for i = 1, count do
  local verdict, held = ARGV[starts[i]], helds[i]
  if not held or string.sub(held, 1, 20) ~= string.sub(verdict, 18, 21) .. incarnation then
    answers[i] = '0'
  else
    answers[i] = '1'
    unheld[#unheld + 1] = ids[i]
    if string.byte(verdict, 1) == 68 then
      succeed(i, verdict, held)
    else
      set_back(i, verdict, held)
    end
  end
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
if unlock_linked then
  at = unlock_linked(at, answers)
end
if alive and ARGV[at] == '+' then
  claimed = claim(incarnation, at + 1, keep_dead_ms)
end
ring_all()
return { table.concat(answers), claimed }
