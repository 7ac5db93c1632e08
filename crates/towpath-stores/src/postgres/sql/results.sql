-- What became of messages, and what they gave. $1 the ids
SELECT m.id, f.state AS ended_state, f.reason, f.ended, f.result_kind, f.result_size, f.result_codec,
  f.result,
  CASE WHEN f.state = 4 THEN (
    SELECT a.error FROM attempt AS a WHERE a.n = m.n AND a.error IS NOT NULL
    ORDER BY a.k DESC LIMIT 1
  ) END AS error
FROM message AS m LEFT JOIN finished AS f ON f.n = m.n
WHERE m.id = ANY ($1)
