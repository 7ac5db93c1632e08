-- The members of set $2 of bucket $1 behind score $4 and name $5, at most $3.
SELECT m.score, m.member FROM member AS m
WHERE m.bucket = $1 AND m.name = $2 AND m.score > '-Infinity'
  AND (m.score, m.member) > ($4, $5)
ORDER BY m.score, m.member LIMIT $3
