-- Submit: accepts messages; each becomes ready, or scheduled when its time has not come.
--
-- Takes one array per column, and answers the ids of those that were accepted, and whether any of them is
-- ready, and any scheduled; the others are known already. Of two equal ids the first counts. Numbers are given in the order of the arrays, but rows are written in the order of ids, as
-- everybody does: so two submits of the same ids wait for each other in one direction only.
--
-- Changes: message, and ready or delayed, and expiring.

CREATE OR REPLACE FUNCTION submit_batch(
  given_now bigint, ids uuid[], lines integer[], priorities bigint[], starts_after bigint[],
  starts_at bigint[], expire_in bigint[], keep bigint[], codecs text[], payloads bytea[],
  option_texts text[], previous_codecs text[], previous_bodies bytea[],
  OUT accepted_ids uuid[], OUT any_ready boolean, OUT any_scheduled boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  now_ms bigint := wall(given_now);
  stamped bigint := stamp(now_ms);
BEGIN
  WITH given AS MATERIALIZED (
    SELECT nextval('message_n') AS n, draft.*,
      greatest(now_ms, CASE
        WHEN draft.start_after IS NOT NULL THEN now_ms + draft.start_after
        ELSE draft.start_at
      END) AS start
    FROM unnest(ids, lines, priorities, starts_after, starts_at, expire_in, keep, codecs, payloads,
      option_texts, previous_codecs, previous_bodies) WITH ORDINALITY
      AS draft (id, line, priority, start_after, start_at, expires_in, keep_for, codec, payload,
        options, previous_codec, previous, place)
  ), accepted AS (
    INSERT INTO message (n, id, line, scheduled, priority, due, submitted, expires, start_after,
      start_at, keep_for, codec, payload, options, previous_codec, previous)
    SELECT n, id, line, start > now_ms, priority,
      CASE WHEN start > now_ms THEN start ELSE stamped END,
      now_ms, now_ms + expires_in, start_after, start_at, keep_for, codec, payload, options,
      previous_codec, previous
    FROM given ORDER BY id, place
    ON CONFLICT (id) DO NOTHING
    RETURNING n, id, line, scheduled, priority, due, expires
  ), into_line AS (
    INSERT INTO ready (line, priority, due, n, expires)
    SELECT line, priority, due, n, expires FROM accepted WHERE NOT scheduled
  ), into_delayed AS (
    INSERT INTO delayed (due, n) SELECT due, n FROM accepted WHERE scheduled
  ), into_expiring AS (
    INSERT INTO expiring (expires, n) SELECT expires, n FROM accepted WHERE expires IS NOT NULL
  )
  SELECT coalesce(array_agg(a.id), '{}'), coalesce(bool_or(NOT a.scheduled), false),
    coalesce(bool_or(a.scheduled), false)
  INTO accepted_ids, any_ready, any_scheduled
  FROM accepted AS a;
END
$$;
