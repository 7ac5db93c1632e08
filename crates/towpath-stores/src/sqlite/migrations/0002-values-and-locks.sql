-- What user code keeps beside its messages: values by key, sorted sets, what was just published, locks.
--
-- Times are milliseconds of the wall clock, but for `lock.ends`, which counts from the start of the
-- machine, as `lease.ends` does.

-- `codec` NULL is "json"; `expires` NULL is never.
CREATE TABLE value (
  v INTEGER PRIMARY KEY,
  ns INTEGER NOT NULL,
  bucket TEXT NOT NULL,
  name TEXT NOT NULL,
  codec TEXT,
  data BLOB NOT NULL,
  expires INTEGER,
  UNIQUE (ns, bucket, name)
) STRICT;
CREATE INDEX value_expires ON value (expires) WHERE expires IS NOT NULL;

CREATE TABLE member (
  ns INTEGER NOT NULL,
  bucket TEXT NOT NULL,
  name TEXT NOT NULL,
  member TEXT NOT NULL,
  score REAL NOT NULL,
  PRIMARY KEY (ns, bucket, name, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_order ON member (ns, bucket, name, score, member);

-- The last values of each channel. `seq` counts those of one channel, and begins again at 1 once none of
-- them is left.
CREATE TABLE published (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  ns INTEGER NOT NULL,
  channel TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  codec TEXT,
  data BLOB NOT NULL
) STRICT;
CREATE INDEX published_channel ON published (ns, channel, n);
CREATE INDEX published_at ON published (at);

-- The locks that are held, and a few whose time has run out. One with a ttl holds until `ends` as long as
-- the machine that wrote `boot` runs, and after its next start until `until`.
CREATE TABLE lock (
  ns INTEGER NOT NULL,
  name TEXT NOT NULL,
  owner TEXT NOT NULL,
  fence INTEGER NOT NULL,
  taken INTEGER NOT NULL,
  boot TEXT,
  ends INTEGER,
  until INTEGER,
  PRIMARY KEY (ns, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX lock_until ON lock (until) WHERE until IS NOT NULL;

-- The fence of the last lock that was taken.
ALTER TABLE namespace ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
