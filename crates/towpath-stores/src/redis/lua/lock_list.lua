-- A stretch of the locks, in the order of the bytes of their names.
--
-- ARGV: 3: from where, as ZRANGEBYLEX has it, 4: how many names to look at
-- Answers whether there may be more, the last name that was looked at, and for each that is held: its name,
-- the lock, how long it still holds or false.
local most, found = tonumber(ARGV[4]), {}
local names = call('ZRANGEBYLEX', P .. 'A', ARGV[3], '+', 'LIMIT', 0, most)
for _, name in ipairs(names) do
  local lock, left = find_lock(name, lease_now)
  if lock then
    found[#found + 1] = name
    found[#found + 1] = lock
    found[#found + 1] = left
  end
end
return { #names == most and 1 or 0, names[#names] or false, found }
