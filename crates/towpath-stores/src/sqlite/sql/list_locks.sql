-- At most ?6 locks of namespace ?1 after ?2 that hold: by boot clock ?4 of boot ?3, else by wall clock ?5.
SELECT name, owner, fence, taken, boot, ends, until FROM lock
WHERE ns = ?1 AND name > ?2
  AND (boot IS NULL OR CASE WHEN boot = ?3 THEN ends > ?4 ELSE until > ?5 END)
ORDER BY name LIMIT ?6
