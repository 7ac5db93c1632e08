-- Locks messages for a verb that moves them, and tells all that the verb has to know of them.
--
-- `who` is the worker that is said to hold them, NULL where that does not matter; its number is told in each
-- row while it has a lease. Options are told only where they are asked for: they may be long.
--
-- Locks each message's own row, then its place in its line, then its attempt, each in one order. Claims and
-- successes move messages without locking their own rows, but only forward: out of a line, out of an
-- attempt. So after all three locks nothing moves any more, and only then it is read.
-- For `= ANY (ARRAY[…])` see claim.sql.

CREATE OR REPLACE FUNCTION hold(who uuid, ids uuid[], with_options boolean) RETURNS TABLE (
  n bigint, id uuid, line integer, scheduled boolean, priority bigint, due bigint,
  claims bigint, retries bigint, losses bigint, strays bigint, snoozes bigint, expires bigint,
  held_by integer, held_claims bigint, held_started bigint, ended_state smallint, ended_claims bigint,
  ended_kept bigint, ended_worker integer, keep_for bigint, options text, alive integer
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  w integer := CASE WHEN who IS NOT NULL THEN alive(who) END;
BEGIN
  PERFORM 1 FROM message AS m WHERE m.id = ANY (ids) ORDER BY m.n FOR UPDATE;
  PERFORM 1 FROM message AS m
    JOIN ready AS r ON r.line = ANY (ARRAY[m.line]) AND r.priority = m.priority AND r.due = m.due AND r.n = m.n
    WHERE m.id = ANY (ids) ORDER BY m.n FOR UPDATE OF r;
  PERFORM 1 FROM inflight AS i WHERE i.id = ANY (ids) ORDER BY i.id FOR UPDATE;
  RETURN QUERY
  SELECT m.n, m.id, m.line, m.scheduled, m.priority, m.due,
    m.claims, m.retries, m.losses, m.strays, m.snoozes, m.expires,
    i.worker, i.claims, i.started, f.state, f.claims, f.kept, f.worker, m.keep_for,
    CASE WHEN with_options THEN m.options END, w
  FROM message AS m
  LEFT JOIN inflight AS i ON i.id = m.id
  LEFT JOIN finished AS f ON f.n = m.n
  WHERE m.id = ANY (ids);
END
$$;
