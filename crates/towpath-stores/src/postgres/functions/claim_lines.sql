-- The lines that a claim asks for, each with the place of its group: groups are taken in strict order, or
-- one message of each in turn. Lines of paused queues are left out.
--
-- Takes
--   in_turn: the lines of `tasks` that have messages; a group is a queue, and the `turn`-th begins
--   paired:  the lines (queues[i], tasks[i]); each is a group
--   else:    the lines of `tasks` in `queues`; a group is a queue
-- A line that is named twice counts where it is named first. Lines that have messages are found by going
-- from one to the next in the index of `ready`, so that nobody has to mark them.

CREATE OR REPLACE FUNCTION claim_lines(
  in_turn boolean, turn bigint, paired boolean, queues text[], tasks text[]
) RETURNS line_asked[] LANGUAGE plpgsql AS $$
BEGIN
  IF in_turn THEN
    RETURN ARRAY(
      WITH RECURSIVE filled (l) AS (
        (SELECT r.line FROM ready AS r ORDER BY r.line LIMIT 1)
        UNION ALL
        SELECT (SELECT r.line FROM ready AS r WHERE r.line > f.l ORDER BY r.line LIMIT 1)
        FROM filled AS f WHERE f.l IS NOT NULL
      ), wanted AS (
        SELECT x.l, dense_rank() OVER (ORDER BY x.queue) - 1 AS place
        FROM filled AS f JOIN line AS x ON x.l = f.l
        WHERE x.task = ANY (tasks)
          AND NOT EXISTS (SELECT 1 FROM pause AS p WHERE p.queue = x.queue)
      ), total AS (
        SELECT max(place) + 1 AS queues FROM wanted
      )
      SELECT ROW(w.l, (w.place - turn % t.queues + t.queues) % t.queues)::line_asked
      FROM wanted AS w, total AS t
    );
  END IF;
  IF paired THEN
    RETURN ARRAY(
      SELECT ROW(x.l, min(a.place))::line_asked
      FROM unnest(queues, tasks) WITH ORDINALITY AS a (queue, task, place)
      JOIN line AS x ON x.queue = a.queue AND x.task = a.task
      WHERE NOT EXISTS (SELECT 1 FROM pause AS p WHERE p.queue = x.queue)
      GROUP BY x.l
    );
  END IF;
  RETURN ARRAY(
    SELECT ROW(x.l, min(a.place))::line_asked
    FROM unnest(queues) WITH ORDINALITY AS a (queue, place)
    JOIN line AS x ON x.queue = a.queue AND x.task = ANY (tasks)
    WHERE NOT EXISTS (SELECT 1 FROM pause AS p WHERE p.queue = x.queue)
    GROUP BY x.l
  );
END
$$;
