-- The first schema. Migrations are numbered and never edited once released.
--
-- A message's row says what was asked for and how often things have happened to it; where it is, it is
-- by standing in one of the narrow tables below, each keyed in the order in which it is read, so that
-- nothing is ever sorted or skipped over. A message that simply runs and succeeds never has its own row
-- written again: that is what makes it cheap. The view `state` puts the pieces together for people.
--
-- Times are milliseconds: of the wall clock, but for `lease.ends`, which counts from the start of the
-- machine.

-- One application's part of the file.
CREATE TABLE namespace (
  ns INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- The messages of one task in one queue. `live` is 1 while any of them is ready, and often for a while
-- longer: it is rarely written, and the index lists the lines a claim has to look at.
CREATE TABLE line (
  l INTEGER PRIMARY KEY,
  ns INTEGER NOT NULL,
  queue TEXT NOT NULL,
  task TEXT NOT NULL,
  live INTEGER NOT NULL DEFAULT 0,
  UNIQUE (ns, queue, task)
) STRICT;
CREATE INDEX line_live ON line (ns, queue, task) WHERE live = 1;

-- The paused queues.
CREATE TABLE pause (
  ns INTEGER NOT NULL,
  queue TEXT NOT NULL,
  PRIMARY KEY (ns, queue)
) STRICT, WITHOUT ROWID;

-- `scheduled` is 1 for one that waits for its time, 0 for one that waits for a worker, and says nothing
-- while the message runs or once it has ended. So does `claims`, but for how often it was claimed when it
-- began to wait. `updated` is NULL until something but a claim or an end has changed the row.
--
-- Of a body of more than 800 bytes only a mark stays here, and the bytes are in `blob` under the key
-- 4 n + kind:
--   payload  (kind 0): NULL is the mark; codec NULL is "json"
--   options  (kind 1): the empty text is the mark; NULL is all defaults
--   previous (kind 2): NULL is the mark where previous_codec is not NULL, which else says there is none
--   result   (kind 3, in `outcome`): NULL is the mark where result_kind is 1
CREATE TABLE message (
  n INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  line INTEGER NOT NULL,
  scheduled INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  due INTEGER NOT NULL,
  submitted INTEGER NOT NULL,
  claims INTEGER NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0,
  losses INTEGER NOT NULL DEFAULT 0,
  strays INTEGER NOT NULL DEFAULT 0,
  snoozes INTEGER NOT NULL DEFAULT 0,
  updated INTEGER,
  expires INTEGER,
  start_after INTEGER,
  start_at INTEGER,
  codec TEXT,
  payload BLOB,
  options TEXT,
  previous_codec TEXT,
  previous BLOB
) STRICT;

CREATE TABLE blob (
  b INTEGER PRIMARY KEY,
  data BLOB NOT NULL
) STRICT;

-- Where a message stands: in exactly one of the first three, or among the ended.
CREATE TABLE ready (
  line INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  due INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (line, priority, due, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE delayed (
  due INTEGER NOT NULL,
  n INTEGER NOT NULL,
  line INTEGER NOT NULL,
  PRIMARY KEY (due, n)
) STRICT, WITHOUT ROWID;

-- Who holds what: a token holds exactly while its row is here. `claims` is the number of this claim, and
-- `started` when the attempt was known to have started.
CREATE TABLE inflight (
  n INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  worker INTEGER NOT NULL,
  claims INTEGER NOT NULL,
  claimed INTEGER NOT NULL,
  started INTEGER
) STRICT;

-- How a message ended; `claims`, `worker` and `started` are of its last attempt.
CREATE TABLE outcome (
  n INTEGER PRIMARY KEY,
  state INTEGER NOT NULL,
  claims INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  kept INTEGER NOT NULL,
  worker INTEGER,
  started INTEGER,
  reason INTEGER,
  result_kind INTEGER,
  result_size INTEGER,
  result_codec TEXT,
  result BLOB
) STRICT;

-- The ended, by the end of their retention; the dead letters apart.
CREATE TABLE finished (
  ns INTEGER NOT NULL,
  dead INTEGER NOT NULL,
  kept INTEGER NOT NULL,
  n INTEGER NOT NULL,
  state INTEGER NOT NULL,
  PRIMARY KEY (ns, dead, kept, n)
) STRICT, WITHOUT ROWID;

-- Besides: the waiting messages that must start before a time.
CREATE TABLE expiring (
  expires INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (expires, n)
) STRICT, WITHOUT ROWID;

-- The ends of attempts, the last ten of each message; a success is told by its outcome.
CREATE TABLE attempt (
  n INTEGER NOT NULL,
  k INTEGER NOT NULL,
  claims INTEGER NOT NULL,
  worker INTEGER,
  started INTEGER,
  ended INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  error_name TEXT,
  error_text TEXT,
  error_trace TEXT,
  PRIMARY KEY (n, k)
) STRICT, WITHOUT ROWID;

-- What handlers left with their messages.
CREATE TABLE scratch (
  n INTEGER PRIMARY KEY,
  details TEXT,
  details_set INTEGER NOT NULL DEFAULT 0,
  saved_codec TEXT,
  saved BLOB
) STRICT;

-- Who works, and who did: those that are gone are kept for the sake of their names.
CREATE TABLE worker (
  w INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  ns INTEGER NOT NULL,
  name TEXT NOT NULL,
  listens TEXT NOT NULL,
  tasks TEXT NOT NULL, -- the names of the tasks it knows, as a JSON array
  joined INTEGER NOT NULL
) STRICT;

-- The leases, one narrow row each, so that a heartbeat writes little. `dead` is 1 from the moment a
-- worker is found dead; the row goes when nothing is held under it any more.
CREATE TABLE lease (
  w INTEGER PRIMARY KEY,
  boot TEXT NOT NULL,
  ends INTEGER NOT NULL,
  dead INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Where each message is, for people who look with a tool of their own.
CREATE VIEW state AS
SELECT message.n,
  lower(substr(hex(message.id), 1, 8) || '-' || substr(hex(message.id), 9, 4) || '-'
    || substr(hex(message.id), 13, 4) || '-' || substr(hex(message.id), 17, 4) || '-'
    || substr(hex(message.id), 21)) AS id,
  line.queue, line.task,
  CASE
    WHEN outcome.state = 3 THEN 'succeeded'
    WHEN outcome.state = 4 THEN 'failed'
    WHEN outcome.state = 5 THEN 'revoked'
    WHEN inflight.n IS NOT NULL THEN 'running'
    WHEN message.scheduled THEN 'scheduled'
    ELSE 'ready'
  END AS state,
  COALESCE(outcome.claims, inflight.claims, message.claims) AS claims,
  message.priority, message.due, message.submitted, outcome.finished,
  CAST(message.payload AS TEXT) AS payload, CAST(outcome.result AS TEXT) AS result
FROM message
LEFT JOIN line ON line.l = message.line
LEFT JOIN inflight ON inflight.n = message.n
LEFT JOIN outcome ON outcome.n = message.n;
