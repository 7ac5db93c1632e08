-- Ends attempts under their tokens, and claims in the same step if asked to.
--
-- ARGV: 2: incarnation, 3, 4: how long succeeded and dead messages are kept in ms, 5: a letter for each
--       attempt that ended, each token once: D: a plain success, d: another, R, F, L, S: retry, fail, release,
--       snooze; 6…: their ids; then what each letter says, see verdicts.lua, and after a D the end of the record
--       then, where locks end with attempts, what linked.lua reads
--       then '' or '+' and the wish, see take.lua
-- Answers a text with 1 for each that was accepted and 0 for one whose lease was lost, and the messages.
-- done of a success: S, finished_at, kept_until, length of the worker's name (2), the name, claims (4),
--       started_at (8), kind (1): 0 no result, 1 too large: size (8), 2 inline: the result, 3 apart: its
--       size (8), 4 taken
-- A success is plain when it was told when it started, and has no callbacks and no result apart.
-- running → succeeded | ready, scheduled | failed
local letters = ARGV[5]
local count = #letters
local alive = call('ZRANK', P .. 'a', incarnation)
local helds = count > 0 and alive and call('HMGET', P .. 'h', unpack(ARGV, 6, 5 + count)) or {}

-- Whether all are plain successes, each under its token, and kept for the usual time.
local function all_plain()
  local sub, held, claims = string.sub, nil, nil
  if string.find(letters, '[^D]') then
    return false
  end
  for i = 1, count do
    local here, here_claims = helds[i], sub(ARGV[5 + count + i], 1, 4)
    -- What was claimed together is held by equal records.
    if here ~= held or here_claims ~= claims then
      held, claims = here, here_claims
      if not held or sub(held, 1, 20) ~= claims .. incarnation or sub(held, 37, 44) ~= NONE then
        return false
      end
    end
  end
  return count > 0
end

local function succeed_all()
  call('HDEL', P .. 'h', unpack(ARGV, 6, 5 + count))
  call('SREM', P .. 'w' .. incarnation, unpack(ARGV, 6, 5 + count))
  rung.c = true
  if keep_done <= 0 then
    delete({ unpack(ARGV, 6, 5 + count) })
    return
  end
  local kept = now + keep_done
  local head, kept_text, done_pairs, kept_pairs = done_head(kept), string.format('%.0f', kept), {}, {}
  for i = 1, count do
    local id = ARGV[5 + i]
    done_pairs[2 * i - 1], done_pairs[2 * i] = id, head .. ARGV[5 + count + i]
    kept_pairs[2 * i - 1], kept_pairs[2 * i] = kept_text, id
  end
  call('HSET', P .. 'f', unpack(done_pairs))
  call('ZADD', P .. 's', unpack(kept_pairs))
end

local answers, at, claimed = nil, 6 + 2 * count, {}
if all_plain() then
  succeed_all()
  answers = string.rep('1', count)
else
  answers, at = seldom().end_each(letters, helds)
end
if unlock_linked then
  at = unlock_linked(at, answers)
end
if alive and ARGV[at] == '+' then
  claimed = claim(incarnation, at + 1, keep_dead_ms)
end
ring_all()
return { answers, claimed }
