-- What is kept of a message, and how it moves.
--
-- body: flag (1), priority (4), result_ttl (8, -1 for none), expires_in (8, -1 for none), length of queue (1)
--       and task (1), queue, task, what only clients read, submitted_at (8). The time stands last: to tell
--       texts apart Lua looks at some of their bytes, and the last is one of them.
-- more: claims, retries, losses, strays, snoozes (4 each), updated_at, due_at, expires_at (8 each, 0 for
--       none); only of messages that are more than submitted
-- held: claims (4), incarnation (16), claimed_at (8), started_at (8, -1 for none), result_ttl (8),
--       and zeros, see taken.lua; of a pack the last two bytes say how many of it have not ended
-- done: state (1: S, F, R), finished_at (8), kept_until (8), and by state: S: see settle.lua, F: reason (1)
local function read_message(id, body)
  local flag, priority, ttl, expires_in, queue_len, task_len = struct.unpack('>BI4i8i8BB', body)
  local submitted = struct.unpack('>I8', body, #body - 7)
  local message = {
    id = id,
    submitted = submitted,
    priority = string.format('%.0f', priority),
    ttl = ttl,
    expires_in = expires_in,
    queue = string.sub(body, 24, 23 + queue_len),
    task = string.sub(body, 24 + queue_len, 23 + queue_len + task_len),
  }
  local more = call('HGET', P .. 'm', id)
  if more then
    message.claims, message.retries, message.losses, message.strays, message.snoozes, message.updated,
      message.due, message.expires = struct.unpack('>I4I4I4I4I4I8I8I8', more)
  else
    message.claims, message.retries, message.losses, message.strays, message.snoozes = 0, 0, 0, 0, 0
    message.due, message.expires = submitted, expires_in >= 0 and submitted + expires_in or 0
  end
  return message
end

local function find(id)
  local body = body_of(id)
  return body and read_message(id, body)
end

local function write_more(message)
  local more = struct.pack('>I4I4I4I4I4I8I8I8', message.claims, message.retries, message.losses,
    message.strays, message.snoozes, now, message.due, message.expires)
  call('HSET', P .. 'm', message.id, more)
end

local STATES = { S = 'succeeded', F = 'failed', R = 'revoked' }
local function state_of(id)
  local done = call('HGET', P .. 'f', id)
  if done then
    return STATES[string.sub(done, 1, 1)]
  end
  local held = held_of(id)
  if held then
    return 'running', held
  end
  return call('ZSCORE', P .. 'z', id) and 'scheduled' or 'ready'
end

-- Has a message that stands nowhere wait until `due`.
local function wait(message, due)
  if due > now then
    message.due = due
    call('ZADD', P .. 'z', due, message.id)
    rung.s = true
  else
    local rank = next_rank()
    message.due = ready_at()
    join(message.queue, message.task, message.priority, rank .. '\1' .. message.id)
  end
  if message.expires > 0 then
    call('ZADD', P .. 'e', message.expires, message.id)
  end
  write_more(message)
  rung.c = true
end

-- Takes a message that waits out of where it stands.
local function withdraw(message, state)
  if state == 'scheduled' then
    message.due = tonumber(call('ZSCORE', P .. 'z', message.id))
    call('ZREM', P .. 'z', message.id)
  else
    leave_line(message.queue, message.task, message.priority, message.id)
  end
  if message.expires > 0 then
    call('ZREM', P .. 'e', message.id)
  end
end

-- Makes a message that stands nowhere a dead letter; `how` is F and a reason, or R.
local function bury(message, how, keep)
  local kept = now + keep
  call('HSET', P .. 'f', message.id,
    string.sub(how, 1, 1) .. now8 .. struct.pack('>I8', kept) .. string.sub(how, 2))
  call('ZADD', P .. 'd', kept, message.id)
  if how == 'R' then
    call('SADD', P .. 'k', message.id)
  end
  write_more(message)
  rung.c = true
end

-- Takes a message out of its worker's hands.
local function unhold(id, incarnation)
  call('HDEL', P .. 'h', id)
  call('SREM', P .. 'w' .. incarnation, id)
end
