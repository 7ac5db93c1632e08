-- The clocks of a store.
--
-- The wall clock says what is due and what has expired: the server's, unless a test hands in a time.

CREATE OR REPLACE FUNCTION wall(given bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(given, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
$$;

-- The time at which whatever becomes ready now does so: never earlier than it was said before, wherever the
-- wall clock was set to. So whoever joins a line stands behind those of his priority who are there.
--
-- The last such time is kept in a sequence, a register that no transaction locks: two verbs at once may each
-- set it, and then it may be behind by the time between the two readings of the clock, a matter of
-- microseconds. Messages of two verbs at once have no order anyway.

CREATE OR REPLACE FUNCTION stamp(now_ms bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  last bigint;
BEGIN
  SELECT last_value INTO last FROM last_stamp;
  IF now_ms <= last THEN
    RETURN last;
  END IF;
  PERFORM setval('last_stamp', now_ms);
  RETURN now_ms;
END
$$;

-- The lease clock says whose lease has ended. It belongs to the namespace and advances, at each look, by the
-- time since the look before, but by at most five seconds and never back. So no jump of the server's wall
-- clock, nor a fail-over to a server with another time, ends or prolongs a lease by more than that. While
-- nobody looks, it stands; but wherever a worker lives, somebody looks every second.
--
-- It is written at most every half second, and whoever finds another writing goes on without: its one row is
-- never waited for. When the wall clock is set back, the half second that may not have been written is lost
-- to it, and leases are that much longer, once. A test hands in a clock of its own (`uptime`).

CREATE OR REPLACE FUNCTION lease_peek(uptime bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(uptime,
    (SELECT ticks + least(greatest(wall(NULL) - read_at, 0), 5000) FROM lease_clock))
$$;

CREATE OR REPLACE FUNCTION lease_now(uptime bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  at bigint := wall(NULL);
  before lease_clock%ROWTYPE;
  ticks_now bigint;
BEGIN
  IF uptime IS NOT NULL THEN
    RETURN uptime;
  END IF;
  SELECT * INTO before FROM lease_clock;
  ticks_now := before.ticks + least(greatest(at - before.read_at, 0), 5000);
  IF at - before.read_at NOT BETWEEN 0 AND 499 THEN
    PERFORM 1 FROM lease_clock WHERE read_at = before.read_at FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      UPDATE lease_clock SET ticks = ticks_now, read_at = at;
    END IF;
  END IF;
  RETURN ticks_now;
END
$$;
