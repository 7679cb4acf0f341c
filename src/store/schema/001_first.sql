-- Ruche's store, schema version 1. Instants are microseconds since 1970 UTC, 0 is "not set". The views at the end (jobs, attempts,
-- queues) are for people: sqlite3 -readonly ruche.db "SELECT * FROM jobs LIMIT 20".

-- The one row that every commit moves: an engine owns the shard while its term is the one written here.
CREATE TABLE shard (
	id              INTEGER PRIMARY KEY,
	term            INTEGER NOT NULL,
	seq             INTEGER NOT NULL, -- of the last commit
	engine_us       INTEGER NOT NULL,
	wall_us         INTEGER NOT NULL,
	last_uid        INTEGER NOT NULL,
	next_body       INTEGER NOT NULL,
	first_event_seq INTEGER NOT NULL, -- older events were trimmed
	created_us      INTEGER NOT NULL
);
INSERT INTO shard VALUES (1, 0, 0, 0, 0, 0, 1, 1, 0);

-- Which schema versions this file went through.
CREATE TABLE meta (
	version    INTEGER PRIMARY KEY,
	applied_at TEXT NOT NULL,
	by         TEXT NOT NULL
);

CREATE TABLE queue (
	number     INTEGER PRIMARY KEY,
	namespace  TEXT NOT NULL,
	name       TEXT NOT NULL,
	settings   TEXT,             -- JSON
	paused     INTEGER NOT NULL,
	created_us INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	UNIQUE (namespace, name)
);
CREATE TABLE queue_group (         -- only groups that are paused or have settings of their own
	queue    INTEGER NOT NULL,
	key      TEXT NOT NULL,
	settings TEXT,
	paused   INTEGER NOT NULL,
	PRIMARY KEY (queue, key)
) WITHOUT ROWID;
CREATE TABLE policy (number INTEGER PRIMARY KEY, json TEXT NOT NULL);

-- What a job is: written once. Its payload comes last, so that reading the rest never touches it.
CREATE TABLE job (
	uid           INTEGER PRIMARY KEY,
	queue         INTEGER, -- the one it was enqueued into
	created_us    INTEGER,
	priority      INTEGER,
	max_attempts  INTEGER,
	policy        INTEGER, -- table policy; 0: the queue's
	timeout_ms    INTEGER,
	ttl_ms        INTEGER,
	payload_bytes INTEGER,
	payload_body  INTEGER, -- table body; 0: the payload is here
	id            TEXT,
	name          TEXT,
	group_key     TEXT,
	tags          TEXT,             -- JSON
	trace         TEXT,
	target        TEXT,
	payload       TEXT
);
CREATE UNIQUE INDEX job_id ON job (queue, id) WHERE id IS NOT NULL;
CREATE INDEX job_name ON job (name) WHERE name IS NOT NULL;

-- Where a job stands: in `live` until it is final, in `done` afterwards, with the same first columns.
-- state: 0 waiting, 1 delayed, 2 active, 3 waiting_children, 4 parked, 5 completed, 6 failed, 7 cancelled, 8 expired.
CREATE TABLE live (
	uid              INTEGER PRIMARY KEY,
	queue            INTEGER,
	state            INTEGER,
	outcome          INTEGER,
	flags            INTEGER, -- 1 due by wall time, 2 cancel asked, 4 LIFO, 8 payload edited
	priority         INTEGER,
	policy           INTEGER,
	max_attempts     INTEGER,
	attempts_started INTEGER,
	attempts_made    INTEGER,
	stalls           INTEGER,
	rank             INTEGER,
	due_us           INTEGER,
	expire_us        INTEGER,
	timeout_ms       INTEGER,
	fence            INTEGER,
	version          INTEGER, -- the commit that changed it last
	since_us         INTEGER,
	started_us       INTEGER,
	finished_us      INTEGER,
	lease_token      INTEGER,
	lease_ms         INTEGER,
	edited_body      INTEGER,
	bytes            INTEGER,
	worker           TEXT,
	group_key        TEXT
);
-- Two indexes cost less than one on (queue, state): a claim leaves one at its front and joins the other at its end.
CREATE INDEX live_waiting ON live (queue) WHERE state = 0;
CREATE INDEX live_state ON live (queue, state) WHERE state <> 0;
CREATE TABLE done (
	uid              INTEGER PRIMARY KEY,
	queue            INTEGER,
	state            INTEGER,
	outcome          INTEGER,
	flags            INTEGER,
	priority         INTEGER,
	policy           INTEGER,
	max_attempts     INTEGER,
	attempts_started INTEGER,
	attempts_made    INTEGER,
	stalls           INTEGER,
	rank             INTEGER,
	due_us           INTEGER,
	expire_us        INTEGER,
	timeout_ms       INTEGER,
	fence            INTEGER,
	version          INTEGER,
	since_us         INTEGER,
	started_us       INTEGER,
	finished_us      INTEGER,
	lease_token      INTEGER,
	lease_ms         INTEGER,
	edited_body      INTEGER,
	bytes            INTEGER,
	worker           TEXT,
	group_key        TEXT,
	result_body      INTEGER, -- table body; 0: the result is here
	result_bytes     INTEGER,
	error            TEXT,             -- JSON
	result           TEXT
);
CREATE INDEX done_state ON done (queue, state, finished_us);

-- Attempts that failed or went over HTTP, in the order of their ends.
CREATE TABLE attempt (
	n           INTEGER PRIMARY KEY,
	uid         INTEGER NOT NULL,
	number      INTEGER NOT NULL,
	fence       INTEGER NOT NULL,
	started_us  INTEGER NOT NULL,
	finished_us INTEGER NOT NULL,
	next        INTEGER NOT NULL, -- the state that the job took
	retry_us    INTEGER NOT NULL,
	worker      TEXT,
	error       TEXT,
	exchange    TEXT
);
CREATE INDEX attempt_uid ON attempt (uid);
CREATE TABLE log (
	n       INTEGER PRIMARY KEY,
	uid     INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	at_us   INTEGER NOT NULL,
	line    TEXT
);
CREATE INDEX log_uid ON log (uid);
CREATE TABLE progress (uid INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, json TEXT);

-- Large payloads and results, in chunks; staged ones are not referenced by a row yet and are swept when a daemon takes the shard.
CREATE TABLE body (
	n      INTEGER PRIMARY KEY,
	number INTEGER NOT NULL,
	chunk  INTEGER NOT NULL,
	bytes  BLOB,
	UNIQUE (number, chunk)
);
CREATE TABLE staged_body (number INTEGER PRIMARY KEY);

-- Lines "<type> <uid text>[ <JSON>]", one row per queue and commit.
CREATE TABLE event (
	seq   INTEGER NOT NULL,
	queue INTEGER NOT NULL,
	at_us INTEGER NOT NULL,
	count INTEGER NOT NULL,
	lines TEXT,
	PRIMARY KEY (seq, queue)
) WITHOUT ROWID;
CREATE INDEX event_queue ON event (queue, seq);

-- Sums per queue, so that nobody counts rows.
CREATE TABLE counts (
	queue           INTEGER PRIMARY KEY,
	enqueued        INTEGER NOT NULL,
	started         INTEGER NOT NULL,
	completed       INTEGER NOT NULL, -- jobs kept in that state, and their bytes
	failed          INTEGER NOT NULL,
	cancelled       INTEGER NOT NULL,
	expired         INTEGER NOT NULL,
	completed_bytes INTEGER NOT NULL,
	failed_bytes    INTEGER NOT NULL,
	cancelled_bytes INTEGER NOT NULL,
	expired_bytes   INTEGER NOT NULL,
	ended_completed INTEGER NOT NULL, -- times a job ended so, ever
	ended_failed    INTEGER NOT NULL,
	ended_cancelled INTEGER NOT NULL,
	ended_expired   INTEGER NOT NULL
);
CREATE TABLE token (
	number     INTEGER PRIMARY KEY,
	name       TEXT,
	hash       BLOB NOT NULL, -- SHA-256
	prefix     TEXT,
	scopes     TEXT,
	queues     TEXT,
	created_us INTEGER NOT NULL,
	expires_us INTEGER NOT NULL,
	revoked_us INTEGER NOT NULL
);
CREATE TABLE operation (
	number       INTEGER PRIMARY KEY,
	action       TEXT,
	arguments    TEXT,
	filter       TEXT,
	as_of        INTEGER NOT NULL,
	cursor_uid   INTEGER NOT NULL,
	cursor_phase INTEGER NOT NULL,
	done         INTEGER NOT NULL,
	skipped      INTEGER NOT NULL,
	failed       INTEGER NOT NULL,
	state        INTEGER NOT NULL, -- 0 running, 1 paused, 2 done, 3 cancelled
	created_us   INTEGER NOT NULL,
	finished_us  INTEGER NOT NULL
);
CREATE TABLE idempotency (
	key          TEXT PRIMARY KEY,
	request_hash INTEGER NOT NULL,
	at_us        INTEGER NOT NULL,
	answer       BLOB
) WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at_us);

-- For people.
CREATE VIEW state_name (state, name) AS
	VALUES (0, 'waiting'), (1, 'delayed'), (2, 'active'), (3, 'waiting_children'), (4, 'parked'), (5, 'completed'), (6, 'failed'),
	       (7, 'cancelled'), (8, 'expired');
CREATE VIEW outcome_name (outcome, name) AS
	VALUES (0, NULL), (1, 'success'), (2, 'filtered'), (3, 'attempts_spent'), (4, 'final_error'), (5, 'stalled'), (6, 'by_hand'), (7, 'ttl');
CREATE VIEW uid_text (uid, text) AS
	SELECT uid,
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 60 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 55 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 50 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 45 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 40 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 35 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 30 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 25 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 20 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 15 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 10 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 5 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid & 31) + 1, 1)
	FROM job;
CREATE VIEW jobs AS
	SELECT u.text AS uid, j.id, q.namespace, q.name AS queue, j.name,
	       (SELECT name FROM state_name s WHERE s.state = p.state) AS state,
	       (SELECT name FROM outcome_name o WHERE o.outcome = p.outcome) AS outcome,
	       p.priority, p.attempts_made, p.max_attempts, p.group_key AS "group", p.worker,
	       strftime('%Y-%m-%dT%H:%M:%fZ', j.created_us / 1e6, 'unixepoch') AS created_at,
	       CASE WHEN p.due_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', p.due_us / 1e6, 'unixepoch') END AS due_at,
	       CASE WHEN p.started_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', p.started_us / 1e6, 'unixepoch') END AS started_at,
	       CASE WHEN p.finished_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', p.finished_us / 1e6, 'unixepoch') END AS finished_at,
	       NULL AS error, NULL AS result, j.payload
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
	       p.error, p.result, j.payload
	FROM done p JOIN job j ON j.uid = p.uid JOIN uid_text u ON u.uid = p.uid LEFT JOIN queue q ON q.number = p.queue;
CREATE VIEW attempts AS
	SELECT u.text AS uid, j.id, a.number, (SELECT name FROM state_name s WHERE s.state = a.next) AS next, a.worker, a.error, a.exchange,
	       strftime('%Y-%m-%dT%H:%M:%fZ', a.started_us / 1e6, 'unixepoch') AS started_at,
	       strftime('%Y-%m-%dT%H:%M:%fZ', a.finished_us / 1e6, 'unixepoch') AS finished_at,
	       CASE WHEN a.retry_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', a.retry_us / 1e6, 'unixepoch') END AS retry_at
	FROM attempt a JOIN job j ON j.uid = a.uid JOIN uid_text u ON u.uid = a.uid;
CREATE VIEW queues AS
	SELECT q.namespace, q.name, q.paused, strftime('%Y-%m-%dT%H:%M:%fZ', q.created_us / 1e6, 'unixepoch') AS created_at,
	       (SELECT count(*) FROM live l WHERE l.queue = q.number) AS live,
	       ifnull(c.completed, 0) AS completed, ifnull(c.failed, 0) AS failed, ifnull(c.cancelled, 0) AS cancelled,
	       ifnull(c.expired, 0) AS expired, ifnull(c.enqueued, 0) AS enqueued, q.settings
	FROM queue q LEFT JOIN counts c ON c.queue = q.number;
