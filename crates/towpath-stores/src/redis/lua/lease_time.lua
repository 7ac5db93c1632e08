-- The clock of leases. It goes on with every join, heartbeat and rescue, and with every look at a lock, by
-- the time since the one before, by five seconds at most and never back. So a clock of the server that is
-- set ends no lease and prolongs none, and a server that was away gives every worker as much time as it had.
-- Somebody who lives asks at least every second, so it keeps up.
--
-- `given`: '' or, in tests, the time itself.
local STEP_MAX = 5000
local function lease_time(given)
  local time = tonumber(given)
  if not time then
    local clock = call('HMGET', P .. 'j', 'lease', 'seen')
    local passed = now - tonumber(clock[2] or now)
    time = tonumber(clock[1] or 0) + math.max(0, math.min(passed, STEP_MAX))
    call('HSET', P .. 'j', 'lease', string.format('%.0f', time), 'seen', string.format('%.0f', now))
  end
  return time
end
