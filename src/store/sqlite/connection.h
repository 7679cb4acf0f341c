/* src/store/sqlite/connection.h: opening the file, in the three ways in which we use it. Private to sqlite/. */
#pragma once
#include "store/sqlite/sql.h"

enum connection_use {
	CONNECTION_WRITE, /* the writer's: WAL, every commit synced, checkpoints by hand */
	CONNECTION_LOAD,  /* the engine's thread: reads what memory lacks */
	CONNECTION_READ   /* lists and pages: may be stopped after 5 s */
};
MUST_USE enum err connection_open(const char *path, const char *vfs, enum connection_use use, sqlite3 **out);
/* Statements of it must be finalized. */
void connection_close(sqlite3 *db);
/* Only for a connection for writing, after the schema is right. */
MUST_USE enum err connection_tune(sqlite3 *db);
