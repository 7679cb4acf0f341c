#include "store/sqlite/sql.h"

enum err sql_err(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return E_OK;
	case SQLITE_FULL: return E_STORE_FULL;
	case SQLITE_NOMEM: return E_NOMEM;
	case SQLITE_CONSTRAINT: return E_CONFLICT;
	case SQLITE_INTERRUPT: return E_TIMEOUT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return E_STORE_LOCKED;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return E_STORE_CORRUPT;
	default: return E_IO;
	}
}

enum err sql_prepare(sqlite3 *db, struct sql_statement *statement)
{
	if (statement->prepared)
		return E_OK;
	return sql_err(sqlite3_prepare_v3(db, statement->sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->prepared, NULL));
}

void sql_finalize(struct sql_statement *statements, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sqlite3_finalize(statements[i].prepared);
		statements[i].prepared = NULL;
	}
}

enum err sql_run(sqlite3_stmt *stmt)
{
	sqlite3_step(stmt);
	return sql_err(sqlite3_reset(stmt)); /* the step's own error, if it had one */
}

enum err sql_step(sqlite3_stmt *stmt, bool *row)
{
	*row = sqlite3_step(stmt) == SQLITE_ROW;
	return *row ? E_OK : sql_err(sqlite3_reset(stmt));
}

enum err sql_exec(sqlite3 *db, const char *sql)
{
	return sql_err(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

enum err sql_read_i64(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *stmt;
	bool row = false;
	*out = 0;
	enum err err = sql_err(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL));
	if (!err)
		err = sql_step(stmt, &row);
	if (row)
		*out = sql_i64(stmt, 0);
	sqlite3_finalize(stmt);
	return err;
}

struct str sql_copy(sqlite3_stmt *stmt, int column, struct arena *arena)
{
	struct str here = sql_str(stmt, column);
	if (!here.ptr && sqlite3_column_bytes(stmt, column) > 0)
		return (struct str){ NULL, 0 }; /* SQLite itself had no memory */
	return sql_keep(arena, here);
}
