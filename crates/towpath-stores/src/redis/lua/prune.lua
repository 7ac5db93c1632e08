-- Deletes finished messages whose time is over, or that are too many.
--
-- ARGV: 2: how many at most, 3: how many succeeded are kept, 4: how many dead
-- Answers how many, and whether more could be.
-- succeeded, failed, revoked → –
local max, removed, more = tonumber(ARGV[2]), 0, false
for i, key in ipairs({ P .. 's', P .. 'd' }) do
  local over = math.max(0, call('ZCARD', key) - tonumber(ARGV[2 + i]))
  local due = math.max(over, call('ZCOUNT', key, '-inf', now))
  local count = math.min(due, max - removed)
  if count > 0 then
    local ids = call('ZRANGE', key, 0, count - 1)
    call('ZREMRANGEBYRANK', key, 0, count - 1)
    call('SREM', P .. 'k', unpack(ids))
    delete(ids)
    removed = removed + count
  end
  more = more or count < due
end
ring_all()
return { removed, more and 1 or 0 }
