-- The workers that are known, in the order of their joining; the lease only of those not found dead.
-- ?1 the namespace
SELECT worker.id, worker.name, worker.listens, worker.joined, lease.ends, lease.boot,
  COALESCE(held.messages, 0), worker.tasks
FROM worker
LEFT JOIN lease ON lease.w = worker.w AND lease.dead = 0
LEFT JOIN (SELECT worker AS w, COUNT(*) AS messages FROM inflight GROUP BY worker) AS held
  ON held.w = worker.w
WHERE worker.ns = ?1
ORDER BY worker.w
