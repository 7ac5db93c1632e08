-- Writes what an update has changed of the bodies of a message that `hold` has locked; NULL leaves a body
-- as it is. An empty text stands for options that are all defaults.
-- $1 n, $2 whether the start changes, $3 start_after, $4 start_at, $5 payload, $6 its codec, $7 options
UPDATE message SET
  start_after = CASE WHEN $2::boolean THEN $3::bigint ELSE start_after END,
  start_at = CASE WHEN $2::boolean THEN $4::bigint ELSE start_at END,
  payload = coalesce($5::bytea, payload),
  codec = CASE WHEN $5::bytea IS NULL THEN codec ELSE $6::text END,
  options = CASE WHEN $7::text IS NULL THEN options ELSE nullif($7::text, '') END
WHERE n = $1
