-- Takes the first members out of a sorted set.
--
-- ARGV: 2: bucket, 3: set, 4: how many at most
-- Answers names and scores in turn.
local popped = call('ZPOPMIN', members_of(ARGV[2], ARGV[3]), ARGV[4])
forget_if_empty(ARGV[2], ARGV[3])
return popped
