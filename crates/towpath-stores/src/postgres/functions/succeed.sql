-- Settle, for successes without callbacks: ends attempts under their tokens and keeps their results.
--
-- Takes one array per column, no token twice. Answers the places (from 1) of those whose token held; of none
-- when the worker has no lease.
--
-- Changes: inflight -> finished. Whether a token holds is learned by deleting what it stands for, so nobody
-- can end an attempt twice. No message's own row is written or locked. Rows are deleted in the order of the
-- arrays, which callers give in the order of ids.

CREATE OR REPLACE FUNCTION succeed(
  given_now bigint, who uuid, ids uuid[], token_claims bigint[], starts bigint[], kinds smallint[],
  sizes bigint[], codecs text[], results bytea[], keep bigint
) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := wall(given_now);
  w integer := alive(who);
BEGIN
  IF w IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
  WITH given AS MATERIALIZED (
    SELECT * FROM unnest(ids, token_claims, starts, kinds, sizes, codecs, results)
      WITH ORDINALITY AS g (id, claims, started, kind, size, codec, result, place)
  ), over AS (
    DELETE FROM inflight AS i USING given AS g
    WHERE i.id = g.id AND i.worker = w AND i.claims = g.claims
    RETURNING g.place, i.n, i.claims, coalesce(g.started, i.started) AS started, i.keep_for
  ), kept AS (
    INSERT INTO finished (n, state, claims, ended, kept, worker, started, result_kind, result_size,
      result_codec, result)
    SELECT o.n, 3, o.claims, now_ms, now_ms + coalesce(o.keep_for, keep), w, o.started, g.kind,
      g.size, g.codec, g.result
    FROM over AS o JOIN given AS g ON g.place = o.place
    ON CONFLICT DO NOTHING
  )
  SELECT over.place FROM over;
END
$$;
