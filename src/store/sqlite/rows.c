#include "store/sqlite/rows.h"

#define BIND_NUMBER(value) sqlite3_bind_int64(stmt, at++, (int64_t)(value))
#define BIND_TEXT(value)   sql_bind_str(stmt, at++, value)
#define READ_NUMBER(field) (field) = (__typeof__(field))sqlite3_column_int64(stmt, at++)
#define READ_TEXT(field)   (field) = sql_str(stmt, at++)
#define COPY_NUMBER(field)
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
