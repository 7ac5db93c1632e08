-- Puts a message in order whose options cannot be read, so that people can look at it. $1 its id
UPDATE message SET options = NULL WHERE id = $1
