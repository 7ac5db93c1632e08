-- Takes at most `max` messages from a worker that is gone, the first submitted first, and does `with` to
-- each. Answers how many more it might have taken: not 0 when it holds nothing any more.
local function by_submit(a, b)
  return a.submitted < b.submitted or (a.submitted == b.submitted and a.id < b.id)
end

local function take_back(incarnation, max, with)
  local ids = {}
  for _, held in ipairs(call('SRANDMEMBER', P .. 'w' .. incarnation, max)) do
    for _, id in ipairs(#ids < max and (#held == PACK and melt(held) or { held }) or {}) do
      if #ids < max then
        ids[#ids + 1] = id
      end
    end
  end
  local name, messages = worker_name(incarnation), {}
  for i, id in ipairs(ids) do
    local message, held = find(id), call('HGET', P .. 'h', id)
    if message and held then
      message.held = held
      message.claims = struct.unpack('>I4', held)
      messages[#messages + 1] = message
    end
    unhold(id, incarnation)
  end
  table.sort(messages, by_submit)
  for _, message in ipairs(messages) do
    with(message, name, (struct.unpack('>i8', message.held, 29)))
  end
  if call('EXISTS', P .. 'w' .. incarnation) == 1 then
    return 0
  end
  call('SREM', P .. 'n', incarnation)
  call('SREM', P .. 'nl', incarnation)
  return max - #ids
end

local function give_back(message, name, started)
  if started >= 0 then
    remember(message.id, message.claims, name, started, RELEASED, '')
  end
  wait(message, now)
end
