-- Writes what a move changes of a message; its bodies stay.
-- ?1 n, ?2 state, ?3 priority, ?4 due, ?5..?9 counters, ?10 now, ?11 expires, ?12 finished, ?13 kept,
-- ?14 reason
UPDATE message SET
  state = ?2, priority = ?3, due = ?4,
  claims = ?5, retries = ?6, losses = ?7, strays = ?8, snoozes = ?9,
  updated = ?10, expires = ?11, finished = ?12, kept = ?13, reason = ?14
WHERE n = ?1
