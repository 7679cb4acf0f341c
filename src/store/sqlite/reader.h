/* src/store/sqlite/reader.h: questions answered from a connection of their own, each in one read transaction of at most 5 s. Private
 * to sqlite/. reader.c runs and dispatches, reader_job.c, reader_rows.c, reader_messages.c and reader_replay.c answer, list.c finds the jobs of a
 * list, range.c those of a stretch of a queue. */
#pragma once
#include <pthread.h>

#include "store/filter.h"
#include "store/sqlite/rows.h"
#include "store/store.h"

#define VIEW_COLUMNS "p.uid" ROW_COLUMNS(COLUMN_OF_P) DEFINITION_COLUMNS(COLUMN_OF_J) ", (SELECT json FROM progress WHERE uid = p.uid)"
/* Three statements for each order of a range: how many, which from the first on, which from the last on. ?1 queue, ?2 before. The names stand
 * in the order of enum range_order. */
#define RANGE_STATEMENTS(X)                                                                                                                  \
	RANGE_STATEMENT(X, WAITING, "live WHERE queue = ?1 AND state = 0 AND priority <= 0 AND uid < ?2", "rank, uid", "rank DESC, uid DESC")     \
	RANGE_STATEMENT(X, PRIORITISED, "live WHERE queue = ?1 AND state = 0 AND priority > 0 AND uid < ?2", "priority, rank, uid",               \
	                "priority DESC, rank DESC, uid DESC")                                                                                    \
	RANGE_STATEMENT(X, DELAYED, RANGE_LIVE(1, "due_us"), "due_us, uid", "due_us DESC, uid DESC")                                              \
	RANGE_STATEMENT(X, ACTIVE, RANGE_LIVE(2, "started_us"), "started_us, uid", "started_us DESC, uid DESC")                                   \
	RANGE_STATEMENT(X, WAITING_CHILDREN, RANGE_LIVE(3, "since_us"), "since_us, uid", "since_us DESC, uid DESC")                               \
	RANGE_STATEMENT(X, PARKED, RANGE_LIVE(4, "since_us"), "since_us, uid", "since_us DESC, uid DESC")                                         \
	RANGE_FINAL(X, COMPLETED, 5) RANGE_FINAL(X, FAILED, 6) RANGE_FINAL(X, CANCELLED, 7) RANGE_FINAL(X, EXPIRED, 8)
#define RANGE_LIVE(state, instant) "live WHERE queue = ?1 AND state = " #state " AND state <> 0 AND " instant " < ?2" /* as live_state says */
#define RANGE_FINAL(X, name, state)                                                                                                          \
	RANGE_STATEMENT(X, name, "done WHERE queue = ?1 AND state = " #state " AND finished_us < ?2", "finished_us, uid",                         \
	                "finished_us DESC, uid DESC")
#define RANGE_STATEMENT(X, name, from, ascending, descending)                                                                                \
	X(RANGE_##name, "SELECT count(*) FROM " from)                                                                                        \
	X(RANGE_##name##_FIRST, "SELECT uid FROM " from " ORDER BY " ascending " LIMIT ?3 OFFSET ?4")                                         \
	X(RANGE_##name##_LAST, "SELECT uid FROM " from " ORDER BY " descending " LIMIT ?3 OFFSET ?4")

#define READER_STATEMENTS(X)                                                                                                          \
	X(BEGIN, "BEGIN")                                                                                                            \
	X(END, "COMMIT")                                                                                                             \
	X(SHARD, "SELECT seq, first_event_seq FROM shard WHERE id = 1")                                                              \
	X(QUEUE_BY_NAME, "SELECT number FROM queue WHERE namespace = ? AND name = ?")                                                \
	X(QUEUE_BY_NUMBER, "SELECT namespace, name FROM queue WHERE number = ?")                                                     \
	X(QUEUES, "SELECT number, completed, failed, cancelled, expired FROM queue LEFT JOIN counts ON queue = number"               \
	          " WHERE namespace = ? ORDER BY number")                                                                            \
	X(QUEUE_COUNTS, "SELECT queue, completed, failed, cancelled, expired FROM counts WHERE queue = ?")                           \
	X(OTHER_NAMESPACE, "SELECT 1 FROM queue WHERE namespace <> ? LIMIT 1")                                                       \
	X(JOB_BY_ID, "SELECT uid FROM job WHERE queue = ? AND id = ?")                                                               \
	X(JOB_QUEUE, "SELECT queue FROM job WHERE uid = ?")                                                                          \
	X(DEFINITION, "SELECT j.payload, l.flags, l.edited_body, l.queue, j.metadata" DEFINITION_COLUMNS(COLUMN_OF_J)                            \
	              " FROM job j LEFT JOIN live l ON l.uid = j.uid WHERE j.uid = ?")                                               \
	X(ROW_DONE, "SELECT flags, edited_body, queue FROM done WHERE uid = ?")                                                      \
	X(VIEW_LIVE, "SELECT " VIEW_COLUMNS ", NULL, 0, 0, NULL, NULL, NULL FROM live p CROSS JOIN job j ON j.uid = p.uid WHERE p.uid = ?") \
	X(VIEW_DONE, "SELECT " VIEW_COLUMNS ", NULL, p.result_body, p.result_bytes, p.error, NULL, NULL"                               \
	             " FROM done p CROSS JOIN job j ON j.uid = p.uid WHERE p.uid = ?")                                               \
	X(WHOLE_LIVE, "SELECT " VIEW_COLUMNS ", j.payload, 0, 0, NULL, NULL, j.metadata"                                                   \
	              " FROM live p CROSS JOIN job j ON j.uid = p.uid WHERE p.uid = ?")                                              \
	X(WHOLE_DONE, "SELECT " VIEW_COLUMNS ", j.payload, p.result_body, p.result_bytes, p.error, p.result, j.metadata"                   \
	              " FROM done p CROSS JOIN job j ON j.uid = p.uid WHERE p.uid = ?")                                              \
	X(BODY_BYTES, "SELECT sum(length(bytes)) FROM body WHERE number = ?")                                                        \
	X(BODY, "SELECT bytes FROM body WHERE number = ? ORDER BY chunk")                                                            \
	X(ATTEMPTS, "SELECT n, number, fence, started_us, finished_us, next, retry_us, worker, error, exchange FROM attempt"         \
	            " WHERE uid = ? AND n > ? ORDER BY n LIMIT ?")                                                                   \
	X(PROGRESS, "SELECT json FROM progress WHERE uid = ?")                                                                       \
	X(ERRORS, "SELECT error FROM attempt WHERE uid = ? AND error IS NOT NULL ORDER BY n DESC LIMIT ?")                           \
	X(LOGS, "SELECT n, attempt, at_us, line FROM log WHERE uid = ? AND n > ? ORDER BY n LIMIT ? OFFSET ?")                       \
	X(LOGS_NEWEST, "SELECT n, attempt, at_us, line FROM log WHERE uid = ? AND n < ? ORDER BY n DESC LIMIT ? OFFSET ?")           \
	X(LOG_COUNT, "SELECT count(*) FROM log WHERE uid = ?")                                                                       \
	X(JOB_ID, "SELECT id FROM job WHERE uid = ?")                                                                                \
	X(EVENTS, "SELECT seq, queue, at_us, count, lines FROM event WHERE seq > ? ORDER BY seq, queue")                             \
	X(EVENTS_OF_QUEUE, "SELECT seq, queue, at_us, count, lines FROM event WHERE seq > ? AND queue = ? ORDER BY seq")             \
	X(EVENTS_OF_NAMESPACE, "SELECT seq, queue, at_us, count, lines FROM event"                                                   \
	                       " WHERE seq > ? AND queue IN (SELECT number FROM queue WHERE namespace = ?) ORDER BY seq, +queue")    \
	X(TRIM_OF_QUEUE, "SELECT up_to_seq FROM event_trim WHERE queue = ?")                                                         \
	X(TRIM_OF_NAMESPACE, "SELECT max(up_to_seq) FROM event_trim WHERE queue IN (SELECT number FROM queue WHERE namespace = ?)")  \
	X(TRIM_OF_ALL, "SELECT max(up_to_seq) FROM event_trim")                                                                      \
	X(METRICS, "SELECT minute, completed, failed FROM metric WHERE queue = ? ORDER BY minute")                                   \
	X(ENDED, "SELECT ended_completed, ended_failed FROM counts WHERE queue = ?")                                                 \
	X(OPERATIONS, "SELECT * FROM operation WHERE number < ? ORDER BY number DESC LIMIT ?")                                       \
	X(CHILDREN, "SELECT e.child, e.state, e.on_failure, e.at_us, e.queue, e.id, e.value, q.namespace, q.name, d.result, d.result_body"   \
	            " FROM edge e LEFT JOIN queue q ON q.number = e.queue"                                                          \
	            " LEFT JOIN done d ON d.uid = e.child AND e.state = 1 AND e.value IS NULL"                                       \
	            " WHERE e.parent = ?1 AND e.child > ?2 AND ?4 >> e.state & 1 ORDER BY e.child LIMIT ?3")                         \
	X(PARENTS, "SELECT e.parent, e.state, e.on_failure, j.id, q.namespace, q.name FROM edge e JOIN job j ON j.uid = e.parent"           \
	           " LEFT JOIN queue q ON q.number = j.queue WHERE e.child = ? ORDER BY e.parent LIMIT ?")                          \
	X(CHILDREN_COUNT, "SELECT state, count(*) FROM edge WHERE parent = ? GROUP BY state")                                        \
	X(MESSAGE, "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.uid = ?")                                                      \
	X(MESSAGE_BY_KEY, "SELECT uid FROM message WHERE namespace = ? AND key = ?")                                                 \
	X(MESSAGES, "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.uid >= ?1 AND m.uid < ?2 ORDER BY m.uid DESC")                \
	X(MESSAGES_OF_ENTITY, "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.namespace = ?3 AND m.entity = ?4"                  \
	                      " AND m.uid >= ?1 AND m.uid < ?2 ORDER BY m.uid DESC")                                                 \
	X(ENDPOINT, "SELECT number, state, created_us, created_seq, text FROM named WHERE kind = 0 AND namespace = ? AND name = ?")   \
	X(POLL, "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.namespace = ?1 AND (m.seq, m.uid) > (?2, ?3) ORDER BY m.seq, m.uid") \
	X(DELIVERY, "SELECT " MESSAGE_COLUMNS ", n.number, e.external_id, e.message, e.at_us, e.state FROM message m"               \
	            " LEFT JOIN named n ON n.kind = 0 AND n.namespace = m.namespace AND n.name = ?2"                                 \
	            " LEFT JOIN entity e ON e.endpoint = n.number AND e.entity = m.entity WHERE m.uid = ?1")                         \
	X(ENTITIES, "SELECT entity, external_id, message, at_us, state FROM entity WHERE endpoint = ?1 AND entity > ?2"             \
	            " ORDER BY entity LIMIT ?3")                                                                                     \
	X(ENTITY, "SELECT entity, external_id, message, at_us, state FROM entity WHERE endpoint = ?1 AND entity = ?2 LIMIT ?3")      \
	X(HOLD, "SELECT state, health FROM named WHERE kind = 0 AND namespace = ?1 AND name = ?2 AND state <> 0")                    \
	X(REPLAY, "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.uid >= ?1 AND m.uid < ?2 ORDER BY m.uid")                       \
	X(REPLAY_OF_ENTITY, "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.namespace = ?3 AND m.entity = ?4"                     \
	                    " AND m.uid >= ?1 AND m.uid < ?2 ORDER BY m.uid")                                                        \
	X(REPLAY_DELIVERY, "SELECT j.uid, d.state FROM job j LEFT JOIN done d ON d.uid = j.uid"                                      \
	                   " WHERE j.message = ?1 AND j.group_key = ?2 ORDER BY j.uid DESC LIMIT 1")                                 \
	X(REPLAY_KEPT, "SELECT count(*) FROM job WHERE message = ?1 AND coalesce(tags, '') <> '" DELIVERY_AGAIN_TAGS "'")            \
	X(TOKENS, "SELECT * FROM token WHERE number > ? ORDER BY number LIMIT ?")                                                    \
	RANGE_STATEMENTS(X)                                                                                                          \
	/* list.c: candidates */                                                                                                     \
	X(JOBS_OF_NAME, "SELECT uid FROM job WHERE name = ? AND uid >= ? AND uid < ? LIMIT ?")                                       \
	X(JOBS_OF_MESSAGE, "SELECT uid FROM job WHERE message = ?2 LIMIT ?1")                                                        \
	X(JOBS_OF_ENTITY, "SELECT j.uid FROM message m JOIN job j ON j.message = m.uid WHERE m.namespace = ?2 AND m.entity = ?3 LIMIT ?1") \
	X(JOBS_OF_PREFIX, "SELECT uid FROM job WHERE queue = ? AND id >= ? AND id < ? LIMIT ?")                                      \
	X(JOBS_OF_UIDS, "SELECT uid, queue FROM job WHERE uid >= ? AND uid <= ? LIMIT ?")
#define X(name, sql) READER_##name,
enum reader_statement { READER_STATEMENTS(X) READER_STATEMENT_COUNT };
#undef X

#define READER_SHAPES_MAX 48
struct shaped_statement { /* a list's own, by what it filters and how it sorts */
	uint32_t shape;
	sqlite3_stmt *prepared;
};

struct readers { /* all of a store's, so that a reopen can make them let go */
	pthread_mutex_t lock;
	struct sqlite_reader *first;
	const char *path, *vfs;
};
struct sqlite_reader {
	struct reader reader;
	struct readers *readers;
	struct sqlite_reader *next, **link;
	pthread_mutex_t lock;   /* of the connection, against a reopen */
	sqlite3 *db;            /* NULL: to be opened at the next question */
	int64_t deadline_us;
	struct sql_statement statements[READER_STATEMENT_COUNT];
	struct shaped_statement shapes[READER_SHAPES_MAX];
	uint32_t shape_count;
};

void readers_init(struct readers *readers, const char *path, const char *vfs);
void readers_fini(struct readers *readers); /* all must be closed */
MUST_USE enum err readers_open(struct readers *readers, struct reader **out);
void readers_disconnect(struct readers *readers); /* they reconnect by themselves */

/* ---- between the reader's files ---- */
sqlite3_stmt *reader_statement(struct sqlite_reader *reader, enum reader_statement which, enum err *err);
/* The one row that a statement has for a number. NULL: there is none, or *err. Reset it after use. */
sqlite3_stmt *reader_row(struct sqlite_reader *reader, enum reader_statement which, uint64_t number, enum err *err);
uint32_t reader_limit(const struct query *query);
struct str reader_namespace(struct str name); /* empty: "default" */
MUST_USE enum err reader_find_queue(struct sqlite_reader *reader, struct str namespace_name, struct str name, uint32_t *out);
MUST_USE enum err reader_find_job(struct sqlite_reader *reader, const struct query *query, uint64_t *out_uid);
/* *found: whether there is such a job. `whole`: with payload and result. */
MUST_USE enum err reader_view(struct sqlite_reader *reader, uint64_t uid, bool whole, struct arena *arena, struct job_view *out, bool *found);
/* Whether a delivery is held, and since when; nothing for other jobs. */
MUST_USE enum err reader_view_hold(struct sqlite_reader *reader, struct arena *arena, struct job_view *view);
/* The same, with the bodies and the history that the query asks for. */
MUST_USE enum err reader_view_asked(struct sqlite_reader *reader, const struct query *query, uint64_t uid, struct arena *arena,
                                    struct job_view *out, bool *found);
MUST_USE enum err reader_body(struct sqlite_reader *reader, uint64_t number, struct arena *arena, struct str *out);

/* The message and the entity of a delivery; nothing for other jobs. */
MUST_USE enum err reader_view_delivery(struct sqlite_reader *reader, struct arena *arena, struct job_view *view);
MUST_USE enum err reader_message(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_messages(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
/* The endpoint that the query names by its id; E_ENDPOINT_NOT_FOUND. */
MUST_USE enum err reader_endpoint(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct named_row *out);
MUST_USE enum err reader_poll(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_replay(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_entities(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);

MUST_USE enum err reader_definitions(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_job(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_attempts(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_logs(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_events(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_operations(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_children(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_tokens(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_jobs(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_matches(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_metrics(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_range(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_read(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err reader_count(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out);
