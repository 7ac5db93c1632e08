-- Notes that an attempt has started, once. A token that is not held any more is passed over.
-- ?1 the worker, ?2 the message's id, ?3 claims, ?4 now
UPDATE inflight SET started = ?4
WHERE n = (SELECT n FROM message WHERE id = ?2) AND worker = ?1 AND claims = ?3 AND started IS NULL
