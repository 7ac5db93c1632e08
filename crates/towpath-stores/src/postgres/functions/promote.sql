-- Promote: what was scheduled becomes ready when its time has come, at most `most`, the soonest first.
--
-- Answers how many moved, and when the next is due. A message that somebody else has locked is passed over:
-- it is being moved. Changes: message, delayed -> ready.

CREATE OR REPLACE FUNCTION promote(
  given_now bigint, most bigint, OUT moved bigint, OUT next_due bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  now_ms bigint := wall(given_now);
  numbers bigint[];
  stamped bigint;
BEGIN
  numbers := ARRAY(
    SELECT m.n FROM (
      SELECT d.due, d.n FROM delayed AS d WHERE d.due <= now_ms ORDER BY d.due, d.n LIMIT most
    ) AS d JOIN message AS m ON m.n = d.n
    WHERE m.scheduled AND m.due = d.due
    FOR UPDATE OF m SKIP LOCKED
  );
  moved := cardinality(numbers);
  IF moved > 0 THEN
    stamped := stamp(now_ms);
    DELETE FROM delayed AS d USING message AS m
      WHERE m.n = ANY (numbers) AND d.due = ANY (ARRAY[m.due]) AND d.n = m.n;
    UPDATE message SET scheduled = false, due = stamped, updated = now_ms WHERE n = ANY (numbers);
    INSERT INTO ready (line, priority, due, n, expires)
      SELECT line, priority, due, n, expires FROM message WHERE n = ANY (numbers);
  END IF;
  SELECT d.due INTO next_due FROM delayed AS d ORDER BY d.due, d.n LIMIT 1;
END
$$;
