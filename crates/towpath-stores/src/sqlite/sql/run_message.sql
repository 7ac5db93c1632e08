-- Gives a ready message to a worker.
-- ?1 n, ?2 state, ?3 claims, ?4 worker, ?5 now
UPDATE message SET state = ?2, claims = ?3, worker = ?4, updated = ?5 WHERE n = ?1
