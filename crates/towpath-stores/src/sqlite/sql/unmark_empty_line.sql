-- Takes the mark from a line that has no message left.
-- ?1 the line
UPDATE line SET live = 0
WHERE l = ?1 AND live = 1 AND NOT EXISTS (SELECT 1 FROM ready WHERE ready.line = ?1)
