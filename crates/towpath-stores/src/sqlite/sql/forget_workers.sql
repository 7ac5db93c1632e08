-- Forgets the workers that are gone, but for the last ones.
-- ?1 how many are remembered
DELETE FROM worker WHERE w IN (
  SELECT w FROM worker WHERE w NOT IN (SELECT w FROM lease)
  ORDER BY w DESC LIMIT -1 OFFSET ?1
)
