-- Takes from workers that are dead what cannot be rescued, so that it does not keep their leases, and the rescue
-- of what stands behind it, for ever: a message whose counters nobody can read becomes a dead letter with what is
-- wrong as its error, and its counters are brought into their bounds; an attempt of a message that has ended, or
-- that is gone, goes. The messages are locked by `hold`.
--
-- Takes ids, the error of each as JSON, and how long a dead letter is kept. Answers the ids of the dead letters.
-- Changes: inflight, message, finished, attempt.

CREATE OR REPLACE FUNCTION bury(
  given_now bigint, ids uuid[], errors text[], keep_ms bigint
) RETURNS uuid[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  now_ms bigint := wall(given_now);
  most CONSTANT bigint := 4294967295;
  buried uuid[];
BEGIN
  WITH freed AS (
    DELETE FROM inflight AS i WHERE i.id = ANY (ids) RETURNING i.id, i.claims, i.worker, i.started
  ), dead AS (
    -- Failed, because it was rejected (columns.rs).
    INSERT INTO finished (n, state, claims, ended, kept, worker, started, reason)
    SELECT m.n, 4, least(greatest(f.claims, 0), most), now_ms, now_ms + keep_ms, f.worker, f.started, 1
    FROM freed AS f JOIN message AS m ON m.id = f.id
    ON CONFLICT (n) DO NOTHING
    RETURNING n
  ), mended AS (
    UPDATE message AS m SET
      claims = least(greatest(m.claims, 0), most), retries = least(greatest(m.retries, 0), most),
      losses = least(greatest(m.losses, 0), most), strays = least(greatest(m.strays, 0), most),
      snoozes = least(greatest(m.snoozes, 0), most), updated = now_ms
    FROM dead AS d WHERE m.n = d.n
    RETURNING m.n, m.id
  ), told AS (
    INSERT INTO attempt (n, k, claims, worker, started, ended, outcome, error)
    SELECT m.n, coalesce((SELECT max(a.k) FROM attempt AS a WHERE a.n = m.n), 0) + 1,
      least(greatest(f.claims, 0), most), f.worker, f.started, now_ms, 2, t.error
    FROM mended AS m JOIN freed AS f ON f.id = m.id
    JOIN unnest(ids, errors) AS t (id, error) ON t.id = m.id
    RETURNING n
  )
  SELECT coalesce(array_agg(m.id), '{}') INTO buried FROM mended AS m;
  RETURN buried;
END
$$;
