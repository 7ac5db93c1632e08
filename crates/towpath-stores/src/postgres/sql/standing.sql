-- What has become of tokens: how each message stands, and whether this worker holds it under a lease.
-- $1 the incarnation, $2 the ids
SELECT m.id, m.claims, i.claims AS held_claims, f.state AS ended_state, f.claims AS ended_claims,
  l.w IS NOT NULL AS ours
FROM message AS m
LEFT JOIN inflight AS i ON i.id = m.id
LEFT JOIN finished AS f ON f.n = m.n
LEFT JOIN worker AS w ON w.id = $1
LEFT JOIN lease AS l ON l.w = w.w AND NOT l.dead AND l.w = i.worker
WHERE m.id = ANY ($2)
