-- The names of lines. $1 their numbers
SELECT l.l, l.queue, l.task FROM line AS l WHERE l.l = ANY ($1)
