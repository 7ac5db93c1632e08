-- Claim: hands out ready messages, in the order of the selection.
--
-- Takes who claims, how many at most, and the lines asked for (functions/claim_lines.sql); and when to stop:
-- at `bytes_max` bytes of payload, or when `aside_max` have expired in passing.
--
-- Answers the messages in their order, with what earlier attempts saved. A row without an id tells, as its
-- claims, how many expired in passing; or, where that is NULL too, that the worker has no lease.
--
-- Changes: ready -> inflight; expired ones ready -> finished. No message's own row is written or locked.
-- Waits for nobody: a head that somebody else has locked is passed over. First the heads of several lines are
-- merged without locks, so that no more is locked than is taken; only when others were faster, heads are
-- locked as they are read.
--
-- Mostly there is one line, nothing in it expires, and all that is locked is handed out: that is one statement of
-- its own, which takes places out of the line by where they stand. Locked rows do not move.
--
-- `= ANY (ARRAY[…])` where `=` would do has the planner look each row up by the index, whatever it believes of
-- the size of a table: tables here are empty or huge from one minute to the next, and plans outlive that.

CREATE OR REPLACE FUNCTION claim(
  given_now bigint, who uuid, most integer, in_turn boolean, turn bigint, paired boolean,
  queues text[], tasks text[], bytes_max bigint, aside_max integer, keep_dead bigint
) RETURNS SETOF claimed LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := wall(given_now);
  w integer := alive(who);
  asked line_asked[];
  stretch integer;
  picked ready[];
  got ready[] := ARRAY[]::ready[];
  aside integer := 0;
  failed integer;
  told claimed;
  places tid[];
  numbers bigint[];
BEGIN
  IF w IS NULL THEN
    RETURN NEXT told;
    RETURN;
  END IF;
  asked := claim_lines(in_turn, turn, paired, queues, tasks);
  IF cardinality(asked) = 0 OR most < 1 THEN
    RETURN;
  END IF;
  -- Of many lines each a little: the whole claim is rarely met by one.
  stretch := least(most, 2 * most / cardinality(asked) + 8);
  WHILE aside < aside_max LOOP
    -- A lone line is locked as it is read, and no more than is taken.
    IF cardinality(asked) = 1 AND NOT EXISTS (SELECT 1 FROM expiring AS e WHERE e.expires <= now_ms) THEN
      SELECT array_agg(r.place), array_agg(r.n) INTO places, numbers FROM (
        SELECT r.ctid AS place, r.n FROM ready AS r
        WHERE r.line = asked[1].l AND (r.expires IS NULL OR r.expires > now_ms)
        ORDER BY r.priority, r.due, r.n LIMIT most
        FOR UPDATE SKIP LOCKED
      ) AS r;
      EXIT WHEN numbers IS NULL;
      RETURN QUERY
      WITH seen AS MATERIALIZED (
        SELECT m.*, EXISTS (SELECT 1 FROM inflight AS i WHERE i.id = ANY (ARRAY[m.id])) AS held
        FROM message AS m WHERE m.n = ANY (numbers)
      ), usual AS MATERIALIZED (
        SELECT 1 FROM seen
        HAVING count(*) = cardinality(numbers) AND sum(octet_length(seen.payload)) <= bytes_max
          AND NOT bool_or(seen.held OR seen.expires IS NOT NULL OR seen.losses + seen.strays >= 2)
      ), held AS (
        INSERT INTO inflight (id, n, worker, claims, claimed, keep_for)
        SELECT s.id, s.n, w, s.claims + 1, now_ms, s.keep_for
        FROM seen AS s WHERE EXISTS (SELECT 1 FROM usual)
      )
      SELECT t.id, t.priority, t.claims + 1, t.retries, t.losses, t.strays, t.snoozes, t.submitted,
        t.start_after, t.start_at, t.codec, t.payload, t.options, t.previous_codec, t.previous, t.line,
        s.saved_codec, s.saved
      -- Nothing was saved by a message that never ran: a key that is NULL is not looked up.
      FROM seen AS t LEFT JOIN scratch AS s ON s.n = CASE WHEN t.claims > 0 THEN t.n END
      WHERE EXISTS (SELECT 1 FROM usual)
      ORDER BY t.priority, t.due, t.n;
      IF FOUND THEN
        DELETE FROM ready AS r WHERE r.ctid = ANY (places);
        RETURN;
      END IF;
      got := ARRAY(
        SELECT r FROM ready AS r WHERE r.ctid = ANY (places) ORDER BY r.priority, r.due, r.n
      );
      EXIT;
    END IF;
    picked := claim_heads(asked, in_turn, stretch, most);
    -- A line that was taken to the end of its stretch may have more that comes before the others.
    IF stretch < most AND EXISTS (
      SELECT 1 FROM unnest(picked) AS p GROUP BY p.line HAVING count(*) = stretch
    ) THEN
      stretch := least(most, stretch * 4);
      CONTINUE;
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(picked) AS p WHERE p.expires <= now_ms) THEN
      failed := claim_expire(now_ms, picked, keep_dead);
      aside := aside + failed;
      CONTINUE WHEN failed > 0;
      -- Somebody else is at it.
      picked := ARRAY(SELECT p FROM unnest(picked) AS p WHERE coalesce(p.expires > now_ms, true));
    END IF;
    got := claim_lock(picked);
    IF cardinality(got) < cardinality(picked) THEN
      got := claim_locked_heads(asked, in_turn, stretch, most, now_ms);
    END IF;
    EXIT;
  END LOOP;

  -- Takes what is locked out of its lines and gives it to the worker, as far as the claim goes: it ends once
  -- `bytes_max` bytes of payload were handed out, and before a message that is to be alone, unless that comes
  -- first: then with it. A message is to be alone after two losses (`claimed_alone` in the core), and counts
  -- as started at once: it may end its worker before any heartbeat can say so.
  RETURN QUERY
  WITH seen AS (
    SELECT g.place, g.line AS in_line, g.priority AS in_priority, g.due AS in_due, g.n AS in_n,
      g.expires AS in_expires, m.*, m.losses + m.strays >= 2 AS alone
    FROM unnest(got) WITH ORDINALITY AS g (line, priority, due, n, expires, place)
    -- One that somebody holds already, whatever its line says, is not handed out.
    LEFT JOIN message AS m
      ON m.n = g.n AND NOT EXISTS (SELECT 1 FROM inflight AS i WHERE i.id = ANY (ARRAY[m.id]))
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
    WHERE r.line = ANY (ARRAY[t.in_line]) AND r.priority = t.in_priority AND r.due = t.in_due
      AND r.n = t.in_n
  ), out_of_expiring AS (
    DELETE FROM expiring AS e USING taken AS t
    WHERE e.expires = ANY (ARRAY[t.in_expires]) AND e.n = t.in_n
  ), held AS (
    INSERT INTO inflight (id, n, worker, claims, claimed, started, keep_for)
    SELECT t.id, t.n, w, t.claims + 1, now_ms, CASE WHEN t.alone THEN now_ms END, t.keep_for
    FROM taken AS t WHERE t.n IS NOT NULL
  )
  SELECT t.id, t.priority, t.claims + 1, t.retries, t.losses, t.strays, t.snoozes, t.submitted,
    t.start_after, t.start_at, t.codec, t.payload, t.options, t.previous_codec, t.previous, t.line,
    s.saved_codec, s.saved
  -- Nothing was saved by a message that never ran: a key that is NULL is not looked up.
  FROM taken AS t LEFT JOIN scratch AS s ON s.n = CASE WHEN t.claims > 0 THEN t.n END
  WHERE t.n IS NOT NULL
  ORDER BY t.place;
  IF aside > 0 THEN
    told.claims := aside;
    RETURN NEXT told;
  END IF;
END
$$;
