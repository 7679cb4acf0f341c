-- Limits: named budgets of starts and of what runs at once, shared by queues, groups and holders of permits. (LIMIT is a word of SQL.)
-- Penalties are engine time: until then nothing starts.
CREATE TABLE budget (
	number     INTEGER PRIMARY KEY,
	namespace  TEXT NOT NULL,
	name       TEXT NOT NULL,
	settings   TEXT,             -- JSON
	blocked_us INTEGER NOT NULL,
	UNIQUE (namespace, name)
);
-- Units that somebody outside took and holds under a lease of his own; a restart gives each lease a full term.
CREATE TABLE permit (
	budget   INTEGER NOT NULL,
	token    INTEGER NOT NULL, -- hash
	units    INTEGER NOT NULL,
	lease_ms INTEGER NOT NULL,
	PRIMARY KEY (budget, token)
) WITHOUT ROWID;
ALTER TABLE queue ADD COLUMN blocked_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue_group ADD COLUMN blocked_us INTEGER NOT NULL DEFAULT 0;
