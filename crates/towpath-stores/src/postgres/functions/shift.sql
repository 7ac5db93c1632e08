-- Moves messages that were locked by `hold`: out of wherever they stand, to where their new state says.
--
-- Takes one array per column, no message twice: the state it moves to (0 scheduled, 1 ready, 3 succeeded,
-- 4 failed, 5 revoked), its new priority, time and counters. A NULL time is "now, ready": the store stamps
-- it. For those that end: until when they are kept, who held them and since when, why, and the result.
--
-- Changes: message, and every table that a message stands in. For `= ANY (ARRAY[…])` see claim.sql.

CREATE OR REPLACE FUNCTION shift(
  given_now bigint, numbers bigint[], states smallint[], priorities bigint[], dues bigint[],
  new_claims bigint[], new_retries bigint[], new_losses bigint[], new_strays bigint[],
  new_snoozes bigint[], new_expires bigint[], new_kept bigint[], workers integer[], starts bigint[],
  reasons smallint[], kinds smallint[], sizes bigint[], codecs text[], results bytea[]
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  now_ms bigint := wall(given_now);
  stamped bigint := CASE WHEN 1 = ANY (states) THEN stamp(now_ms) END;
BEGIN
  DELETE FROM ready AS r USING message AS m WHERE m.n = ANY (numbers)
    AND r.line = ANY (ARRAY[m.line]) AND r.priority = m.priority AND r.due = m.due AND r.n = m.n;
  DELETE FROM delayed AS d USING message AS m
    WHERE m.n = ANY (numbers) AND d.due = ANY (ARRAY[m.due]) AND d.n = m.n;
  DELETE FROM expiring AS e USING message AS m
    WHERE m.n = ANY (numbers) AND e.expires = ANY (ARRAY[m.expires]) AND e.n = m.n;
  DELETE FROM inflight AS i USING message AS m WHERE m.n = ANY (numbers) AND i.id = ANY (ARRAY[m.id]);
  DELETE FROM finished AS f WHERE f.n = ANY (numbers);

  UPDATE message AS m SET
    scheduled = x.state = 0, priority = x.priority, due = coalesce(x.due, stamped), claims = x.claims,
    retries = x.retries, losses = x.losses, strays = x.strays, snoozes = x.snoozes,
    expires = x.expires, updated = now_ms
  FROM unnest(numbers, states, priorities, dues, new_claims, new_retries, new_losses, new_strays,
    new_snoozes, new_expires)
    AS x (n, state, priority, due, claims, retries, losses, strays, snoozes, expires)
  WHERE m.n = ANY (ARRAY[x.n]);

  INSERT INTO ready (line, priority, due, n, expires)
    SELECT m.line, m.priority, m.due, m.n, m.expires
    FROM unnest(numbers, states) AS x (n, state) JOIN message AS m ON m.n = ANY (ARRAY[x.n]) WHERE x.state = 1;
  INSERT INTO delayed (due, n)
    SELECT m.due, m.n
    FROM unnest(numbers, states) AS x (n, state) JOIN message AS m ON m.n = ANY (ARRAY[x.n]) WHERE x.state = 0;
  INSERT INTO expiring (expires, n)
    SELECT m.expires, m.n
    FROM unnest(numbers, states) AS x (n, state) JOIN message AS m ON m.n = ANY (ARRAY[x.n])
    WHERE x.state IN (0, 1) AND m.expires IS NOT NULL;
  INSERT INTO finished (n, state, claims, ended, kept, worker, started, reason, result_kind,
    result_size, result_codec, result)
    SELECT x.n, x.state, x.claims, now_ms, x.kept, x.worker, x.started, x.reason, x.kind, x.size,
      x.codec, x.result
    FROM unnest(numbers, states, new_claims, new_kept, workers, starts, reasons, kinds, sizes, codecs,
      results) AS x (n, state, claims, kept, worker, started, reason, kind, size, codec, result)
    WHERE x.state >= 3;
END
$$;
