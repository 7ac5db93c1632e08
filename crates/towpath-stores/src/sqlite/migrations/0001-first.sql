-- The first schema. Migrations are numbered and never edited once released.
--
-- One row holds a message for its whole life; the narrow tables below say where it stands, each keyed
-- in the order in which it is read, so that nothing is ever sorted or skipped over. Times are
-- milliseconds: of the wall clock, but for `lease.ends`, which counts from the start of the machine.

-- One application's part of the file.
CREATE TABLE namespace (
  ns INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- The messages of one task in one queue. `live` is 1 while any of them is ready: it is written only
-- when a line becomes empty or stops being so, and the index lists the lines a claim has to look at.
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

-- What moves a message comes first, its bodies last. Of a body of more than 800 bytes only a mark
-- stays here, and the bytes are in `blob` under the key 4 n + kind:
--   payload  (kind 0): NULL is the mark; codec NULL is "json"
--   options  (kind 1): the empty text is the mark; NULL is all defaults
--   previous (kind 2): NULL is the mark where previous_codec is not NULL, which else says there is none
--   result   (kind 3): NULL is the mark where result_kind is 1
CREATE TABLE message (
  n INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  line INTEGER NOT NULL,
  state INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  due INTEGER NOT NULL,
  claims INTEGER NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0,
  losses INTEGER NOT NULL DEFAULT 0,
  strays INTEGER NOT NULL DEFAULT 0,
  snoozes INTEGER NOT NULL DEFAULT 0,
  worker INTEGER,
  submitted INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  expires INTEGER,
  result_ttl INTEGER,
  started INTEGER,
  finished INTEGER,
  kept INTEGER,
  reason INTEGER,
  result_kind INTEGER,
  result_size INTEGER,
  start_after INTEGER,
  start_at INTEGER,
  codec TEXT,
  payload BLOB,
  options TEXT,
  previous_codec TEXT,
  previous BLOB,
  result_codec TEXT,
  result BLOB
) STRICT;

CREATE TABLE blob (
  b INTEGER PRIMARY KEY,
  data BLOB NOT NULL
) STRICT;

-- Where a message stands: in exactly one of these four, by its state.
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

-- The truth about who holds what: a token holds exactly while its row is here. `started` is when the
-- attempt was known to have started.
CREATE TABLE inflight (
  worker INTEGER NOT NULL,
  n INTEGER NOT NULL,
  claims INTEGER NOT NULL,
  started INTEGER,
  PRIMARY KEY (worker, n)
) STRICT, WITHOUT ROWID;

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

-- The ends of attempts, the last ten of each message; a success is told by its message's row.
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
