-- The next messages, and of each whether it stands where its row says.
-- $1 the number to go on after, $2 how many
SELECT m.n, m.id, CASE
    WHEN f.n IS NOT NULL THEN true
    WHEN i.n IS NOT NULL THEN EXISTS (SELECT 1 FROM lease AS l WHERE l.w = i.worker)
    WHEN m.scheduled THEN EXISTS (SELECT 1 FROM delayed AS d WHERE d.due = m.due AND d.n = m.n)
    ELSE EXISTS (SELECT 1 FROM ready AS r
      WHERE r.line = m.line AND r.priority = m.priority AND r.due = m.due AND r.n = m.n)
  END AS stands
FROM message AS m
LEFT JOIN inflight AS i ON i.id = m.id
LEFT JOIN finished AS f ON f.n = m.n
WHERE m.n > $1 ORDER BY m.n LIMIT $2
