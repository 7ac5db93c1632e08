-- What a pack that cannot be accepted as one would be, message by message: their tails, their bodies.
local function apart(place, content)
  local ids = members(content)
  local tails, first = {}, struct.unpack('>I2', place)
  for i, id in ipairs(ids) do
    tails[i] = struct.pack('>I2', first + i - 1) .. '\0' .. id
  end
  return tails, bodies_in(content, #ids)
end
