-- How many messages are in each state.
SELECT (SELECT count(*) FROM delayed) AS scheduled, (SELECT count(*) FROM ready) AS ready,
  (SELECT count(*) FROM inflight) AS running,
  count(*) FILTER (WHERE state = 3) AS succeeded, count(*) FILTER (WHERE state = 4) AS failed,
  count(*) FILTER (WHERE state = 5) AS revoked
FROM finished
