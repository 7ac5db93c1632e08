-- Accepts a message with nothing special about it, as most are: everything else has its default.
-- ?1 id, ?2 line, ?3 scheduled, ?4 priority, ?5 due, ?6 submitted, ?7 payload
INSERT INTO message (id, line, scheduled, priority, due, submitted, payload)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (id) DO NOTHING
