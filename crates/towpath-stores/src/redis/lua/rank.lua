-- The rank of those that join lines. It grows with every call that lets somebody join one, also when the
-- clock is set back; a 2048th of it is the time in ms.
local rank8, joined
local function begin_rank(first)
  if not rank8 then
    local last = call('GET', P .. 'o')
    local rank = math.max(now * 2048, last and struct.unpack('>I8', last) + 1 or 0)
    rank8, joined = struct.pack('>I8', rank), first or 0
    call('SET', P .. 'o', rank8)
  end
end

local function next_rank()
  begin_rank()
  joined = joined + 1
  return rank8 .. struct.pack('>I2', joined - 1)
end

local function ready_at()
  return math.floor(struct.unpack('>I8', rank8) / 2048)
end
