/* src/store/sqlite/reader_job.c: one job, or jobs by uid. */
#include "base/limits.h"
#include "base/uid.h"
#include "store/sqlite/reader.h"

/* ---- bodies ---- */

enum err reader_body(struct sqlite_reader *reader, uint64_t number, struct arena *arena, struct str *out)
{
	enum err err;
	sqlite3_stmt *chunks = NULL, *bytes = reader_statement(reader, READER_BODY_BYTES, &err);
	if (!err)
		chunks = reader_statement(reader, READER_BODY, &err);
	return err ? err : body_copy(bytes, chunks, number, arena, out);
}

/* ---- finding ---- */

enum err reader_find_queue(struct sqlite_reader *reader, struct str namespace_name, struct str name, uint32_t *out)
{
	enum err err;
	bool found;
	sqlite3_stmt *stmt = reader_statement(reader, READER_QUEUE_BY_NAME, &err);
	if (err)
		return err;
	sql_bind_text(stmt, 1, reader_namespace(namespace_name));
	sql_bind_text(stmt, 2, name);
	err = sql_step(stmt, &found);
	if (!found)
		return err ? err : E_QUEUE_NOT_FOUND;
	*out = sql_u32(stmt, 0);
	return sql_err(sqlite3_reset(stmt));
}

static enum err reader_find_by_id(struct sqlite_reader *reader, uint32_t queue, struct str id, uint64_t *out)
{
	enum err err;
	bool found;
	sqlite3_stmt *stmt = reader_statement(reader, READER_JOB_BY_ID, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, queue);
	sql_bind_text(stmt, 2, id);
	err = sql_step(stmt, &found);
	if (!found)
		return err ? err : E_JOB_NOT_FOUND;
	*out = sql_u64(stmt, 0);
	return sql_err(sqlite3_reset(stmt));
}

static enum err reader_find_by_uid(struct sqlite_reader *reader, uint64_t uid, uint32_t *out_queue)
{
	enum err err;
	bool found;
	sqlite3_stmt *stmt = reader_statement(reader, READER_JOB_QUEUE, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, uid);
	err = sql_step(stmt, &found);
	if (!found)
		return err ? err : E_JOB_NOT_FOUND;
	*out_queue = sql_u32(stmt, 0);
	return sql_err(sqlite3_reset(stmt));
}

enum err reader_find_job(struct sqlite_reader *reader, const struct query *query, uint64_t *out_uid)
{
	uint32_t queue = 0, own_queue = 0;
	if (query->uid_count) {
		*out_uid = query->uids[0];
		return reader_find_by_uid(reader, *out_uid, &own_queue);
	}
	enum err err = reader_find_queue(reader, query->namespace_name, query->queue, &queue);
	if (!err)
		err = reader_find_by_id(reader, queue, query->id, out_uid);
	if (err != E_JOB_NOT_FOUND || uid_parse(query->id, out_uid))
		return err;
	err = reader_find_by_uid(reader, *out_uid, &own_queue);
	return err ? err : own_queue == queue ? E_OK : E_JOB_NOT_FOUND;
}

/* ---- views ---- */

static enum err view_read(sqlite3_stmt *stmt, struct arena *arena, struct job_view *out)
{
	int at = 1;
	enum err err = row_copy(stmt, at, arena, &out->row);
	at += ROW_COLUMN_COUNT;
	if (!err)
		err = definition_copy(stmt, at, arena, &out->definition);
	at += DEFINITION_COLUMN_COUNT;
	if (err)
		return err;
	out->row.uid = out->definition.uid = sql_u64(stmt, 0);
	out->progress = sql_copy(stmt, at, arena);
	out->definition.payload = sql_copy(stmt, at + 1, arena);
	out->result.result_body = sql_u64(stmt, at + 2);
	out->result.result_bytes = sql_u64(stmt, at + 3);
	out->result.error = sql_copy(stmt, at + 4, arena);
	out->result.result = sql_copy(stmt, at + 5, arena);
	out->definition.metadata = sql_copy(stmt, at + 6, arena);
	bool kept = out->progress.ptr && out->definition.payload.ptr && out->result.error.ptr && out->result.result.ptr && out->definition.metadata.ptr;
	return kept ? E_OK : E_NOMEM;
}

static enum err view_queue(struct sqlite_reader *reader, struct arena *arena, struct job_view *out)
{
	enum err err;
	sqlite3_stmt *stmt = reader_row(reader, READER_QUEUE_BY_NUMBER, out->row.queue, &err);
	if (!stmt)
		return err;
	out->namespace_name = sql_copy(stmt, 0, arena);
	out->queue_name = sql_copy(stmt, 1, arena);
	err = sql_err(sqlite3_reset(stmt));
	return err ? err : out->namespace_name.ptr && out->queue_name.ptr ? E_OK : E_NOMEM;
}

static enum err view_from(struct sqlite_reader *reader, enum reader_statement which, uint64_t uid, struct arena *arena,
                          struct job_view *out, bool *found)
{
	enum err err;
	*found = false;
	sqlite3_stmt *stmt = reader_statement(reader, which, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, uid);
	err = sql_step(stmt, found);
	if (!*found)
		return err;
	err = view_read(stmt, arena, out);
	enum err reset = sql_err(sqlite3_reset(stmt));
	return err ? err : reset ? reset : view_queue(reader, arena, out);
}

enum err reader_view(struct sqlite_reader *reader, uint64_t uid, bool whole, struct arena *arena, struct job_view *out, bool *found)
{
	enum err err = view_from(reader, whole ? READER_WHOLE_LIVE : READER_VIEW_LIVE, uid, arena, out, found);
	if (!err && !*found)
		err = view_from(reader, whole ? READER_WHOLE_DONE : READER_VIEW_DONE, uid, arena, out, found);
	return err || !*found ? err : reader_view_hold(reader, arena, out);
}

/* What its attempts failed with, the newest last. */
static enum err view_errors(struct sqlite_reader *reader, uint64_t uid, struct arena *arena, struct job_view *out)
{
	enum err err;
	bool found;
	sqlite3_stmt *stmt = reader_statement(reader, READER_ERRORS, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, uid);
	sql_bind_i64(stmt, 2, QUERY_ERRORS_MAX);
	struct str *errors = ARENA_ARRAY(arena, struct str, QUERY_ERRORS_MAX);
	if (!errors)
		return E_NOMEM;
	while (!(err = sql_step(stmt, &found)) && found) {
		struct str *error = &errors[QUERY_ERRORS_MAX - ++out->error_count];
		*error = sql_copy(stmt, 0, arena);
		if (!error->ptr) {
			sqlite3_reset(stmt);
			return E_NOMEM;
		}
	}
	out->errors = errors + QUERY_ERRORS_MAX - out->error_count;
	return err;
}

static enum err parent_read(sqlite3_stmt *stmt, uint64_t child, struct arena *arena, struct parent_view *out)
{
	*out = (struct parent_view){
		.edge = { .parent = sql_u64(stmt, 0), .child = child, .state = (enum edge_state)sql_i64(stmt, 1),
		          .on_failure = (enum on_failure)sql_i64(stmt, 2) },
		.id = sql_copy(stmt, 3, arena), .namespace_name = sql_copy(stmt, 4, arena), .queue_name = sql_copy(stmt, 5, arena),
	};
	return out->id.ptr && out->namespace_name.ptr && out->queue_name.ptr ? E_OK : E_NOMEM;
}

static enum err view_parents(struct sqlite_reader *reader, const struct query *query, uint64_t uid, struct arena *arena, struct job_view *out)
{
	enum err err;
	bool found;
	if (!query->with_parents || !(out->row.flags & ROW_CHILD))
		return E_OK;
	sqlite3_stmt *stmt = reader_statement(reader, READER_PARENTS, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, uid);
	sql_bind_i64(stmt, 2, LIMIT_PARENTS);
	out->parents = ARENA_ARRAY(arena, struct parent_view, LIMIT_PARENTS);
	if (!out->parents)
		return E_NOMEM;
	while (!(err = sql_step(stmt, &found)) && found) {
		err = parent_read(stmt, uid, arena, &out->parents[out->parent_count++]);
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
	}
	return err;
}

enum err reader_view_asked(struct sqlite_reader *reader, const struct query *query, uint64_t uid, struct arena *arena, struct job_view *view,
                           bool *found)
{
	enum err err = reader_view(reader, uid, query->with_payload || query->with_result, arena, view, found);
	if (err || !*found)
		return err;
	if (!query->with_payload)
		view->definition.payload = view->definition.metadata = STR("");
	else if (view->definition.payload_body)
		err = reader_body(reader, view->definition.payload_body, arena, &view->definition.payload);
	if (!err && query->with_payload)
		err = reader_view_delivery(reader, arena, view);
	if (!err && query->with_payload && view->row.flags & ROW_EDITED)
		err = reader_body(reader, view->row.edited_body, arena, &view->edited_payload);
	if (!query->with_result)
		view->result.result = STR("");
	else if (!err && view->result.result_body)
		err = reader_body(reader, view->result.result_body, arena, &view->result.result);
	if (!err && query->with_history)
		err = view_errors(reader, uid, arena, view);
	return err ? err : view_parents(reader, query, uid, arena, view);
}

enum err reader_job(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	uint64_t uid;
	bool found;
	enum err err = reader_find_job(reader, query, &uid);
	struct job_view *view = err ? NULL : ARENA_NEW(arena, struct job_view);
	if (!view)
		return err ? err : E_NOMEM;
	err = reader_view_asked(reader, query, uid, arena, view, &found);
	out->jobs = view;
	out->job_count = 1;
	return err || found ? err : E_JOB_NOT_FOUND;
}

/* ---- many of one queue ---- */

static enum err read_one(struct sqlite_reader *reader, const struct query *query, uint32_t n, uint32_t queue, struct arena *arena,
                         struct job_view *out)
{
	bool found;
	uint64_t uid = 0;
	struct query one = { .namespace_name = query->namespace_name, .queue = query->queue };
	if (query->uid_count)
		uid = query->uids[n];
	else
		one.id = query->ids[n];
	enum err err = uid ? E_OK : reader_find_job(reader, &one, &uid);
	if (err)
		return err == E_JOB_NOT_FOUND ? E_OK : err;
	err = reader_view_asked(reader, query, uid, arena, out, &found);
	if (!err && found && out->definition.queue != queue && out->row.queue != queue)
		*out = (struct job_view){ 0 }; /* another's: here it is not */
	return err;
}

enum err reader_read(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	uint32_t queue, count = query->uid_count ? query->uid_count : query->id_count;
	enum err err = reader_find_queue(reader, query->namespace_name, query->queue, &queue);
	out->jobs = err ? NULL : ARENA_ARRAY(arena, struct job_view, count + 1);
	if (!out->jobs)
		return err ? err : E_NOMEM;
	for (; out->job_count < count && !err; out->job_count++)
		err = read_one(reader, query, out->job_count, queue, arena, &out->jobs[out->job_count]);
	return err;
}

static enum err view_progress(struct sqlite_reader *reader, uint64_t uid, struct arena *arena, struct str *out)
{
	enum err err;
	sqlite3_stmt *stmt = reader_row(reader, READER_PROGRESS, uid, &err);
	if (!stmt)
		return err;
	*out = sql_copy(stmt, 0, arena);
	err = sql_err(sqlite3_reset(stmt));
	return err ? err : out->ptr ? E_OK : E_NOMEM;
}

/* ---- definitions: the claims' hot path ---- */

static enum err definition_row_done(struct sqlite_reader *reader, uint64_t uid, struct job_row *row)
{
	enum err err;
	sqlite3_stmt *stmt = reader_row(reader, READER_ROW_DONE, uid, &err);
	if (!stmt)
		return err;
	row->flags = sql_u32(stmt, 0);
	row->edited_body = sql_u64(stmt, 1);
	row->queue = sql_u32(stmt, 2);
	return sql_err(sqlite3_reset(stmt));
}

static enum err definition_fill(struct sqlite_reader *reader, uint64_t uid, struct arena *arena, struct job_view *out)
{
	enum err err;
	sqlite3_stmt *stmt = reader_row(reader, READER_DEFINITION, uid, &err);
	if (!stmt)
		return err;
	bool live = sqlite3_column_type(stmt, 1) != SQLITE_NULL;
	out->row.flags = sql_u32(stmt, 1);
	out->row.edited_body = sql_u64(stmt, 2);
	out->row.queue = sql_u32(stmt, 3);
	err = definition_copy(stmt, 5, arena, &out->definition);
	out->definition.uid = out->row.uid = uid;
	out->definition.payload = sql_copy(stmt, 0, arena);
	out->definition.metadata = sql_copy(stmt, 4, arena);
	if (!err && (!out->definition.payload.ptr || !out->definition.metadata.ptr))
		err = E_NOMEM;
	enum err reset = sql_err(sqlite3_reset(stmt));
	if (!err)
		err = reset;
	if (!err && !live)
		err = definition_row_done(reader, uid, &out->row);
	if (!err && out->definition.payload_body)
		err = reader_body(reader, out->definition.payload_body, arena, &out->definition.payload);
	if (!err && out->row.flags & ROW_EDITED)
		err = reader_body(reader, out->row.edited_body, arena, &out->edited_payload);
	return err;
}

/* Jobs that are asked for together are mostly of one queue: its name is then read once. */
static enum err definition_name_queue(struct sqlite_reader *reader, struct arena *arena, const struct job_view *before, struct job_view *out)
{
	if (!before || before->row.queue != out->row.queue || !before->queue_name.ptr)
		return view_queue(reader, arena, out);
	out->namespace_name = before->namespace_name;
	out->queue_name = before->queue_name;
	return E_OK;
}

enum err reader_definitions(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	enum err err = E_OK;
	out->jobs = ARENA_ARRAY(arena, struct job_view, query->uid_count + 1);
	if (!out->jobs)
		return E_NOMEM;
	for (; out->job_count < query->uid_count && !err; out->job_count++) {
		struct job_view *view = &out->jobs[out->job_count];
		err = definition_fill(reader, query->uids[out->job_count], arena, view);
		if (!err && view->row.uid && query->with_history)
			err = view_progress(reader, view->row.uid, arena, &view->progress);
		if (!err && view->row.uid && query->with_history)
			err = view_errors(reader, view->row.uid, arena, view);
		if (!err && view->row.uid)
			err = view_parents(reader, query, view->row.uid, arena, view);
		if (!err && view->row.uid)
			err = definition_name_queue(reader, arena, out->job_count ? view - 1 : NULL, view);
		if (!err)
			err = reader_view_delivery(reader, arena, view);
	}
	return err;
}
