/* src/store/sqlite/outside.c: what can be done to a store that somebody else may have open: copy it, look at it. Neither takes the lock;
 * both read only, in one read transaction, so that they see one commit whatever happens meanwhile. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite/backup.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/lock.h"
#include "store/sqlite/schema.h"
#include "store/store.h"

#define OUTSIDE_STEP_PAGES 256 /* 1 MiB between two calls of progress */

static enum err outside_open(const char *path, sqlite3 **out, struct problem *problem)
{
	if (access(path, F_OK) != 0)
		return problem_set(problem, E_IO, "--store", "%s is not there; name the store that the daemon uses.", path);
	enum err err = connection_open(path, NULL, CONNECTION_READ, out);
	if (!err)
		err = sql_exec(*out, "BEGIN; SELECT count(*) FROM sqlite_schema");
	if (!err)
		return E_OK;
	problem_set(problem, err, "--store", "%s cannot be read: %s.", path, *out ? sqlite3_errmsg(*out) : err_sentence(err));
	sqlite3_close(*out);
	return err;
}

enum err store_sqlite_backup_file(const char *path, const char *to, void (*progress)(void *context, uint64_t done, uint64_t total),
                                  void *context, struct problem *problem)
{
	struct backup backup = { 0 };
	sqlite3 *source = NULL;
	enum err err = outside_open(path, &source, problem);
	if (err)
		return err;
	err = backup_prepare(&backup, to, problem);
	while (!err && !backup.ended) {
		backup_step(&backup, source, OUTSIDE_STEP_PAGES);
		if (progress)
			progress(context, backup.pages_done, backup.pages_total);
	}
	if (!err)
		err = backup_finish(&backup, problem);
	sqlite3_close(source);
	return err;
}

const char *store_sqlite_library(void)
{
	return sqlite3_libversion();
}

static uint64_t outside_size(const char *path, const char *suffix)
{
	char whole[4096];
	struct stat stat_buf;
	snprintf(whole, sizeof(whole), "%s%s", path, suffix);
	return stat(whole, &stat_buf) == 0 ? (uint64_t)stat_buf.st_size : 0;
}

static enum err outside_check(sqlite3 *db, bool deep, struct store_sqlite_report *out)
{
	sqlite3_stmt *stmt = NULL;
	enum err err = sql_err(sqlite3_prepare_v2(db, deep ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", -1, &stmt, NULL));
	if (!err && sqlite3_step(stmt) == SQLITE_ROW)
		snprintf(out->integrity, sizeof(out->integrity), "%s", (const char *)sqlite3_column_text(stmt, 0));
	else if (!err)
		snprintf(out->integrity, sizeof(out->integrity), "%s", sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	return err;
}

enum err store_sqlite_inspect(const char *path, bool deep, struct store_sqlite_report *out, struct problem *problem)
{
	sqlite3 *db = NULL;
	int64_t application = 0, version = 0;
	*out = (struct store_sqlite_report){ .supported = (uint32_t)schema_migration_count, .file_bytes = outside_size(path, ""),
	                                     .wal_bytes = outside_size(path, "-wal") };
	enum err err = outside_open(path, &db, problem);
	if (err)
		return err;
	err = sql_read_i64(db, "PRAGMA application_id", &application);
	if (!err)
		err = sql_read_i64(db, "PRAGMA user_version", &version);
	out->ours = application == SCHEMA_APPLICATION_ID;
	out->version = (uint32_t)version;
	if (!err)
		err = outside_check(db, deep, out);
	if (err)
		problem_set(problem, err, "--store", "%s cannot be read: %s.", path, sqlite3_errmsg(db));
	sqlite3_close(db);
	if (!err) { /* is a daemon at work? Taken and given back at once */
		int fd = -1;
		out->locked = lock_take(path, &fd, NULL) == E_STORE_LOCKED;
		lock_release(fd);
	}
	return err;
}
