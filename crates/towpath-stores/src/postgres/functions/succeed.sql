-- Settle, for successes without callbacks: ends attempts under their tokens and keeps their results.
--
-- Takes one array per column, no message twice. Answers the ids of those whose token held; of none when the
-- worker has no lease.
--
-- Changes: inflight -> finished. Whether a token holds is learned by deleting what it stands for, so nobody
-- can end an attempt twice. No message's own row is written or locked. Rows are deleted in the order of the
-- arrays, which callers give in the order of ids: `= ANY (ARRAY[…])` has the planner take them one by one, by the
-- index (claim.sql). Else it may walk through all attempts and hold each against every id.

CREATE OR REPLACE FUNCTION succeed(
  given_now bigint, who uuid, ids uuid[], token_claims bigint[], starts bigint[], kinds smallint[],
  sizes bigint[], codecs text[], results bytea[], keep bigint
) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := wall(given_now);
  w integer := alive(who);
  ended uuid[] := '{}';
BEGIN
  IF w IS NULL THEN
    RETURN ended;
  END IF;
  WITH over AS (
    DELETE FROM inflight AS i
    USING (
      SELECT unnest(ids) AS id, unnest(token_claims) AS claims, unnest(starts) AS started,
        unnest(kinds) AS kind, unnest(sizes) AS size, unnest(codecs) AS codec, unnest(results) AS result
    ) AS g
    WHERE i.id = ANY (ARRAY[g.id]) AND i.worker = w AND i.claims = g.claims
    RETURNING i.id, i.n, i.claims, coalesce(g.started, i.started) AS started, i.keep_for, g.kind,
      g.size, g.codec, g.result
  ), kept AS (
    INSERT INTO finished (n, state, claims, ended, kept, worker, started, result_kind, result_size,
      result_codec, result)
    SELECT o.n, 3, o.claims, now_ms, now_ms + coalesce(o.keep_for, keep), w, o.started, o.kind,
      o.size, o.codec, o.result
    -- Looked for first: what stands in conflict, which only damage brings about, costs more to find at each insert.
    FROM over AS o WHERE NOT EXISTS (SELECT 1 FROM finished AS f WHERE f.n = ANY (ARRAY[o.n]))
  )
  SELECT coalesce(array_agg(over.id), '{}') INTO ended FROM over;
  RETURN ended;
END
$$;
