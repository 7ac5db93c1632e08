-- Ready messages line by line, each line in its order.
-- ?1 the namespace, ?2..?5 the line and the rank to go on after, ?6 how many
SELECT ready.line, ready.priority, ready.due, ready.n, ready.n
FROM ready CROSS JOIN line ON line.l = ready.line
WHERE (ready.line, ready.priority, ready.due, ready.n) > (?2, ?3, ?4, ?5) AND line.ns = ?1
ORDER BY ready.line, ready.priority, ready.due, ready.n LIMIT ?6
