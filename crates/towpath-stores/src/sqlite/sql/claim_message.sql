-- A message that may be handed out.
-- ?1 n
SELECT id, priority, claims, retries, losses, strays, snoozes, submitted, start_after, start_at,
  codec, payload, options, previous_codec, previous,
  scheduled, expires
FROM message WHERE n = ?1
