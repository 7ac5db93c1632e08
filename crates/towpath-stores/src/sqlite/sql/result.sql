-- What became of a message, and what it gave.
-- ?1 the message's id
SELECT message.n, message.line, outcome.state, outcome.reason, outcome.finished,
  outcome.result_kind, outcome.result_size, outcome.result_codec, outcome.result
FROM message LEFT JOIN outcome ON outcome.n = message.n
WHERE message.id = ?1
