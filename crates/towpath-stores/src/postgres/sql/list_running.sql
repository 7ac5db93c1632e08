-- Held messages in the order of their ids. $1 the id to go on after, $2 how many
SELECT n, id FROM inflight WHERE id > $1 ORDER BY id LIMIT $2
