-- The rank of those that join lines. It grows with every call that lets somebody join one, also when the
-- clock is set back; a 2048th of it is the time in ms.
local rank8, joined
local function begin_rank(first)
  if not rank8 then
    local rank = call('INCR', P .. 'o')
    if rank < now * 2048 then
      rank = now * 2048
      call('SET', P .. 'o', string.format('%.0f', rank))
    end
    rank8, joined = struct.pack('>I8', rank), first or 0
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
