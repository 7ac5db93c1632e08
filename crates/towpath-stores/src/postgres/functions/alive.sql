-- The number of a worker that has a lease and was not found dead; NULL for any other.
--
-- Locks the lease against being ended until the transaction is over, and not against being renewed: whoever
-- ends it takes the row FOR UPDATE, which waits for this; a heartbeat changes no key, and does not.

CREATE OR REPLACE FUNCTION alive(who uuid) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  found_w integer;
BEGIN
  SELECT lease.w INTO found_w FROM lease
    WHERE lease.w = (SELECT worker.w FROM worker WHERE worker.id = who) AND NOT lease.dead
    FOR KEY SHARE;
  RETURN found_w;
END
$$;
