-- Keys of dedup, apart from the jobs' own ids: which job owns a key of a queue, who follows it, and when the key is free.
CREATE TABLE dedup (
	queue    INTEGER NOT NULL,
	key      TEXT NOT NULL,
	owner    INTEGER NOT NULL, -- uid
	owner_id TEXT,             -- the caller's
	next     INTEGER NOT NULL, -- uid of the parked successor, or 0
	next_id  TEXT,
	until_us INTEGER NOT NULL, -- engine time; 0: when the owner ends
	since_us INTEGER NOT NULL, -- of the first enqueue that is not worked off yet
	PRIMARY KEY (queue, key)
) WITHOUT ROWID;
