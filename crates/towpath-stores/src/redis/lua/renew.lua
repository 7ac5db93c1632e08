-- Lets locks hold that long from now.
--
-- ARGV: for each from the third: token: fence (8), name; ttl in ms, or '' until it is released
-- Answers a text with 1 for each that was held under its token and 0 for one that was not.
local renewed = {}
for i = 3, #ARGV, 2 do
  local held, name = is_held(ARGV[i], lease_now)
  if held then
    hold_lock(name, lease_now, ARGV[i + 1])
  end
  renewed[#renewed + 1] = held and '1' or '0'
end
return table.concat(renewed)
