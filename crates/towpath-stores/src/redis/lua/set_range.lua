-- The first members of a sorted set, or those after a place, be there a member or none.
--
-- ARGV: 2: bucket, 3: set, 4: how many at most, 5, 6: score and name of the place, or '' and ''
-- Answers names and scores in turn.
local members, most = members_of(ARGV[2], ARGV[3]), tonumber(ARGV[4])

-- The order of bytes, in which Redis keeps members; Lua's own is that of the server's language.
local function is_after(name, other)
  local length = math.min(#name, #other)
  for i = 1, length do
    local left, right = string.byte(name, i), string.byte(other, i)
    if left ~= right then
      return left > right
    end
  end
  return #name > #other
end

local from = 0
if ARGV[5] ~= '' then
  local high = call('ZCOUNT', members, '-inf', ARGV[5])
  from = call('ZCOUNT', members, '-inf', '(' .. ARGV[5])
  while from < high do
    local middle = math.floor((from + high) / 2)
    if is_after(call('ZRANGE', members, middle, middle)[1], ARGV[6]) then
      high = middle
    else
      from = middle + 1
    end
  end
end
if most == 0 then
  return {}
end
return call('ZRANGE', members, from, from + most - 1, 'WITHSCORES')
