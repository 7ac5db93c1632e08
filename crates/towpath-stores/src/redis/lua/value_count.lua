-- How many keys a bucket has.
--
-- ARGV: 2: bucket
local bucket = bucket_of(ARGV[2])
return call('ZCARD', bucket.names) - call('ZCOUNT', bucket.expiries, '-inf', now)
