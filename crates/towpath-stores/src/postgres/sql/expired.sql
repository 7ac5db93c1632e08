-- The waiting messages whose expiry has passed, the first first; an audit clears what leads nowhere.
-- $1 the time, $2 how many
SELECT m.id FROM (SELECT e.expires, e.n FROM expiring AS e WHERE e.expires <= $1
  ORDER BY e.expires, e.n LIMIT $2) AS e JOIN message AS m ON m.n = e.n
