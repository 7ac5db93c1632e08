-- Deletes results that were read, and leaves a mark. Their rows are locked. $1 the ids
UPDATE finished AS f SET result_kind = 3, result = NULL
FROM message AS m WHERE m.id = ANY ($1) AND f.n = m.n AND f.result_kind = 1
