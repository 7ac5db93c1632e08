-- The little that waiters ask for.
-- $1 the ids
SELECT m.id, m.scheduled, m.claims, i.claims AS held_claims, f.state AS ended_state,
  f.claims AS ended_claims, coalesce(s.details_set, 0) AS details_set
FROM message AS m
LEFT JOIN inflight AS i ON i.id = m.id
LEFT JOIN finished AS f ON f.n = m.n
LEFT JOIN scratch AS s ON s.n = m.n
WHERE m.id = ANY ($1)
