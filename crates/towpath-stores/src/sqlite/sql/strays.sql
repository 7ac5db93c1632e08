-- Rows that lead nowhere, and messages that stand nowhere; of each kind at most ?1.
SELECT * FROM (
  SELECT 'message number ' || n AS about, 'is not in its line; an audit mends it' AS problem
  FROM message WHERE state = 1 AND NOT EXISTS (
    SELECT 1 FROM ready WHERE ready.line = message.line AND ready.priority = message.priority
      AND ready.due = message.due AND ready.n = message.n)
  LIMIT ?1)
UNION ALL SELECT * FROM (
  SELECT 'message number ' || n, 'is scheduled and stands nowhere; an audit mends it'
  FROM message WHERE state = 0 AND NOT EXISTS (
    SELECT 1 FROM delayed WHERE delayed.due = message.due AND delayed.n = message.n)
  LIMIT ?1)
UNION ALL SELECT * FROM (
  SELECT 'message number ' || n, 'is running and nobody holds it; an audit mends it'
  FROM message WHERE state = 2 AND NOT EXISTS (
    SELECT 1 FROM inflight JOIN lease ON lease.w = inflight.worker
    WHERE inflight.worker = message.worker AND inflight.n = message.n)
  LIMIT ?1)
UNION ALL SELECT * FROM (
  SELECT 'message number ' || n, 'has ended and nothing would prune it; an audit mends it'
  FROM message WHERE state IN (3, 4, 5) AND NOT EXISTS (
    SELECT 1 FROM finished JOIN line ON line.ns = finished.ns
    WHERE line.l = message.line AND finished.dead = (message.state <> 3)
      AND finished.kept = message.kept AND finished.n = message.n)
  LIMIT ?1)
UNION ALL SELECT * FROM (
  SELECT 'message number ' || n, 'is in state ' || state || ', which there is not; an audit mends it'
  FROM message WHERE state NOT IN (0, 1, 2, 3, 4, 5)
  LIMIT ?1)
UNION ALL SELECT * FROM (
  SELECT 'message number ' || n, 'stands in a line that does not exist; remove it by hand'
  FROM message WHERE NOT EXISTS (SELECT 1 FROM line WHERE line.l = message.line)
  LIMIT ?1)
UNION ALL SELECT * FROM (
  SELECT 'the line of task ' || task || ' in queue ' || queue,
    'has ready messages and is marked as empty; an audit mends it'
  FROM line WHERE live = 0 AND EXISTS (SELECT 1 FROM ready WHERE ready.line = line.l)
  LIMIT ?1)
UNION ALL SELECT * FROM (
  SELECT 'the place of message number ' || n || ' in a line', 'leads to no message; claims pass it by'
  FROM ready WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.n = ready.n)
  LIMIT ?1)
