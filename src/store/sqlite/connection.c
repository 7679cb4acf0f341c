#include "store/sqlite/connection.h"
#include "base/check.h"
#include "store/sqlite/gather.h"

#include <pthread.h>

#define CONNECTION_BUSY_MS 5000 /* somebody has the file open in a shell and writes: wait so long */

static void connection_set_up(void)
{
	/* Saves a global lock at each allocation; refused when something in the process uses SQLite already, which is fine. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_initialize();
}

enum err connection_open(const char *path, const char *vfs, enum connection_use use, sqlite3 **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	CHECK(pthread_once(&once, connection_set_up) == 0);
	int flags = SQLITE_OPEN_NOMUTEX | (use == CONNECTION_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
	enum err err = use == CONNECTION_WRITE ? gather_over(vfs, &vfs) : E_OK;
	*out = NULL;
	if (!err)
		err = sql_err(sqlite3_open_v2(path, out, flags, vfs));
	if (!err)
		err = sql_err(sqlite3_busy_timeout(*out, CONNECTION_BUSY_MS));
	if (!err && use != CONNECTION_WRITE)
		err = sql_exec(*out, "PRAGMA cache_size = -2000; PRAGMA temp_store = MEMORY");
	if (err) {
		sqlite3_close(*out);
		*out = NULL;
	}
	return err;
}

enum err connection_tune(sqlite3 *db)
{
	return sql_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -8000;"
	                    "PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 16777216; PRAGMA secure_delete = OFF");
}

void connection_close(sqlite3 *db)
{
	CHECK(sqlite3_close(db) == SQLITE_OK); /* NULL is fine; a statement left open is a bug */
}
