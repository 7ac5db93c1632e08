-- Sets the progress that readers of a message see.
-- ?1 n, ?2 the details
INSERT INTO scratch (n, details, details_set) VALUES (?1, ?2, 1)
ON CONFLICT (n) DO UPDATE SET details = ?2, details_set = MIN(details_set + 1, 4294967295)
