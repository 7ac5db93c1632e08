-- Tells a value to those who listen to a channel.
--
-- ARGV: 2: channel, 3: the value, behind the name of its codec
return call('PUBLISH', P .. 'channel:' .. ARGV[2], ARGV[3])
