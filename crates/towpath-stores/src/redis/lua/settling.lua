-- What settle.lua and verdicts.lua share.
local incarnation, keep_done, keep_dead_ms = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local NONE = struct.pack('>i8', -1)
-- The claims of a message that is handed out for the first time.
local FIRST = struct.pack('>I4', 1)

-- The beginning of the record of a success.
local function done_head(kept)
  local card = call('HGET', P .. 'c', incarnation)
  local name = card and string.sub(card, 1, 2 + struct.unpack('>I2', card)) or '\0\0'
  return 'S' .. now8 .. struct.pack('>I8', kept) .. name
end
