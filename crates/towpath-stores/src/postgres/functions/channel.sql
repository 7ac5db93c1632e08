-- Publishes a value: keeps it as the last of its channel.
--
-- The channel's row is locked until the transaction is over, so whoever reads sees the values of a channel in
-- their order and skips none. Values beyond `kept` are pushed out, and at most `swept` of those of any channel
-- that were kept for `keep` milliseconds go, with the rows of channels of which nothing is left: last, and only
-- what nobody has locked, so that publishers never wait for each other in a circle.
-- Changes: channel, published.
CREATE OR REPLACE FUNCTION publish(
  given_now bigint, of_channel text, new_codec text, new_data bytea, kept bigint, keep bigint, swept bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := wall(given_now);
  here bigint;
  new_seq bigint;
BEGIN
  INSERT INTO channel AS h (name, last) VALUES (of_channel, 1)
    ON CONFLICT (name) DO UPDATE SET last = h.last + 1
    RETURNING h.c, h.last INTO here, new_seq;
  INSERT INTO published (c, seq, at, codec, data) VALUES (here, new_seq, now_ms, new_codec, new_data);
  -- The numbers of a channel have no gaps, so this is one row, or a few after a change of the limit.
  DELETE FROM published AS p WHERE p.ctid = ANY (ARRAY(
    SELECT x.ctid FROM published AS x WHERE x.c = here AND x.seq <= new_seq - kept
    ORDER BY x.seq LIMIT swept FOR UPDATE SKIP LOCKED
  ));
  WITH old AS (
    DELETE FROM published AS p WHERE p.ctid = ANY (ARRAY(
      SELECT x.ctid FROM published AS x WHERE x.at < now_ms - keep
      ORDER BY x.at LIMIT swept FOR UPDATE SKIP LOCKED
    ))
    RETURNING p.c, p.seq
  )
  -- A channel whose last value is among them: looked at again once its row is locked, so one in which
  -- something is published meanwhile stays.
  DELETE FROM channel AS h WHERE h.ctid = ANY (ARRAY(
    SELECT k.place FROM old CROSS JOIN LATERAL (
      SELECT x.ctid AS place FROM channel AS x WHERE x.c = old.c AND x.last = old.seq
      LIMIT 1 FOR UPDATE SKIP LOCKED
    ) AS k
  ));
END
$$;
