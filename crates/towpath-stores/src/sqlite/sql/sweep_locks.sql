-- Deletes two locks that do not hold any more: by boot clock ?2 of boot ?1, else by wall clock ?3. One whose
-- time by the wall clock has not come stays for now.
DELETE FROM lock WHERE (ns, name) IN (
  SELECT ns, name FROM lock
  WHERE until <= ?3 AND (boot <> ?1 OR ends <= ?2)
  ORDER BY until LIMIT 2
)
