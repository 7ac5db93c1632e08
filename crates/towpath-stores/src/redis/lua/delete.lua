-- Counts messages of a pack as deleted; with the last of them it goes itself.
local function shrink(note, count)
  local pack, size = string.sub(note, 1, 10), struct.unpack('>I2', note, 11)
  if count == size then
    call('HDEL', P .. 'K', pack)
  elseif call('HINCRBY', P .. 'Kd', pack, count) == size then
    call('HDEL', P .. 'K', pack)
    call('HDEL', P .. 'Kd', pack)
  end
end

-- Deletes the bodies of messages, in packs or not.
local function delete_bodies(ids)
  call('HDEL', P .. 'b', unpack(ids))
  if call('EXISTS', P .. 'B') == 0 then
    return
  end
  local counts = {}
  for _, note in ipairs(call('HMGET', P .. 'B', unpack(ids))) do
    if note then
      counts[note] = (counts[note] or 0) + 1
    end
  end
  for note, count in pairs(counts) do
    shrink(note, count)
  end
  call('HDEL', P .. 'B', unpack(ids))
end

-- Deletes what else is known of messages.
local function delete_rest(ids)
  rung.c = true
  if call('EXISTS', P .. 'm', P .. 't', P .. 'v', P .. 'g', P .. 'f', P .. 'y') == 0 then
    return
  end
  for _, key in ipairs({ 'm', 't', 'v', 'g', 'f', 'y' }) do
    if call('EXISTS', P .. key) == 1 then
      call('HDEL', P .. key, unpack(ids))
    end
  end
end

-- Deletes all that is known of messages that stand nowhere.
local function delete(ids)
  delete_bodies(ids)
  delete_rest(ids)
end
