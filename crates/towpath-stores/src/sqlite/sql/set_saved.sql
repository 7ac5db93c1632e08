-- Sets what the next attempt of a message is handed.
-- ?1 n, ?2 the codec, ?3 the value
INSERT INTO scratch (n, saved_codec, saved) VALUES (?1, ?2, ?3)
ON CONFLICT (n) DO UPDATE SET saved_codec = ?2, saved = ?3
