/* src/store/sqlite/schema.h: the file's format and its way forward. Migration n (src/store/schema/00n_*.sql) brings a file from
 * version n-1 to n; PRAGMA user_version says where a file stands, table meta since when. To change the format: add the next file
 * there, name it in src/store/meson.build, never touch an older one, keep a store written by the last release as a fixture. */
#pragma once
#include <sqlite3.h>

#include "base/err.h"

#define SCHEMA_APPLICATION_ID 0x52756368 /* "Ruch" */

extern const char *const schema_migrations[]; /* made from the SQL files by tools/embed-sql */
extern const int schema_migration_count;

/* Checks that the file is ours (an empty one is) and brings it to this version, each migration in a transaction of its own. E_STORE_NEWER,
 * E_STORE_CORRUPT (not one of ours, or damaged), E_STORE_LOCKED, E_STORE_FULL, E_IO, E_NOMEM. */
MUST_USE enum err schema_migrate(sqlite3 *db, const char *path, struct problem *problem);
