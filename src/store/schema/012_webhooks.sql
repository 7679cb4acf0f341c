-- Webhooks. What has a name and a text: endpoints, formats, sources of incoming webhooks, sealed secrets.
CREATE TABLE named (
	kind        INTEGER NOT NULL, -- 0 endpoint, 1 format, 2 source, 3 secret
	namespace   TEXT NOT NULL,
	name        TEXT NOT NULL,
	number      INTEGER NOT NULL UNIQUE, -- of all kinds together; never used twice
	state       INTEGER NOT NULL, -- endpoints: 0 enabled, 1 paused, 2 disabled
	reason      TEXT,             -- of that
	health      TEXT,             -- endpoints: JSON; NULL: well
	created_us  INTEGER NOT NULL,
	changed_us  INTEGER NOT NULL,
	created_seq INTEGER NOT NULL, -- messages of earlier commits are not for it
	version     INTEGER NOT NULL,
	text        TEXT NOT NULL,    -- JSON; of a secret, sealed
	PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;
ALTER TABLE shard ADD COLUMN last_named INTEGER NOT NULL DEFAULT 0; -- the highest number ever

-- What happened and is to be told: once, whoever is told. Deliveries are jobs. The payload comes last, as a job's.
CREATE TABLE message (
	uid           INTEGER PRIMARY KEY,
	seq           INTEGER NOT NULL, -- the commit that brought it
	namespace     TEXT NOT NULL,
	type          TEXT NOT NULL,
	entity        TEXT,
	key           TEXT,             -- the sender's
	channels      TEXT,             -- JSON array
	flags         INTEGER NOT NULL, -- 1 the entity is gone, 2 about deliveries, 4 a test, 8 its content was removed
	only_endpoint INTEGER,          -- the one that it is for
	next_endpoint INTEGER,          -- deliveries were made up to and with this endpoint; NULL: all of them
	deliveries    INTEGER NOT NULL, -- made so far
	payload_bytes INTEGER,
	payload_body  INTEGER,          -- table body; NULL: the payload is here
	metadata      TEXT,
	payload       TEXT
);
CREATE UNIQUE INDEX message_key ON message (namespace, key) WHERE key IS NOT NULL;
CREATE INDEX message_expand ON message (uid) WHERE next_endpoint IS NOT NULL; -- what a restart reads
CREATE INDEX message_seq ON message (namespace, seq, uid);
CREATE INDEX message_entity ON message (namespace, entity) WHERE entity IS NOT NULL;

-- What an endpoint was told of an entity last.
CREATE TABLE entity (
	endpoint    INTEGER NOT NULL, -- number
	entity      TEXT NOT NULL,
	external_id TEXT,             -- the other side's name for it
	message     INTEGER NOT NULL, -- uid of the newest that was delivered
	at_us       INTEGER NOT NULL, -- wall time
	state       INTEGER NOT NULL, -- 0 delivered, 1 retracted
	PRIMARY KEY (endpoint, entity)
) WITHOUT ROWID;

-- Of a delivery: uid of its message. It stands behind the payload, which a delivery does not have.
ALTER TABLE job ADD COLUMN message INTEGER;
CREATE INDEX job_message ON job (message, group_key) WHERE message IS NOT NULL;
ALTER TABLE dedup ADD COLUMN flags INTEGER NOT NULL DEFAULT 0; -- 1 the newest job takes the owner's place

-- For people. No view shows what is in a secret, sealed or not.
DROP VIEW outcome_name;
CREATE VIEW outcome_name (outcome, name) AS
	VALUES (0, NULL), (1, 'success'), (2, 'filtered'), (3, 'attempts_spent'), (4, 'final_error'), (5, 'stalled'), (6, 'by_hand'), (7, 'ttl'),
	       (8, 'child_failed'), (9, 'superseded');
CREATE VIEW endpoints AS
	SELECT namespace, name, CASE state WHEN 0 THEN 'enabled' WHEN 1 THEN 'paused' ELSE 'disabled' END AS state, reason, health,
	       strftime('%Y-%m-%dT%H:%M:%fZ', created_us / 1e6, 'unixepoch') AS created_at,
	       strftime('%Y-%m-%dT%H:%M:%fZ', changed_us / 1e6, 'unixepoch') AS changed_at, text AS settings
	FROM named WHERE kind = 0;
CREATE VIEW formats AS
	SELECT namespace, name, strftime('%Y-%m-%dT%H:%M:%fZ', changed_us / 1e6, 'unixepoch') AS changed_at, text AS settings FROM named WHERE kind = 1;
CREATE VIEW sources AS
	SELECT namespace, name, strftime('%Y-%m-%dT%H:%M:%fZ', changed_us / 1e6, 'unixepoch') AS changed_at, text AS settings FROM named WHERE kind = 2;
CREATE VIEW secrets AS
	SELECT namespace, name, strftime('%Y-%m-%dT%H:%M:%fZ', changed_us / 1e6, 'unixepoch') AS changed_at FROM named WHERE kind = 3;
CREATE VIEW message_uid_text (uid, text) AS
	SELECT uid,
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 60 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 55 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 50 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 45 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 40 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 35 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 30 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 25 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 20 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 15 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 10 & 31) + 1, 1) || substr('0123456789abcdefghjkmnpqrstvwxyz', (uid >> 5 & 31) + 1, 1) ||
	       substr('0123456789abcdefghjkmnpqrstvwxyz', (uid & 31) + 1, 1)
	FROM message;
CREATE VIEW messages AS
	SELECT 'msg_' || u.text AS id, m.namespace, m.type, m.entity, m.key, m.channels, m.flags & 1 AS deleted, m.deliveries,
	       m.next_endpoint IS NULL AS expanded, m.metadata, m.payload
	FROM message m JOIN message_uid_text u ON u.uid = m.uid;
CREATE VIEW deliveries AS
	SELECT t.text AS uid, 'msg_' || u.text AS message, m.type, m.entity, j.group_key AS endpoint, m.namespace,
	       (SELECT name FROM state_name s WHERE s.state = ifnull(l.state, d.state)) AS state,
	       (SELECT name FROM outcome_name o WHERE o.outcome = d.outcome) AS outcome, ifnull(l.attempts_made, d.attempts_made) AS attempts_made,
	       strftime('%Y-%m-%dT%H:%M:%fZ', j.created_us / 1e6, 'unixepoch') AS created_at,
	       CASE WHEN l.due_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', l.due_us / 1e6, 'unixepoch') END AS due_at,
	       CASE WHEN d.finished_us THEN strftime('%Y-%m-%dT%H:%M:%fZ', d.finished_us / 1e6, 'unixepoch') END AS finished_at,
	       d.error, d.result
	FROM job j JOIN message m ON m.uid = j.message JOIN message_uid_text u ON u.uid = m.uid JOIN uid_text t ON t.uid = j.uid
	LEFT JOIN live l ON l.uid = j.uid LEFT JOIN done d ON d.uid = j.uid
	WHERE j.message IS NOT NULL;
