-- Scheduled messages, the soonest first. $1, $2 where to go on after, $3 how many
SELECT n, due FROM delayed WHERE (due, n) > ($1, $2) ORDER BY due, n LIMIT $3
