-- Whether a message is held under a lease.
-- ?1 the worker, ?2 n, ?3 claims
SELECT 1 FROM inflight JOIN lease ON lease.w = inflight.worker
WHERE inflight.worker = ?1 AND inflight.n = ?2 AND inflight.claims = ?3
