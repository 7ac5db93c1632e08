-- The workers that are known, in the order of their joining; the lease only of those not found dead.
-- $1 the lease clock of a test
SELECT w.id, w.name, w.listens, w.tasks, w.joined,
  CASE WHEN l.w IS NOT NULL THEN greatest(l.ends - lease_peek($1), 0) END AS lease_left,
  (SELECT count(*) FROM inflight AS i WHERE i.worker = w.w) AS held
FROM worker AS w LEFT JOIN lease AS l ON l.w = w.w AND NOT l.dead
ORDER BY w.w
