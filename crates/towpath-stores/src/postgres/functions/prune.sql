-- Prune: deletes at most `most` finished messages that are due: their retention has ended, or they stand at or
-- before the last of their half, the succeeded and the dead, that is one too many (`surplus`, NULL for none).
--
-- Answers how many went, and whether more could. Changes: every table that tells of a message.

CREATE OR REPLACE FUNCTION prune(
  given_now bigint, most bigint, surplus_kept bigint[], surplus_n bigint[],
  OUT removed bigint, OUT more boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  now_ms bigint := wall(given_now);
  last_kept bigint;
  last_n bigint;
  over bigint[] := ARRAY[]::bigint[];
  numbers bigint[];
BEGIN
  FOR half IN 1..2 LOOP
    last_kept := greatest(now_ms, surplus_kept[half]);
    last_n := CASE WHEN surplus_kept[half] > now_ms THEN surplus_n[half] ELSE 9223372036854775807 END;
    -- One more than may go tells whether there are more.
    over := over || ARRAY(
      SELECT f.n FROM finished AS f
      WHERE (f.state <> 3) = (half = 2) AND (f.kept, f.n) <= (last_kept, last_n)
      ORDER BY f.kept, f.n LIMIT most + 1 - cardinality(over)
    );
  END LOOP;
  more := cardinality(over) > most;
  numbers := ARRAY(
    SELECT m.n FROM message AS m WHERE m.n = ANY (over[:most]) ORDER BY m.n FOR UPDATE SKIP LOCKED
  );
  -- What was put back meanwhile is not among the finished any more.
  numbers := ARRAY(SELECT f.n FROM finished AS f WHERE f.n = ANY (numbers));
  removed := cardinality(numbers);
  PERFORM erase(numbers);
END
$$;

-- The last of the finished, of one half, that is one too many when `keep` are to stay; none if there is none.
CREATE OR REPLACE FUNCTION surplus(
  of_dead boolean, keep bigint, OUT kept bigint, OUT n bigint
) LANGUAGE plpgsql AS $$
BEGIN
  SELECT f.kept, f.n INTO kept, n FROM finished AS f WHERE (f.state <> 3) = of_dead
    ORDER BY f.kept DESC, f.n DESC OFFSET keep LIMIT 1;
END
$$;
