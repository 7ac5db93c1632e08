-- All that is known of a message, but for its attempts.
-- ?1 n
SELECT message.id, message.priority, message.claims, message.retries, message.losses,
  message.strays, message.snoozes, message.submitted, message.start_after, message.start_at,
  message.codec, message.payload, message.options, message.previous_codec, message.previous,
  message.line, message.state, message.reason, message.updated, message.due, message.expires,
  message.started, message.finished, message.kept, message.result_kind, message.result_size,
  worker.name, scratch.details
FROM message
LEFT JOIN worker ON worker.w = message.worker
LEFT JOIN scratch ON scratch.n = message.n
WHERE message.n = ?1
