/* src/store/sqlite/reader_rows.c: pages of attempts, log lines, events, operations and tokens. */
#include "store/sqlite/reader.h"

/* One more than the page is asked for: whether it is there tells whether a cursor is needed. From the newest on, a cursor of 0 is the end. */
static sqlite3_stmt *page_of_job(struct sqlite_reader *reader, enum reader_statement which, const struct query *query, uint64_t *out_uid,
                                 enum err *err)
{
	uint64_t after;
	*err = number_cursor_parse(query->cursor, &after);
	if (!*err)
		*err = reader_find_job(reader, query, out_uid);
	sqlite3_stmt *stmt = *err ? NULL : reader_statement(reader, which, err);
	if (*err)
		return NULL;
	sql_bind_u64(stmt, 1, *out_uid);
	sql_bind_u64(stmt, 2, which == READER_LOGS_NEWEST && !after ? INT64_MAX : after);
	sql_bind_i64(stmt, 3, (int64_t)reader_limit(query) + 1);
	return stmt;
}

static enum err page_end(sqlite3_stmt *stmt, struct arena *arena, uint64_t last, struct answer *out)
{
	enum err err = sql_err(sqlite3_reset(stmt));
	out->next_cursor = number_cursor_text(arena, last);
	return err ? err : out->next_cursor.ptr ? E_OK : E_NOMEM;
}

enum err reader_attempts(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	enum err err;
	bool found;
	uint64_t uid, last = 0;
	sqlite3_stmt *stmt = page_of_job(reader, READER_ATTEMPTS, query, &uid, &err);
	if (err)
		return err;
	out->attempts = ARENA_ARRAY(arena, struct attempt_row, reader_limit(query));
	if (!out->attempts)
		return E_NOMEM;
	while (!(err = sql_step(stmt, &found)) && found) {
		if (out->attempt_count == reader_limit(query))
			return page_end(stmt, arena, last, out);
		last = sql_u64(stmt, 0);
		struct attempt_row row = { .uid = uid, .number = sql_u32(stmt, 1), .fence = sql_u64(stmt, 2), .started_us = sql_i64(stmt, 3),
			                   .finished_us = sql_i64(stmt, 4), .next = (enum job_state)sql_i64(stmt, 5),
			                   .retry_us = sql_i64(stmt, 6), .worker = sql_copy(stmt, 7, arena), .error = sql_copy(stmt, 8, arena),
			                   .exchange = sql_copy(stmt, 9, arena) };
		out->attempts[out->attempt_count++] = row;
		if (!row.worker.ptr || !row.error.ptr || !row.exchange.ptr) {
			sqlite3_reset(stmt);
			return E_NOMEM;
		}
	}
	return err;
}

static enum err count_logs(struct sqlite_reader *reader, uint64_t uid, uint64_t *out)
{
	enum err err;
	sqlite3_stmt *stmt = reader_row(reader, READER_LOG_COUNT, uid, &err);
	if (!stmt)
		return err;
	*out = sql_u64(stmt, 0);
	return sql_err(sqlite3_reset(stmt));
}

enum err reader_logs(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	enum err err;
	bool found;
	uint64_t uid, last = 0;
	sqlite3_stmt *stmt = page_of_job(reader, query->newest_first ? READER_LOGS_NEWEST : READER_LOGS, query, &uid, &err);
	if (!err)
		err = count_logs(reader, uid, &out->count);
	if (err)
		return err;
	sql_bind_u64(stmt, 4, query->cursor.len ? 0 : query->skip > INT64_MAX ? INT64_MAX : query->skip);
	out->logs = ARENA_ARRAY(arena, struct log_row, reader_limit(query));
	if (!out->logs)
		return E_NOMEM;
	while (!(err = sql_step(stmt, &found)) && found) {
		if (out->log_count == reader_limit(query))
			return page_end(stmt, arena, last, out);
		last = sql_u64(stmt, 0);
		struct log_row row = { .uid = uid, .attempt = sql_u32(stmt, 1), .at_us = sql_i64(stmt, 2), .line = sql_copy(stmt, 3, arena) };
		out->logs[out->log_count++] = row;
		if (!row.line.ptr) {
			sqlite3_reset(stmt);
			return E_NOMEM;
		}
	}
	return err;
}

/* ---- children ---- */

static enum err children_count(struct sqlite_reader *reader, uint64_t uid, struct answer *out)
{
	enum err err;
	bool found;
	sqlite3_stmt *stmt = reader_statement(reader, READER_CHILDREN_COUNT, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, uid);
	while (!(err = sql_step(stmt, &found)) && found)
		if (sql_u64(stmt, 0) < EDGE_STATE_COUNT)
			out->edge_counts[sql_u64(stmt, 0)] = sql_u64(stmt, 1);
	return err;
}

static enum err child_read(sqlite3_stmt *stmt, uint64_t parent, struct arena *arena, struct child_view *out, uint64_t *out_body)
{
	bool own = sqlite3_column_type(stmt, 6) != SQLITE_NULL;
	*out = (struct child_view){
		.edge = { .parent = parent, .child = sql_u64(stmt, 0), .state = (enum edge_state)sql_i64(stmt, 1),
		          .on_failure = (enum on_failure)sql_i64(stmt, 2), .at_us = sql_i64(stmt, 3), .queue = sql_u32(stmt, 4),
		          .id = sql_copy(stmt, 5, arena), .value = sql_copy(stmt, own ? 6 : 9, arena) },
		.namespace_name = sql_copy(stmt, 7, arena), .queue_name = sql_copy(stmt, 8, arena),
	};
	*out_body = own ? 0 : sql_u64(stmt, 10);
	return out->edge.id.ptr && out->edge.value.ptr && out->namespace_name.ptr && out->queue_name.ptr ? E_OK : E_NOMEM;
}

enum err reader_children(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	enum err err;
	bool found;
	uint64_t uid, body, last = 0;
	sqlite3_stmt *stmt = page_of_job(reader, READER_CHILDREN, query, &uid, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 4, query->edge_states ? query->edge_states : UINT32_MAX);
	out->children = ARENA_ARRAY(arena, struct child_view, reader_limit(query));
	if (!out->children)
		return E_NOMEM;
	while (!(err = sql_step(stmt, &found)) && found) {
		if (out->child_count == reader_limit(query)) {
			err = page_end(stmt, arena, last, out);
			break;
		}
		struct child_view *view = &out->children[out->child_count++];
		err = child_read(stmt, uid, arena, view, &body);
		if (!err && body)
			err = reader_body(reader, body, arena, &view->edge.value);
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
		last = view->edge.child;
	}
	return err ? err : children_count(reader, uid, out);
}

/* ---- events ---- */

/* Up to which commit were events trimmed of the queue, of some queue of the namespace, or of any? */
static enum err events_see_trims(struct sqlite_reader *reader, const struct query *query, uint32_t queue, struct answer *out)
{
	enum err err;
	bool found;
	enum reader_statement which = queue ? READER_TRIM_OF_QUEUE : query->namespace_name.len ? READER_TRIM_OF_NAMESPACE : READER_TRIM_OF_ALL;
	sqlite3_stmt *stmt = reader_statement(reader, which, &err);
	if (err)
		return err;
	if (which == READER_TRIM_OF_QUEUE)
		sql_bind_i64(stmt, 1, queue);
	else if (which == READER_TRIM_OF_NAMESPACE)
		sql_bind_text(stmt, 1, query->namespace_name);
	err = sql_step(stmt, &found);
	if (!found)
		return err;
	if (sql_u64(stmt, 0) >= out->first_event_seq)
		out->first_event_seq = sql_u64(stmt, 0) + 1;
	return sql_err(sqlite3_reset(stmt));
}

static sqlite3_stmt *events_begin(struct sqlite_reader *reader, const struct query *query, struct answer *out, enum err *err)
{
	uint32_t queue = 0;
	*err = query->queue.len ? reader_find_queue(reader, query->namespace_name, query->queue, &queue) : E_OK;
	if (!*err)
		*err = events_see_trims(reader, query, queue, out);
	if (*err)
		return NULL;
	enum reader_statement which = queue ? READER_EVENTS_OF_QUEUE : query->namespace_name.len ? READER_EVENTS_OF_NAMESPACE : READER_EVENTS;
	sqlite3_stmt *stmt = reader_statement(reader, which, err);
	if (*err)
		return NULL;
	sql_bind_u64(stmt, 1, query->after_seq > INT64_MAX ? INT64_MAX : query->after_seq);
	if (which == READER_EVENTS_OF_QUEUE)
		sql_bind_i64(stmt, 2, queue);
	else if (which == READER_EVENTS_OF_NAMESPACE)
		sql_bind_text(stmt, 2, query->namespace_name);
	return stmt;
}

/* Rows of one change-set are never parted. */
enum err reader_events(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	enum err err;
	bool found;
	uint32_t capacity = 0;
	sqlite3_stmt *stmt = events_begin(reader, query, out, &err);
	if (err)
		return err;
	while (!(err = sql_step(stmt, &found)) && found) {
		uint64_t seq = sql_u64(stmt, 0);
		if (out->event_count >= reader_limit(query) && out->events[out->event_count - 1].seq != seq)
			break;
		if (out->event_count == capacity) {
			capacity = capacity ? capacity * 2 : 16;
			struct event_row *grown = ARENA_ARRAY(arena, struct event_row, capacity);
			if (grown && out->event_count)
				memcpy(grown, out->events, out->event_count * sizeof(*grown));
			out->events = grown;
		}
		struct event_row row = { .seq = seq, .queue = sql_u32(stmt, 1), .at_us = sql_i64(stmt, 2), .count = sql_u32(stmt, 3),
			                 .lines = sql_copy(stmt, 4, arena) };
		if (!out->events || !row.lines.ptr) {
			err = E_NOMEM;
			break;
		}
		out->events[out->event_count++] = row;
	}
	sqlite3_reset(stmt);
	return err;
}

/* ---- metrics ---- */

static enum err metrics_ended(struct sqlite_reader *reader, uint32_t queue, struct answer *out)
{
	enum err err;
	sqlite3_stmt *stmt = reader_row(reader, READER_ENDED, queue, &err);
	if (!stmt)
		return err;
	out->ended[JOB_COMPLETED] = sql_u64(stmt, 0);
	out->ended[JOB_FAILED] = sql_u64(stmt, 1);
	return sql_err(sqlite3_reset(stmt));
}

enum err reader_metrics(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	bool found;
	uint32_t queue, capacity = 0;
	enum err err = reader_find_queue(reader, query->namespace_name, query->queue, &queue);
	if (!err)
		err = metrics_ended(reader, queue, out);
	sqlite3_stmt *stmt = err ? NULL : reader_statement(reader, READER_METRICS, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, queue);
	while (!(err = sql_step(stmt, &found)) && found) {
		if (out->metric_count == capacity) {
			capacity = capacity ? capacity * 2 : 64;
			struct metric_row *grown = ARENA_ARRAY(arena, struct metric_row, capacity);
			if (!grown) {
				sqlite3_reset(stmt);
				return E_NOMEM;
			}
			if (out->metric_count)
				memcpy(grown, out->metrics, out->metric_count * sizeof(*grown));
			out->metrics = grown;
		}
		out->metrics[out->metric_count++] = (struct metric_row){ queue, sql_i64(stmt, 0), sql_u64(stmt, 1), sql_u64(stmt, 2) };
	}
	return err;
}

/* ---- operations and tokens ---- */

enum err reader_operations(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	enum err err;
	bool found;
	uint64_t below;
	if (number_cursor_parse(query->cursor, &below))
		return E_INVALID;
	sqlite3_stmt *stmt = reader_statement(reader, READER_OPERATIONS, &err);
	out->operations = ARENA_ARRAY(arena, struct operation_row, reader_limit(query));
	if (err || !out->operations)
		return err ? err : E_NOMEM;
	sql_bind_u64(stmt, 1, below ? below : INT64_MAX);
	sql_bind_i64(stmt, 2, (int64_t)reader_limit(query) + 1);
	while (!(err = sql_step(stmt, &found)) && found) {
		if (out->operation_count == reader_limit(query))
			return page_end(stmt, arena, out->operations[out->operation_count - 1].number, out);
		err = operation_copy(stmt, arena, &out->operations[out->operation_count++]);
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
	}
	return err;
}

enum err reader_tokens(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	enum err err;
	bool found;
	uint64_t above;
	if (number_cursor_parse(query->cursor, &above))
		return E_INVALID;
	sqlite3_stmt *stmt = reader_statement(reader, READER_TOKENS, &err);
	out->tokens = ARENA_ARRAY(arena, struct token_row, reader_limit(query));
	if (err || !out->tokens)
		return err ? err : E_NOMEM;
	sql_bind_u64(stmt, 1, above);
	sql_bind_i64(stmt, 2, (int64_t)reader_limit(query) + 1);
	while (!(err = sql_step(stmt, &found)) && found) {
		if (out->token_count == reader_limit(query))
			return page_end(stmt, arena, out->tokens[out->token_count - 1].number, out);
		err = token_copy(stmt, arena, &out->tokens[out->token_count++]);
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
	}
	return err;
}
