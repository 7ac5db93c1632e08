-- Rows that lead nowhere, and messages that stand nowhere or in two places; of each kind at most $1.
(SELECT 'message ' || m.id AS about, 'stands nowhere; an audit mends it' AS problem
  FROM message AS m
  WHERE NOT EXISTS (SELECT 1 FROM inflight AS i WHERE i.id = m.id)
    AND NOT EXISTS (SELECT 1 FROM finished AS f WHERE f.n = m.n)
    AND NOT EXISTS (SELECT 1 FROM ready AS r WHERE NOT m.scheduled AND r.line = m.line
      AND r.priority = m.priority AND r.due = m.due AND r.n = m.n)
    AND NOT EXISTS (SELECT 1 FROM delayed AS d WHERE m.scheduled AND d.due = m.due AND d.n = m.n)
  LIMIT $1)
UNION ALL (SELECT 'message ' || i.id, 'is running and nobody holds it; an audit mends it'
  FROM inflight AS i WHERE NOT EXISTS (SELECT 1 FROM lease AS l WHERE l.w = i.worker)
  LIMIT $1)
UNION ALL (SELECT 'message ' || m.id, 'has ended and still runs; settle or revoke it'
  FROM inflight AS i JOIN message AS m ON m.id = i.id JOIN finished AS f ON f.n = m.n
  LIMIT $1)
UNION ALL (SELECT 'message number ' || r.n, 'is in a line and there is no such message; a claim clears it'
  FROM ready AS r WHERE NOT EXISTS (SELECT 1 FROM message AS m WHERE m.n = r.n)
  LIMIT $1)
UNION ALL (SELECT 'message ' || m.id, 'is in a line that does not exist; remove it by hand'
  FROM message AS m WHERE NOT EXISTS (SELECT 1 FROM line AS l WHERE l.l = m.line)
  LIMIT $1)
