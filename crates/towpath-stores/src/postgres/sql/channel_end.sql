-- The end of channel $1, as it is now.
SELECT c, last FROM channel WHERE name = $1
