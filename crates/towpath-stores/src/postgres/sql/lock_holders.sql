-- Who holds locks $2, with their places; the lease clock of a test is $1. As in values.sql.
SELECT g.place, k.name, k.owner, k.fence, k.taken, k.ends - t.ticks AS left_ms
FROM (SELECT lease_peek($1) AS ticks) AS t, unnest($2::text[]) WITH ORDINALITY AS g (name, place)
CROSS JOIN LATERAL (SELECT * FROM lock AS l WHERE l.name = g.name LIMIT 1) AS k
WHERE k.ends IS NULL OR k.ends > t.ticks
