-- For a settle with which locks end: those of the attempts that were accepted.
--
-- From ARGV[at]: the time of the lease clock (tests) or '', how many, and for each: the place of its attempt (4),
-- fence (8), name. Answers where that ends.
local function unlock_linked(at, answers)
  local clock, last = lease_time(ARGV[at]), at + 1 + tonumber(ARGV[at + 1])
  for i = at + 2, last do
    local place = struct.unpack('>I4', ARGV[i])
    if string.sub(answers, place, place) == '1' then
      release(string.sub(ARGV[i], 5), clock)
    end
  end
  return last + 1
end
