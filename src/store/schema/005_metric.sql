-- Ends of jobs by the minute, and event logs of queues that are trimmed one by one.

-- How many jobs of a queue ended in a minute (since 1970 UTC). Minutes without an end have no row.
CREATE TABLE metric (
	queue     INTEGER,
	minute    INTEGER,
	completed INTEGER NOT NULL,
	failed    INTEGER NOT NULL,
	PRIMARY KEY (queue, minute)
) WITHOUT ROWID;
-- The events of a queue in this commit and before were trimmed; shard.first_event_seq says what was trimmed of all queues.
CREATE TABLE event_trim (queue INTEGER PRIMARY KEY, up_to_seq INTEGER NOT NULL);

CREATE VIEW metrics AS
	SELECT q.namespace, q.name, strftime('%Y-%m-%dT%H:%MZ', m.minute * 60, 'unixepoch') AS minute, m.completed, m.failed
	FROM metric m JOIN queue q ON q.number = m.queue;
