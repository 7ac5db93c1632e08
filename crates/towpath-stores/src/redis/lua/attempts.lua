-- The last ten attempts of a message, oldest first, each with its length (4) before it: claims (4),
-- ended_at (8), started_at (8, -1 for none), outcome (1), length of the worker's name (2), the name, and
-- the error as clients write it.
local KEPT = 10
local function remember(id, claims, worker, started, outcome, fault)
  local attempt = struct.pack('>I4I8i8B', claims, now, started, outcome)
    .. struct.pack('>I2', #worker) .. worker .. fault
  local all = (call('HGET', P .. 't', id) or '') .. struct.pack('>I4', #attempt) .. attempt
  local starts, at = {}, 1
  while at <= #all do
    starts[#starts + 1] = at
    at = at + 4 + struct.unpack('>I4', all, at)
  end
  if #starts > KEPT then
    all = string.sub(all, starts[#starts - KEPT + 1])
  end
  call('HSET', P .. 't', id, all)
end

local function worker_name(incarnation)
  local card = call('HGET', P .. 'c', incarnation)
  return card and string.sub(card, 3, 2 + struct.unpack('>I2', card)) or ''
end

-- What an attempt ends as when nobody but the store says so.
local RELEASED, LOST, REVOKED, REQUEUED = 3, 5, 6, 7
