-- Writes the end of an attempt.
-- ?1 n, ?2 k, ?3 claims, ?4 worker, ?5 started, ?6 ended, ?7 outcome, ?8..?10 the error
INSERT OR REPLACE INTO attempt
  (n, k, claims, worker, started, ended, outcome, error_name, error_text, error_trace)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
