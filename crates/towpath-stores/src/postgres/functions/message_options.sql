-- How a message is to be run, checked, as the JSON in which messages have it (message/options.rs): what has its
-- default is left out.

CREATE OR REPLACE FUNCTION message_options(
  max_retries integer, retry_forever boolean, timeout interval, backoff jsonb, mechanism text,
  result_ttl interval, expires_in interval, metadata jsonb
) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  timeout_ms bigint := check_duration('timeout', coalesce(timeout, '1 hour'));
  retries integer := coalesce(max_retries, 3);
  run_as text := coalesce(mechanism, 'async');
  attached jsonb := coalesce(metadata, '{}');
BEGIN
  IF timeout_ms = 0 THEN
    RAISE 'the timeout is zero; no attempt could run' USING ERRCODE = '22023';
  END IF;
  IF retries < 0 THEN
    RAISE 'max_retries is %; it is 0 or more, or retry_forever', retries USING ERRCODE = '22023';
  END IF;
  IF run_as NOT IN ('async', 'thread') THEN
    RAISE 'the mechanism is %; it is async or thread', to_json(run_as) USING ERRCODE = '22023';
  END IF;
  IF jsonb_typeof(attached) <> 'object' THEN
    RAISE 'the metadata is of type %; it is an object', jsonb_typeof(attached) USING ERRCODE = '22023';
  END IF;
  IF octet_length(attached::text) > 65536 THEN
    RAISE 'the metadata has % bytes, the limit is 65536', octet_length(attached::text)
      USING ERRCODE = '22023';
  END IF;
  IF backoff IS NOT NULL AND (jsonb_typeof(backoff -> 'algorithm') = 'string'
    AND jsonb_typeof(backoff -> 'parameters') = 'object'
    AND jsonb_typeof(coalesce(backoff -> 'jitter', '0')) = 'number') IS NOT TRUE THEN
    RAISE 'the backoff is %; it is {"algorithm": TEXT, "parameters": OBJECT, "jitter": NUMBER}', left(backoff::text, 200)
      USING ERRCODE = '22023';
  END IF;
  -- Of a backoff only what is known: what else stands there would make the message unreadable.
  RETURN jsonb_strip_nulls(jsonb_build_object(
      'timeout_ms', nullif(timeout_ms, 3600000),
      'retries', CASE
        WHEN retry_forever THEN to_jsonb('unlimited'::text)
        WHEN retries <> 3 THEN jsonb_build_object('at_most', retries)
      END,
      'mechanism', nullif(run_as, 'async'),
      'result_ttl_ms', check_duration('result_ttl', result_ttl),
      'expires_in_ms', check_duration('expires_in', expires_in)))
    || CASE WHEN backoff IS NULL THEN '{}' ELSE jsonb_build_object('backoff', backoff) END
    || CASE WHEN attached = '{}' THEN '{}' ELSE jsonb_build_object('metadata', attached) END;
END
$$;
