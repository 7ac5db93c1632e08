-- Packs: plain messages of one line that one call submitted one after the other, with their bodies in one
-- value. A pack is handed out and ends as a whole, so a batch costs the server hardly more than a message.
-- Where somebody wants less of it, or anything is done to one message alone, it is taken apart: then each of
-- its messages has a body of its own.
--
-- pack: the rank (8) and the place (2) of its first message; the others have the places behind that one
-- element: pack, the flag 8, how many messages (2), submitted_at (8), zeros (6)
-- note: what is kept of a message in place of a body: pack, how many messages (2), submitted_at (8), and zeros,
--       for the reason that taken.lua gives
-- content: 0, how many messages (2), their ids (16 each), and for each the length of its body (4) and its body
--          without its end. Or, while a pack that was taken apart still stands in its line for its messages: 1, how
--          many, their ids
local IN_PACK, PACK = 8, 10

-- The ids in a pack.
local function members(content)
  local ids = {}
  for i = 1, #content > 0 and struct.unpack('>I2', content, 2) or 0 do
    ids[i] = string.sub(content, 16 * i - 12, 16 * i + 3)
  end
  return ids
end

-- The bodies in a pack without their end.
local function bodies_in(content, count)
  local bodies, at = {}, 4 + 16 * count
  for i = 1, count do
    local size = struct.unpack('>I4', content, at)
    bodies[i] = string.sub(content, at + 4, at + 3 + size)
    at = at + 4 + size
  end
  return bodies
end

-- The elements of the messages in a pack, were they to stand in the line themselves.
local function elements_in(pack, ids)
  local elements, rank, first = {}, string.sub(pack, 1, 8), struct.unpack('>I2', pack, 9)
  for i, id in ipairs(ids) do
    elements[i] = rank .. struct.pack('>I2', first + i - 1) .. '\0' .. id
  end
  return elements
end

-- Gives messages bodies of their own in place of notes.
local function set_bodies(ids, bodies, submitted8)
  local pairs_of = {}
  for i, id in ipairs(ids) do
    pairs_of[2 * i - 1], pairs_of[2 * i] = id, bodies[i] .. submitted8
  end
  call('HSET', P .. 'b', unpack(pairs_of))
  call('HDEL', P .. 'B', unpack(ids))
end

-- Takes a pack apart that stands in a line, given its element. Answers the elements that are to stand there
-- in its place. `inside` counts how many more messages the packs of the list have than it has packs.
local function open(element, inside)
  local pack = string.sub(element, 1, PACK)
  local content = call('HGET', P .. 'K', pack)
  local ids = members(content or '')
  if #ids > 0 and string.byte(content) == 0 then
    set_bodies(ids, bodies_in(content, #ids), string.sub(element, 14, 21))
  end
  call('HDEL', P .. 'K', pack)
  call('DECRBY', inside, struct.unpack('>I2', element, 12) - 1)
  return elements_in(pack, ids)
end

local function open_head(list, inside)
  local elements, turned = open(call('LPOP', list), inside), {}
  for i, element in ipairs(elements) do
    turned[#elements + 1 - i] = element
  end
  if #turned > 0 then
    call('LPUSH', list, unpack(turned))
  end
end
