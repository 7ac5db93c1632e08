-- How many messages of a namespace are held by workers.
-- ?1 the namespace
SELECT COUNT(*) FROM inflight CROSS JOIN worker ON worker.w = inflight.worker WHERE worker.ns = ?1
