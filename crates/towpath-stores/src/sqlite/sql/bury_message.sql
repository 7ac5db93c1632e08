-- Puts in order what no release of ours writes into a message.
-- ?1 n, ?2 now, ?3 whether the options are lost
UPDATE message SET
  scheduled = 0, updated = ?2,
  priority = MIN(MAX(priority, 0), 4294967295),
  claims = MIN(MAX(claims, 0), 4294967295),
  retries = MIN(MAX(retries, 0), 4294967295),
  losses = MIN(MAX(losses, 0), 4294967295),
  strays = MIN(MAX(strays, 0), 4294967295),
  snoozes = MIN(MAX(snoozes, 0), 4294967295),
  expires = NULL, start_at = NULL, start_after = NULL,
  options = CASE WHEN ?3 THEN NULL ELSE options END
WHERE n = ?1
