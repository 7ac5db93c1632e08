-- Says how a message has ended without success.
-- ?1 n, ?2 state, ?3 claims, ?4 finished, ?5 kept, ?6 worker, ?7 reason
INSERT OR REPLACE INTO outcome (n, state, claims, finished, kept, worker, reason)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
