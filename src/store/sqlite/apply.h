/* src/store/sqlite/apply.h: a change-set as statements, inside the writer's transaction. Private to sqlite/. */
#pragma once
#include "store/changeset.h"
#include "store/sqlite/changeset_table.h"

/* X(NAME, SQL). Hot ones first. */
#define APPLY_STATEMENTS(X)                                                                                                                 \
	X(SHARD, "UPDATE shard SET seq = ?1, engine_us = ?2, wall_us = ?3, last_uid = ?4, next_body = ?5"                                  \
	         " WHERE id = 1 AND term = ?6 AND seq = ?1 - 1")                                                                           \
	/* Many at once. OR ROLLBACK: a conflict ends the whole transaction anyway, so no journal is kept for the statement alone. */               \
	X(JOBS_INSERT, "INSERT OR ROLLBACK INTO job (uid" DEFINITION_COLUMNS(COLUMN_NAME) ", payload, metadata)"                                    \
	               " SELECT uid" DEFINITION_COLUMNS(COLUMN_OF_CHANGE_JOB) ", payload, metadata FROM changeset_jobs(?)")                         \
	X(LIVE_INSERT, "INSERT OR ROLLBACK INTO live (uid" ROW_COLUMNS(COLUMN_NAME) ")"                                                             \
	               " SELECT uid" ROW_COLUMNS(COLUMN_OF_CHANGE_ROW) " FROM changeset_jobs(?)")                                                   \
	X(LIVE_COUNT, "SELECT count(*) FROM changeset_jobs(?) c CROSS JOIN live l ON l.uid = c.uid")                                                \
	X(LIVE_REPLACE, "INSERT OR REPLACE INTO live (uid" ROW_COLUMNS(COLUMN_NAME) ")"                                                             \
	                " SELECT uid" ROW_COLUMNS(COLUMN_OF_CHANGE_ROW) " FROM changeset_jobs(?)")                                                  \
	X(LIVE_DELETE, "DELETE FROM live WHERE uid = ?")  \
	X(LIVE_LEAVE, "DELETE FROM live WHERE uid IN (SELECT uid FROM changeset_jobs(?))") \
	X(DONE_INSERT, "INSERT OR ROLLBACK INTO done (uid" ROW_COLUMNS(COLUMN_NAME) ", result_body, result_bytes, error, result)"                   \
	               " SELECT uid" ROW_COLUMNS(COLUMN_OF_CHANGE_ROW) ", result_body, result_bytes, error, result FROM changeset_jobs(?)")         \
	X(ATTEMPT_INSERT, "INSERT INTO attempt (uid, number, fence, started_us, finished_us, next, retry_us, worker, error, exchange)"     \
	                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                                        \
	X(EVENT_INSERT, "INSERT INTO event (seq, queue, at_us, count, lines) VALUES (?, ?, ?, ?, ?)")                                      \
	X(COUNTS_ADD, "INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (queue) DO UPDATE SET"       \
	              " enqueued = enqueued + excluded.enqueued, started = started + excluded.started, ids = ids + excluded.ids"           \
	              COUNTED_STATES(COUNTS_ADD_STATE))                                                                                    \
	X(METRIC_ADD, "INSERT INTO metric VALUES (?, ?, ?, ?) ON CONFLICT (queue, minute) DO UPDATE SET"                                   \
	              " completed = completed + excluded.completed, failed = failed + excluded.failed")                                    \
	X(METRIC_TRIM, "DELETE FROM metric WHERE queue = ? AND minute < ?")                                                                \
	X(LOG_INSERT, "INSERT INTO log (uid, attempt, at_us, line) VALUES (?, ?, ?, ?)")                                                   \
	X(LOG_TRIM, "DELETE FROM log WHERE uid = ?1 AND n <= (SELECT n FROM log WHERE uid = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)")         \
	X(PROGRESS_PUT, "INSERT OR REPLACE INTO progress (uid, at_us, json) VALUES (?, ?, ?)")                                             \
	X(IDEMPOTENCY_PUT, "INSERT OR REPLACE INTO idempotency (key, request_hash, at_us, answer) VALUES (?, ?, ?, ?)")                    \
	X(IDEMPOTENCY_EXPIRE, "DELETE FROM idempotency WHERE at_us < ?")                                                                   \
	X(EVENT_TRIM, "DELETE FROM event WHERE seq <= ?")                                                                                  \
	X(EVENT_TRIMMED, "UPDATE shard SET first_event_seq = max(first_event_seq, ? + 1) WHERE id = 1")                                    \
	/* of one queue: which commits must stay, what goes */                                                                                      \
	X(EVENTS_NEWEST, "SELECT seq, count FROM event WHERE queue = ? ORDER BY seq DESC")                                                          \
	X(EVENTS_OLDEST, "SELECT count(*), sum(count), max(seq)"                                                                                    \
	                 " FROM (SELECT seq, count FROM event WHERE queue = ? AND seq < ? ORDER BY seq LIMIT ?)")                                   \
	X(EVENTS_DELETE, "DELETE FROM event WHERE queue = ? AND seq <= ?")                                                                          \
	X(EVENT_TRIM_PUT, "INSERT OR REPLACE INTO event_trim (queue, up_to_seq) VALUES (?, ?)")                                                     \
	/* DONE → LIVE, DONE → DONE, deletes */                                                                                            \
	X(DONE_UPDATE, "UPDATE done SET " ROW_COLUMNS_FROM(COLUMN_SET_FIRST, COLUMN_SET) " WHERE uid = ?")                                               \
	X(DONE_RESULT_BODY, "SELECT result_body FROM done WHERE uid = ?")                                                                  \
	X(DONE_RESULT, "UPDATE done SET result_body = ?, result_bytes = ?, error = ?, result = ? WHERE uid = ?")                           \
	X(DONE_DELETE, "DELETE FROM done WHERE uid = ?")                                                                                   \
	X(JOB_BODIES, "SELECT j.payload_body, ifnull(d.edited_body, l.edited_body), d.result_body FROM job j"                              \
	              " LEFT JOIN live l ON l.uid = j.uid LEFT JOIN done d ON d.uid = j.uid WHERE j.uid = ?")                              \
	X(JOB_DELETE, "DELETE FROM job WHERE uid = ?")                                                                                     \
	X(ATTEMPT_DELETE, "DELETE FROM attempt WHERE uid = ?")                                                                             \
	X(LOG_DELETE, "DELETE FROM log WHERE uid = ?")                                                                                     \
	X(PROGRESS_DELETE, "DELETE FROM progress WHERE uid = ?")                                                                           \
	/* final jobs of a queue and state up to a place: their uids are set aside, then their rows go, table by table */                           \
	X(RANGE_MARK, "INSERT INTO doomed SELECT uid FROM done WHERE queue = ? AND state = ? AND (finished_us, uid) <= (?, ?)")                     \
	X(RANGE_SUMS, "SELECT count(*), sum(bytes) FROM done WHERE uid IN doomed")                                                                  \
	X(RANGE_BODIES, "SELECT d.result_body, d.edited_body, j.payload_body FROM doomed x CROSS JOIN done d ON d.uid = x.uid"                      \
	                " CROSS JOIN job j ON j.uid = x.uid WHERE j.payload_body OR d.result_body OR d.edited_body")                                \
	X(RANGE_ATTEMPTS, "DELETE FROM attempt WHERE uid IN doomed")                                                                                \
	X(RANGE_LOGS, "DELETE FROM log WHERE uid IN doomed")                                                                                        \
	X(RANGE_PROGRESS, "DELETE FROM progress WHERE uid IN doomed")                                                                               \
	X(RANGE_EDGES, "DELETE FROM edge WHERE parent IN doomed")                                                                                   \
	X(RANGE_JOBS, "DELETE FROM job WHERE uid IN doomed")                                                                                        \
	X(RANGE_DONE, "DELETE FROM done WHERE uid IN doomed")                                                                                       \
	X(RANGE_END, "DELETE FROM doomed")                                                                                                          \
	/* bodies */                                                                                                                       \
	X(BODY_INSERT, "INSERT INTO body (number, chunk, bytes) VALUES (?, ?, ?)")                                                         \
	X(BODY_DELETE, "DELETE FROM body WHERE number = ?")                                                                                \
	X(STAGED_INSERT, "INSERT OR IGNORE INTO staged_body (number) VALUES (?)")                                                          \
	X(STAGED_DELETE, "DELETE FROM staged_body WHERE number = ?")                                                                       \
	/* rare rows */                                                                                                                    \
	X(QUEUE_PUT, "INSERT INTO queue (number, namespace, name, settings, paused, created_us, version, blocked_us)"                      \
	             " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET namespace = excluded.namespace,"   \
	             " name = excluded.name, settings = excluded.settings, paused = excluded.paused, created_us = excluded.created_us,"    \
	             " version = excluded.version, blocked_us = excluded.blocked_us")                                                      \
	X(QUEUE_NUMBER, "UPDATE shard SET last_queue = max(last_queue, ?) WHERE id = 1")                                                   \
	X(QUEUE_DELETE, "DELETE FROM queue WHERE number = ?")                                                                              \
	X(QUEUE_GROUPS_DELETE, "DELETE FROM queue_group WHERE queue = ?")                                                                  \
	X(QUEUE_COUNTS_DELETE, "DELETE FROM counts WHERE queue = ?")                                                                       \
	X(QUEUE_METRICS_DELETE, "DELETE FROM metric WHERE queue = ?")                                                                      \
	X(QUEUE_TRIM_DELETE, "DELETE FROM event_trim WHERE queue = ?")                                                                     \
	X(GROUP_PUT, "INSERT OR REPLACE INTO queue_group (queue, key, settings, paused, blocked_us) VALUES (?, ?, ?, ?, ?)")               \
	X(GROUP_DELETE, "DELETE FROM queue_group WHERE queue = ? AND key = ?")                                                             \
	X(BUDGET_PUT, "INSERT OR REPLACE INTO budget (number, namespace, name, settings, blocked_us) VALUES (?, ?, ?, ?, ?)")              \
	X(BUDGET_DELETE, "DELETE FROM budget WHERE number = ?")                                                                            \
	X(BUDGET_PERMITS_DELETE, "DELETE FROM permit WHERE budget = ?")                                                                    \
	X(PERMIT_PUT, "INSERT OR REPLACE INTO permit (budget, token, units, lease_ms) VALUES (?, ?, ?, ?)")                                \
	X(PERMIT_DELETE, "DELETE FROM permit WHERE budget = ? AND token = ?")                                                              \
	X(QUEUE_DEDUPS_DELETE, "DELETE FROM dedup WHERE queue = ?")                                                                        \
	X(DEDUP_PUT, "INSERT OR REPLACE INTO dedup (queue, key, owner, owner_id, next, next_id, until_us, since_us)"                       \
	             " VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                                                                                   \
	X(DEDUP_DELETE, "DELETE FROM dedup WHERE queue = ? AND key = ?")                                                                   \
	X(EDGE_PUT, "INSERT OR REPLACE INTO edge (parent, child, state, on_failure, at_us, queue, id, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?)") \
	X(EDGE_UPDATE, "UPDATE edge SET state = ?3, at_us = ?4, value = ?5 WHERE parent = ?1 AND child = ?2")                              \
	X(EDGE_DELETE, "DELETE FROM edge WHERE parent = ? AND child = ?")                                                                  \
	X(EDGES_DELETE, "DELETE FROM edge WHERE parent = ?")                                                                               \
	X(QUEUE_CHAINS_DELETE, "DELETE FROM chain WHERE queue = ?")                                                                        \
	X(CHAIN_PUT, "INSERT OR REPLACE INTO chain VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                 \
	X(CHAIN_DELETE, "DELETE FROM chain WHERE queue = ? AND key = ?")                                                                   \
	X(POLICY_PUT, "INSERT OR REPLACE INTO policy (number, json) VALUES (?, ?)")                                                        \
	X(TOKEN_PUT, "INSERT OR REPLACE INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                    \
	X(OPERATION_PUT, "INSERT OR REPLACE INTO operation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")

#define COUNTS_ADD_STATE(state, column)                                       \
	", " #column " = " #column " + excluded." #column                     \
	", " #column "_bytes = " #column "_bytes + excluded." #column "_bytes" \
	", ended_" #column " = ended_" #column " + excluded.ended_" #column

#define X(name, sql) APPLY_##name,
enum apply_statement { APPLY_STATEMENTS(X) APPLY_STATEMENT_COUNT };
#undef X

struct apply {
	sqlite3 *db;
	struct changeset_table table; /* the change-set that is being applied */
	struct sql_statement statements[APPLY_STATEMENT_COUNT];
};

MUST_USE enum err apply_init(struct apply *apply, sqlite3 *db); /* the struct must stay where it is */
void apply_fini(struct apply *apply);
/* Inside a transaction. E_STALE_TERM: the shard is not at seq - 1 under this term. After any error the transaction must be rolled back. */
MUST_USE enum err apply_changeset(struct apply *apply, struct changeset *cs);
