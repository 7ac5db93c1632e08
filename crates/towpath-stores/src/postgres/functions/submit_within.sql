-- Submit within a transaction of somebody else's: as `submit_batch`, from a session that is not told where we are,
-- and with the bells of the other processes rung at the commit, by whoever commits.
--
-- Takes what `submit_batch` does, and answers the ids of those that were accepted, NULL for all. Changes: as `submit_batch`.

CREATE OR REPLACE FUNCTION submit_within(
  given_now bigint, ids uuid[], lines integer[], priorities bigint[], starts_after bigint[],
  starts_at bigint[], expire_in bigint[], keep bigint[], codecs text[], payloads bytea[],
  option_texts text[], previous_codecs text[], previous_bodies bytea[],
  OUT accepted_ids uuid[]
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  any_ready boolean;
  any_scheduled boolean;
BEGIN
  SELECT s.accepted_ids, s.any_ready, s.any_scheduled INTO accepted_ids, any_ready, any_scheduled
  FROM submit_batch(given_now, ids, lines, priorities, starts_after, starts_at, expire_in, keep, codecs,
    payloads, option_texts, previous_codecs, previous_bodies) AS s;
  -- One bit per topic (store/wake.rs): work 1, schedule 2, change 4.
  IF any_ready OR any_scheduled THEN
    PERFORM pg_notify(channel(),
      (4 + CASE WHEN any_ready THEN 1 ELSE 0 END + CASE WHEN any_scheduled THEN 2 ELSE 0 END)::text);
  END IF;
END
$$;
