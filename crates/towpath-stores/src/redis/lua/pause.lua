-- Stops (ARGV[3] = '1') or starts again handing out messages of the queue ARGV[2]. Answers whether that
-- changed anything.
local changed
if ARGV[3] == '1' then
  changed = call('SADD', P .. 'u', ARGV[2])
else
  changed = call('SREM', P .. 'u', ARGV[2])
  rung.w = changed == 1 or nil
end
ring_all()
return changed
