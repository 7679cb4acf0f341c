/* src/store/sqlite/sql.h: the few ways in which we speak to SQLite. Private to sqlite/. */
#pragma once
#include <sqlite3.h>

#include "base/arena.h"
#include "base/err.h"

/* What a result code means to us: E_STORE_FULL, E_NOMEM, E_CONFLICT (a constraint), E_TIMEOUT (interrupted), E_STORE_LOCKED,
 * E_STORE_CORRUPT, otherwise E_IO. SQLITE_OK, _ROW and _DONE are E_OK. */
enum err sql_err(int code);

/* ---- statements: prepared once, at their first use ---- */

struct sql_statement {
	const char *sql;
	sqlite3_stmt *prepared;
};
MUST_USE enum err sql_prepare(sqlite3 *db, struct sql_statement *statement);
void sql_finalize(struct sql_statement *statements, size_t count);
/* Runs a statement that answers no rows, and resets it. */
MUST_USE enum err sql_run(sqlite3_stmt *stmt);
/* One step of a statement that answers rows: *row tells whether there is one. After the last, or an error, it is reset. */
MUST_USE enum err sql_step(sqlite3_stmt *stmt, bool *row);
MUST_USE enum err sql_exec(sqlite3 *db, const char *sql);
MUST_USE enum err sql_read_i64(sqlite3 *db, const char *sql, int64_t *out); /* the first column of the first row; 0 when there is none */

/* ---- binding: from the caller's memory, which stays as it is until the statement has run. None of these can fail: there is no copy,
 * and sizes are far below SQLite's. ---- */

static inline void sql_bind_i64(sqlite3_stmt *stmt, int index, int64_t value)
{
	sqlite3_bind_int64(stmt, index, value);
}
static inline void sql_bind_u64(sqlite3_stmt *stmt, int index, uint64_t value) /* two's complement */
{
	sqlite3_bind_int64(stmt, index, (int64_t)value);
}
static inline void sql_bind_str(sqlite3_stmt *stmt, int index, struct str value) /* empty: NULL */
{
	if (value.len)
		sqlite3_bind_text(stmt, index, value.ptr, (int)value.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(stmt, index);
}
static inline void sql_bind_text(sqlite3_stmt *stmt, int index, struct str value) /* empty: '' */
{
	sqlite3_bind_text(stmt, index, value.len ? value.ptr : "", (int)value.len, SQLITE_STATIC);
}
static inline void sql_bind_blob(sqlite3_stmt *stmt, int index, struct str value)
{
	sqlite3_bind_blob(stmt, index, value.len ? value.ptr : "", (int)value.len, SQLITE_STATIC);
}

/* ---- columns ---- */

static inline int64_t sql_i64(sqlite3_stmt *stmt, int column)
{
	return sqlite3_column_int64(stmt, column);
}
static inline uint64_t sql_u64(sqlite3_stmt *stmt, int column)
{
	return (uint64_t)sqlite3_column_int64(stmt, column);
}
static inline uint32_t sql_u32(sqlite3_stmt *stmt, int column)
{
	return (uint32_t)sqlite3_column_int64(stmt, column);
}
/* A slice of SQLite's memory, good until the next step. */
static inline struct str sql_str(sqlite3_stmt *stmt, int column)
{
	const void *bytes = sqlite3_column_blob(stmt, column);
	return (struct str){ bytes, bytes ? (size_t)sqlite3_column_bytes(stmt, column) : 0 };
}
/* A copy in the arena; nothing is allocated for the empty one. ptr NULL: no memory. */
static inline struct str sql_keep(struct arena *arena, struct str text)
{
	return text.len ? arena_str(arena, text) : STR("");
}
/* The column, copied. NULL reads as empty; ptr NULL: no memory. */
struct str sql_copy(sqlite3_stmt *stmt, int column, struct arena *arena);
