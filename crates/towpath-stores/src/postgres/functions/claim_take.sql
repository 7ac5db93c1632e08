-- Takes what a claim has locked out of its lines and gives it to a worker, as far as the claim goes.
--
-- It ends once `bytes_max` bytes of payload were handed out, and before a message that is to be alone, unless
-- that comes first: then with it. A message is to be alone after two losses (`claimed_alone` in the core),
-- and counts as started at once: it may end its worker before any heartbeat can say so.

CREATE OR REPLACE FUNCTION claim_take(
  now_ms bigint, w integer, got ready[], bytes_max bigint
) RETURNS SETOF claimed LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
  WITH seen AS (
    SELECT g.place, g.line AS in_line, g.priority AS in_priority, g.due AS in_due, g.n AS in_n,
      g.expires AS in_expires, m.*, m.losses + m.strays >= 2 AS alone
    FROM unnest(got) WITH ORDINALITY AS g (line, priority, due, n, expires, place)
    -- One that somebody holds already, whatever its line says, is not handed out.
    LEFT JOIN message AS m
      ON m.n = g.n AND NOT EXISTS (SELECT 1 FROM inflight AS i WHERE i.id = m.id)
  ), measured AS (
    SELECT seen.*,
      coalesce(sum(octet_length(seen.payload)) OVER before, 0) AS bytes_before,
      count(*) FILTER (WHERE seen.alone) OVER before AS alone_before,
      count(seen.n) OVER before AS seen_before
    FROM seen WINDOW before AS (ORDER BY seen.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  ), taken AS MATERIALIZED (
    -- A place in a line that leads to no message that could be handed out goes, too.
    SELECT * FROM measured
    WHERE bytes_before < bytes_max AND alone_before = 0 AND (NOT alone OR seen_before = 0 OR n IS NULL)
  ), out_of_line AS (
    DELETE FROM ready AS r USING taken AS t
    WHERE r.line = t.in_line AND r.priority = t.in_priority AND r.due = t.in_due AND r.n = t.in_n
  ), out_of_expiring AS (
    DELETE FROM expiring AS e USING taken AS t WHERE e.expires = t.in_expires AND e.n = t.in_n
  ), held AS (
    INSERT INTO inflight (id, n, worker, claims, claimed, started, keep_for)
    SELECT t.id, t.n, w, t.claims + 1, now_ms, CASE WHEN t.alone THEN now_ms END, t.keep_for
    FROM taken AS t WHERE t.n IS NOT NULL
  )
  SELECT t.id, t.priority, t.claims + 1, t.retries, t.losses, t.strays, t.snoozes, t.submitted,
    t.start_after, t.start_at, t.codec, t.payload, t.options, t.previous_codec, t.previous, t.line,
    s.saved_codec, s.saved
  FROM taken AS t LEFT JOIN scratch AS s ON s.n = t.n AND t.claims > 0
  WHERE t.n IS NOT NULL
  ORDER BY t.place;
END
$$;
