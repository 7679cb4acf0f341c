-- Chains in queues that keep another queue's rules, and which chain a job is of.

ALTER TABLE chain ADD COLUMN metadata TEXT NOT NULL DEFAULT ''; -- a JSON object of the caller's, verbatim, or empty
ALTER TABLE job ADD COLUMN chain TEXT; -- key of the chain that made it

CREATE VIEW chains AS
	SELECT q.namespace, q.name AS queue, c.key, c.schedule, c.job, strftime('%Y-%m-%dT%H:%M:%fZ', c.slot_ms / 1e3, 'unixepoch') AS newest_at,
	       c.count, u.text AS pending, c.metadata, c.payload
	FROM chain c JOIN queue q ON q.number = c.queue LEFT JOIN uid_text u ON u.uid = c.pending;
