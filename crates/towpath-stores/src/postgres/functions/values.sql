-- Values by key. Whoever writes several locks their rows in the order of the bytes of their names.

-- Keeps values, one array per column; `ttl` is NULL to keep the time of the one before, -1 for never, else
-- so many milliseconds. Answers which were kept, in the order of the arrays; of two equal names the second
-- finds the first. Deletes at most `swept` values that have expired: behind all that may have to wait, and
-- only those that nobody has locked.
-- Changes: value.
CREATE OR REPLACE FUNCTION set_values(
  given_now bigint, of_bucket text, names text[], codecs text[], datas bytea[], ttls bigint[],
  absent boolean[], swept bigint
) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := wall(given_now);
  kept boolean[] := array_fill(false, ARRAY[cardinality(names)]);
  new_expires bigint;
  i integer;
BEGIN
  FOR i IN SELECT g.i FROM unnest(names) WITH ORDINALITY AS g (name, i)
    ORDER BY g.name COLLATE "C", g.i
  LOOP
    new_expires := CASE WHEN ttls[i] >= 0 THEN now_ms + ttls[i] END;
    INSERT INTO value AS v (bucket, name, codec, data, expires)
      VALUES (of_bucket, names[i], codecs[i], datas[i], new_expires)
      ON CONFLICT (bucket, name) DO UPDATE SET codec = excluded.codec, data = excluded.data,
        expires = CASE
          WHEN ttls[i] IS NULL AND v.expires > now_ms THEN v.expires
          ELSE excluded.expires
        END
        WHERE NOT absent[i] OR v.expires <= now_ms;
    kept[i] := FOUND;
  END LOOP;
  DELETE FROM value AS v WHERE v.ctid = ANY (ARRAY(
    SELECT x.ctid FROM value AS x WHERE x.expires <= now_ms
    ORDER BY x.expires LIMIT swept FOR UPDATE SKIP LOCKED
  ));
  RETURN kept;
END
$$;

-- Keeps values for another time (`ttl` as above). Answers which were there.
-- Changes: value.
CREATE OR REPLACE FUNCTION expire_values(
  given_now bigint, of_bucket text, names text[], ttl bigint
) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := wall(given_now);
  there boolean[] := array_fill(false, ARRAY[cardinality(names)]);
  i integer;
BEGIN
  FOR i IN SELECT g.i FROM unnest(names) WITH ORDINALITY AS g (name, i)
    ORDER BY g.name COLLATE "C", g.i
  LOOP
    UPDATE value AS v SET expires = CASE
        WHEN ttl IS NULL THEN v.expires
        WHEN ttl >= 0 THEN now_ms + ttl
      END
      WHERE v.bucket = of_bucket AND v.name = names[i] AND (v.expires IS NULL OR v.expires > now_ms);
    there[i] := FOUND;
  END LOOP;
  RETURN there;
END
$$;

-- Deletes values. Answers which were there; what had expired was not, and is left to be swept.
-- Changes: value.
CREATE OR REPLACE FUNCTION delete_values(
  given_now bigint, of_bucket text, names text[]
) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := wall(given_now);
  there boolean[] := array_fill(false, ARRAY[cardinality(names)]);
  i integer;
BEGIN
  FOR i IN SELECT g.i FROM unnest(names) WITH ORDINALITY AS g (name, i)
    ORDER BY g.name COLLATE "C", g.i
  LOOP
    DELETE FROM value AS v
      WHERE v.bucket = of_bucket AND v.name = names[i] AND (v.expires IS NULL OR v.expires > now_ms);
    there[i] := FOUND;
  END LOOP;
  RETURN there;
END
$$;

-- Deletes members of the sets of a bucket, set by set, then values; at most `most`. Answers how many. What is
-- to go is locked first, so that its place in the table stays the same until it is deleted.
-- Changes: member, value.
CREATE OR REPLACE FUNCTION clear_bucket(of_bucket text, most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  rest bigint := most;
  gone bigint;
  of_set text COLLATE "C" := '';
  doomed tid[];
BEGIN
  WHILE rest > 0 LOOP
    SELECT m.name INTO of_set FROM member AS m WHERE m.bucket = of_bucket AND m.name > of_set
      ORDER BY m.name LIMIT 1;
    EXIT WHEN of_set IS NULL;
    PERFORM lock_set(of_bucket, of_set);
    doomed := ARRAY(
      SELECT m.ctid FROM member AS m WHERE m.bucket = of_bucket AND m.name = of_set
      ORDER BY m.member LIMIT rest
    );
    DELETE FROM member AS m WHERE m.ctid = ANY (doomed);
    GET DIAGNOSTICS gone = ROW_COUNT;
    rest := rest - gone;
  END LOOP;
  doomed := ARRAY(
    SELECT v.ctid FROM value AS v WHERE v.bucket = of_bucket ORDER BY v.name LIMIT rest FOR UPDATE
  );
  DELETE FROM value AS v WHERE v.ctid = ANY (doomed);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN most - rest + gone;
END
$$;
