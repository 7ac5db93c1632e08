-- How many names bucket $2 has; the time is $1.
SELECT count(*) AS count FROM value AS v
WHERE v.bucket = $2 AND (v.expires IS NULL OR v.expires > (SELECT wall($1)))
