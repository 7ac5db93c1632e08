-- The next messages of a line, in its order.
-- ?1 the line, ?2..?4 the rank to go on after, ?5 how many
SELECT priority, due, n FROM ready
WHERE line = ?1 AND (priority, due, n) > (?2, ?3, ?4)
ORDER BY priority, due, n LIMIT ?5
