-- Every message, the newest submitted first. $1 the number to go on before, $2 how many
SELECT n FROM message WHERE n < $1 ORDER BY n DESC LIMIT $2
