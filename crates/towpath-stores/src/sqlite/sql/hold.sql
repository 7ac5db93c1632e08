-- Gives a message to a worker, unless somebody holds it.
-- ?1 n, ?2 id, ?3 worker, ?4 claims, ?5 now, ?6 started
INSERT OR IGNORE INTO inflight (n, id, worker, claims, claimed, started)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
