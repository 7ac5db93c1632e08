-- The workers that are known, in the order of their joining; the lease only of those not found dead.
-- ?1 the namespace
SELECT worker.id, worker.name, worker.listens, worker.joined, lease.ends, lease.boot,
  (SELECT COUNT(*) FROM inflight WHERE inflight.worker = worker.w)
FROM worker LEFT JOIN lease ON lease.w = worker.w AND lease.dead = 0
WHERE worker.ns = ?1
ORDER BY worker.w
