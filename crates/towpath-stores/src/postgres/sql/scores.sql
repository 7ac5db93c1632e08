-- The scores of members $3 of set $2 of bucket $1, with their places. As in values.sql.
SELECT g.place, k.score
FROM unnest($3::text[]) WITH ORDINALITY AS g (member, place)
CROSS JOIN LATERAL (
  SELECT m.score FROM member AS m WHERE m.bucket = $1 AND m.name = $2 AND m.member = g.member LIMIT 1
) AS k
