-- Writes the ends of attempts into the histories of their messages, and forgets the oldest beyond those that
-- are kept. The messages are locked by `hold`.
--
-- Changes: attempt.

CREATE OR REPLACE FUNCTION remember(
  given_now bigint, numbers bigint[], token_claims bigint[], workers integer[], starts bigint[],
  outcomes smallint[], errors text[], kept integer
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  now_ms bigint := wall(given_now);
BEGIN
  INSERT INTO attempt (n, k, claims, worker, started, ended, outcome, error)
    SELECT x.n,
      coalesce((SELECT max(a.k) FROM attempt AS a WHERE a.n = x.n), 0)
        + row_number() OVER (PARTITION BY x.n ORDER BY x.place),
      x.claims, x.worker, x.started, now_ms, x.outcome, x.error
    FROM unnest(numbers, token_claims, workers, starts, outcomes, errors) WITH ORDINALITY
      AS x (n, claims, worker, started, outcome, error, place);
  DELETE FROM attempt AS a USING (
    SELECT a.n, max(a.k) AS last FROM attempt AS a WHERE a.n = ANY (numbers) GROUP BY a.n
  ) AS m WHERE a.n = m.n AND a.k <= m.last - kept;
END
$$;
