-- Makes the lines that there are not yet; in one order, because two who make the same ones wait for each
-- other. $1 the queues, $2 the tasks
INSERT INTO line (queue, task)
SELECT DISTINCT g.queue, g.task FROM unnest($1::text[], $2::text[]) AS g (queue, task)
WHERE NOT EXISTS (SELECT 1 FROM line AS l WHERE l.queue = g.queue AND l.task = g.task)
ORDER BY g.queue, g.task
ON CONFLICT DO NOTHING
