-- The clock of leases. It goes on with every join, heartbeat and rescue by the time since the one before,
-- by five seconds at most and never back. So a clock of the server that is set ends no lease and prolongs
-- none, and a server that was away gives every worker as much time as it had. Somebody who lives asks at
-- least every second, so it keeps up.
-- ARGV[2]: '' or, in tests, the time itself.
local STEP_MAX = 5000
local lease_now = tonumber(ARGV[2])
if not lease_now then
  local clock = call('HMGET', P .. 'j', 'lease', 'seen')
  local passed = now - tonumber(clock[2] or now)
  lease_now = tonumber(clock[1] or 0) + math.max(0, math.min(passed, STEP_MAX))
  call('HSET', P .. 'j', 'lease', string.format('%.0f', lease_now), 'seen', string.format('%.0f', now))
end
