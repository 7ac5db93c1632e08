-- The numbers of lines. $1 the queues, $2 the tasks
SELECT l.l, l.queue, l.task
FROM unnest($1::text[], $2::text[]) AS g (queue, task)
JOIN line AS l ON l.queue = g.queue AND l.task = g.task
