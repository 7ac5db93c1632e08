-- How many messages of a namespace are ready.
-- ?1 the namespace
SELECT COALESCE(SUM((SELECT COUNT(*) FROM ready WHERE ready.line = line.l)), 0)
FROM line WHERE line.ns = ?1 AND line.live = 1
