-- The first to be pruned, in their order, and whether the message itself says that it is kept until then.
-- ?1 namespace, ?2 1 for the dead letters, ?3 kept and ?4 number of the last, ?5 at most so many
SELECT finished.kept, finished.n, outcome.n IS NOT NULL
FROM finished
LEFT JOIN outcome ON outcome.n = finished.n AND outcome.kept = finished.kept
WHERE finished.ns = ?1 AND finished.dead = ?2 AND (finished.kept, finished.n) <= (?3, ?4)
ORDER BY finished.kept, finished.n
LIMIT ?5
