-- What is known of names $3 of bucket $2, with their places; the time is $1. As in values.sql.
SELECT g.place, octet_length(k.data)::bigint AS size, k.expires
FROM unnest($3::text[]) WITH ORDINALITY AS g (name, place)
CROSS JOIN LATERAL (
  SELECT v.data, v.expires FROM value AS v
  WHERE v.bucket = $2 AND v.name = g.name AND (v.expires IS NULL OR v.expires > (SELECT wall($1)))
  LIMIT 1
) AS k
