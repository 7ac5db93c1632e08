-- At most $6 names of bucket $2 from $3 on, without it when $4 and up to $5; the time is $1.
SELECT v.name FROM value AS v
WHERE v.bucket = $2 AND v.name >= $3 AND (v.name > $3 OR NOT $4) AND v.name <= $5
  AND (v.expires IS NULL OR v.expires > (SELECT wall($1)))
ORDER BY v.name LIMIT $6
