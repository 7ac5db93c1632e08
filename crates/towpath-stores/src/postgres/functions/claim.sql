-- Claim: hands out ready messages, in the order of the selection.
--
-- Takes who claims, how many at most, and the lines asked for (functions/claim_lines.sql); and when to stop:
-- at `bytes_max` bytes of payload, or when `aside_max` have expired in passing.
--
-- Answers the messages in their order, with what earlier attempts saved. A row without an id tells, as its
-- claims, how many expired in passing; or, where that is NULL too, that the worker has no lease.
--
-- Changes: ready -> inflight; expired ones ready -> finished. No message's own row is written or locked.
-- Waits for nobody: a head that somebody else has locked is passed over. First the heads are merged without
-- locks, so that no more is locked than is taken; only when others were faster, heads are locked as they
-- are read.

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
  got ready[];
  aside integer := 0;
  failed integer;
  told claimed;
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
    RETURN QUERY SELECT * FROM claim_take(now_ms, w, got, bytes_max);
    EXIT;
  END LOOP;
  IF aside > 0 THEN
    told.claims := aside;
    RETURN NEXT told;
  END IF;
END
$$;
