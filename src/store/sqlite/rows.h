/* src/store/sqlite/rows.h: rows as columns: the lists that name, bind and read them. Private to sqlite/.
 * X(column, kind, expression on row or definition); kinds: u32, i32, i64, u64, enum and str. */
#pragma once
#include "store/row.h"
#include "store/sqlite/sql.h"

/* Columns of live, and the first of done, after uid. */
#define ROW_COLUMNS(X) ROW_COLUMNS_FROM(X, X)
#define ROW_COLUMNS_FROM(FIRST, X)                 \
	FIRST(queue, NUMBER, queue)                \
	X(state, NUMBER, state)                    \
	X(outcome, NUMBER, outcome)                \
	X(flags, NUMBER, flags)                    \
	X(priority, NUMBER, priority)              \
	X(policy, NUMBER, policy)                  \
	X(max_attempts, NUMBER, max_attempts)      \
	X(attempts_started, NUMBER, attempts_started) \
	X(attempts_made, NUMBER, attempts_made)    \
	X(stalls, NUMBER, stalls)                  \
	X(rank, NUMBER, rank)                      \
	X(due_us, NUMBER, due_us)                  \
	X(expire_us, NUMBER, expire_us)            \
	X(timeout_ms, NUMBER, timeout_ms)          \
	X(fence, NUMBER, fence)                    \
	X(version, NUMBER, version)                \
	X(since_us, NUMBER, since_us)              \
	X(started_us, NUMBER, started_us)          \
	X(finished_us, NUMBER, finished_us)        \
	X(lease_token, NUMBER, lease_token)        \
	X(lease_ms, NUMBER, lease_ms)              \
	X(edited_body, NUMBER, edited_body)        \
	X(bytes, NUMBER, bytes)                    \
	X(worker, TEXT, worker)                    \
	X(group_key, TEXT, group)                  \
	X(label, TEXT, label)                      \
	X(deferred, TEXT, deferred)

/* Columns of job after uid, but for the payload and the metadata, which are the last. */
#define DEFINITION_COLUMNS(X)                      \
	X(queue, NUMBER, queue)                    \
	X(created_us, NUMBER, created_us)          \
	X(priority, NUMBER, priority)              \
	X(max_attempts, NUMBER, max_attempts)      \
	X(policy, NUMBER, policy)                  \
	X(timeout_ms, NUMBER, timeout_ms)          \
	X(ttl_ms, NUMBER, ttl_ms)                  \
	X(payload_bytes, NUMBER, payload_bytes)    \
	X(payload_body, NUMBER, payload_body)      \
	X(id, TEXT, id)                            \
	X(name, TEXT, name)                        \
	X(group_key, TEXT, group)                  \
	X(tags, TEXT, tags)                        \
	X(trace, TEXT, trace)                      \
	X(target, TEXT, target)                    \
	X(chain, TEXT, chain)

#define COLUMN_NAME(column, kind, field)         ", " #column
#define COLUMN_SET(column, kind, field)          ", " #column " = ?"
#define COLUMN_SET_FIRST(column, kind, field)    #column " = ?"
#define COLUMN_OF_P(column, kind, field)         ", p." #column
#define COLUMN_OF_J(column, kind, field)         ", j." #column
#define COLUMN_ONE(column, kind, field)          + 1
#define COLUMN_AT(column, kind, field)           ROW_AT_##column,
enum { ROW_COLUMNS(COLUMN_AT) }; /* each one's place among them, from 0 */
enum {
	ROW_COLUMN_COUNT = 0 ROW_COLUMNS(COLUMN_ONE),
	DEFINITION_COLUMN_COUNT = 0 DEFINITION_COLUMNS(COLUMN_ONE)
};

/* Binds from parameter `first` on. */
void row_bind(sqlite3_stmt *stmt, int first, const struct job_row *row);
/* Read from column `first` on; uid is the caller's. Slices are SQLite's, good until the next step. */
void row_read(sqlite3_stmt *stmt, int first, struct job_row *out);
void definition_read(sqlite3_stmt *stmt, int first, struct job_definition *out);
/* The same, copied into the arena. E_NOMEM. */
MUST_USE enum err row_copy(sqlite3_stmt *stmt, int first, struct arena *arena, struct job_row *out);
MUST_USE enum err definition_copy(sqlite3_stmt *stmt, int first, struct arena *arena, struct job_definition *out);

/* Final states have columns of their own in `counts`: X(state, column) */
#define COUNTED_STATES(X) X(JOB_COMPLETED, completed) X(JOB_FAILED, failed) X(JOB_CANCELLED, cancelled) X(JOB_EXPIRED, expired)
/* Tokens, operations and queues in the order of their tables' columns, from column 0. */
MUST_USE enum err queue_copy(sqlite3_stmt *stmt, struct arena *arena, struct queue_row *out);
MUST_USE enum err token_copy(sqlite3_stmt *stmt, struct arena *arena, struct token_row *out);
MUST_USE enum err operation_copy(sqlite3_stmt *stmt, struct arena *arena, struct operation_row *out);
