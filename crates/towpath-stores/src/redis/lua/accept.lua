-- Accepting a message, when it is not one of a whole line: it has a time to start, or is a callback.
local function expire_later(id, body)
  local expires_in = struct.unpack('>i8', body, 14)
  if expires_in >= 0 then
    call('ZADD', P .. 'e', now + expires_in, id)
  end
end

-- After the server's clock was set back a message is ready from a time that has yet to come, so that it
-- does not stand before those who are there.
local function note_ready_at(id, body)
  if ready_at() > now then
    local expires_in = struct.unpack('>i8', body, 14)
    local expires = expires_in >= 0 and now + expires_in or 0
    call('HSET', P .. 'm', id, struct.pack('>I4I4I4I4I4I8I8I8', 0, 0, 0, 0, 0, now, ready_at(), expires))
  end
end

local function note_times(id, body)
  expire_later(id, body)
  note_ready_at(id, body)
end

-- Accepts a message that is not known yet. `tail` is an element of a line without its rank; `start` is ''
-- for now, '+MS' for so long after now, '@MS' for a time.
local function accept(queue, task, priority, tail, start, body)
  local id = string.sub(tail, 4)
  if call('HEXISTS', P .. 'b', id) == 1 or call('HEXISTS', P .. 'B', id) == 1 then
    return false
  end
  body = body .. now8
  call('HSET', P .. 'b', id, body)
  local due = now
  if start ~= '' then
    local ms = tonumber(string.sub(start, 2))
    due = string.sub(start, 1, 1) == '+' and now + ms or ms
  end
  if due > now then
    expire_later(id, body)
    call('ZADD', P .. 'z', due, id)
    rung.s = true
  else
    join(queue, task, priority, next_rank() .. string.sub(tail, 3))
    note_times(id, body)
  end
  rung.c = true
  return true
end
