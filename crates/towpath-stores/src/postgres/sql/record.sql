-- All that is known of messages, with their attempts and what was saved.
-- $1 their ids
SELECT m.id, m.priority, m.claims, m.retries, m.losses, m.strays, m.snoozes, m.submitted,
  m.start_after, m.start_at, m.codec, m.payload, m.options, m.previous_codec, m.previous, m.line,
  s.saved_codec, s.saved,
  m.n, m.scheduled, m.updated, m.due, m.expires, i.claims AS held_claims, i.claimed,
  f.state AS ended_state, f.claims AS ended_claims, f.ended, f.kept, f.reason,
  f.started AS ended_started, f.result_kind, f.result_size, w.name AS worker, s.details,
  EXISTS (SELECT 1 FROM pause AS p JOIN line AS l ON l.queue = p.queue WHERE l.l = m.line) AS paused,
  (
    SELECT json_agg(json_build_array(a.claims, coalesce(b.name, ''), a.started, a.ended, a.outcome, a.error)
      ORDER BY a.k)::text
    FROM attempt AS a LEFT JOIN worker AS b ON b.w = a.worker WHERE a.n = m.n
  ) AS attempts
FROM message AS m
LEFT JOIN inflight AS i ON i.id = m.id
LEFT JOIN finished AS f ON f.n = m.n
LEFT JOIN worker AS w ON w.w = coalesce(f.worker, i.worker)
LEFT JOIN scratch AS s ON s.n = m.n
WHERE m.id = ANY ($1)
