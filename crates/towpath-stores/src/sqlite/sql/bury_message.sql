-- Makes a dead letter of a message whose record is damaged; what no release of ours writes is put in
-- order.
-- ?1 n, ?2 state, ?3 reason, ?4 now, ?5 kept, ?6 whether the options are lost
UPDATE message SET
  state = ?2, reason = ?3, updated = ?4, finished = ?4, kept = ?5,
  priority = MIN(MAX(priority, 0), 4294967295),
  claims = MIN(MAX(claims, 0), 4294967295),
  retries = MIN(MAX(retries, 0), 4294967295),
  losses = MIN(MAX(losses, 0), 4294967295),
  strays = MIN(MAX(strays, 0), 4294967295),
  snoozes = MIN(MAX(snoozes, 0), 4294967295),
  expires = NULL, result_ttl = NULL, start_at = NULL, start_after = NULL,
  result_kind = NULL, result_size = NULL,
  options = CASE WHEN ?6 THEN NULL ELSE options END
WHERE n = ?1
