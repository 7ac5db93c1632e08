-- The heads of lines, merged: always the best of them next. What claims take, and how they lock it.
-- For `= ANY (ARRAY[…])` see claim.sql.

-- At most `most` heads in the order of the claim, looking at `stretch` of each line. Locks nothing.
CREATE OR REPLACE FUNCTION claim_heads(
  asked line_asked[], in_turn boolean, stretch integer, most integer
) RETURNS ready[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(
    SELECT ROW(s.line, s.priority, s.due, s.n, s.expires)::ready
    FROM (
      SELECT h.*, a.place,
        CASE WHEN in_turn
          THEN row_number() OVER (PARTITION BY a.place ORDER BY h.priority, h.due, h.n)
          ELSE 0
        END AS round
      FROM unnest(asked) AS a
      CROSS JOIN LATERAL (
        SELECT r.* FROM ready AS r WHERE r.line = a.l
        ORDER BY r.priority, r.due, r.n LIMIT stretch
      ) AS h
    ) AS s
    ORDER BY s.round, s.place, s.priority, s.due, s.n LIMIT most
  );
END
$$;

-- Locks those of `picked` that are still there and that nobody else has locked.
CREATE OR REPLACE FUNCTION claim_lock(picked ready[]) RETURNS ready[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(
    SELECT ROW(r.line, r.priority, r.due, r.n, r.expires)::ready
    FROM unnest(picked) AS p
    JOIN ready AS r
      ON r.line = ANY (ARRAY[p.line]) AND r.priority = p.priority AND r.due = p.due AND r.n = p.n
    FOR UPDATE OF r SKIP LOCKED
  );
END
$$;

-- As claim_heads, of what is not locked by others and has not expired; locks all it looks at.
CREATE OR REPLACE FUNCTION claim_locked_heads(
  asked line_asked[], in_turn boolean, stretch integer, most integer, now_ms bigint
) RETURNS ready[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(
    SELECT ROW(s.line, s.priority, s.due, s.n, s.expires)::ready
    FROM (
      SELECT h.*, a.place,
        CASE WHEN in_turn
          THEN row_number() OVER (PARTITION BY a.place ORDER BY h.priority, h.due, h.n)
          ELSE 0
        END AS round
      FROM unnest(asked) AS a
      CROSS JOIN LATERAL (
        SELECT r.* FROM ready AS r
        WHERE r.line = a.l AND (r.expires IS NULL OR r.expires > now_ms)
        ORDER BY r.priority, r.due, r.n LIMIT stretch
        FOR UPDATE SKIP LOCKED
      ) AS h
    ) AS s
    ORDER BY s.round, s.place, s.priority, s.due, s.n LIMIT most
  );
END
$$;

-- Makes dead letters of those of `picked` that have expired; answers of how many.
CREATE OR REPLACE FUNCTION claim_expire(
  now_ms bigint, picked ready[], keep_dead bigint
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  over ready[] := claim_lock(ARRAY(SELECT p FROM unnest(picked) AS p WHERE p.expires <= now_ms));
BEGIN
  DELETE FROM ready AS r USING unnest(over) AS o
    WHERE r.line = ANY (ARRAY[o.line]) AND r.priority = o.priority AND r.due = o.due AND r.n = o.n;
  DELETE FROM expiring AS e USING unnest(over) AS o WHERE e.expires = ANY (ARRAY[o.expires]) AND e.n = o.n;
  INSERT INTO finished (n, state, claims, ended, kept, reason)
    SELECT m.n, 4, m.claims, now_ms, now_ms + keep_dead, 3
    FROM unnest(over) AS o JOIN message AS m ON m.n = ANY (ARRAY[o.n])
    ON CONFLICT DO NOTHING;
  RETURN cardinality(over);
END
$$;
