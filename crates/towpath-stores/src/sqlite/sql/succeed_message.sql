-- Ends the life of a message that ran to its end.
-- ?1 n, ?2 state, ?3 now, ?4 started, ?5 kept, ?6 result_kind, ?7 result_size, ?8 result_codec, ?9 result
UPDATE message SET
  state = ?2, updated = ?3, finished = ?3, started = ?4, kept = ?5,
  result_kind = ?6, result_size = ?7, result_codec = ?8, result = ?9
WHERE n = ?1
