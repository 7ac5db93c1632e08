-- Says how a message has succeeded.
-- ?1 n, ?2 state, ?3 claims, ?4 now, ?5 kept, ?6 worker, ?7 started, ?8 result_kind, ?9 result_size,
-- ?10 result_codec, ?11 result
INSERT OR IGNORE INTO outcome
  (n, state, claims, finished, kept, worker, started,
   result_kind, result_size, result_codec, result)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
