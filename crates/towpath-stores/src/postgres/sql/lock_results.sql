-- Locks the results that are to be taken, each once and in one order: of two takers the second finds them
-- gone. $1 the ids
SELECT f.n FROM message AS m JOIN finished AS f ON f.n = m.n
WHERE m.id = ANY ($1) AND f.result_kind = 1 ORDER BY f.n FOR UPDATE OF f
