/* src/store/sqlite/changeset_table.h: a change-set's jobs as a table for SQL, so that one statement inserts them all: half the work of
 * one statement each. `changeset_jobs(parts)` has a row for each job write that moves as `parts` says, with the columns of live and done
 * (row_…), of job (job_…) and the result's. It reads the change-set's memory and copies nothing. Private to sqlite/. */
#pragma once
#include "store/changeset.h"
#include "store/sqlite/rows.h"

#define PART(before, after) (1u << ((before) * 3 + (after))) /* a move; or them together */

#define COLUMN_OF_CHANGE_ROW(column, kind, field) ", row_" #column
#define COLUMN_OF_CHANGE_JOB(column, kind, field) ", job_" #column

struct changeset_table {
	const struct changeset *cs;
};
/* The table lives as long as the connection. */
MUST_USE enum err changeset_table_register(sqlite3 *db, struct changeset_table *table);
