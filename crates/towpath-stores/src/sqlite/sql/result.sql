-- What became of a message, and what it gave.
-- ?1 the message's id
SELECT n, line, state, reason, finished, result_kind, result_size, result_codec, result
FROM message WHERE id = ?1
