-- The lines that have messages, with how many and since when the head waits; and the paused queues, as rows
-- without a task.
WITH RECURSIVE filled (l) AS (
  (SELECT line FROM ready ORDER BY line LIMIT 1)
  UNION ALL
  SELECT (SELECT line FROM ready WHERE line > f.l ORDER BY line LIMIT 1)
  FROM filled AS f WHERE f.l IS NOT NULL
)
SELECT line.queue, line.task, (SELECT count(*) FROM ready WHERE ready.line = f.l) AS messages,
  (SELECT due FROM ready WHERE ready.line = f.l ORDER BY priority, due, n LIMIT 1) AS due,
  EXISTS (SELECT 1 FROM pause WHERE pause.queue = line.queue) AS paused
FROM filled AS f JOIN line ON line.l = f.l
UNION ALL
SELECT queue, NULL, 0, NULL, true FROM pause
