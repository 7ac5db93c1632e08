-- Accepts a message, unless its id is known in any state.
-- ?1 id, ?2 line, ?3 state, ?4 priority, ?5 due, ?6 submitted, ?7 expires, ?8 result_ttl,
-- ?9 start_after, ?10 start_at, ?11 codec, ?12 payload, ?13 options, ?14 previous_codec, ?15 previous
INSERT INTO message
  (id, line, state, priority, due, submitted, updated, expires, result_ttl,
   start_after, start_at, codec, payload, options, previous_codec, previous)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
ON CONFLICT (id) DO NOTHING
