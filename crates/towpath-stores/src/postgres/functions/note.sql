-- Note: what a running handler leaves with its message, if its token still holds; answers whether it did.
-- Takes the details as JSON, or what is saved with its codec. Changes: scratch.

CREATE OR REPLACE FUNCTION note(
  who uuid, of_id uuid, of_claims bigint, new_details text, new_codec text, new_saved bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  w integer := alive(who);
  held bigint;
BEGIN
  SELECT i.n INTO held FROM inflight AS i
    WHERE i.id = of_id AND i.claims = of_claims AND i.worker = w FOR SHARE;
  IF held IS NULL THEN
    RETURN false;
  END IF;
  IF new_details IS NOT NULL THEN
    INSERT INTO scratch AS s (n, details, details_set) VALUES (held, new_details, 1)
      ON CONFLICT (n) DO UPDATE SET details = new_details,
        details_set = least(s.details_set + 1, 4294967295);
  ELSE
    INSERT INTO scratch (n, saved_codec, saved) VALUES (held, new_codec, new_saved)
      ON CONFLICT (n) DO UPDATE SET saved_codec = new_codec, saved = new_saved;
  END IF;
  RETURN true;
END
$$;
