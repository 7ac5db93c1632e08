-- Submit by plain SQL, for any client in any language: one message, within the transaction of the caller.
--
-- Takes the task, its payload, and what differs from the defaults, which are those of a draft in Rust; a NULL is
-- the default too. Answers the id. What is out of its limits is refused (22023); so is an id that is known
-- (23505), unless `skip_known` asks for no more than a NULL then. After a refusal the transaction can only be rolled
-- back, as after any error.
--
-- Changes: as `submit_batch`; and line, where nobody has used the queue for that task before. Whoever does so at the
-- same time waits for the end of this transaction.

CREATE OR REPLACE FUNCTION submit(
  task text, payload jsonb DEFAULT '[]', queue text DEFAULT 'default', priority bigint DEFAULT 0,
  delay interval DEFAULT NULL, at timestamptz DEFAULT NULL, id uuid DEFAULT NULL,
  max_retries integer DEFAULT 3, retry_forever boolean DEFAULT false, timeout interval DEFAULT '1 hour',
  backoff jsonb DEFAULT NULL, mechanism text DEFAULT 'async', result_ttl interval DEFAULT NULL,
  expires_in interval DEFAULT NULL, metadata jsonb DEFAULT '{}', skip_known boolean DEFAULT false
) RETURNS uuid LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_variable
DECLARE
  in_queue text := coalesce(queue, 'default');
  of_priority bigint := coalesce(priority, 0);
  body text := check_payload(payload);
  options jsonb := message_options(max_retries, retry_forever, timeout, backoff, mechanism, result_ttl,
    expires_in, metadata);
  delay_ms bigint := check_duration('delay', delay);
  at_ms bigint := CASE WHEN isfinite(at) THEN floor(extract(epoch FROM at) * 1000)::bigint END;
  -- Time-ordered, as those that Rust makes.
  new_id uuid := coalesce(id, encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    PLACING substring(int8send(wall(NULL)) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid);
  in_line integer;
BEGIN
  PERFORM check_name('task', task), check_name('queue', in_queue);
  IF of_priority NOT BETWEEN 0 AND 4294967295 THEN
    RAISE 'the priority is %; it is a number from 0, which runs first, to 4294967295', of_priority
      USING ERRCODE = '22023';
  END IF;
  IF delay IS NOT NULL AND at IS NOT NULL THEN
    RAISE 'both delay and at are given; a message has one start' USING ERRCODE = '22023';
  END IF;
  IF NOT isfinite(at) THEN
    RAISE 'at is %; it is a time', at USING ERRCODE = '22023';
  END IF;
  INSERT INTO line AS l (queue, task) SELECT in_queue, task
  WHERE NOT EXISTS (SELECT FROM line AS l WHERE l.queue = in_queue AND l.task = task)
  ON CONFLICT DO NOTHING;
  SELECT l.l INTO STRICT in_line FROM line AS l WHERE l.queue = in_queue AND l.task = task;
  IF submit_within(NULL, ARRAY[new_id], ARRAY[in_line], ARRAY[of_priority], ARRAY[delay_ms], ARRAY[at_ms],
    ARRAY[check_duration('expires_in', expires_in)], ARRAY[check_duration('result_ttl', result_ttl)],
    ARRAY[NULL]::text[], ARRAY[convert_to(body, 'UTF8')],
    ARRAY[CASE WHEN options <> '{}' THEN options::text END],
    ARRAY[NULL]::text[], ARRAY[NULL]::bytea[]) = ARRAY[new_id] THEN
    RETURN new_id;
  END IF;
  IF skip_known THEN
    RETURN NULL;
  END IF;
  RAISE 'message % is already in the store', new_id USING ERRCODE = '23505';
END
$$;
