#include "store/sqlite/schema.h"
#include "base/clock.h"
#include "store/sqlite/sql.h"

#include <stdio.h>

static enum err schema_check(sqlite3 *db, const char *path, int64_t *out_version, struct problem *problem)
{
	int64_t application, tables = 0;
	enum err err = sql_read_i64(db, "PRAGMA application_id", &application);
	if (!err)
		err = sql_read_i64(db, "PRAGMA user_version", out_version);
	if (!err)
		err = sql_read_i64(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (err == E_STORE_CORRUPT)
		return problem_set(problem, err, "", "%s is not a store of ruche, or its first page is damaged: name another file, or restore a backup.",
		                   path);
	if (err)
		return problem_set(problem, err, "", "%s cannot be read: %s.", path, sqlite3_errmsg(db));
	if (application != SCHEMA_APPLICATION_ID && (application || tables))
		return problem_set(problem, E_STORE_CORRUPT, "", "%s is a database of another program: name another file.", path);
	if (*out_version > schema_migration_count)
		return problem_set(problem, E_STORE_NEWER, "",
		                   "%s has format %lld, this ruche knows up to %d: run the version that wrote it, or restore a backup.", path,
		                   (long long)*out_version, schema_migration_count);
	return E_OK;
}

/* From `version` to the next. DDL, user_version and application_id are all part of the transaction. */
static enum err schema_step(sqlite3 *db, int64_t version)
{
	char mark[256];
	snprintf(mark, sizeof(mark),
	         "INSERT INTO meta VALUES (%lld, strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now'), 'ruche " RUCHE_VERSION "');"
	         "PRAGMA application_id = %d; PRAGMA user_version = %lld",
	         (long long)version + 1, SCHEMA_APPLICATION_ID, (long long)version + 1);
	enum err err = sql_exec(db, "BEGIN IMMEDIATE");
	if (!err)
		err = sql_exec(db, schema_migrations[version]);
	if (!err)
		err = sql_exec(db, mark);
	if (!err && version == 0) {
		char created[96];
		snprintf(created, sizeof(created), "UPDATE shard SET created_us = %lld", (long long)clock_wall_us());
		err = sql_exec(db, created);
	}
	if (!err)
		err = sql_exec(db, "COMMIT");
	if (err && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* failing that, closing rolls back */
	return err;
}

enum err schema_migrate(sqlite3 *db, const char *path, struct problem *problem)
{
	int64_t version = 0;
	enum err err = schema_check(db, path, &version, problem);
	/* A new file is not in WAL mode yet: the removal of its first journal must be on disk before anything else is. */
	if (!err)
		err = sql_exec(db, "PRAGMA synchronous = EXTRA");
	for (; !err && version < schema_migration_count; version++) {
		err = schema_step(db, version);
		if (err)
			problem_set(problem, err, "", "%s could not be brought to format %lld (%s); it is unchanged.", path, (long long)version + 1,
			            sqlite3_errmsg(db));
	}
	return err;
}
