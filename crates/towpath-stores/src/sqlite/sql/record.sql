-- All that is known of a message, but for what was saved and for its attempts: it tells whether there
-- are any, because most messages have none and lists read very many.
-- ?1 n
SELECT message.id, message.priority, message.claims, message.retries, message.losses,
  message.strays, message.snoozes, message.submitted, message.start_after, message.start_at,
  message.codec, message.payload, message.options, message.previous_codec, message.previous,
  message.line, message.scheduled, message.updated, message.due, message.expires,
  inflight.claims, inflight.claimed,
  outcome.state, outcome.claims, outcome.finished, outcome.kept, outcome.reason, outcome.started,
  outcome.result_kind, outcome.result_size,
  worker.name, scratch.details, scratch.saved_codec IS NOT NULL,
  EXISTS (SELECT 1 FROM attempt WHERE attempt.n = message.n)
FROM message
LEFT JOIN inflight ON inflight.n = message.n
LEFT JOIN outcome ON outcome.n = message.n
LEFT JOIN worker ON worker.w = COALESCE(outcome.worker, inflight.worker)
LEFT JOIN scratch ON scratch.n = message.n
WHERE message.n = ?1
