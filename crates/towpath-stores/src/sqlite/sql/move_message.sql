-- Writes what a move changes of a message; its bodies stay.
-- ?1 n, ?2 scheduled, ?3 priority, ?4 due, ?5..?9 counters, ?10 now, ?11 expires
UPDATE message SET
  scheduled = ?2, priority = ?3, due = ?4,
  claims = ?5, retries = ?6, losses = ?7, strays = ?8, snoozes = ?9,
  updated = ?10, expires = ?11
WHERE n = ?1
