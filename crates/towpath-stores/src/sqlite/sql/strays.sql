-- Rows that lead nowhere, and messages that stand nowhere; of each kind at most ?1.
SELECT * FROM (
  SELECT 'message number ' || n AS about,
    CASE WHEN scheduled THEN 'is scheduled and stands nowhere; an audit mends it'
      ELSE 'is not in its line; an audit mends it' END AS problem
  FROM message
  WHERE NOT EXISTS (SELECT 1 FROM inflight WHERE inflight.n = message.n)
    AND NOT EXISTS (SELECT 1 FROM outcome WHERE outcome.n = message.n)
    AND NOT EXISTS (
      SELECT 1 FROM ready WHERE scheduled = 0 AND ready.line = message.line
        AND ready.priority = message.priority AND ready.due = message.due AND ready.n = message.n)
    AND NOT EXISTS (
      SELECT 1 FROM delayed WHERE scheduled = 1
        AND delayed.due = message.due AND delayed.n = message.n)
  LIMIT ?1)
UNION ALL SELECT * FROM (
  SELECT 'message number ' || n, 'is running and nobody holds it; an audit mends it'
  FROM inflight WHERE NOT EXISTS (SELECT 1 FROM lease WHERE lease.w = inflight.worker)
  LIMIT ?1)
UNION ALL SELECT * FROM (
  SELECT 'message number ' || outcome.n, 'has ended and nothing would prune it; an audit mends it'
  FROM outcome JOIN message ON message.n = outcome.n JOIN line ON line.l = message.line
  WHERE NOT EXISTS (
    SELECT 1 FROM finished
    WHERE finished.ns = line.ns AND finished.dead = (outcome.state <> 3)
      AND finished.kept = outcome.kept AND finished.n = outcome.n)
  LIMIT ?1)
UNION ALL SELECT * FROM (
  SELECT 'message number ' || n, 'is in state ' || state || ', which there is not; an audit mends it'
  FROM outcome WHERE state NOT IN (3, 4, 5)
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
