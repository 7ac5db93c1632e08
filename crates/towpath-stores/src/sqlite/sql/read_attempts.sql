-- The last attempts of a message, the newest first.
-- ?1 n, ?2 how many
SELECT claims, started, ended, outcome, worker.name, error_name, error_text, error_trace
FROM attempt LEFT JOIN worker ON worker.w = attempt.worker
WHERE n = ?1
ORDER BY k DESC LIMIT ?2
