-- Submit: accepts messages; each becomes ready, or scheduled when its time has not come.
--
-- Takes one array per column; one that is NULL for all of them may be empty instead. Answers the ids of those that
-- were accepted, NULL for all, and whether any of them is ready, and any scheduled; the others are known already. Of
-- two equal ids the first counts. Numbers are given in the order of the arrays, but rows are written in the order of
-- ids, as everybody does: so two submits of the same ids wait for each other in one direction only.
--
-- Mostly there are many at once, none waits for a time, and none is known. Then plain inserts take a third less
-- of the server than looking for each id first; only when one is known all along, that much is undone and each is
-- looked for. For a few that is not worth a subtransaction.
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
  many CONSTANT integer := 16;
  numbers bigint[];
BEGIN
  IF cardinality(ids) >= many AND cardinality(starts_after || starts_at || expire_in) = 0 THEN
    BEGIN
      numbers := ARRAY(SELECT nextval('message_n') FROM generate_series(1, cardinality(ids)));
      -- In a select list arrays are taken apart without being written down in between.
      INSERT INTO message (n, id, line, scheduled, priority, due, submitted, keep_for, codec, payload,
        options, previous_codec, previous)
      SELECT x.n, x.id, x.line, false, x.priority, stamped, now_ms, x.keep_for, x.codec, x.payload,
        x.options, x.previous_codec, x.previous
      FROM (
        SELECT unnest(numbers) AS n, unnest(ids) AS id, unnest(lines) AS line,
          unnest(priorities) AS priority, unnest(keep) AS keep_for, unnest(codecs) AS codec,
          unnest(payloads) AS payload, unnest(option_texts) AS options,
          unnest(previous_codecs) AS previous_codec, unnest(previous_bodies) AS previous
      ) AS x ORDER BY x.id;
      INSERT INTO ready (line, priority, due, n)
      SELECT x.line, x.priority, stamped, x.n
      FROM (
        SELECT unnest(numbers) AS n, unnest(lines) AS line, unnest(priorities) AS priority
      ) AS x;
      any_ready := true;
      any_scheduled := false;
      RETURN;
    EXCEPTION WHEN unique_violation THEN
      numbers := NULL;
    END;
  END IF;
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
