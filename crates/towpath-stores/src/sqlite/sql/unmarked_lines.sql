-- Lines that have ready messages and are marked as empty.
-- ?1 the namespace
SELECT l, queue, task FROM line
WHERE ns = ?1 AND live = 0 AND EXISTS (SELECT 1 FROM ready WHERE ready.line = line.l)
LIMIT 1000
