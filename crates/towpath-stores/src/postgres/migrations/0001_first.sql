-- The first schema. Migrations are numbered and never edited once released; what changes later gets a
-- number of its own. The functions are not here but in `functions/`, and are replaced with every migration.
--
-- A message's row says what was asked for and how often things have happened to it; where it is, it is by
-- standing in one of the narrow tables below, each with an index in the order in which it is read. A message
-- that simply runs and succeeds never has its own row written again: that is what makes it cheap, and what
-- keeps dead versions of wide rows from piling up.
--
-- Times are milliseconds: of the wall clock, but for `lease.ends` and `lease_clock.ticks`, which count on
-- the lease clock (functions/clock.sql).

-- The messages of one task in one queue. Written once and never changed: whether a line has messages is
-- found by looking into `ready`, so that no two verbs ever wait for each other here.
CREATE TABLE line (
  l integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue text NOT NULL,
  task text NOT NULL,
  UNIQUE (queue, task)
);

-- The paused queues.
CREATE TABLE pause (
  queue text PRIMARY KEY
);

-- The store sequence: the numbers of messages, in the order of submits.
CREATE SEQUENCE message_n;

-- The latest time at which a message became ready. A sequence because it is a register outside of all
-- transactions: nobody waits for it. See `stamp` in functions/clock.sql.
CREATE SEQUENCE last_stamp MINVALUE -9223372036854775808 START 0;

-- `scheduled` tells one that waits for its time from one that waits for a worker, and says nothing while
-- the message runs or once it has ended. So does `claims`, but for how often it was claimed when it began
-- to wait. `updated` is NULL until something but a claim or an end has changed the row.
-- A NULL codec is "json"; NULL options are all defaults.
CREATE TABLE message (
  n bigint PRIMARY KEY,
  id uuid NOT NULL UNIQUE,
  line integer NOT NULL,
  scheduled boolean NOT NULL,
  priority bigint NOT NULL CHECK (priority BETWEEN 0 AND 4294967295),
  due bigint NOT NULL,
  submitted bigint NOT NULL,
  claims bigint NOT NULL DEFAULT 0,
  retries bigint NOT NULL DEFAULT 0,
  losses bigint NOT NULL DEFAULT 0,
  strays bigint NOT NULL DEFAULT 0,
  snoozes bigint NOT NULL DEFAULT 0,
  updated bigint,
  expires bigint,
  -- When it may start: so long after it was accepted, or at a time.
  start_after bigint,
  start_at bigint,
  -- How long its success is kept, where it says so itself.
  keep_for bigint,
  codec text,
  payload bytea NOT NULL,
  options text,
  previous_codec text,
  previous bytea
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.2);

-- Where a message stands: in exactly one of the next four.
--
-- The first three are small and never at rest: they are vacuumed after a fixed number of changes, without
-- pauses, so that a claim does not wade through what others have taken.
CREATE TABLE ready (
  line integer NOT NULL,
  priority bigint NOT NULL,
  due bigint NOT NULL,
  n bigint NOT NULL,
  expires bigint,
  PRIMARY KEY (line, priority, due, n)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
  autovacuum_vacuum_cost_delay = 0);

CREATE TABLE delayed (
  due bigint NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (due, n)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0);

-- Who holds what: a token holds exactly while its row is here. `claims` is the number of this claim, and
-- `started` when the attempt was known to have started. Room is left in its pages, so that a start is noted
-- without touching the index.
CREATE TABLE inflight (
  id uuid PRIMARY KEY,
  n bigint NOT NULL,
  worker integer NOT NULL,
  claims bigint NOT NULL,
  claimed bigint NOT NULL,
  started bigint,
  keep_for bigint
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0);

-- How a message ended; `claims`, `worker` and `started` are of its last attempt.
CREATE TABLE finished (
  n bigint PRIMARY KEY,
  state smallint NOT NULL CHECK (state IN (3, 4, 5)),
  claims bigint NOT NULL,
  ended bigint NOT NULL,
  kept bigint NOT NULL,
  worker integer,
  started bigint,
  reason smallint,
  result_kind smallint,
  result_size bigint,
  result_codec text,
  result bytea
) WITH (autovacuum_vacuum_scale_factor = 0.05);
-- The succeeded and the dead apart, each by the end of its retention.
CREATE INDEX finished_kept ON finished ((state <> 3), kept, n) INCLUDE (state);

-- Besides: the waiting messages that must start before a time.
CREATE TABLE expiring (
  expires bigint NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (expires, n)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0);

-- The ends of attempts, the last ten of each message; a success is told by its row in `finished`. The error
-- is JSON, because it may hold characters that a text may not.
CREATE TABLE attempt (
  n bigint NOT NULL,
  k bigint NOT NULL,
  claims bigint NOT NULL,
  worker integer,
  started bigint,
  ended bigint NOT NULL,
  outcome smallint NOT NULL,
  error text,
  PRIMARY KEY (n, k)
);

-- What handlers left with their messages.
CREATE TABLE scratch (
  n bigint PRIMARY KEY,
  details text,
  details_set bigint NOT NULL DEFAULT 0,
  saved_codec text,
  saved bytea
) WITH (fillfactor = 70);

-- Who works, and who did: those that are gone are kept for the sake of their names.
CREATE TABLE worker (
  w integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL UNIQUE,
  name text NOT NULL,
  listens text NOT NULL,
  tasks text NOT NULL, -- the names of the tasks it knows, as a JSON array
  joined bigint NOT NULL
);

-- The leases, one narrow row each, so that a heartbeat writes little and within its page. `dead` from the
-- moment a worker is found dead; the row goes when nothing is held under it any more.
CREATE TABLE lease (
  w integer PRIMARY KEY,
  ends bigint NOT NULL,
  dead boolean NOT NULL DEFAULT false
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- The one row of the lease clock: see functions/clock.sql.
CREATE TABLE lease_clock (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  ticks bigint NOT NULL,
  read_at bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO lease_clock (ticks, read_at) VALUES (0, 0);

-- A line that a claim asks for, and the place of its group.
CREATE TYPE line_asked AS (l integer, place bigint);

-- What a claim answers: a message, and what its attempts saved.
CREATE TYPE claimed AS (
  id uuid, priority bigint, claims bigint, retries bigint, losses bigint, strays bigint, snoozes bigint,
  submitted bigint, start_after bigint, start_at bigint, codec text, payload bytea, options text,
  previous_codec text, previous bytea, line integer, saved_codec text, saved bytea
);

-- Where each message is, for people who look with a tool of their own.
CREATE VIEW state AS
SELECT message.n, message.id, line.queue, line.task,
  CASE
    WHEN finished.state = 3 THEN 'succeeded'
    WHEN finished.state = 4 THEN 'failed'
    WHEN finished.state = 5 THEN 'revoked'
    WHEN inflight.n IS NOT NULL THEN 'running'
    WHEN message.scheduled THEN 'scheduled'
    ELSE 'ready'
  END AS state,
  coalesce(finished.claims, inflight.claims, message.claims) AS claims,
  message.priority, to_timestamp(message.due / 1000.0) AS due,
  to_timestamp(message.submitted / 1000.0) AS submitted, to_timestamp(finished.ended / 1000.0) AS ended
FROM message
LEFT JOIN line ON line.l = message.line
LEFT JOIN inflight ON inflight.id = message.id
LEFT JOIN finished ON finished.n = message.n;
