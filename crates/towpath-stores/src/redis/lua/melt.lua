-- Messages in packs, as the verbs see them that are about one message. (What a pack is stands in pack.lua.)
local contents = {}
-- The body that a message has in its pack; nil when that is gone.
local function body_in(note, id)
  local pack = string.sub(note, 1, PACK)
  if not contents[pack] then
    local content = call('HGET', P .. 'K', pack) or ''
    local starts, ids = {}, members(content)
    local at = 4 + 16 * #ids
    for _, member in ipairs(ids) do
      starts[member] = at
      at = at + 4 + struct.unpack('>I4', content, at)
    end
    contents[pack] = { content = content, starts = starts }
  end
  local content, at = contents[pack].content, contents[pack].starts[id]
  return at and string.sub(content, at + 4, at + 3 + struct.unpack('>I4', content, at)) .. string.sub(note, 13, 20)
end

-- Who holds a message, or false.
local function held_of(id)
  local held = call('HGET', P .. 'h', id)
  local note = not held and call('HGET', P .. 'B', id)
  if note and call('HEXISTS', P .. 'f', id) == 0 then
    return call('HGET', P .. 'H', string.sub(note, 1, PACK))
  end
  return held
end

-- Takes a pack apart. While its messages wait it stays in its line for them. Answers those that run.
local function melt(pack)
  local content, held = call('HGET', P .. 'K', pack), call('HGET', P .. 'H', pack)
  local incarnation = held and string.sub(held, 5, 20)
  if held then
    call('HDEL', P .. 'H', pack)
    call('SREM', P .. 'w' .. incarnation, pack)
  end
  if not content then
    return {} -- Somebody deleted it.
  end
  local all = members(content)
  local bodies = bodies_in(content, #all)
  local notes, dones = call('HMGET', P .. 'B', unpack(all)), call('HMGET', P .. 'f', unpack(all))
  local ids, own_bodies, running, held_pairs, waits, submitted8 = {}, {}, {}, {}, false, nil
  for i, id in ipairs(all) do
    -- An id that was deleted may have come again, in another pack.
    if notes[i] and string.sub(notes[i], 1, PACK) == pack then
      ids[#ids + 1], own_bodies[#own_bodies + 1] = id, bodies[i]
      submitted8 = string.sub(notes[i], 13, 20)
      waits = waits or not held and not dones[i]
      if held and not dones[i] then
        running[#running + 1] = id
        held_pairs[#held_pairs + 1] = id
        held_pairs[#held_pairs + 1] = string.sub(held, 1, 66) .. '\0\0'
      end
    end
  end
  if #ids > 0 then
    set_bodies(ids, own_bodies, submitted8)
  end
  call('HDEL', P .. 'Kd', pack)
  if waits then
    call('HSET', P .. 'K', pack, '\1' .. struct.pack('>I2', #all) .. table.concat(all))
  else
    call('HDEL', P .. 'K', pack)
  end
  if #running > 0 then
    call('HSET', P .. 'h', unpack(held_pairs))
    call('SADD', P .. 'w' .. incarnation, unpack(running))
  end
  return running
end

-- The body of a message, to be read: one that has ended stays in its pack, any other is to stand for itself.
local function body_of(id)
  local note = call('HGET', P .. 'B', id)
  if not note then
    return call('HGET', P .. 'b', id)
  elseif call('HEXISTS', P .. 'f', id) == 1 then
    return body_in(note, id)
  end
  melt(string.sub(note, 1, PACK))
  return call('HGET', P .. 'b', id)
end

local function is_known(id)
  return call('HEXISTS', P .. 'b', id) == 1 or call('HEXISTS', P .. 'B', id) == 1
end
