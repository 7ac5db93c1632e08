-- What was asked for: the body of a message.
--
-- ARGV: 2: id
-- Answers false for one that is not known.
local note = call('HGET', P .. 'B', ARGV[2])
return note and body_in(note, ARGV[2]) or call('HGET', P .. 'b', ARGV[2])
