-- Accepts a message, unless its id is known in any state.
-- ?1 id, ?2 line, ?3 scheduled, ?4 priority, ?5 due, ?6 submitted, ?7 expires, ?8 start_after,
-- ?9 start_at, ?10 codec, ?11 payload, ?12 options, ?13 previous_codec, ?14 previous
INSERT INTO message
  (id, line, scheduled, priority, due, submitted, expires, start_after, start_at,
   codec, payload, options, previous_codec, previous)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT (id) DO NOTHING
