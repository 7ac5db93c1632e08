-- What user code keeps beside its messages: values by key, sorted sets, what was just published, locks.
--
-- Names are compared by their bytes, as in every store: hence the collation. Times are milliseconds of the
-- wall clock, but for `lock.ends`, which counts on the lease clock (functions/clock.sql), as `lease.ends` does.

-- A NULL codec is "json"; `expires` NULL is never.
CREATE TABLE value (
  bucket text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  codec text,
  data bytea NOT NULL,
  expires bigint,
  PRIMARY KEY (bucket, name)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX value_expires ON value (expires) WHERE expires IS NOT NULL;

-- The members of sorted sets. Those of one set are written by one verb at a time: see functions/sets.sql.
CREATE TABLE member (
  bucket text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  member text COLLATE "C" NOT NULL,
  score double precision NOT NULL,
  PRIMARY KEY (bucket, name, member)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
-- Its condition, which always holds, is said only by those who read a set in its order. So nobody looks a member
-- up here, which would be to go through the set, however small the planner believes it to be.
CREATE INDEX member_order ON member (bucket, name, score, member) WHERE score > '-Infinity';

-- The channels in which something was published lately. `last` counts what was published since the row came
-- to be; the row is locked by whoever publishes, so that this is the order of commits, too.
CREATE TABLE channel (
  c bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  last bigint NOT NULL
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The last values of each channel.
CREATE TABLE published (
  c bigint NOT NULL,
  seq bigint NOT NULL,
  at bigint NOT NULL,
  codec text,
  data bytea NOT NULL,
  PRIMARY KEY (c, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
  autovacuum_vacuum_cost_delay = 0);
CREATE INDEX published_at ON published (at);

-- The locks that are held, and a few whose time has run out. `ends` NULL is not before it is released.
CREATE TABLE lock (
  name text COLLATE "C" PRIMARY KEY,
  owner text NOT NULL,
  fence bigint NOT NULL,
  taken bigint NOT NULL,
  ends bigint
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX lock_ends ON lock (ends) WHERE ends IS NOT NULL;

-- The fences of locks. A sequence never gives a number twice, whatever becomes of the transaction.
CREATE SEQUENCE fence;
