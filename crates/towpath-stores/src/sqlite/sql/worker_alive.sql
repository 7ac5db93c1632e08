-- The number of a worker that has a lease and was not found dead.
-- ?1 its incarnation, ?2 the namespace
SELECT worker.w FROM worker JOIN lease ON lease.w = worker.w
WHERE worker.id = ?1 AND worker.ns = ?2 AND lease.dead = 0
