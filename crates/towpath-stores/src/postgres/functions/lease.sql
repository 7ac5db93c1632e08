-- The beginning, the renewal and the end of a worker's life.

-- Makes a worker known and starts its lease; answers false for one that has joined before. Forgets those that
-- have been gone the longest, but for the last `remembered`.
-- Changes: worker, lease.
CREATE OR REPLACE FUNCTION join_worker(
  given_now bigint, uptime bigint, who uuid, new_name text, new_listens text, new_tasks text,
  lease_ms bigint, remembered bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  new_w integer;
BEGIN
  INSERT INTO worker (id, name, listens, tasks, joined)
    VALUES (who, new_name, new_listens, new_tasks, wall(given_now))
    ON CONFLICT (id) DO NOTHING RETURNING worker.w INTO new_w;
  IF new_w IS NULL THEN
    RETURN false;
  END IF;
  INSERT INTO lease (w, ends) VALUES (new_w, lease_now(uptime) + lease_ms);
  DELETE FROM worker AS k WHERE k.w IN (
    SELECT x.w FROM worker AS x WHERE NOT EXISTS (SELECT 1 FROM lease AS l WHERE l.w = x.w)
    ORDER BY x.w DESC OFFSET remembered
  );
  RETURN true;
END
$$;

-- Renews a lease and notes which attempts have started; answers false when there is no such lease. An attempt
-- that somebody is ending just now is passed over, so that a heartbeat waits for no verb.
-- Changes: lease, inflight.
CREATE OR REPLACE FUNCTION extend_lease(
  given_now bigint, uptime bigint, who uuid, lease_ms bigint, ids uuid[], token_claims bigint[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := wall(given_now);
  known_w integer;
BEGIN
  UPDATE lease SET ends = lease_now(uptime) + lease_ms
    WHERE lease.w = (SELECT worker.w FROM worker WHERE worker.id = who) AND NOT lease.dead
    RETURNING lease.w INTO known_w;
  IF known_w IS NULL THEN
    RETURN false;
  END IF;
  IF cardinality(ids) > 0 THEN
    WITH begun AS MATERIALIZED (
      SELECT i.id FROM unnest(ids, token_claims) AS t (id, claims)
      JOIN inflight AS i ON i.id = t.id AND i.claims = t.claims
      WHERE i.worker = known_w AND i.started IS NULL
      FOR UPDATE OF i SKIP LOCKED
    )
    UPDATE inflight AS i SET started = now_ms FROM begun WHERE i.id = begun.id;
  END IF;
  RETURN true;
END
$$;

-- Finds workers whose lease is over and has them dead from now on, at most `most`; a lease that a verb of its
-- worker has locked is found the next time. Answers how many, and at most `most` messages that dead workers
-- hold. Whoever rescues locks the leases of the dead first, so rescuers take turns.
-- Changes: lease.
CREATE OR REPLACE FUNCTION find_dead(
  uptime bigint, most bigint, OUT workers bigint, OUT dead integer[], OUT ids uuid[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ticks bigint := lease_now(uptime);
  over integer[];
BEGIN
  over := ARRAY(
    SELECT l.w FROM lease AS l WHERE NOT l.dead AND l.ends <= ticks
    ORDER BY l.ends LIMIT most FOR UPDATE SKIP LOCKED
  );
  workers := cardinality(over);
  IF workers > 0 THEN
    UPDATE lease SET dead = true WHERE w = ANY (over);
  END IF;
  dead := ARRAY(SELECT l.w FROM lease AS l WHERE l.dead ORDER BY l.w FOR UPDATE);
  ids := ARRAY[]::uuid[];
  IF cardinality(dead) > 0 THEN
    ids := ARRAY(
      SELECT i.id FROM inflight AS i WHERE i.worker = ANY (dead) ORDER BY i.n LIMIT most
    );
  END IF;
END
$$;

-- Locks the lease of a worker that leaves, so that it is handed nothing more; answers its number, NULL for
-- one that has no lease, and at most `most` messages that it holds.
CREATE OR REPLACE FUNCTION find_leaver(
  who uuid, most bigint, OUT w integer, OUT ids uuid[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  SELECT l.w INTO w FROM lease AS l
    WHERE l.w = (SELECT k.w FROM worker AS k WHERE k.id = who) AND NOT l.dead FOR UPDATE;
  ids := ARRAY(SELECT i.id FROM inflight AS i WHERE i.worker = find_leaver.w ORDER BY i.n LIMIT most);
END
$$;

-- Ends the leases of these workers, as far as they hold nothing any more.
-- Changes: lease.
CREATE OR REPLACE FUNCTION end_leases(workers integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM lease AS l WHERE l.w = ANY (workers)
    AND NOT EXISTS (SELECT 1 FROM inflight AS i WHERE i.worker = l.w);
END
$$;
