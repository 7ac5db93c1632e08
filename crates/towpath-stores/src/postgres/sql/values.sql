-- The values of names $3 of bucket $2, with their places; the time is $1. The limit has each name looked up by
-- itself, however small the planner believes the bucket to be.
SELECT g.place, k.codec, k.data
FROM unnest($3::text[]) WITH ORDINALITY AS g (name, place)
CROSS JOIN LATERAL (
  SELECT v.codec, v.data FROM value AS v
  WHERE v.bucket = $2 AND v.name = g.name AND (v.expires IS NULL OR v.expires > (SELECT wall($1)))
  LIMIT 1
) AS k
