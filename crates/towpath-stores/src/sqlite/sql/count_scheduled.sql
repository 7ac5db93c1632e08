-- How many messages of a namespace are scheduled.
-- ?1 the namespace
SELECT COUNT(*) FROM delayed CROSS JOIN line ON line.l = delayed.line WHERE line.ns = ?1
