-- Packs: plain messages of one line that one call submitted one after the other, with their bodies in one
-- value. A pack is handed out and ends as a whole, so a batch costs the server hardly more than a message.
-- Where somebody wants less of it, or anything is done to one message alone, it is taken apart: then each of
-- its messages has a body of its own.
--
-- pack: the rank (8) and the place (2) of its first message; the others have the places behind that one
-- element: pack, the flag 8, how many messages (2), submitted_at (8), zeros (6)
-- note: what is kept of a message in place of a body: pack, how many messages (2), submitted_at (8)
-- content: 0, and for each message: id (16), length of its body (4), its body without its end.
--          1, and no bodies, while a pack was taken apart but still stands in its line for its messages
local IN_PACK, PACK = 8, 10

-- The ids in a pack, and their bodies without their end.
local function members(content)
  local ids, bodies, at = {}, {}, 2
  while at < #content do
    local size = struct.unpack('>I4', content, at + 16)
    ids[#ids + 1] = string.sub(content, at, at + 15)
    bodies[#bodies + 1] = string.sub(content, at + 20, at + 19 + size)
    at = at + 20 + size
  end
  return ids, bodies
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
  local ids, bodies = members(content or '')
  if #ids > 0 and string.byte(content) == 0 then
    set_bodies(ids, bodies, string.sub(element, 14, 21))
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
