-- Submits within transactions of others, and by plain SQL: functions alone. The one that was called `submit` makes
-- room for the one that people call.
DROP FUNCTION IF EXISTS submit(bigint, uuid[], integer[], bigint[], bigint[], bigint[], bigint[], bigint[], text[],
  bytea[], text[], text[], bytea[]);
