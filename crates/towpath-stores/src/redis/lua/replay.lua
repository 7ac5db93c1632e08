-- Submits a copy of a finished message.
--
-- ARGV: 2: the id of the old one, 3…: queue, task, priority, tail, start, body of the new one
-- Answers 'ok', '-' when the old one is not known, '+' when the new one is, else the state of the old one.
-- – → ready
if not is_known(ARGV[2]) then
  return '-'
end
local state = state_of(ARGV[2])
if state ~= 'succeeded' and state ~= 'failed' and state ~= 'revoked' then
  return state
end
if not accept(ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]) then
  return '+'
end
ring_all()
return 'ok'
