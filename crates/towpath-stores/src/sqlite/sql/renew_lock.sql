-- Gives lock ?2 of namespace ?1 another end (?7, ?8, ?9) if it is held under ?3: by boot clock ?5 of
-- boot ?4, else by wall clock ?6.
UPDATE lock SET boot = ?7, ends = ?8, until = ?9
WHERE ns = ?1 AND name = ?2 AND fence = ?3
  AND (boot IS NULL OR CASE WHEN boot = ?4 THEN ends > ?5 ELSE until > ?6 END)
