-- Deletes messages with all that belongs to them. They are locked by `hold`, or by `prune`.
--
-- Changes: every table that tells of a message. For `= ANY (ARRAY[…])` see claim.sql.

CREATE OR REPLACE FUNCTION erase(numbers bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM ready AS r USING message AS m WHERE m.n = ANY (numbers)
    AND r.line = ANY (ARRAY[m.line]) AND r.priority = m.priority AND r.due = m.due AND r.n = m.n;
  DELETE FROM delayed AS d USING message AS m
    WHERE m.n = ANY (numbers) AND d.due = ANY (ARRAY[m.due]) AND d.n = m.n;
  DELETE FROM expiring AS e USING message AS m
    WHERE m.n = ANY (numbers) AND e.expires = ANY (ARRAY[m.expires]) AND e.n = m.n;
  DELETE FROM finished AS f WHERE f.n = ANY (numbers);
  DELETE FROM attempt AS a WHERE a.n = ANY (numbers);
  DELETE FROM scratch AS s WHERE s.n = ANY (numbers);
  DELETE FROM message AS m WHERE m.n = ANY (numbers);
END
$$;
