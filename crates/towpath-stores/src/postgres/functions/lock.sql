-- Locks of user code, by the lease clock. A lock holds while its `ends` is NULL or in the future. Whoever
-- writes several locks their rows in the order of the bytes of their names.

-- Takes a lock, unless somebody holds it. Answers the new fence; or NULL, and who holds it.
-- Changes: lock. Deletes two locks whose time has run out and that nobody has locked, last of all.
CREATE OR REPLACE FUNCTION take_lock(
  given_now bigint, uptime bigint, of_name text, new_owner text, ttl bigint,
  OUT taken_fence bigint, OUT owner text, OUT fence bigint, OUT taken bigint, OUT left_ms bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ticks bigint := lease_now(uptime);
BEGIN
  INSERT INTO lock AS k (name, owner, fence, taken, ends)
    VALUES (of_name, new_owner, 0, wall(given_now), ticks + ttl)
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, fence = 0, taken = excluded.taken,
      ends = excluded.ends
      WHERE k.ends <= ticks;
  IF NOT FOUND THEN
    -- It was locked by the look at it, so it is there still.
    SELECT k.owner, k.fence, k.taken, k.ends - ticks
      INTO take_lock.owner, take_lock.fence, take_lock.taken, take_lock.left_ms
      FROM lock AS k WHERE k.name = of_name;
    RETURN;
  END IF;
  -- Only now that nobody else can take it: one that is given before may be overtaken by the next.
  UPDATE lock AS k SET fence = nextval('fence') WHERE k.name = of_name
    RETURNING k.fence INTO take_lock.taken_fence;
  DELETE FROM lock AS k WHERE k.ctid = ANY (ARRAY(
    SELECT x.ctid FROM lock AS x WHERE x.ends <= ticks ORDER BY x.ends LIMIT 2 FOR UPDATE SKIP LOCKED
  ));
END
$$;

-- Lets locks hold that many milliseconds from now, NULL until they are released. Answers which were held
-- under their fence.
-- Changes: lock.
CREATE OR REPLACE FUNCTION renew_locks(
  uptime bigint, names text[], fences bigint[], ttls bigint[]
) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
  ticks bigint := lease_now(uptime);
  held boolean[] := array_fill(false, ARRAY[cardinality(names)]);
  i integer;
BEGIN
  FOR i IN SELECT g.i FROM unnest(names) WITH ORDINALITY AS g (name, i)
    ORDER BY g.name COLLATE "C", g.i
  LOOP
    UPDATE lock AS k SET ends = ticks + ttls[i]
      WHERE k.name = names[i] AND k.fence = fences[i] AND (k.ends IS NULL OR k.ends > ticks);
    held[i] := FOUND;
  END LOOP;
  RETURN held;
END
$$;

-- Releases locks. Answers which were held under their fence.
-- Changes: lock.
CREATE OR REPLACE FUNCTION unlock(
  uptime bigint, names text[], fences bigint[]
) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
  ticks bigint := lease_now(uptime);
  held boolean[] := array_fill(false, ARRAY[cardinality(names)]);
  i integer;
BEGIN
  FOR i IN SELECT g.i FROM unnest(names) WITH ORDINALITY AS g (name, i)
    ORDER BY g.name COLLATE "C", g.i
  LOOP
    DELETE FROM lock AS k
      WHERE k.name = names[i] AND k.fence = fences[i] AND (k.ends IS NULL OR k.ends > ticks);
    held[i] := FOUND;
  END LOOP;
  RETURN held;
END
$$;

-- Releases locks whoever holds them. Answers who held each, with its place in the array.
-- Changes: lock.
CREATE OR REPLACE FUNCTION seize_locks(uptime bigint, names text[]) RETURNS TABLE (
  place bigint, name text, owner text, fence bigint, taken bigint, left_ms bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ticks bigint := lease_now(uptime);
  i bigint;
BEGIN
  FOR i IN SELECT g.i FROM unnest(names) WITH ORDINALITY AS g (name, i)
    ORDER BY g.name COLLATE "C", g.i
  LOOP
    RETURN QUERY
    DELETE FROM lock AS k
      WHERE k.name = names[i] AND (k.ends IS NULL OR k.ends > ticks)
      RETURNING i, k.name::text, k.owner, k.fence, k.taken, k.ends - ticks;
  END LOOP;
END
$$;
