-- Sorted sets. Whoever writes one has it to himself until his transaction is over: the first members of a set
-- stand in another order than that of their names, and two verbs that lock them in either would wait for each
-- other in a circle.

CREATE OR REPLACE FUNCTION lock_set(of_bucket text, of_set text) RETURNS void LANGUAGE sql VOLATILE AS $$
  SELECT pg_advisory_xact_lock(hashtextextended(
    format('towpath set %s %s %s', quote_ident(current_schema()), quote_literal(of_bucket), of_set), 0))
$$;

-- Puts members into a set, or gives them another score. Answers which are new; of two equal names the second
-- finds the first.
-- Changes: member.
CREATE OR REPLACE FUNCTION add_members(
  of_bucket text, of_set text, names text[], scores double precision[]
) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
  fresh boolean[] := '{}';
  i integer;
BEGIN
  PERFORM lock_set(of_bucket, of_set);
  FOR i IN 1 .. cardinality(names) LOOP
    UPDATE member AS m SET score = scores[i]
      WHERE m.bucket = of_bucket AND m.name = of_set AND m.member = names[i];
    fresh[i] := NOT FOUND;
    IF fresh[i] THEN
      INSERT INTO member (bucket, name, member, score) VALUES (of_bucket, of_set, names[i], scores[i]);
    END IF;
  END LOOP;
  RETURN fresh;
END
$$;

-- Takes members out of a set. Answers which were there.
-- Changes: member.
CREATE OR REPLACE FUNCTION discard_members(
  of_bucket text, of_set text, names text[]
) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
  there boolean[] := '{}';
  i integer;
BEGIN
  PERFORM lock_set(of_bucket, of_set);
  FOR i IN 1 .. cardinality(names) LOOP
    DELETE FROM member AS m WHERE m.bucket = of_bucket AND m.name = of_set AND m.member = names[i];
    there[i] := FOUND;
  END LOOP;
  RETURN there;
END
$$;

-- Takes the first members out of a set, at most `most`. Answers them in no order.
-- Changes: member.
CREATE OR REPLACE FUNCTION pop_members(
  of_bucket text, of_set text, most bigint
) RETURNS TABLE (score double precision, member text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM lock_set(of_bucket, of_set);
  RETURN QUERY
  DELETE FROM member AS m WHERE m.ctid = ANY (ARRAY(
    SELECT x.ctid FROM member AS x
    WHERE x.bucket = of_bucket AND x.name = of_set AND x.score > '-Infinity'
    ORDER BY x.score, x.member LIMIT most
  ))
  RETURNING m.score, m.member;
END
$$;
