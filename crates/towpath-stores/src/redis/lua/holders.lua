-- Who holds locks.
--
-- ARGV: 3: '1' to release them, 4…: names
-- Answers two values for each: the lock, and how long it still holds or false; false and false for none.
local answer = {}
for i = 4, #ARGV do
  local lock, left = find_lock(ARGV[i], lease_now)
  if lock and ARGV[3] == '1' then
    forget_lock(ARGV[i])
    rung.u = true
  end
  answer[#answer + 1] = lock or false
  answer[#answer + 1] = left or false
end
ring_all()
return answer
