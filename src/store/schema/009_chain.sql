-- Chains: jobs that repeat. What each iteration is made of, and which one is the newest.
CREATE TABLE chain (
	queue     INTEGER NOT NULL,
	key       TEXT NOT NULL,
	schedule  TEXT NOT NULL,    -- JSON: every_ms or pattern, time zone, bounds
	job       TEXT NOT NULL,    -- JSON: what an iteration has besides its payload
	payload   TEXT NOT NULL,    -- JSON
	slot_ms   INTEGER NOT NULL, -- wall time for which the newest iteration was made
	offset_ms INTEGER NOT NULL, -- of the slots of every_ms
	count     INTEGER NOT NULL, -- the newest iteration is the count-th
	pending   INTEGER NOT NULL, -- its uid, while nobody has claimed it; 0: the chain has ended
	PRIMARY KEY (queue, key)
);
