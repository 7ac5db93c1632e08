-- Ends attempts under their tokens, and claims in the same step if asked to.
--
-- ARGV: 2: incarnation, 3, 4: how long succeeded and dead messages are kept in ms, 5: a letter for each
--       attempt that ended, each token once: D: a plain success, d: another, R, F, L, S: retry, fail, release,
--       snooze; 6: their ids in a row; 7…: what each letter says, see verdicts.lua, and after a D the end of the
--       record; then, where locks end with attempts, what linked.lua reads
--       then '' or '+' and the wish, see take.lua
-- Answers a text with 1 for each that was accepted and 0 for one whose lease was lost, and the messages.
-- done of a success: S, finished_at, kept_until, length of the worker's name (2), the name, claims (4),
--       started_at (8), kind (1): 0 no result, 1 too large: size (8), 2 inline: the result, 3 apart: its
--       size (8), 4 taken
-- A success is plain when it was told when it started, and has no callbacks and no result apart.
-- running → succeeded | ready, scheduled | failed
local letters = ARGV[5]
local count, all_ids = #letters, {}
for i = 1, count do
  all_ids[i] = string.sub(ARGV[6], 16 * i - 15, 16 * i)
end
local alive = call('ZRANK', P .. 'a', incarnation)
local answers, answered, at, claimed = {}, 0, 7 + count, {}

-- Ends attempts well, given their places in the call.
local function succeed_all(places, ids)
  rung.c = true
  if keep_done <= 0 then
    delete_rest(ids)
    return
  end
  local kept = now + keep_done
  local head, kept_text, done_pairs, kept_pairs = done_head(kept), string.format('%.0f', kept), {}, {}
  for i = 1, #ids do
    done_pairs[2 * i - 1], done_pairs[2 * i] = ids[i], head .. ARGV[6 + places[i]]
    kept_pairs[2 * i - 1], kept_pairs[2 * i] = kept_text, ids[i]
  end
  call('HSET', P .. 'f', unpack(done_pairs))
  call('ZADD', P .. 's', unpack(kept_pairs))
end

-- Of the attempts at these places those that this worker has in a pack, their places and ids. A pack is
-- claimed once, and only one of which some have ended may hold a message that has.
local function still_held(note, places)
  local sub = string.sub
  local held = call('HGET', P .. 'H', sub(note, 1, 10))
  if not held or sub(held, 1, 20) ~= FIRST .. incarnation then
    return {}, {}
  end
  local here, ids = {}, {}
  for _, i in ipairs(places) do
    if sub(ARGV[6 + i], 1, 4) == FIRST then
      here[#here + 1], ids[#ids + 1] = i, all_ids[i]
    end
  end
  local left = struct.unpack('>I2', held, 67)
  if left < struct.unpack('>I2', note, 11) and #ids > 0 then
    local dones, places_then, ids_then = call('HMGET', P .. 'f', unpack(ids)), here, ids
    here, ids = {}, {}
    for i = 1, #ids_then do
      if not dones[i] then
        here[#here + 1], ids[#ids + 1] = places_then[i], ids_then[i]
      end
    end
  end
  return here, ids, sub(held, 1, 66), left
end

-- Ends the successes of one pack.
local function end_pack(note, places)
  local here, ids, held, left = still_held(note, places)
  for _, i in ipairs(places) do
    answers[i] = '0'
  end
  answered = answered + #places
  if #ids == 0 then
    return
  end
  for _, i in ipairs(here) do
    answers[i] = '1'
  end
  local pack = string.sub(note, 1, 10)
  if #ids < left then
    call('HSET', P .. 'H', pack, held .. struct.pack('>I2', left - #ids))
  else
    call('HDEL', P .. 'H', pack)
    call('SREM', P .. 'w' .. incarnation, pack)
  end
  if keep_done <= 0 then
    shrink(note, #ids)
    call('HDEL', P .. 'B', unpack(ids))
  end
  succeed_all(here, ids)
end

-- Ends the successes of messages in packs.
local function end_packs(notes)
  local packs, names = {}, {}
  for i = 1, count do
    local note = notes[i]
    if note then
      local places = packs[note]
      if not places then
        places = {}
        packs[note], names[#names + 1] = places, note
      end
      places[#places + 1] = i
    end
  end
  for _, note in ipairs(names) do
    end_pack(note, packs[note])
  end
end

-- Whether all are plain successes, each under its token, and kept for the usual time.
local function all_plain(helds)
  local sub, held, claims = string.sub, nil, nil
  if string.find(letters, '[^D]') then
    return false
  end
  for i = 1, count do
    local here, here_claims = helds[i], sub(ARGV[6 + i], 1, 4)
    -- What was claimed together is held by equal records.
    if here ~= held or here_claims ~= claims then
      held, claims = here, here_claims
      if not held or sub(held, 1, 20) ~= claims .. incarnation or sub(held, 37, 44) ~= NONE then
        return false
      end
    end
  end
  return true
end

local function end_singles(helds)
  local places = {}
  for i = 1, count do
    places[i], answers[i] = i, '1'
  end
  call('HDEL', P .. 'h', unpack(all_ids))
  call('SREM', P .. 'w' .. incarnation, unpack(all_ids))
  if keep_done <= 0 then
    delete_bodies(all_ids)
  end
  succeed_all(places, all_ids)
end

if alive and count > 0 then
  local notes = call('HMGET', P .. 'B', unpack(all_ids))
  if string.find(letters, '[^D]') then
    notes = seldom().apart_others(letters, all_ids, notes)
  end
  end_packs(notes)
end
if answered < count then
  local helds = alive and call('HMGET', P .. 'h', unpack(all_ids)) or {}
  if answered == 0 and all_plain(helds) then
    end_singles(helds)
  else
    at = seldom().end_each(letters, all_ids, helds, answers)
  end
end
answers = table.concat(answers)
if unlock_linked then
  at = unlock_linked(at, answers)
end
if alive and ARGV[at] == '+' then
  claimed = claim(incarnation, at + 1, keep_dead_ms)
end
ring_all()
return { answers, claimed }
