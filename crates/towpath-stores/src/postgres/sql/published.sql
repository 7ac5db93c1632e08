-- The end of channel $1, and at most $4 of its values behind number $3 if its row is still $2, else of all.
SELECT h.c, h.last, p.seq, p.codec, p.data
FROM channel AS h
LEFT JOIN LATERAL (
  SELECT x.seq, x.codec, x.data FROM published AS x
  WHERE x.c = h.c AND x.seq > CASE WHEN h.c = $2::bigint THEN $3::bigint ELSE 0 END
  ORDER BY x.seq LIMIT $4
) AS p ON true
WHERE h.name = $1
ORDER BY p.seq
