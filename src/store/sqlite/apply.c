/* src/store/sqlite/apply.c: in the order that every store keeps: additions that hang on jobs, drops, jobs that go, jobs that come or
 * change, the rest, ranges. SQLite reads all of it straight from the change-set's memory. */
#include "store/sqlite/apply.h"
#include "base/limits.h"

enum err apply_init(struct apply *apply, sqlite3 *db)
{
	static const char *const texts[] = {
#define X(name, sql) sql,
		APPLY_STATEMENTS(X)
#undef X
	};
	apply->db = db;
	for (int i = 0; i < APPLY_STATEMENT_COUNT; i++)
		apply->statements[i] = (struct sql_statement){ texts[i], NULL };
	enum err err = sql_exec(db, "CREATE TEMP TABLE doomed (uid INTEGER PRIMARY KEY)"); /* in memory: see connection.c */
	return err ? err : changeset_table_register(db, &apply->table);
}

void apply_fini(struct apply *apply)
{
	sql_finalize(apply->statements, APPLY_STATEMENT_COUNT);
}

/* The statement, ready to be bound; NULL and *err when it cannot be prepared. */
static sqlite3_stmt *statement(struct apply *apply, enum apply_statement which, enum err *err)
{
	struct sql_statement *found = &apply->statements[which];
	if (__builtin_expect(!found->prepared, 0))
		*err = sql_prepare(apply->db, found);
	return found->prepared;
}

static enum err apply_number(struct apply *apply, enum apply_statement which, uint64_t number)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, which, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, number);
	return sql_run(stmt);
}

/* ---- additions that hang on jobs ---- */

static enum err apply_chunks(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->chunks.count && !err; i++) {
		const struct body_chunk *chunk = &cs->chunks.items[i];
		sqlite3_stmt *stmt = statement(apply, APPLY_BODY_INSERT, &err);
		if (err)
			return err;
		sql_bind_u64(stmt, 1, chunk->number);
		sql_bind_i64(stmt, 2, chunk->index);
		sql_bind_blob(stmt, 3, chunk->bytes);
		err = sql_run(stmt);
	}
	return err;
}

static enum err apply_drop_body(struct apply *apply, uint64_t number)
{
	if (!number)
		return E_OK;
	enum err err = apply_number(apply, APPLY_BODY_DELETE, number);
	return err ? err : apply_number(apply, APPLY_STAGED_DELETE, number);
}

static enum err apply_bodies(struct apply *apply, const struct changeset *cs)
{
	enum err err = apply_chunks(apply, cs);
	for (uint32_t i = 0; i < cs->staged.count && !err; i++)
		err = apply_number(apply, APPLY_STAGED_INSERT, cs->staged.items[i]);
	for (uint32_t i = 0; i < cs->unstaged.count && !err; i++)
		err = apply_number(apply, APPLY_STAGED_DELETE, cs->unstaged.items[i]);
	for (uint32_t i = 0; i < cs->dropped_bodies.count && !err; i++)
		err = apply_drop_body(apply, cs->dropped_bodies.items[i]);
	return err;
}

static enum err apply_attempts(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->attempts.count && !err; i++) {
		const struct attempt_row *row = &cs->attempts.items[i];
		sqlite3_stmt *stmt = statement(apply, APPLY_ATTEMPT_INSERT, &err);
		if (err)
			return err;
		sql_bind_u64(stmt, 1, row->uid);
		sql_bind_i64(stmt, 2, row->number);
		sql_bind_u64(stmt, 3, row->fence);
		sql_bind_i64(stmt, 4, row->started_us);
		sql_bind_i64(stmt, 5, row->finished_us);
		sql_bind_i64(stmt, 6, row->next);
		sql_bind_i64(stmt, 7, row->retry_us);
		sql_bind_str(stmt, 8, row->worker);
		sql_bind_str(stmt, 9, row->error);
		sql_bind_str(stmt, 10, row->exchange);
		err = sql_run(stmt);
	}
	return err;
}

static enum err apply_log_trim(struct apply *apply, const struct log_trim *trim)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_LOG_TRIM, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, trim->uid);
	sql_bind_i64(stmt, 2, trim->keep);
	return sql_run(stmt);
}

static enum err apply_logs(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	uint32_t trims = 0;
	for (uint32_t i = 0; i <= cs->logs.count && !err; i++) {
		while (!err && trims < cs->log_trims.count && cs->log_trims.items[trims].after == i)
			err = apply_log_trim(apply, &cs->log_trims.items[trims++]);
		if (err || i == cs->logs.count)
			return err;
		const struct log_row *row = &cs->logs.items[i];
		sqlite3_stmt *stmt = statement(apply, APPLY_LOG_INSERT, &err);
		if (err)
			return err;
		sql_bind_u64(stmt, 1, row->uid);
		sql_bind_i64(stmt, 2, row->attempt);
		sql_bind_i64(stmt, 3, row->at_us);
		sql_bind_str(stmt, 4, row->line);
		err = sql_run(stmt);
	}
	return err;
}

static enum err apply_progress(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->progress.count && !err; i++) {
		const struct progress_row *row = &cs->progress.items[i];
		sqlite3_stmt *stmt = statement(apply, APPLY_PROGRESS_PUT, &err);
		if (err)
			return err;
		sql_bind_u64(stmt, 1, row->uid);
		sql_bind_i64(stmt, 2, row->at_us);
		sql_bind_str(stmt, 3, row->json);
		err = sql_run(stmt);
	}
	return err;
}

/* ---- jobs that go ---- */

static enum err apply_delete_parts(struct apply *apply, uint64_t uid)
{
	static const enum apply_statement parts[] = { APPLY_JOB_DELETE, APPLY_ATTEMPT_DELETE, APPLY_LOG_DELETE, APPLY_PROGRESS_DELETE };
	enum err err = E_OK;
	for (size_t i = 0; i < ARRAY_COUNT(parts) && !err; i++)
		err = apply_number(apply, parts[i], uid);
	return err;
}

static enum err apply_delete_job(struct apply *apply, const struct job_write *write)
{
	enum err err = E_OK;
	uint64_t bodies[3] = { 0 };
	bool found;
	sqlite3_stmt *stmt = statement(apply, APPLY_JOB_BODIES, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, write->row.uid);
	err = sql_step(stmt, &found);
	if (found) {
		for (int i = 0; i < 3; i++)
			bodies[i] = sql_u64(stmt, i);
		err = sql_err(sqlite3_reset(stmt));
	}
	for (int i = 0; i < 3 && !err; i++)
		err = apply_drop_body(apply, bodies[i]);
	if (!err && write->before != TABLE_NONE) {
		err = apply_number(apply, write->before == TABLE_LIVE ? APPLY_LIVE_DELETE : APPLY_DONE_DELETE, write->row.uid);
		if (!err && !sqlite3_changes(apply->db))
			err = E_CONFLICT;
	}
	if (!err && write->row.flags & ROW_PARENT)
		err = apply_number(apply, APPLY_EDGES_DELETE, write->row.uid);
	return err ? err : apply_delete_parts(apply, write->row.uid);
}

/* ---- jobs that come or change ---- */

static enum err apply_done_update(struct apply *apply, const struct job_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_DONE_UPDATE, &err);
	if (err)
		return err;
	row_bind(stmt, 1, row);
	sql_bind_u64(stmt, 1 + ROW_COLUMN_COUNT, row->uid);
	err = sql_run(stmt);
	return err ? err : sqlite3_changes(apply->db) ? E_OK : E_CONFLICT;
}

/* The result of a final job goes away or is replaced, and its body with it. */
static enum err apply_drop_result_body(struct apply *apply, uint64_t uid)
{
	enum err err = E_OK;
	uint64_t body = 0;
	bool found;
	sqlite3_stmt *stmt = statement(apply, APPLY_DONE_RESULT_BODY, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, uid);
	err = sql_step(stmt, &found);
	if (found) {
		body = sql_u64(stmt, 0);
		err = sql_err(sqlite3_reset(stmt));
	}
	return err ? err : apply_drop_body(apply, body);
}

static enum err apply_result(struct apply *apply, uint64_t uid, const struct job_result *result)
{
	enum err err = apply_drop_result_body(apply, uid);
	sqlite3_stmt *stmt = err ? NULL : statement(apply, APPLY_DONE_RESULT, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, result->result_body);
	sql_bind_u64(stmt, 2, result->result_bytes);
	sql_bind_str(stmt, 3, result->error);
	sql_bind_str(stmt, 4, result->result);
	sql_bind_u64(stmt, 5, uid);
	return sql_run(stmt);
}

static enum err apply_done_change(struct apply *apply, const struct job_write *write)
{
	enum err err = apply_done_update(apply, &write->row);
	return err || !write->result ? err : apply_result(apply, write->row.uid, write->result);
}

/* Leaves the table where the row was; E_CONFLICT when it was not there. */
static enum err apply_leave(struct apply *apply, const struct job_write *write)
{
	enum err err = write->before == TABLE_DONE ? apply_drop_result_body(apply, write->row.uid) : E_OK;
	if (!err)
		err = apply_number(apply, write->before == TABLE_LIVE ? APPLY_LIVE_DELETE : APPLY_DONE_DELETE, write->row.uid);
	return err ? err : sqlite3_changes(apply->db) ? E_OK : E_CONFLICT;
}

/* Live rows that change are written over by INSERT OR REPLACE, which would also make one that is not there: so they are counted first. */
static enum err apply_count_live(struct apply *apply, uint32_t wanted)
{
	enum err err = E_OK;
	bool found;
	sqlite3_stmt *stmt = statement(apply, APPLY_LIVE_COUNT, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, PART(TABLE_LIVE, TABLE_LIVE));
	err = sql_step(stmt, &found);
	if (!found)
		return err;
	uint32_t there = sql_u32(stmt, 0);
	err = sql_err(sqlite3_reset(stmt));
	return err ? err : there == wanted ? E_OK : E_CONFLICT;
}

/* Rare moves one by one; then those that finish, come or change, a table at a time. */
static enum err apply_jobs(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	uint32_t moves = 0, updates = 0, finishes = 0;
	for (uint32_t i = 0; i < cs->jobs.count && !err; i++)
		if (cs->jobs.items[i].after == TABLE_NONE)
			err = apply_delete_job(apply, &cs->jobs.items[i]);
	for (uint32_t i = 0; i < cs->jobs.count && !err; i++) {
		const struct job_write *write = &cs->jobs.items[i];
		moves |= PART(write->before, write->after);
		updates += write->before == TABLE_LIVE && write->after == TABLE_LIVE;
		finishes += write->before == TABLE_LIVE && write->after == TABLE_DONE;
		if (write->before == TABLE_DONE && write->after == TABLE_DONE)
			err = apply_done_change(apply, write);
		else if (write->before == TABLE_DONE && write->after == TABLE_LIVE)
			err = apply_leave(apply, write);
	}
	const struct {
		enum apply_statement statement;
		uint32_t parts;
	} steps[] = {
		{ APPLY_JOBS_INSERT, PART(TABLE_NONE, TABLE_LIVE) | PART(TABLE_NONE, TABLE_DONE) },
		{ APPLY_LIVE_REPLACE, PART(TABLE_LIVE, TABLE_LIVE) },
		{ APPLY_LIVE_INSERT, PART(TABLE_NONE, TABLE_LIVE) | PART(TABLE_DONE, TABLE_LIVE) },
		{ APPLY_DONE_INSERT, PART(TABLE_NONE, TABLE_DONE) | PART(TABLE_LIVE, TABLE_DONE) },
	};
	if (!err && finishes)
		err = apply_number(apply, APPLY_LIVE_LEAVE, PART(TABLE_LIVE, TABLE_DONE));
	if (!err && finishes && (uint32_t)sqlite3_changes(apply->db) != finishes)
		err = E_CONFLICT;
	if (!err && updates)
		err = apply_count_live(apply, updates);
	for (size_t i = 0; i < ARRAY_COUNT(steps) && !err; i++)
		if (moves & steps[i].parts)
			err = apply_number(apply, steps[i].statement, steps[i].parts);
	return err;
}

/* ---- queues, groups, counts ---- */

static enum err apply_counts_add(struct apply *apply, const struct queue_counts *delta)
{
	enum err err = E_OK;
	int at = 1;
	sqlite3_stmt *stmt = statement(apply, APPLY_COUNTS_ADD, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, at++, delta->queue);
	sql_bind_u64(stmt, at++, delta->enqueued);
	sql_bind_u64(stmt, at++, delta->started);
#define X(state, column) sql_bind_u64(stmt, at++, delta->final[state]);
	COUNTED_STATES(X)
#undef X
#define X(state, column) sql_bind_u64(stmt, at++, delta->final_bytes[state]);
	COUNTED_STATES(X)
#undef X
#define X(state, column) sql_bind_u64(stmt, at++, delta->ended[state]);
	COUNTED_STATES(X)
#undef X
	sql_bind_u64(stmt, at++, delta->ids);
	return sql_run(stmt);
}

static enum err apply_queue(struct apply *apply, const struct queue_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_QUEUE_PUT, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, row->number);
	sql_bind_text(stmt, 2, row->namespace_name);
	sql_bind_text(stmt, 3, row->name);
	sql_bind_str(stmt, 4, row->settings);
	sql_bind_i64(stmt, 5, row->paused);
	sql_bind_i64(stmt, 6, row->created_us);
	sql_bind_u64(stmt, 7, row->version);
	sql_bind_i64(stmt, 8, row->blocked_us);
	err = sql_run(stmt);
	return err ? err : apply_number(apply, APPLY_QUEUE_NUMBER, row->number);
}

static enum err apply_group(struct apply *apply, const struct group_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, row->gone ? APPLY_GROUP_DELETE : APPLY_GROUP_PUT, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, row->queue);
	sql_bind_text(stmt, 2, row->key);
	if (!row->gone) {
		sql_bind_str(stmt, 3, row->settings);
		sql_bind_i64(stmt, 4, row->paused);
		sql_bind_i64(stmt, 5, row->blocked_us);
	}
	return sql_run(stmt);
}

static enum err apply_drop_queue(struct apply *apply, uint32_t queue)
{
	static const enum apply_statement parts[] = { APPLY_QUEUE_DELETE, APPLY_QUEUE_GROUPS_DELETE, APPLY_QUEUE_DEDUPS_DELETE, APPLY_QUEUE_COUNTS_DELETE,
		                                      APPLY_QUEUE_METRICS_DELETE, APPLY_QUEUE_TRIM_DELETE, APPLY_QUEUE_CHAINS_DELETE };
	enum err err = E_OK;
	for (size_t i = 0; i < ARRAY_COUNT(parts) && !err; i++)
		err = apply_number(apply, parts[i], queue);
	return err;
}

static enum err apply_metric(struct apply *apply, const struct metric_add *add)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_METRIC_ADD, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, add->row.queue);
	sql_bind_i64(stmt, 2, add->row.minute);
	sql_bind_u64(stmt, 3, add->row.completed);
	sql_bind_u64(stmt, 4, add->row.failed);
	err = sql_run(stmt);
	stmt = err || !add->keep_from ? NULL : statement(apply, APPLY_METRIC_TRIM, &err);
	if (err || !stmt)
		return err;
	sql_bind_i64(stmt, 1, add->row.queue);
	sql_bind_i64(stmt, 2, add->keep_from);
	return sql_run(stmt);
}

static enum err apply_queues(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->counts.count && !err; i++)
		err = apply_counts_add(apply, &cs->counts.items[i]);
	for (uint32_t i = 0; i < cs->metrics.count && !err; i++)
		err = apply_metric(apply, &cs->metrics.items[i]);
	for (uint32_t i = 0; i < cs->dropped_queues.count && !err; i++)
		err = apply_drop_queue(apply, cs->dropped_queues.items[i]);
	for (uint32_t i = 0; i < cs->queues.count && !err; i++)
		err = apply_queue(apply, &cs->queues.items[i]);
	for (uint32_t i = 0; i < cs->groups.count && !err; i++)
		err = apply_group(apply, &cs->groups.items[i]);
	return err;
}

/* ---- limits ---- */

static enum err apply_drop_budget(struct apply *apply, uint32_t number)
{
	enum err err = apply_number(apply, APPLY_BUDGET_DELETE, number);
	return err ? err : apply_number(apply, APPLY_BUDGET_PERMITS_DELETE, number);
}

static enum err apply_budget(struct apply *apply, const struct budget_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_BUDGET_PUT, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, row->number);
	sql_bind_text(stmt, 2, row->namespace_name);
	sql_bind_text(stmt, 3, row->name);
	sql_bind_str(stmt, 4, row->settings);
	sql_bind_i64(stmt, 5, row->blocked_us);
	return sql_run(stmt);
}

static enum err apply_permit(struct apply *apply, const struct permit_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, row->gone ? APPLY_PERMIT_DELETE : APPLY_PERMIT_PUT, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, row->budget);
	sql_bind_u64(stmt, 2, row->token);
	if (!row->gone) {
		sql_bind_i64(stmt, 3, row->units);
		sql_bind_i64(stmt, 4, row->lease_ms);
	}
	return sql_run(stmt);
}

static enum err apply_budgets(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->budgets.count && !err; i++)
		err = cs->budgets.items[i].gone ? apply_drop_budget(apply, cs->budgets.items[i].number) : apply_budget(apply, &cs->budgets.items[i]);
	for (uint32_t i = 0; i < cs->permits.count && !err; i++)
		err = apply_permit(apply, &cs->permits.items[i]);
	return err;
}

/* ---- the rest ---- */

static enum err apply_policies(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->policies.count && !err; i++) {
		sqlite3_stmt *stmt = statement(apply, APPLY_POLICY_PUT, &err);
		if (err)
			return err;
		sql_bind_i64(stmt, 1, cs->policies.items[i].number);
		sql_bind_text(stmt, 2, cs->policies.items[i].json);
		err = sql_run(stmt);
	}
	return err;
}

static enum err apply_dedup(struct apply *apply, const struct dedup_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, row->gone ? APPLY_DEDUP_DELETE : APPLY_DEDUP_PUT, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, row->queue);
	sql_bind_text(stmt, 2, row->key);
	if (!row->gone) {
		sql_bind_u64(stmt, 3, row->owner);
		sql_bind_str(stmt, 4, row->owner_id);
		sql_bind_u64(stmt, 5, row->next);
		sql_bind_str(stmt, 6, row->next_id);
		sql_bind_i64(stmt, 7, row->until_us);
		sql_bind_i64(stmt, 8, row->since_us);
	}
	return sql_run(stmt);
}

/* The oldest commit whose events must stay; 0: all must. */
static enum err trim_keeps_from(struct apply *apply, const struct event_trim *trim, uint64_t *out)
{
	enum err err = E_OK;
	bool found = false;
	uint64_t kept = 0;
	*out = INT64_MAX;
	if (!trim->keep)
		return E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_EVENTS_NEWEST, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, trim->queue);
	while (kept < trim->keep && !(err = sql_step(stmt, &found)) && found) {
		*out = sql_u64(stmt, 0);
		kept += sql_u64(stmt, 1);
	}
	if (!err && !found)
		*out = 0;
	else
		sqlite3_reset(stmt);
	return err;
}

static enum err apply_event_trim(struct apply *apply, struct event_trim *trim)
{
	enum err err;
	bool found;
	uint64_t keeps_from;
	trim->removed = trim->up_to_seq = 0;
	trim->more = false;
	err = trim_keeps_from(apply, trim, &keeps_from);
	sqlite3_stmt *stmt = err ? NULL : statement(apply, APPLY_EVENTS_OLDEST, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, trim->queue);
	sql_bind_u64(stmt, 2, keeps_from);
	sql_bind_i64(stmt, 3, LIMIT_TRIM_ROWS);
	err = sql_step(stmt, &found);
	if (!found)
		return err;
	trim->more = sql_u64(stmt, 0) == LIMIT_TRIM_ROWS;
	trim->removed = sql_u64(stmt, 1);
	trim->up_to_seq = sql_u64(stmt, 2);
	err = sql_err(sqlite3_reset(stmt));
	static const enum apply_statement parts[] = { APPLY_EVENTS_DELETE, APPLY_EVENT_TRIM_PUT };
	for (size_t i = 0; i < ARRAY_COUNT(parts) && trim->up_to_seq && !err; i++) {
		stmt = statement(apply, parts[i], &err);
		if (err)
			return err;
		sql_bind_i64(stmt, 1, trim->queue);
		sql_bind_u64(stmt, 2, trim->up_to_seq);
		err = sql_run(stmt);
	}
	return err;
}

static enum err apply_edge(struct apply *apply, const struct edge_row *row)
{
	enum err err = E_OK;
	enum apply_statement which = row->gone ? APPLY_EDGE_DELETE : row->update ? APPLY_EDGE_UPDATE : APPLY_EDGE_PUT;
	sqlite3_stmt *stmt = statement(apply, which, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, row->parent);
	sql_bind_u64(stmt, 2, row->child);
	if (!row->gone)
		sql_bind_i64(stmt, 3, row->state);
	if (which == APPLY_EDGE_UPDATE) {
		sql_bind_i64(stmt, 4, row->at_us);
		sql_bind_str(stmt, 5, row->value);
	} else if (!row->gone) {
		sql_bind_i64(stmt, 4, row->on_failure);
		sql_bind_i64(stmt, 5, row->at_us);
		sql_bind_i64(stmt, 6, row->queue);
		sql_bind_str(stmt, 7, row->id);
		sql_bind_str(stmt, 8, row->value);
	}
	return sql_run(stmt);
}

static enum err apply_chain(struct apply *apply, const struct chain_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, row->gone ? APPLY_CHAIN_DELETE : APPLY_CHAIN_PUT, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, row->queue);
	sql_bind_text(stmt, 2, row->key);
	if (!row->gone) {
		sql_bind_text(stmt, 3, row->schedule);
		sql_bind_text(stmt, 4, row->job);
		sql_bind_text(stmt, 5, row->payload);
		sql_bind_i64(stmt, 6, row->slot_ms);
		sql_bind_i64(stmt, 7, row->offset_ms);
		sql_bind_u64(stmt, 8, row->count);
		sql_bind_u64(stmt, 9, row->pending);
		sql_bind_text(stmt, 10, row->metadata);
	}
	return sql_run(stmt);
}

static enum err apply_events(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->event_trims.count && !err; i++)
		err = apply_event_trim(apply, &cs->event_trims.items[i]);
	for (uint32_t i = 0; i < cs->events.count && !err; i++) {
		const struct event_row *row = &cs->events.items[i];
		sqlite3_stmt *stmt = statement(apply, APPLY_EVENT_INSERT, &err);
		if (err)
			return err;
		sql_bind_u64(stmt, 1, row->seq);
		sql_bind_i64(stmt, 2, row->queue);
		sql_bind_i64(stmt, 3, row->at_us);
		sql_bind_i64(stmt, 4, row->count);
		sql_bind_str(stmt, 5, row->lines);
		err = sql_run(stmt);
	}
	if (!err && cs->events_up_to)
		err = apply_number(apply, APPLY_EVENT_TRIM, cs->events_up_to);
	if (!err && cs->events_up_to)
		err = apply_number(apply, APPLY_EVENT_TRIMMED, cs->events_up_to);
	return err;
}

static enum err apply_token(struct apply *apply, const struct token_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_TOKEN_PUT, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, row->number);
	sql_bind_str(stmt, 2, row->name);
	sql_bind_blob(stmt, 3, row->hash);
	sql_bind_str(stmt, 4, row->prefix);
	sql_bind_str(stmt, 5, row->scopes);
	sql_bind_str(stmt, 6, row->queues);
	sql_bind_i64(stmt, 7, row->created_us);
	sql_bind_i64(stmt, 8, row->expires_us);
	sql_bind_i64(stmt, 9, row->revoked_us);
	return sql_run(stmt);
}

static enum err apply_operation(struct apply *apply, const struct operation_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_OPERATION_PUT, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, row->number);
	sql_bind_str(stmt, 2, row->action);
	sql_bind_str(stmt, 3, row->arguments);
	sql_bind_str(stmt, 4, row->filter);
	sql_bind_u64(stmt, 5, row->as_of);
	sql_bind_u64(stmt, 6, row->cursor_uid);
	sql_bind_i64(stmt, 7, row->cursor_phase);
	sql_bind_u64(stmt, 8, row->done);
	sql_bind_u64(stmt, 9, row->skipped);
	sql_bind_u64(stmt, 10, row->failed);
	sql_bind_i64(stmt, 11, row->state);
	sql_bind_i64(stmt, 12, row->created_us);
	sql_bind_i64(stmt, 13, row->finished_us);
	return sql_run(stmt);
}

static enum err apply_idempotency(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->idempotency.count && !err; i++) {
		const struct idempotency_row *row = &cs->idempotency.items[i];
		sqlite3_stmt *stmt = statement(apply, APPLY_IDEMPOTENCY_PUT, &err);
		if (err)
			return err;
		sql_bind_text(stmt, 1, row->key);
		sql_bind_u64(stmt, 2, row->request_hash);
		sql_bind_i64(stmt, 3, row->at_us);
		sql_bind_blob(stmt, 4, row->answer);
		err = sql_run(stmt);
	}
	if (!err && cs->idempotency_before_us)
		err = apply_number(apply, APPLY_IDEMPOTENCY_EXPIRE, (uint64_t)cs->idempotency_before_us);
	return err;
}

/* ---- ranges ---- */

static enum err apply_plain(struct apply *apply, enum apply_statement which)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, which, &err);
	return err ? err : sql_run(stmt);
}

static enum err range_mark(struct apply *apply, const struct range_delete *range)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_RANGE_MARK, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, range->queue);
	sql_bind_i64(stmt, 2, range->state);
	sql_bind_i64(stmt, 3, range->up_to_us);
	sql_bind_u64(stmt, 4, range->up_to_uid > INT64_MAX ? INT64_MAX : range->up_to_uid);
	return sql_run(stmt);
}

static enum err range_sum(struct apply *apply, struct range_delete *range)
{
	enum err err = E_OK;
	bool found;
	range->removed = range->removed_bytes = 0;
	sqlite3_stmt *stmt = statement(apply, APPLY_RANGE_SUMS, &err);
	if (err)
		return err;
	err = sql_step(stmt, &found);
	if (!found)
		return err;
	range->removed = sql_u64(stmt, 0);
	range->removed_bytes = sql_u64(stmt, 1);
	return sql_err(sqlite3_reset(stmt));
}

static enum err range_drop_bodies(struct apply *apply)
{
	enum err err = E_OK;
	bool found;
	sqlite3_stmt *stmt = statement(apply, APPLY_RANGE_BODIES, &err);
	while (!err && !(err = sql_step(stmt, &found)) && found) {
		for (int body = 0; body < 3 && !err; body++)
			err = apply_drop_body(apply, sql_u64(stmt, body));
		if (err)
			sqlite3_reset(stmt);
	}
	return err;
}

static enum err apply_range(struct apply *apply, struct range_delete *range)
{
	static const enum apply_statement parts[] = { APPLY_RANGE_ATTEMPTS, APPLY_RANGE_LOGS, APPLY_RANGE_PROGRESS, APPLY_RANGE_EDGES, APPLY_RANGE_JOBS,
		                                      APPLY_RANGE_DONE, APPLY_RANGE_END };
	enum err err = range_mark(apply, range);
	if (!err)
		err = range_sum(apply, range);
	if (!err && range->removed)
		err = range_drop_bodies(apply);
	for (size_t i = 0; i < ARRAY_COUNT(parts) && range->removed && !err; i++)
		err = apply_plain(apply, parts[i]);
	if (err || !range->removed)
		return err;
	struct queue_counts delta = { .queue = range->queue };
	delta.final[range->state] = 0 - range->removed;
	delta.final_bytes[range->state] = 0 - range->removed_bytes;
	return apply_counts_add(apply, &delta);
}

/* ---- all of it ---- */

static enum err apply_shard(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_SHARD, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, cs->seq);
	sql_bind_i64(stmt, 2, cs->engine_us);
	sql_bind_i64(stmt, 3, cs->wall_us);
	sql_bind_u64(stmt, 4, cs->last_uid);
	sql_bind_u64(stmt, 5, cs->next_body);
	sql_bind_u64(stmt, 6, cs->term);
	err = sql_run(stmt);
	return err ? err : sqlite3_changes(apply->db) ? E_OK : E_STALE_TERM;
}

enum err apply_changeset(struct apply *apply, struct changeset *cs)
{
	apply->table.cs = cs;
	enum err err = apply_shard(apply, cs);
	if (!err)
		err = apply_bodies(apply, cs);
	if (!err)
		err = apply_attempts(apply, cs);
	if (!err)
		err = apply_logs(apply, cs);
	if (!err)
		err = apply_progress(apply, cs);
	if (!err)
		err = apply_queues(apply, cs);
	if (!err)
		err = apply_budgets(apply, cs);
	if (!err)
		err = apply_policies(apply, cs);
	if (!err)
		err = apply_jobs(apply, cs);
	if (!err)
		err = apply_events(apply, cs);
	for (uint32_t i = 0; i < cs->dedups.count && !err; i++)
		err = apply_dedup(apply, &cs->dedups.items[i]);
	for (uint32_t i = 0; i < cs->edges.count && !err; i++)
		err = apply_edge(apply, &cs->edges.items[i]);
	for (uint32_t i = 0; i < cs->chains.count && !err; i++)
		err = apply_chain(apply, &cs->chains.items[i]);
	for (uint32_t i = 0; i < cs->tokens.count && !err; i++)
		err = apply_token(apply, &cs->tokens.items[i]);
	for (uint32_t i = 0; i < cs->operations.count && !err; i++)
		err = apply_operation(apply, &cs->operations.items[i]);
	if (!err)
		err = apply_idempotency(apply, cs);
	for (uint32_t i = 0; i < cs->ranges.count && !err; i++)
		err = apply_range(apply, &cs->ranges.items[i]);
	return err;
}
