#include "store/sqlite/reader.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/sqlite/connection.h"

#define READER_RUN_US      5000000 /* an older read transaction would keep the WAL from restarting */
#define READER_CLOCK_STEPS 1000    /* of SQLite's machine between two looks at the clock */

sqlite3_stmt *reader_statement(struct sqlite_reader *reader, enum reader_statement which, enum err *err)
{
	*err = sql_prepare(reader->db, &reader->statements[which]);
	return reader->statements[which].prepared;
}

sqlite3_stmt *reader_row(struct sqlite_reader *reader, enum reader_statement which, uint64_t number, enum err *err)
{
	bool found = false;
	sqlite3_stmt *stmt = reader_statement(reader, which, err);
	if (*err)
		return NULL;
	sql_bind_u64(stmt, 1, number);
	*err = sql_step(stmt, &found);
	return found ? stmt : NULL;
}

uint32_t reader_limit(const struct query *query)
{
	return query->limit && query->limit < LIMIT_PAGE ? query->limit : LIMIT_PAGE;
}

struct str reader_namespace(struct str name)
{
	return name.len ? name : STR("default");
}

/* ---- the connection ---- */

static int reader_is_late(void *context)
{
	return clock_mono_us() > ((struct sqlite_reader *)context)->deadline_us;
}

static enum err reader_connect(struct sqlite_reader *reader)
{
	if (reader->db)
		return E_OK;
	enum err err = connection_open(reader->readers->path, reader->readers->vfs, CONNECTION_READ, &reader->db);
	if (!err)
		sqlite3_progress_handler(reader->db, READER_CLOCK_STEPS, reader_is_late, reader);
	return err;
}

static void reader_disconnect(struct sqlite_reader *reader)
{
	sql_finalize(reader->statements, READER_STATEMENT_COUNT);
	while (reader->shape_count)
		sqlite3_finalize(reader->shapes[--reader->shape_count].prepared);
	connection_close(reader->db);
	reader->db = NULL;
}

/* ---- a question ---- */

static enum err reader_see(struct sqlite_reader *reader, struct answer *out) /* what this transaction sees */
{
	enum err err;
	bool found;
	sqlite3_stmt *stmt = reader_statement(reader, READER_SHARD, &err);
	if (err)
		return err;
	err = sql_step(stmt, &found);
	if (!found)
		return err ? err : E_STORE_CORRUPT;
	out->seq = sql_u64(stmt, 0);
	out->first_event_seq = sql_u64(stmt, 1);
	return sql_err(sqlite3_reset(stmt));
}

static enum err reader_answer(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	switch (query->kind) {
	case QUERY_DEFINITIONS: return reader_definitions(reader, query, arena, out);
	case QUERY_JOB: return reader_job(reader, query, arena, out);
	case QUERY_JOBS: return reader_jobs(reader, query, arena, out);
	case QUERY_MATCHES: return reader_matches(reader, query, arena, out);
	case QUERY_COUNT: return reader_count(reader, query, arena, out);
	case QUERY_ATTEMPTS: return reader_attempts(reader, query, arena, out);
	case QUERY_LOGS: return reader_logs(reader, query, arena, out);
	case QUERY_EVENTS: return reader_events(reader, query, arena, out);
	case QUERY_OPERATIONS: return reader_operations(reader, query, arena, out);
	case QUERY_TOKENS: return reader_tokens(reader, query, arena, out);
	case QUERY_METRICS: return reader_metrics(reader, query, arena, out);
	case QUERY_RANGE: return reader_range(reader, query, arena, out);
	case QUERY_READ: return reader_read(reader, query, arena, out);
	case QUERY_CHILDREN: return reader_children(reader, query, arena, out);
	case QUERY_MESSAGE: return reader_message(reader, query, arena, out);
	case QUERY_MESSAGES: return reader_messages(reader, query, arena, out);
	case QUERY_POLL: return reader_poll(reader, query, arena, out);
	case QUERY_ENTITIES: return reader_entities(reader, query, arena, out);
	case QUERY_REPLAY: return reader_replay(reader, query, arena, out);
	}
	return E_INVALID;
}

static enum err reader_run_connected(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	enum err err, end_err;
	sqlite3_stmt *stmt = reader_statement(reader, READER_BEGIN, &err);
	if (!err)
		err = sql_run(stmt);
	if (err)
		return err;
	err = reader_see(reader, out);
	if (!err)
		err = reader_answer(reader, query, arena, out);
	reader->deadline_us = INT64_MAX;
	for (stmt = NULL; err && (stmt = sqlite3_next_stmt(reader->db, stmt));) /* one left half-way would keep the snapshot */
		if (sqlite3_stmt_busy(stmt))
			sqlite3_reset(stmt);
	stmt = reader_statement(reader, READER_END, &end_err);
	if (!end_err && !sqlite3_get_autocommit(reader->db))
		end_err = sql_run(stmt);
	return err ? err : end_err;
}

static enum err sqlite_reader_run(struct reader *base, const struct query *query, struct arena *arena, struct answer *out)
{
	struct sqlite_reader *reader = (struct sqlite_reader *)base;
	CHECK(pthread_mutex_lock(&reader->lock) == 0);
	reader->deadline_us = clock_mono_us() + READER_RUN_US;
	enum err err = reader_connect(reader);
	if (!err)
		err = reader_run_connected(reader, query, arena, out);
	if (err && reader->db && !sqlite3_get_autocommit(reader->db))
		reader_disconnect(reader); /* it could not even end: start afresh */
	CHECK(pthread_mutex_unlock(&reader->lock) == 0);
	return err;
}

/* ---- life ---- */

static void sqlite_reader_close(struct reader *base)
{
	struct sqlite_reader *reader = (struct sqlite_reader *)base;
	struct readers *readers = reader->readers;
	CHECK(pthread_mutex_lock(&readers->lock) == 0);
	*reader->link = reader->next;
	if (reader->next)
		reader->next->link = reader->link;
	CHECK(pthread_mutex_unlock(&readers->lock) == 0);
	reader_disconnect(reader);
	CHECK(pthread_mutex_destroy(&reader->lock) == 0);
	mem_free(reader);
}

enum err readers_open(struct readers *readers, struct reader **out)
{
	static const char *const texts[] = {
#define X(name, sql) sql,
		READER_STATEMENTS(X)
#undef X
	};
	struct sqlite_reader *reader = mem_zalloc(sizeof(*reader));
	if (!reader)
		return E_NOMEM;
	reader->reader = (struct reader){ sqlite_reader_run, sqlite_reader_close };
	reader->readers = readers;
	for (int i = 0; i < READER_STATEMENT_COUNT; i++)
		reader->statements[i].sql = texts[i];
	CHECK(pthread_mutex_init(&reader->lock, NULL) == 0);
	CHECK(pthread_mutex_lock(&readers->lock) == 0);
	reader->next = readers->first;
	reader->link = &readers->first;
	if (reader->next)
		reader->next->link = &reader->next;
	readers->first = reader;
	CHECK(pthread_mutex_unlock(&readers->lock) == 0);
	*out = &reader->reader;
	return E_OK;
}

void readers_init(struct readers *readers, const char *path, const char *vfs)
{
	*readers = (struct readers){ .path = path, .vfs = vfs };
	CHECK(pthread_mutex_init(&readers->lock, NULL) == 0);
}

void readers_fini(struct readers *readers)
{
	CHECK(!readers->first);
	CHECK(pthread_mutex_destroy(&readers->lock) == 0);
}

void readers_disconnect(struct readers *readers)
{
	CHECK(pthread_mutex_lock(&readers->lock) == 0);
	for (struct sqlite_reader *reader = readers->first; reader; reader = reader->next) {
		CHECK(pthread_mutex_lock(&reader->lock) == 0); /* at most 5 s */
		reader_disconnect(reader);
		CHECK(pthread_mutex_unlock(&reader->lock) == 0);
	}
	CHECK(pthread_mutex_unlock(&readers->lock) == 0);
}
