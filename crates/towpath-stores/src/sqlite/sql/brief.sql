-- The little that waiters ask for.
-- ?1 the message's id
SELECT message.line, message.scheduled, message.claims, inflight.claims, outcome.state,
  outcome.claims, COALESCE(scratch.details_set, 0)
FROM message
LEFT JOIN inflight ON inflight.n = message.n
LEFT JOIN outcome ON outcome.n = message.n
LEFT JOIN scratch ON scratch.n = message.n
WHERE message.id = ?1
