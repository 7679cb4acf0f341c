-- Children of jobs: which child a parent waits for, or waited for, what came of it, and its result. A result without a value here is the
-- child's own, as long as the child is kept. Resolved ones go with their parent.
CREATE TABLE edge (
	parent     INTEGER NOT NULL, -- uid
	child      INTEGER NOT NULL, -- uid
	state      INTEGER NOT NULL, -- 0 pending, 1 done, 2 ignored, 3 failed
	on_failure INTEGER NOT NULL, -- 0 fail, 1 continue, 2 ignore, 3 forget, 4 hold
	at_us      INTEGER NOT NULL, -- engine time of its last change
	queue      INTEGER NOT NULL, -- the child's identity: the queue it was enqueued into, and the caller's id
	id         TEXT,
	value      TEXT,             -- JSON: done: the result; ignored, failed: the error
	PRIMARY KEY (parent, child)
) WITHOUT ROWID;
CREATE INDEX edge_child ON edge (child);
CREATE INDEX edge_pending ON edge (parent) WHERE state = 0; -- what a restart reads

-- For people.
DROP VIEW outcome_name;
CREATE VIEW outcome_name (outcome, name) AS
	VALUES (0, NULL), (1, 'success'), (2, 'filtered'), (3, 'attempts_spent'), (4, 'final_error'), (5, 'stalled'), (6, 'by_hand'), (7, 'ttl'),
	       (8, 'child_failed');
