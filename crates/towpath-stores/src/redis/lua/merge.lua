-- Takes messages one by one, for each may end the claim: from several lists at once, or where one has to be
-- looked at. (How plain ones are taken stands in take.lua.)
--
-- It reads elements of lists in windows, the bodies of a window at once.
local EXPIRED_IN_PASSING = 1000
local expired_in_passing = 0

-- The element that is next in a list; nil at its end.
local function head(source, window)
  if source.next > #source.window then
    source.taken = source.taken + #source.window
    source.window = call('LRANGE', source.list, source.taken, source.taken + window - 1)
    source.next = 1
  end
  return source.window[source.next]
end

-- Of several lists the one whose head waits longest.
local function longest_waiting(sources, window)
  if #sources == 1 then
    return sources[1]
  end
  local best, best_rank, best_place
  for _, source in ipairs(sources) do
    local element = head(source, window)
    if element then
      local rank, place = struct.unpack('>I8I2', element)
      if not best or rank < best_rank or (rank == best_rank and place < best_place) then
        best, best_rank, best_place = source, rank, place
      end
    end
  end
  return best
end

local function pick(sources, window)
  local picks = {}
  while #picks < window do
    local source = longest_waiting(sources, window)
    local element = source and head(source, window)
    local is_pack = element and string.byte(element, 11) == IN_PACK
    if not element or (is_pack and #picks > 0) then
      break
    elseif is_pack then
      -- What was picked before has been judged, so the pack may become the head of its list.
      call('LTRIM', source.list, source.taken + source.next - 1, -1)
      open_head(source.list, source.inside)
      source.window, source.next, source.taken = {}, 1, 0
    else
      source.next = source.next + 1
      picks[#picks + 1] = { source = source, element = element, id = string.sub(element, 12) }
    end
  end
  return picks
end

-- What a claim does with one message: 'take', 'pass' (it stays out of its line), or 'stop' (it stays).
local function judge(one, body)
  if one.source.has_stale and is_stale(one.source.stale, one.id) then
    return 'pass'
  end
  if not body then
    return 'pass'
  end
  if bytes >= bytes_max then
    rung.w = true
    return 'stop'
  end
  local flag = string.byte(one.element, 11)
  if flag == 0 then
    taken[#taken + 1] = one.element
    taken[#taken + 1] = body
    held_pairs[#held_pairs + 1] = one.id
    held_pairs[#held_pairs + 1] = plain_hold
    return 'take'
  end
  local message = read_message(one.id, body)
  if message.expires > 0 and message.expires <= now then
    if expired_in_passing == EXPIRED_IN_PASSING then
      rung.w = true
      return 'stop'
    end
    expired_in_passing = expired_in_passing + 1
    call('ZREM', P .. 'e', one.id)
    bury(message, 'Fx', keep_dead)
    return 'pass'
  end
  local alone = message.losses + message.strays >= 2
  if alone and (#taken > 0 or before > 0) then
    rung.w = true -- There is more, for whoever asks next.
    return 'stop'
  end
  if message.expires > 0 then
    call('ZREM', P .. 'e', one.id)
  end
  taken[#taken + 1] = one.element
  taken[#taken + 1] = body
  taken[#taken + 1] = call('HGET', P .. 'm', one.id)
  taken[#taken + 1] = call('HGET', P .. 'v', one.id)
  held_pairs[#held_pairs + 1] = one.id
  held_pairs[#held_pairs + 1] = struct.pack('>I4', message.claims + 1) .. taker .. now8
    .. struct.pack('>i8i8', alone and now or -1, message.ttl) .. HOLD_PAD
  return alone and 'alone' or 'take'
end

-- Takes from lists of one priority until the wish is granted or they are empty. Answers how many.
local function drain(queue, priority, sources, want)
  local got, window = 0, 32
  while got < want and not is_over do
    local picks = pick(sources, math.min(window, want - got))
    if #picks == 0 then
      break
    end
    local ids = {}
    for i, one in ipairs(picks) do
      ids[i] = one.id
    end
    local bodies, before = call('HMGET', P .. 'b', unpack(ids)), bytes
    for i, one in ipairs(picks) do
      local verdict = judge(one, bodies[i])
      if verdict == 'stop' then
        for j = i, #picks do
          picks[j].source.next = picks[j].source.next - 1
        end
        is_over = true
        break
      end
      if verdict ~= 'pass' then
        got = got + 1
        bytes = bytes + #bodies[i]
        taken_ids[#taken_ids + 1] = one.id
      end
      if verdict == 'alone' then
        for j = i + 1, #picks do
          picks[j].source.next = picks[j].source.next - 1
        end
        is_over = true
        break
      end
    end
    -- Bodies may have a MiB each, so many are read at once only once they are seen to be small.
    window = bytes - before < #picks * 4096 and 500 or 32
  end
  for _, source in ipairs(sources) do
    local gone = source.taken + source.next - 1
    if gone > 0 or #source.window == 0 then
      call('LTRIM', source.list, gone, -1)
      if call('EXISTS', source.list) == 0 then
        emptied(queue, source.task, source.line, priority)
      elseif source.has_stale then
        trim(queue, source.task, source.line, priority)
      end
    end
  end
  return got
end
