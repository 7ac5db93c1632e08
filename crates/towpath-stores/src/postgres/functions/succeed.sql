-- Settle, for successes without callbacks: ends attempts under their tokens and keeps their results.
--
-- Takes one array per column, no message twice. Answers the ids of those whose token held; of none when the
-- worker has no lease.
--
-- Changes: inflight -> finished. Whether a token holds is learned by deleting what it stands for, so nobody
-- can end an attempt twice. No message's own row is written or locked. Rows are deleted in the order of the
-- arrays, which callers give in the order of ids.

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
    USING unnest(ids, token_claims, starts, kinds, sizes, codecs, results)
      AS g (id, claims, started, kind, size, codec, result)
    WHERE i.id = g.id AND i.worker = w AND i.claims = g.claims
    RETURNING i.id, i.n, i.claims, coalesce(g.started, i.started) AS started, i.keep_for, g.kind,
      g.size, g.codec, g.result
  ), kept AS (
    INSERT INTO finished (n, state, claims, ended, kept, worker, started, result_kind, result_size,
      result_codec, result)
    SELECT o.n, 3, o.claims, now_ms, now_ms + coalesce(o.keep_for, keep), w, o.started, o.kind,
      o.size, o.codec, o.result
    FROM over AS o
    ON CONFLICT DO NOTHING
  )
  SELECT coalesce(array_agg(over.id), '{}') INTO ended FROM over;
  RETURN ended;
END
$$;
