/* src/store/sqlite/backup.h: a consistent copy while work goes on. The writer's own connection copies some pages between two commits,
 * and SQLite repeats by itself those that a commit changes afterwards; so no reader ever holds the WAL back, and the copy ends
 * however busy the store is. Private to sqlite/. */
#pragma once
#include <pthread.h>

#include "store/sqlite/sql.h"

struct backup {
	const char *path;
	sqlite3 *target;
	sqlite3_backup *copy;
	enum err err;
	bool ended;
	uint64_t pages_done, pages_total;
};

/* Makes "<path>.part". E_CONFLICT when either is there. */
MUST_USE enum err backup_prepare(struct backup *backup, const char *path, struct problem *problem);
#define BACKUP_STEP_PAGES 64 /* 256 KiB between two commits */
/* On the thread of `source`: the next pages; sets ended and err. */
void backup_step(struct backup *backup, sqlite3 *source, int pages);
/* On the writer's thread, when its connection goes away. */
void backup_abort(struct backup *backup, enum err err);
/* Syncs and names the file, or removes what there is of it. */
MUST_USE enum err backup_finish(struct backup *backup, struct problem *problem);
