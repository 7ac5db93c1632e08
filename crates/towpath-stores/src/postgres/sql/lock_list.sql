-- At most $3 locks that are held, behind name $2; the lease clock of a test is $1.
SELECT k.name, k.owner, k.fence, k.taken, k.ends - t.ticks AS left_ms
FROM (SELECT lease_peek($1) AS ticks) AS t, lock AS k
WHERE k.name > $2 AND (k.ends IS NULL OR k.ends > t.ticks)
ORDER BY k.name LIMIT $3
