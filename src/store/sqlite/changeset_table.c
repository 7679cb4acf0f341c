#include "store/sqlite/changeset_table.h"

struct changeset_vtab {
	sqlite3_vtab base;
	struct changeset_table *table;
};
struct changeset_cursor {
	sqlite3_vtab_cursor base;
	const struct changeset *cs;
	uint32_t at;
	uint32_t parts;
};

enum changeset_column {
	AT_UID,
#define X(column, kind, field) AT_ROW_##column,
	ROW_COLUMNS(X)
#undef X
#define X(column, kind, field) AT_JOB_##column,
	DEFINITION_COLUMNS(X)
#undef X
	AT_PAYLOAD, AT_METADATA, AT_RESULT_BODY, AT_RESULT_BYTES, AT_ERROR, AT_RESULT, AT_PARTS
};

static int changeset_vtab_connect(sqlite3 *db, void *context, int count, const char *const *arguments, sqlite3_vtab **out, char **error)
{
	(void)count, (void)arguments, (void)error;
	int code = sqlite3_declare_vtab(db, "CREATE TABLE x(uid" ROW_COLUMNS(COLUMN_OF_CHANGE_ROW) DEFINITION_COLUMNS(COLUMN_OF_CHANGE_JOB)
	                                    ", payload, metadata, result_body, result_bytes, error, result, parts HIDDEN)");
	struct changeset_vtab *vtab = code ? NULL : sqlite3_malloc(sizeof(*vtab));
	if (!vtab)
		return code ? code : SQLITE_NOMEM;
	*vtab = (struct changeset_vtab){ .table = context };
	*out = &vtab->base;
	return SQLITE_OK;
}

static int changeset_vtab_disconnect(sqlite3_vtab *vtab)
{
	sqlite3_free(vtab);
	return SQLITE_OK;
}

static int changeset_vtab_plan(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
	(void)vtab;
	for (int i = 0; i < info->nConstraint; i++) {
		if (info->aConstraint[i].iColumn != AT_PARTS || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ ||
		    !info->aConstraint[i].usable)
			continue;
		info->aConstraintUsage[i].argvIndex = 1;
		info->aConstraintUsage[i].omit = 1;
		info->estimatedCost = 1000;
		info->estimatedRows = 1000;
		return SQLITE_OK;
	}
	return SQLITE_CONSTRAINT; /* never without its argument */
}

static int changeset_cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
	struct changeset_cursor *cursor = sqlite3_malloc(sizeof(*cursor));
	if (!cursor)
		return SQLITE_NOMEM;
	*cursor = (struct changeset_cursor){ .cs = ((struct changeset_vtab *)vtab)->table->cs };
	*out = &cursor->base;
	return SQLITE_OK;
}

static int changeset_cursor_close(sqlite3_vtab_cursor *cursor)
{
	sqlite3_free(cursor);
	return SQLITE_OK;
}

static void changeset_cursor_seek(struct changeset_cursor *cursor) /* from `at` on, to the next that takes part */
{
	for (; cursor->at < cursor->cs->jobs.count; cursor->at++) {
		const struct job_write *write = &cursor->cs->jobs.items[cursor->at];
		if (cursor->parts & PART(write->before, write->after))
			return;
	}
}

static int changeset_cursor_filter(sqlite3_vtab_cursor *base, int plan, const char *name, int count, sqlite3_value **values)
{
	struct changeset_cursor *cursor = (struct changeset_cursor *)base;
	(void)plan, (void)name, (void)count;
	cursor->parts = (uint32_t)sqlite3_value_int64(values[0]);
	cursor->at = 0;
	changeset_cursor_seek(cursor);
	return SQLITE_OK;
}

static int changeset_cursor_next(sqlite3_vtab_cursor *base)
{
	((struct changeset_cursor *)base)->at++;
	changeset_cursor_seek((struct changeset_cursor *)base);
	return SQLITE_OK;
}

static int changeset_cursor_eof(sqlite3_vtab_cursor *base)
{
	const struct changeset_cursor *cursor = (struct changeset_cursor *)base;
	return cursor->at >= cursor->cs->jobs.count;
}

static void result_str(sqlite3_context *context, struct str text) /* empty: NULL, as it stands */
{
	if (text.len)
		sqlite3_result_text(context, text.ptr, (int)text.len, SQLITE_STATIC);
}

static int changeset_cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	static const struct job_result no_result;
	const struct changeset_cursor *cursor = (struct changeset_cursor *)base;
	const struct job_write *write = &cursor->cs->jobs.items[cursor->at];
	const struct job_row *row = &write->row;
	const struct job_definition *definition = write->definition;
	const struct job_result *result = write->result ? write->result : &no_result;
#define GIVE_NUMBER(value) sqlite3_result_int64(context, (int64_t)(value))
#define GIVE_TEXT(value)   result_str(context, value)
#define GIVE_OPTIONAL(value) if (value) GIVE_NUMBER(value)
	switch ((enum changeset_column)column) {
	case AT_UID: sqlite3_result_int64(context, (int64_t)row->uid); break;
#define X(name, kind, field) case AT_ROW_##name: GIVE_##kind(row->field); break;
	ROW_COLUMNS(X)
#undef X
#define X(name, kind, field) case AT_JOB_##name: GIVE_##kind(definition->field); break;
	DEFINITION_COLUMNS(X)
#undef X
	case AT_PAYLOAD: result_str(context, definition->payload); break;
	case AT_METADATA: result_str(context, definition->metadata); break;
	case AT_RESULT_BODY: sqlite3_result_int64(context, (int64_t)result->result_body); break;
	case AT_RESULT_BYTES: sqlite3_result_int64(context, (int64_t)result->result_bytes); break;
	case AT_ERROR: result_str(context, result->error); break;
	case AT_RESULT: result_str(context, result->result); break;
	case AT_PARTS: break;
	}
	return SQLITE_OK;
}

static int changeset_cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
	*out = ((struct changeset_cursor *)base)->at;
	return SQLITE_OK;
}

static const sqlite3_module changeset_module = {
	.xConnect = changeset_vtab_connect,
	.xBestIndex = changeset_vtab_plan,
	.xDisconnect = changeset_vtab_disconnect,
	.xOpen = changeset_cursor_open,
	.xClose = changeset_cursor_close,
	.xFilter = changeset_cursor_filter,
	.xNext = changeset_cursor_next,
	.xEof = changeset_cursor_eof,
	.xColumn = changeset_cursor_column,
	.xRowid = changeset_cursor_rowid,
};

enum err changeset_table_register(sqlite3 *db, struct changeset_table *table)
{
	return sql_err(sqlite3_create_module(db, "changeset_jobs", &changeset_module, table));
}
