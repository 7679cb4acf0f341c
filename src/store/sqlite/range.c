/* src/store/sqlite/range.c: a stretch of a queue's jobs in one state, by their places.
 *
 * Final jobs are found and passed over in their index, and counted already. Of live ones every row of the queue in that state is looked at:
 * an index for it would be written at each enqueue, claim and retry, and what stands in a state is mostly few. */
#include "base/limits.h"
#include "base/uid.h"
#include "store/sqlite/reader.h"

#define RANGE_OF(order) ((enum reader_statement)(READER_RANGE_WAITING + 3 * (order)))
_Static_assert(RANGE_OF(RANGE_DELAYED) == READER_RANGE_DELAYED && RANGE_OF(RANGE_EXPIRED) == READER_RANGE_EXPIRED, "in the order of enum range_order");

static sqlite3_stmt *range_statement(struct sqlite_reader *reader, enum reader_statement which, const struct range *range, uint32_t queue,
                                     enum err *err)
{
	sqlite3_stmt *stmt = reader_statement(reader, which, err);
	int64_t before = range->before_us ? range->before_us : INT64_MAX;
	if (range->before_us && range->order <= RANGE_PRIORITISED)
		before = (int64_t)uid_floor(range->before_us);
	if (*err)
		return NULL;
	sql_bind_i64(stmt, 1, queue);
	sql_bind_i64(stmt, 2, before);
	return stmt;
}

static enum err range_count_kept(struct sqlite_reader *reader, uint32_t queue, enum range_order order, uint64_t *out)
{
	enum err err;
	*out = 0;
	sqlite3_stmt *stmt = reader_row(reader, READER_QUEUE_COUNTS, queue, &err);
	if (!stmt)
		return err;
	*out = sql_u64(stmt, 1 + (int)(order - RANGE_COMPLETED)); /* both in the order of COUNTED_STATES */
	return sql_err(sqlite3_reset(stmt));
}

static enum err range_count(struct sqlite_reader *reader, const struct range *range, uint32_t queue, uint64_t *out)
{
	enum err err;
	bool found;
	if (range->order >= RANGE_COMPLETED && !range->before_us)
		return range_count_kept(reader, queue, range->order, out);
	sqlite3_stmt *stmt = range_statement(reader, RANGE_OF(range->order), range, queue, &err);
	if (err)
		return err;
	err = sql_step(stmt, &found);
	if (!found)
		return err;
	*out = sql_u64(stmt, 0);
	return sql_err(sqlite3_reset(stmt));
}

static enum err range_find(struct sqlite_reader *reader, const struct range *range, uint32_t queue, uint64_t first, uint32_t limit, uint64_t *uids,
                           uint32_t *count)
{
	enum err err;
	bool found;
	sqlite3_stmt *stmt = range_statement(reader, RANGE_OF(range->order) + (range->descending ? 2 : 1), range, queue, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 3, limit);
	sql_bind_u64(stmt, 4, first);
	while (!(err = sql_step(stmt, &found)) && found)
		uids[(*count)++] = sql_u64(stmt, 0);
	return err;
}

static enum err range_id(struct sqlite_reader *reader, uint64_t uid, struct arena *arena, struct job_view *out)
{
	enum err err;
	sqlite3_stmt *stmt = reader_row(reader, READER_JOB_ID, uid, &err);
	if (!stmt)
		return err;
	out->row.uid = uid;
	out->definition.id = sql_copy(stmt, 0, arena);
	err = sql_err(sqlite3_reset(stmt));
	return err ? err : out->definition.id.ptr ? E_OK : E_NOMEM;
}

static enum err range_fill(struct sqlite_reader *reader, const struct query *query, const uint64_t *uids, uint32_t count, struct arena *arena,
                           struct answer *out)
{
	enum err err = E_OK;
	out->jobs = ARENA_ARRAY(arena, struct job_view, count + 1);
	if (!out->jobs)
		return E_NOMEM;
	for (; out->job_count < count && !err; out->job_count++) {
		struct job_view *view = &out->jobs[out->job_count];
		bool found;
		if (query->range.what == RANGE_IDS)
			err = range_id(reader, uids[out->job_count], arena, view);
		else
			err = reader_view_asked(reader, query, uids[out->job_count], arena, view, &found);
	}
	return err;
}

enum err reader_range(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	const struct range *range = &query->range;
	uint64_t first;
	uint32_t queue, count = 0;
	enum err err = reader_find_queue(reader, query->namespace_name, query->queue, &queue);
	if (!err)
		err = range_count(reader, range, queue, &out->count);
	uint32_t limit = err ? 0 : (uint32_t)places_resolve(range->from, range->to, out->count, LIMIT_PAGE, &first);
	if (err || range->what == RANGE_NONE || !limit)
		return err;
	uint64_t *uids = ARENA_ARRAY(arena, uint64_t, limit);
	if (!uids)
		return E_NOMEM;
	err = range_find(reader, range, queue, first, limit, uids, &count);
	return err ? err : range_fill(reader, query, uids, count, arena, out);
}
