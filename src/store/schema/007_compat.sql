-- Schema version 7: queues that other queues' programs work with. live.flags has one more bit, 16: put back by hand since its last attempt.

-- Such queues have their jobs' ids at hand: a daemon that starts finds them here.
ALTER TABLE live ADD COLUMN label TEXT;
ALTER TABLE done ADD COLUMN label TEXT; -- has the same first columns; always NULL
-- A JSON object of the caller's, verbatim. It stands behind the payload: read where the payload is, or when asked for.
ALTER TABLE job ADD COLUMN metadata TEXT;
ALTER TABLE counts ADD COLUMN ids INTEGER NOT NULL DEFAULT 0; -- decimal ids that were given, ever

DROP VIEW jobs;
CREATE VIEW jobs AS
	SELECT u.text AS uid, j.id, q.namespace, q.name AS queue, j.name,
	       (SELECT name FROM state_name s WHERE s.state = p.state) AS state,
	       (SELECT name FROM outcome_name o WHERE o.outcome = p.outcome) AS outcome,
	       p.priority, p.attempts_made, p.max_attempts, p.group_key AS "group", p.worker,
	       strftime('%Y-%m-%dT%H:%M:%fZ', j.created_us / 1e6, 'unixepoch') AS created_at,
	       CASE WHEN p.due_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', p.due_us / 1e6, 'unixepoch') END AS due_at,
	       CASE WHEN p.started_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', p.started_us / 1e6, 'unixepoch') END AS started_at,
	       CASE WHEN p.finished_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', p.finished_us / 1e6, 'unixepoch') END AS finished_at,
	       NULL AS error, NULL AS result, j.metadata, j.payload
	FROM live p JOIN job j ON j.uid = p.uid JOIN uid_text u ON u.uid = p.uid LEFT JOIN queue q ON q.number = p.queue
	UNION ALL
	SELECT u.text AS uid, j.id, q.namespace, q.name AS queue, j.name,
	       (SELECT name FROM state_name s WHERE s.state = p.state) AS state,
	       (SELECT name FROM outcome_name o WHERE o.outcome = p.outcome) AS outcome,
	       p.priority, p.attempts_made, p.max_attempts, p.group_key AS "group", p.worker,
	       strftime('%Y-%m-%dT%H:%M:%fZ', j.created_us / 1e6, 'unixepoch') AS created_at,
	       CASE WHEN p.due_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', p.due_us / 1e6, 'unixepoch') END AS due_at,
	       CASE WHEN p.started_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', p.started_us / 1e6, 'unixepoch') END AS started_at,
	       CASE WHEN p.finished_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', p.finished_us / 1e6, 'unixepoch') END AS finished_at,
	       p.error, p.result, j.metadata, j.payload
	FROM done p JOIN job j ON j.uid = p.uid JOIN uid_text u ON u.uid = p.uid LEFT JOIN queue q ON q.number = p.queue;
