-- Finished messages of one half, the last to go first.
-- $1 whether the dead, $2, $3 where to go on before, $4 how many
SELECT n, kept FROM finished WHERE (state <> 3) = $1 AND (kept, n) < ($2, $3)
ORDER BY kept DESC, n DESC LIMIT $4
