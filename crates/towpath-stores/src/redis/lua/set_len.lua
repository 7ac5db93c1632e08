-- How many members a sorted set has.
--
-- ARGV: 2: bucket, 3: set
return call('ZCARD', members_of(ARGV[2], ARGV[3]))
