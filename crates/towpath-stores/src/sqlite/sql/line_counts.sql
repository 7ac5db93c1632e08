-- How many messages are ready in each line that has any, and since when its head waits.
-- ?1 the namespace
SELECT line.l,
  (SELECT COUNT(*) FROM ready WHERE ready.line = line.l),
  (SELECT due FROM ready WHERE ready.line = line.l ORDER BY priority, due, n LIMIT 1)
FROM line WHERE line.ns = ?1 AND line.live = 1
  AND EXISTS (SELECT 1 FROM ready WHERE ready.line = line.l)
ORDER BY line.queue, line.task
