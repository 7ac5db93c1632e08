-- The little that waiters ask for.
-- ?1 the message's id
SELECT line, state, claims,
  COALESCE((SELECT details_set FROM scratch WHERE scratch.n = message.n), 0)
FROM message WHERE id = ?1
