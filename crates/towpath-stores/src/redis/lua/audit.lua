-- Looks for messages that stand nowhere, and has them wait again or end.
--
-- ARGV: 2: how many at most, 3: where the step before ended, 4: how many of that place it had looked at,
--       5: how long dead letters are kept in ms, 6: 'b' for messages with a body of their own, 'B' for those
--       in packs
-- Answers how many were looked at, the place and how many of it and which, or false at the end; and for each message
-- that was mended its id and the state it was said to be in.
-- Whether a message that should be ready stands in its list is only known where the list is short: nothing
-- in Redis finds an element in a long one in bounded time.
local SHORT = 1000
local max, cursor, skip, keep, hash = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local mended, standing = {}, {}

local function stands_in_line(message)
  local list = P .. 'r' .. line_of(message.queue, message.task) .. ':' .. message.priority
  if not standing[list] then
    standing[list] = {}
    if call('LLEN', list) > SHORT then
      standing[list] = true
    else
      for _, element in ipairs(call('LRANGE', list, 0, -1)) do
        if string.byte(element, 11) ~= IN_PACK then
          standing[list][string.sub(element, 12)] = true
        else
          for _, id in ipairs(members(call('HGET', P .. 'K', string.sub(element, 1, PACK)) or '')) do
            standing[list][id] = true
          end
        end
      end
    end
  end
  return standing[list] == true or standing[list][message.id]
end

local function stands(message, state, held, note)
  if state == 'ready' then
    return stands_in_line(message)
  elseif state == 'running' then
    local incarnation = string.sub(held, 5, 20)
    return call('SISMEMBER', P .. 'w' .. incarnation, note and string.sub(note, 1, PACK) or message.id) == 1
      and (call('ZSCORE', P .. 'a', incarnation) or call('SISMEMBER', P .. 'n', incarnation) == 1)
  elseif state == 'succeeded' then
    return call('ZSCORE', P .. 's', message.id)
  elseif state == 'failed' or state == 'revoked' then
    return call('ZSCORE', P .. 'd', message.id)
  end
  return true
end

local function mend(message, state, held)
  if state == 'running' then
    message.claims = struct.unpack('>I4', held)
    unhold(message.id, string.sub(held, 5, 20))
    wait(message, now)
  elseif state == 'ready' then
    wait(message, now)
  else
    call('ZADD', P .. (state == 'succeeded' and 's' or 'd'), now + keep, message.id)
  end
  mended[#mended + 1] = message.id
  mended[#mended + 1] = state
end

local function look_at(id, body, note)
  body = note and body_in(note, id) or body
  if not body then
    return -- Somebody deleted its pack, and nothing tells what it was.
  end
  local message = read_message(id, body)
  local state, held = state_of(id)
  if not stands(message, state, held, note) then
    body_of(id) -- Which has it stand for itself.
    mend(message, state, held)
  end
end

-- Each message in a pack may be in another one, and to look at it is to read that.
local IN_PACKS_MAX = 100
local scanned, goes_on = 0, { cursor, skip, hash }
while goes_on and scanned < max do
  local place, first, here = unpack(goes_on)
  if here == 'B' then
    max = math.min(max, scanned + IN_PACKS_MAX)
  end
  local found = call('HSCAN', P .. here, place, 'COUNT', max - scanned)
  local pairs_of = found[2]
  goes_on = found[1] ~= '0' and { found[1], 0, here } or here == 'b' and { '0', 0, 'B' }
  for i = 1 + 2 * first, #pairs_of, 2 do
    if scanned == max then
      goes_on = { place, (i - 1) / 2, here }
      break
    end
    scanned = scanned + 1
    local value = pairs_of[i + 1]
    look_at(pairs_of[i], here == 'b' and value, here == 'B' and value)
  end
end
ring_all()
return { scanned, goes_on, mended }
