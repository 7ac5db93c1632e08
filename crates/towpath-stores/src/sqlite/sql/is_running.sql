-- Whether a message is held under a lease.
-- ?1 n
SELECT 1 FROM inflight JOIN lease ON lease.w = inflight.worker WHERE inflight.n = ?1
