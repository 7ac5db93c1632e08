-- Ready messages line by line, each line in its order.
-- $1..$4 the line and the rank to go on after, $5 how many
SELECT n, line::bigint, priority, due FROM ready
WHERE (line, priority, due, n) > ($1::integer, $2, $3, $4) ORDER BY line, priority, due, n LIMIT $5
