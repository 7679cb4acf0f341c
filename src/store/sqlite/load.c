#include "store/sqlite/load.h"

void loader_init(struct loader *loader, sqlite3 *db)
{
	static const char *const texts[] = {
#define X(name, sql) sql,
		LOAD_STATEMENTS(X)
#undef X
	};
	loader->db = db;
	for (int i = 0; i < LOAD_STATEMENT_COUNT; i++)
		loader->statements[i] = (struct sql_statement){ texts[i], NULL };
}

void loader_fini(struct loader *loader)
{
	sql_finalize(loader->statements, LOAD_STATEMENT_COUNT);
}

static sqlite3_stmt *statement(struct loader *loader, enum load_statement which, enum err *err)
{
	*err = sql_prepare(loader->db, &loader->statements[which]);
	return loader->statements[which].prepared;
}

static enum err loader_begin(struct loader *loader)
{
	enum err err;
	sqlite3_stmt *stmt = statement(loader, LOAD_BEGIN, &err);
	return err ? err : sql_run(stmt);
}

/* A read transaction has nothing to lose: its end matters only when all went well so far. */
static enum err loader_end(struct loader *loader, enum err result)
{
	enum err err;
	sqlite3_stmt *stmt = statement(loader, LOAD_END, &err);
	if (!err && !sqlite3_get_autocommit(loader->db))
		err = sql_run(stmt);
	return result ? result : err;
}

/* ---- load ---- */

static enum err load_job_from(struct loader *loader, enum load_statement table, uint64_t uid, struct arena *arena, struct job_row *row,
                              struct job_definition *definition, bool *found)
{
	enum err err;
	sqlite3_stmt *stmt = statement(loader, table, &err);
	*found = false;
	if (err)
		return err;
	sql_bind_u64(stmt, 1, uid);
	err = sql_step(stmt, found);
	if (!*found)
		return err;
	err = row_copy(stmt, 1, arena, row);
	if (!err)
		err = definition_copy(stmt, 1 + ROW_COLUMN_COUNT, arena, definition);
	row->uid = definition->uid = uid;
	enum err reset = sql_err(sqlite3_reset(stmt));
	return err ? err : reset;
}

static enum err load_jobs(struct loader *loader, struct load *load, struct arena *arena)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < load->uid_count && !err; i++) {
		bool found;
		err = load_job_from(loader, LOAD_LIVE, load->uids[i], arena, &load->rows[i], &load->definitions[i], &found);
		if (!err && !found)
			err = load_job_from(loader, LOAD_DONE, load->uids[i], arena, &load->rows[i], &load->definitions[i], &found);
	}
	return err;
}

static enum err load_keys(struct loader *loader, struct load *load)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < load->key_count && !err; i++) {
		bool found = false;
		sqlite3_stmt *stmt = statement(loader, LOAD_KEY, &err);
		if (err)
			return err;
		sql_bind_i64(stmt, 1, load->keys[i].queue);
		sql_bind_text(stmt, 2, load->keys[i].id);
		err = sql_step(stmt, &found);
		if (found) {
			load->key_uids[i] = sql_u64(stmt, 0);
			err = sql_err(sqlite3_reset(stmt));
		}
	}
	return err;
}

static enum err load_neighbour(struct loader *loader, enum load_statement which, struct str key, struct arena *arena, struct str *out)
{
	enum err err;
	bool found = false;
	sqlite3_stmt *stmt = statement(loader, which, &err);
	if (err)
		return err;
	sql_bind_text(stmt, 1, key);
	err = sql_step(stmt, &found);
	if (!found)
		return err;
	*out = sql_copy(stmt, 0, arena);
	err = sql_err(sqlite3_reset(stmt));
	return out->ptr ? err : E_NOMEM;
}

static enum err load_records(struct loader *loader, struct load *load, struct arena *arena)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < load->idempotency_count && !err; i++) {
		bool found = false;
		struct idempotency_row *record = &load->records[i];
		sqlite3_stmt *stmt = statement(loader, LOAD_IDEMPOTENCY, &err);
		if (err)
			return err;
		sql_bind_text(stmt, 1, load->idempotency[i]);
		err = sql_step(stmt, &found);
		if (!found && !err && load->gaps_wanted) {
			err = load_neighbour(loader, LOAD_KEY_BELOW, load->idempotency[i], arena, &load->gaps[i].below);
			err = err ? err : load_neighbour(loader, LOAD_KEY_ABOVE, load->idempotency[i], arena, &load->gaps[i].above);
		}
		if (!found)
			continue;
		*record = (struct idempotency_row){ .key = sql_copy(stmt, 0, arena), .request_hash = sql_u64(stmt, 1), .at_us = sql_i64(stmt, 2),
			                            .answer = sql_copy(stmt, 3, arena) };
		err = record->key.ptr && record->answer.ptr ? E_OK : E_NOMEM;
		enum err reset = sql_err(sqlite3_reset(stmt));
		err = err ? err : reset;
	}
	return err;
}

/* Grows in the arena: a child seldom has more than a few parents. */
static enum err load_edge_add(struct load *load, uint32_t *capacity, struct arena *arena, const struct edge_row *row)
{
	if (load->edge_count == *capacity) {
		uint32_t wanted = *capacity ? *capacity * 2 : 16;
		struct edge_row *grown = ARENA_ARRAY(arena, struct edge_row, wanted);
		if (!grown)
			return E_NOMEM;
		if (load->edge_count)
			memcpy(grown, load->edges, load->edge_count * sizeof(*grown));
		load->edges = grown;
		*capacity = wanted;
	}
	load->edges[load->edge_count++] = *row;
	return E_OK;
}

static enum err load_edges(struct loader *loader, struct load *load, struct arena *arena)
{
	enum err err = E_OK;
	uint32_t capacity = 0;
	load->edge_count = 0;
	for (uint32_t i = 0; i < load->child_count + load->parent_count && !err; i++) {
		bool found = false, above = i < load->child_count;
		sqlite3_stmt *stmt = statement(loader, above ? LOAD_ABOVE : LOAD_BELOW, &err);
		if (err)
			return err;
		sql_bind_u64(stmt, 1, above ? load->children[i] : load->parents[i - load->child_count]);
		while (!err && !(err = sql_step(stmt, &found)) && found) {
			struct edge_row row = { .parent = sql_u64(stmt, 0), .child = sql_u64(stmt, 1), .state = (enum edge_state)sql_i64(stmt, 2),
				                .on_failure = (enum on_failure)sql_i64(stmt, 3) };
			err = load_edge_add(load, &capacity, arena, &row);
			if (err)
				sqlite3_reset(stmt);
		}
	}
	return err;
}

/* ---- messages and deliveries ---- */

/* The one uid that a statement, bound, answers; 0: none. */
static enum err load_uid(sqlite3_stmt *stmt, uint64_t *out)
{
	bool found;
	enum err err = sql_step(stmt, &found);
	if (!found)
		return err;
	*out = sql_u64(stmt, 0);
	return sql_err(sqlite3_reset(stmt));
}

static enum err load_message_keys(struct loader *loader, struct load *load)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < load->message_key_count && !err; i++) {
		sqlite3_stmt *stmt = statement(loader, LOAD_MESSAGE_KEY, &err);
		if (err)
			return err;
		sql_bind_text(stmt, 1, load->message_keys[i].namespace_name);
		sql_bind_text(stmt, 2, load->message_keys[i].key);
		err = load_uid(stmt, &load->message_key_uids[i]);
	}
	return err;
}

static enum err load_deliveries(struct loader *loader, struct load *load)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < load->delivery_count && !err; i++) {
		sqlite3_stmt *stmt = statement(loader, LOAD_DELIVERY, &err);
		if (err)
			return err;
		sql_bind_u64(stmt, 1, load->deliveries[i].message);
		sql_bind_text(stmt, 2, load->deliveries[i].endpoint);
		err = load_uid(stmt, &load->delivery_uids[i]);
	}
	return err;
}

static enum err load_body(struct loader *loader, uint64_t number, struct arena *arena, struct str *out)
{
	enum err err;
	sqlite3_stmt *chunks = NULL, *bytes = statement(loader, LOAD_BODY_BYTES, &err);
	if (!err)
		chunks = statement(loader, LOAD_BODY, &err);
	return err ? err : body_copy(bytes, chunks, number, arena, out);
}

static enum err load_messages(struct loader *loader, struct load *load, struct arena *arena)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < load->message_count && !err; i++) {
		bool found;
		struct message_row *row = &load->message_rows[i];
		sqlite3_stmt *stmt = statement(loader, LOAD_MESSAGE, &err);
		if (err)
			return err;
		sql_bind_u64(stmt, 1, load->messages[i]);
		err = sql_step(stmt, &found);
		if (!found)
			continue;
		err = message_copy(stmt, !load->messages_bare, arena, row);
		enum err reset = sql_err(sqlite3_reset(stmt));
		err = err ? err : reset;
		if (!err && row->payload_body && !load->messages_bare)
			err = load_body(loader, row->payload_body, arena, &row->payload);
	}
	return err;
}

static enum err load_webhooks(struct loader *loader, struct load *load, struct arena *arena)
{
	enum err err = load_message_keys(loader, load);
	if (!err)
		err = load_deliveries(loader, load);
	return err ? err : load_messages(loader, load, arena);
}

enum err loader_load(struct loader *loader, struct load *load, struct arena *arena)
{
	load->rows = ARENA_ARRAY(arena, struct job_row, load->uid_count + 1);
	load->definitions = ARENA_ARRAY(arena, struct job_definition, load->uid_count + 1);
	load->key_uids = ARENA_ARRAY(arena, uint64_t, load->key_count + 1);
	load->records = ARENA_ARRAY(arena, struct idempotency_row, load->idempotency_count + 1);
	load->gaps = ARENA_ARRAY(arena, struct load_gap, load->idempotency_count + 1);
	if (!load->rows || !load->definitions || !load->key_uids || !load->records || !load->gaps || load_reserve_webhooks(load, arena))
		return E_NOMEM;
	enum err err = loader_begin(loader);
	if (err)
		return err;
	err = load_jobs(loader, load, arena);
	if (!err)
		err = load_keys(loader, load);
	if (!err)
		err = load_records(loader, load, arena);
	if (!err && load->child_count + load->parent_count)
		err = load_edges(loader, load, arena);
	if (!err)
		err = load_webhooks(loader, load, arena);
	return loader_end(loader, err);
}

enum err loader_nth_final(struct loader *loader, uint32_t queue, enum job_state state, uint32_t n, int64_t *out_us, uint64_t *out_uid,
                          uint64_t *out_bytes)
{
	enum err err;
	bool found = false;
	uint32_t seen = 0;
	int64_t at_us = 0;
	uint64_t uid = 0, bytes = 0;
	sqlite3_stmt *stmt = statement(loader, LOAD_FINAL, &err);
	*out_us = 0;
	*out_uid = *out_bytes = 0;
	if (err)
		return err;
	sql_bind_i64(stmt, 1, queue);
	sql_bind_i64(stmt, 2, state);
	sql_bind_i64(stmt, 3, n);
	for (; !(err = sql_step(stmt, &found)) && found; seen++) {
		at_us = sql_i64(stmt, 0);
		uid = sql_u64(stmt, 1);
		bytes += sql_u64(stmt, 2);
	}
	if (!err && n && seen == n) {
		*out_us = at_us;
		*out_uid = uid;
		*out_bytes = bytes;
	}
	return err;
}

/* ---- far jobs ---- */

_Static_assert(ROW_FAR == 128 && ROW_DUE_WALL == 1, "what the statements and the index live_far say");

/* Adds to the page. *within: it goes on behind the last row. */
static enum err far_rows(struct loader *loader, enum load_statement which, struct far_page *page, struct arena *arena, bool *within)
{
	enum err err;
	bool found = false;
	sqlite3_stmt *stmt = statement(loader, which, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, page->queue);
	sql_bind_i64(stmt, 2, page->wall);
	sql_bind_i64(stmt, 3, page->after_us);
	if (which == LOAD_FAR_SAME)
		sql_bind_u64(stmt, 4, page->after_uid);
	sql_bind_i64(stmt, 5, (int64_t)page->max + 1 - page->count);
	while (*within && !(err = sql_step(stmt, &found)) && found) {
		page->more = page->count == page->max;
		if (page->more)
			break;
		struct job_row *row = &page->rows[page->count++];
		err = row_copy(stmt, 1, arena, row);
		row->uid = sql_u64(stmt, 0);
		*within = !err && row->due_us <= page->up_to_us;
		page->more = !*within;
	}
	enum err reset = found ? sql_err(sqlite3_reset(stmt)) : E_OK;
	*within &= !page->more;
	return err ? err : reset;
}

enum err loader_far(struct loader *loader, struct far_page *page, struct arena *arena)
{
	bool within = true;
	page->count = 0;
	page->more = false;
	page->rows = ARENA_ARRAY(arena, struct job_row, page->max);
	if (!page->rows)
		return E_NOMEM;
	enum err err = loader_begin(loader);
	if (err)
		return err;
	if (page->after_uid < INT64_MAX)
		err = far_rows(loader, LOAD_FAR_SAME, page, arena, &within);
	if (!err && within)
		err = far_rows(loader, LOAD_FAR_LATER, page, arena, &within);
	return loader_end(loader, err);
}

/* ---- scan: rows point into SQLite's memory while the visitor looks at them ---- */

struct scan {
	const struct scan_visitor *visitor;
	struct arena arena; /* of one row */
};

static enum err scan_budget(struct scan *scan, sqlite3_stmt *stmt)
{
	struct budget_row row = {
		.number = sql_u32(stmt, 0), .namespace_name = sql_str(stmt, 1), .name = sql_str(stmt, 2), .settings = sql_str(stmt, 3),
		.blocked_us = sql_i64(stmt, 4),
	};
	return scan->visitor->budget(scan->visitor->context, &row);
}

static enum err scan_permit(struct scan *scan, sqlite3_stmt *stmt)
{
	struct permit_row row = {
		.budget = sql_u32(stmt, 0), .token = sql_u64(stmt, 1), .units = sql_u32(stmt, 2), .lease_ms = sql_i64(stmt, 3),
	};
	return scan->visitor->permit(scan->visitor->context, &row);
}

static enum err scan_queue(struct scan *scan, sqlite3_stmt *stmt)
{
	struct queue_row row;
	enum err err = queue_copy(stmt, &scan->arena, &row);
	return err ? err : scan->visitor->queue(scan->visitor->context, &row);
}

static enum err scan_group(struct scan *scan, sqlite3_stmt *stmt)
{
	struct group_row row = { sql_u32(stmt, 0), sql_copy(stmt, 1, &scan->arena), sql_copy(stmt, 2, &scan->arena), sql_i64(stmt, 3) != 0,
		                 sql_i64(stmt, 4) };
	return row.key.ptr && row.settings.ptr ? scan->visitor->group(scan->visitor->context, &row) : E_NOMEM;
}

static enum err scan_policy(struct scan *scan, sqlite3_stmt *stmt)
{
	struct policy_row row = { sql_u32(stmt, 0), sql_copy(stmt, 1, &scan->arena) };
	return row.json.ptr ? scan->visitor->policy(scan->visitor->context, &row) : E_NOMEM;
}

static enum err scan_counts(struct scan *scan, sqlite3_stmt *stmt)
{
	int at = 0;
	struct queue_counts row = { .queue = sql_u32(stmt, at++) };
	row.enqueued = sql_u64(stmt, at++);
	row.started = sql_u64(stmt, at++);
#define X(state, column) row.final[state] = sql_u64(stmt, at++);
	COUNTED_STATES(X)
#undef X
#define X(state, column) row.final_bytes[state] = sql_u64(stmt, at++);
	COUNTED_STATES(X)
#undef X
#define X(state, column) row.ended[state] = sql_u64(stmt, at++);
	COUNTED_STATES(X)
#undef X
	row.ids = sql_u64(stmt, at++);
	return scan->visitor->counts(scan->visitor->context, &row);
}

static enum err scan_token(struct scan *scan, sqlite3_stmt *stmt)
{
	struct token_row row;
	enum err err = token_copy(stmt, &scan->arena, &row);
	return err ? err : scan->visitor->token(scan->visitor->context, &row);
}

static enum err scan_operation(struct scan *scan, sqlite3_stmt *stmt)
{
	struct operation_row row;
	enum err err = operation_copy(stmt, &scan->arena, &row);
	return err ? err : scan->visitor->operation(scan->visitor->context, &row);
}

static enum err scan_far(struct scan *scan, sqlite3_stmt *stmt, uint32_t flags, bool *whole) /* there may be ten millions of them */
{
	struct job_row row = { .uid = sql_u64(stmt, 0), .queue = sql_u32(stmt, 1 + ROW_AT_queue), .state = JOB_DELAYED, .flags = flags,
		               .priority = (int32_t)sql_i64(stmt, 1 + ROW_AT_priority), .due_us = sql_i64(stmt, 1 + ROW_AT_due_us) };
	return scan->visitor->far(scan->visitor->context, &row, whole);
}

static enum err scan_job(struct scan *scan, sqlite3_stmt *stmt)
{
	struct job_row row;
	bool whole = true;
	uint32_t flags = sql_u32(stmt, 1 + ROW_AT_flags);
	enum err err = flags & ROW_FAR && scan->visitor->far ? scan_far(scan, stmt, flags, &whole) : E_OK;
	if (err || !whole)
		return err;
	row_read(stmt, 1, &row);
	row.uid = sql_u64(stmt, 0);
	return scan->visitor->job(scan->visitor->context, &row);
}

static enum err scan_dedup(struct scan *scan, sqlite3_stmt *stmt)
{
	struct dedup_row row = {
		.queue = sql_u32(stmt, 0), .key = sql_str(stmt, 1), .owner = sql_u64(stmt, 2), .owner_id = sql_str(stmt, 3), .next = sql_u64(stmt, 4),
		.next_id = sql_str(stmt, 5), .until_us = sql_i64(stmt, 6), .since_us = sql_i64(stmt, 7), .flags = sql_u32(stmt, 8),
	};
	return scan->visitor->dedup(scan->visitor->context, &row);
}

static enum err scan_edge(struct scan *scan, sqlite3_stmt *stmt)
{
	struct edge_row row = {
		.parent = sql_u64(stmt, 0), .child = sql_u64(stmt, 1), .on_failure = (enum on_failure)sql_i64(stmt, 2), .at_us = sql_i64(stmt, 3),
		.queue = sql_u32(stmt, 4), .id = sql_str(stmt, 5),
	};
	return scan->visitor->edge(scan->visitor->context, &row);
}

static enum err scan_chain(struct scan *scan, sqlite3_stmt *stmt)
{
	struct chain_row row = {
		.queue = sql_u32(stmt, 0), .key = sql_str(stmt, 1), .schedule = sql_str(stmt, 2), .job = sql_str(stmt, 3), .payload = sql_str(stmt, 4),
		.slot_ms = sql_i64(stmt, 5), .offset_ms = sql_i64(stmt, 6), .count = sql_u64(stmt, 7), .pending = sql_u64(stmt, 8),
		.metadata = sql_str(stmt, 9),
	};
	return scan->visitor->chain(scan->visitor->context, &row);
}

static enum err scan_named(struct scan *scan, sqlite3_stmt *stmt)
{
	struct named_row row = {
		.kind = (enum named_kind)sql_i64(stmt, 0), .number = sql_u32(stmt, 1), .namespace_name = sql_str(stmt, 2), .name = sql_str(stmt, 3),
		.text = sql_str(stmt, 4), .state = (enum named_state)sql_i64(stmt, 5), .reason = sql_str(stmt, 6), .health = sql_str(stmt, 7),
		.created_us = sql_i64(stmt, 8), .changed_us = sql_i64(stmt, 9), .created_seq = sql_u64(stmt, 10), .version = sql_u64(stmt, 11),
	};
	return scan->visitor->named ? scan->visitor->named(scan->visitor->context, &row) : E_OK;
}

static enum err scan_expansion(struct scan *scan, sqlite3_stmt *stmt)
{
	struct message_row row;
	enum err err = message_copy(stmt, false, &scan->arena, &row);
	return err || !scan->visitor->expansion ? err : scan->visitor->expansion(scan->visitor->context, &row);
}

static enum err scan_table(struct loader *loader, struct scan *scan, const char *sql, enum err (*visit)(struct scan *, sqlite3_stmt *))
{
	struct sql_statement statement = { sql, NULL };
	bool found = false;
	enum err err = sql_prepare(loader->db, &statement);
	while (!err && !(err = sql_step(statement.prepared, &found)) && found) {
		err = visit(scan, statement.prepared);
		arena_reset(&scan->arena);
	}
	sql_finalize(&statement, 1);
	return err;
}

enum err loader_scan(struct loader *loader, const struct scan_visitor *visitor)
{
	static const struct {
		const char *sql;
		enum err (*visit)(struct scan *, sqlite3_stmt *);
	} tables[] = {
		{ "SELECT number, namespace, name, settings, blocked_us FROM budget ORDER BY number", scan_budget },
		{ "SELECT budget, token, units, lease_ms FROM permit ORDER BY budget, token", scan_permit },
		{ "SELECT number, namespace, name, settings, paused, created_us, version, blocked_us FROM queue ORDER BY number", scan_queue },
		{ "SELECT queue, key, settings, paused, blocked_us FROM queue_group ORDER BY queue, key", scan_group },
		{ "SELECT kind, number, namespace, name, text, state, reason, health, created_us, changed_us, created_seq, version"
		  " FROM named ORDER BY number", scan_named },
		{ "SELECT * FROM policy ORDER BY number", scan_policy },
		{ "SELECT * FROM counts ORDER BY queue", scan_counts },
		{ "SELECT * FROM token ORDER BY number", scan_token },
		{ "SELECT * FROM operation WHERE state < 2 ORDER BY number", scan_operation },
		{ "SELECT uid" ROW_COLUMNS(COLUMN_NAME) " FROM live ORDER BY uid", scan_job },
		{ "SELECT queue, key, owner, owner_id, next, next_id, until_us, since_us, flags FROM dedup ORDER BY queue, key", scan_dedup },
		{ "SELECT parent, child, on_failure, at_us, queue, id FROM edge WHERE state = 0 ORDER BY parent, child", scan_edge },
		{ "SELECT * FROM chain ORDER BY queue, key", scan_chain },
		{ "SELECT " MESSAGE_HEAD " FROM message m WHERE m.next_endpoint IS NOT NULL ORDER BY m.uid", scan_expansion },
	};
	_Static_assert(OPERATION_RUNNING == 0 && OPERATION_PAUSED == 1, "state < 2 is running or paused");
	struct scan scan = { .visitor = visitor };
	enum err err = loader_begin(loader);
	for (size_t i = 0; i < ARRAY_COUNT(tables) && !err; i++)
		err = scan_table(loader, &scan, tables[i].sql, tables[i].visit);
	arena_fini(&scan.arena);
	return loader_end(loader, err);
}
