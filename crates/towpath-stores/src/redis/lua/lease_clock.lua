-- What the clock of leases says as the script begins.
-- ARGV[2]: '' or, in tests, the time itself.
local lease_now = lease_time(ARGV[2])
