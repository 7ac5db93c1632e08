-- The checks of what comes in by plain SQL, with the words of the checks in Rust (message/draft.rs, name.rs):
-- who writes `submit` in another language meets the same limits.

-- Refuses a name that is none.
CREATE OR REPLACE FUNCTION check_name(what text, name text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF name IS NULL OR name = '' THEN
    RAISE 'the % name is empty; give it 1 to 255 bytes', what USING ERRCODE = '22023';
  END IF;
  IF octet_length(name) > 255 THEN
    RAISE 'the % name has % bytes, the limit is 255', what, octet_length(name) USING ERRCODE = '22023';
  END IF;
  IF name ~ '[\u0001-\u001f\u007f-\u009f]' THEN
    RAISE 'the % name % contains a control character; use printable characters', what, to_json(name)
      USING ERRCODE = '22023';
  END IF;
END
$$;

-- Milliseconds of a duration, at most ten years of them.
CREATE OR REPLACE FUNCTION check_duration(what text, given interval) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  ms numeric := floor(extract(epoch FROM given)::numeric * 1000);
BEGIN
  IF ms < 0 THEN
    RAISE 'the % is %, which is less than nothing', what, given USING ERRCODE = '22023';
  END IF;
  IF ms > 316224000000 THEN
    RAISE 'the % is %, the limit is ten years (3660 days)', what, given USING ERRCODE = '22023';
  END IF;
  RETURN ms::bigint;
END
$$;

-- The text of a payload, not too large and not too deep.
CREATE OR REPLACE FUNCTION check_payload(payload jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  body text := coalesce(payload, '[]')::text;
  rest text;
BEGIN
  IF octet_length(body) > 1048576 THEN
    RAISE 'the payload has % bytes, the limit is 1048576; store it elsewhere and pass its name',
      octet_length(body) USING ERRCODE = '22023';
  END IF;
  -- Nearly every payload has fewer brackets in all.
  IF length(body) - length(translate(body, '[{', '')) > 128 THEN
    rest := regexp_replace(regexp_replace(body, '"([^"\\]|\\.)*"', '', 'g'), '[^][{}]', '', 'g');
    FOR level IN 1..128 LOOP
      EXIT WHEN rest = '';
      rest := regexp_replace(rest, '\[\]|\{\}', '', 'g');
    END LOOP;
    IF rest <> '' THEN
      RAISE 'the payload nests deeper than 128 levels' USING ERRCODE = '22023';
    END IF;
  END IF;
  RETURN body;
END
$$;
