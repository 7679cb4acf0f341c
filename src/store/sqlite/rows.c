#include "store/sqlite/rows.h"

#define BIND_NUMBER(value) sqlite3_bind_int64(stmt, at++, (int64_t)(value))
#define BIND_TEXT(value)   sql_bind_str(stmt, at++, value)
#define READ_NUMBER(field) (field) = (__typeof__(field))sqlite3_column_int64(stmt, at++)
#define READ_TEXT(field)   (field) = sql_str(stmt, at++)
#define READ_OPTIONAL(field) READ_NUMBER(field)
#define COPY_NUMBER(field)
#define COPY_OPTIONAL(field)
#define COPY_TEXT(field)                           \
	(field) = sql_keep(arena, (field));        \
	if (!(field).ptr)                          \
		return E_NOMEM;

void row_bind(sqlite3_stmt *stmt, int first, const struct job_row *row)
{
	int at = first;
#define X(column, kind, field) BIND_##kind(row->field);
	ROW_COLUMNS(X)
#undef X
}

void row_read(sqlite3_stmt *stmt, int first, struct job_row *out)
{
	int at = first;
#define X(column, kind, field) READ_##kind(out->field);
	ROW_COLUMNS(X)
#undef X
}

void definition_read(sqlite3_stmt *stmt, int first, struct job_definition *out)
{
	int at = first;
#define X(column, kind, field) READ_##kind(out->field);
	DEFINITION_COLUMNS(X)
#undef X
}

enum err row_copy(sqlite3_stmt *stmt, int first, struct arena *arena, struct job_row *out)
{
	row_read(stmt, first, out);
#define X(column, kind, field) COPY_##kind(out->field)
	ROW_COLUMNS(X)
#undef X
	return E_OK;
}

enum err definition_copy(sqlite3_stmt *stmt, int first, struct arena *arena, struct job_definition *out)
{
	definition_read(stmt, first, out);
#define X(column, kind, field) COPY_##kind(out->field)
	DEFINITION_COLUMNS(X)
#undef X
	return E_OK;
}

enum err queue_copy(sqlite3_stmt *stmt, struct arena *arena, struct queue_row *out)
{
	*out = (struct queue_row){ .number = sql_u32(stmt, 0), .namespace_name = sql_copy(stmt, 1, arena), .name = sql_copy(stmt, 2, arena),
		                   .settings = sql_copy(stmt, 3, arena), .paused = sql_i64(stmt, 4) != 0, .created_us = sql_i64(stmt, 5),
		                   .version = sql_u64(stmt, 6), .blocked_us = sql_i64(stmt, 7) };
	return out->namespace_name.ptr && out->name.ptr && out->settings.ptr ? E_OK : E_NOMEM;
}

enum err token_copy(sqlite3_stmt *stmt, struct arena *arena, struct token_row *out)
{
	*out = (struct token_row){ .number = sql_u64(stmt, 0), .name = sql_copy(stmt, 1, arena), .hash = sql_copy(stmt, 2, arena),
		                   .prefix = sql_copy(stmt, 3, arena), .scopes = sql_copy(stmt, 4, arena), .queues = sql_copy(stmt, 5, arena),
		                   .created_us = sql_i64(stmt, 6), .expires_us = sql_i64(stmt, 7), .revoked_us = sql_i64(stmt, 8) };
	return out->name.ptr && out->hash.ptr && out->prefix.ptr && out->scopes.ptr && out->queues.ptr ? E_OK : E_NOMEM;
}

enum err operation_copy(sqlite3_stmt *stmt, struct arena *arena, struct operation_row *out)
{
	*out = (struct operation_row){ .number = sql_u64(stmt, 0), .action = sql_copy(stmt, 1, arena), .arguments = sql_copy(stmt, 2, arena),
		                       .filter = sql_copy(stmt, 3, arena), .as_of = sql_u64(stmt, 4), .cursor_uid = sql_u64(stmt, 5),
		                       .cursor_phase = sql_u32(stmt, 6), .done = sql_u64(stmt, 7), .skipped = sql_u64(stmt, 8),
		                       .failed = sql_u64(stmt, 9), .state = (enum operation_state)sql_i64(stmt, 10), .created_us = sql_i64(stmt, 11),
		                       .finished_us = sql_i64(stmt, 12) };
	return out->action.ptr && out->arguments.ptr && out->filter.ptr ? E_OK : E_NOMEM;
}

enum err message_copy(sqlite3_stmt *stmt, bool whole, struct arena *arena, struct message_row *out)
{
	*out = (struct message_row){ .uid = sql_u64(stmt, 0), .seq = sql_u64(stmt, 1), .namespace_name = sql_copy(stmt, 2, arena),
		                     .type = sql_copy(stmt, 3, arena), .entity = sql_copy(stmt, 4, arena), .key = sql_copy(stmt, 5, arena),
		                     .channels = sql_copy(stmt, 6, arena), .flags = sql_u32(stmt, 7), .only = sql_u32(stmt, 8),
		                     .next_endpoint = MESSAGE_EXPANDED, .deliveries = sql_u32(stmt, 10), .payload_bytes = sql_u64(stmt, 11),
		                     .payload_body = sql_u64(stmt, 12), .metadata = STR(""), .payload = STR("") };
	if (sqlite3_column_type(stmt, 9) != SQLITE_NULL)
		out->next_endpoint = sql_u32(stmt, 9);
	if (whole) {
		out->metadata = sql_copy(stmt, 13, arena);
		out->payload = sql_copy(stmt, 14, arena);
	}
	bool kept = out->namespace_name.ptr && out->type.ptr && out->entity.ptr && out->key.ptr && out->channels.ptr && out->metadata.ptr &&
	            out->payload.ptr;
	return kept ? E_OK : E_NOMEM;
}

enum err body_copy(sqlite3_stmt *bytes_stmt, sqlite3_stmt *chunks, uint64_t number, struct arena *arena, struct str *out)
{
	bool found;
	size_t bytes = 0, filled = 0;
	sql_bind_u64(bytes_stmt, 1, number);
	enum err err = sql_step(bytes_stmt, &found);
	if (found) {
		bytes = (size_t)sql_u64(bytes_stmt, 0);
		err = sql_err(sqlite3_reset(bytes_stmt));
	}
	char *text = err ? NULL : arena_alloc(arena, bytes + 1);
	if (!text)
		return err ? err : E_NOMEM;
	sql_bind_u64(chunks, 1, number);
	while (!(err = sql_step(chunks, &found)) && found) {
		struct str chunk = sql_str(chunks, 0);
		if (chunk.len > bytes - filled)
			chunk.len = bytes - filled;
		if (chunk.len)
			memcpy(text + filled, chunk.ptr, chunk.len);
		filled += chunk.len;
	}
	*out = (struct str){ text, filled };
	return !err && filled < bytes ? E_NOMEM : err; /* a chunk that SQLite had no memory for reads as empty */
}
