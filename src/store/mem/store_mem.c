#include "store/mem/disk.h"
#include "store/mem/reader.h"
#include "base/check.h"
#include "base/mem.h"
#include "store/filter.h"

#include <stdlib.h>

#define MEM_IN_FLIGHT 8u

struct store_mem {
	struct store store;
	struct mem_disk *disk;
	bool manual;
	bool unknown; /* until reopen */
	/* A ring: what was submitted, of which the first `settled` have their outcome. */
	struct outcome ring[MEM_IN_FLIGHT];
	uint32_t first, count, settled;
};

static struct store_mem *of(const struct store *store)
{
	return (struct store_mem *)(uintptr_t)store;
}

static struct outcome *ring_at(struct store_mem *mem, uint32_t i)
{
	return &mem->ring[(mem->first + i) % MEM_IN_FLIGHT];
}

/* ---- settling ---- */

static enum err settle_one(struct store_mem *mem, struct changeset *cs, enum settle how)
{
	enum err err = E_OK;
	if (mem->unknown)
		return E_OUTCOME_UNKNOWN;
	if (how == SETTLE_REFUSE)
		return E_STORE_FULL;
	if (how != SETTLE_LOSE_UNKNOWN) {
		CHECK(pthread_mutex_lock(&mem->disk->lock) == 0);
		err = disk_apply(mem->disk, cs);
		CHECK(pthread_mutex_unlock(&mem->disk->lock) == 0);
	}
	if (how == SETTLE_APPLY)
		return err;
	mem->unknown = true;
	return E_OUTCOME_UNKNOWN;
}

void store_mem_settle(struct store *store, uint32_t n, enum settle how)
{
	struct store_mem *mem = of(store);
	CHECK(n <= mem->count - mem->settled);
	enum err err = E_OK;
	for (; n > 0 && !err; n--) {
		struct outcome *outcome = ring_at(mem, mem->settled++);
		outcome->err = err = settle_one(mem, outcome->changeset, how);
	}
	while (err && mem->settled < mem->count)
		ring_at(mem, mem->settled++)->err = err;
	if (mem->settled && store->wake)
		store->wake(store->wake_context);
}

void store_mem_set_automatic(struct store *store, bool automatic)
{
	of(store)->manual = !automatic;
}

uint32_t store_mem_in_flight(const struct store *store)
{
	return of(store)->count - of(store)->settled;
}

/* ---- the port ---- */

static enum err mem_take(struct store *store, struct store_meta *out)
{
	struct store_mem *mem = of(store);
	if (mem->unknown)
		return E_OUTCOME_UNKNOWN;
	CHECK(pthread_mutex_lock(&mem->disk->lock) == 0);
	mem->disk->meta.term++;
	disk_sweep(mem->disk);
	*out = mem->disk->meta;
	CHECK(pthread_mutex_unlock(&mem->disk->lock) == 0);
	return E_OK;
}

static void mem_submit(struct store *store, struct changeset *cs)
{
	struct store_mem *mem = of(store);
	CHECK(mem->count < MEM_IN_FLIGHT);
	*ring_at(mem, mem->count++) = (struct outcome){ cs, E_OK };
	if (mem->unknown)
		store_mem_settle(store, mem->count - mem->settled, SETTLE_LOSE_UNKNOWN);
	else if (!mem->manual && store->wake)
		store->wake(store->wake_context);
}

static uint32_t mem_poll(struct store *store, struct outcome *out, uint32_t max)
{
	struct store_mem *mem = of(store);
	if (!mem->manual && mem->settled < mem->count)
		store_mem_settle(store, mem->count - mem->settled, SETTLE_APPLY);
	uint32_t given = 0;
	while (given < max && mem->settled) {
		out[given++] = *ring_at(mem, 0);
		mem->first = (mem->first + 1) % MEM_IN_FLIGHT;
		mem->count--;
		mem->settled--;
	}
	return given;
}

static enum err load_gap(struct mem_disk *disk, struct str key, struct arena *arena, struct load_gap *gap)
{
	struct str below = { 0 }, above = { 0 };
	for (uint32_t i = 0; i < disk->tables[MEM_IDEMPOTENCY].count; i++) {
		struct str other = ((const struct idempotency_row *)disk_row(disk, MEM_IDEMPOTENCY, i))->key;
		if (str_cmp(other, key) < 0 && str_cmp(below, other) < 0)
			below = other;
		else if (str_cmp(key, other) < 0 && (!above.ptr || str_cmp(other, above) < 0))
			above = other;
	}
	gap->below = below.ptr ? arena_str(arena, below) : below;
	gap->above = above.ptr ? arena_str(arena, above) : above;
	return (below.ptr && !gap->below.ptr) || (above.ptr && !gap->above.ptr) ? E_NOMEM : E_OK;
}

static enum err load_rows(struct mem_disk *disk, struct load *load, struct arena *arena)
{
	load->rows = ARENA_ARRAY(arena, struct job_row, load->uid_count + 1);
	load->definitions = ARENA_ARRAY(arena, struct job_definition, load->uid_count + 1);
	load->key_uids = ARENA_ARRAY(arena, uint64_t, load->key_count + 1);
	load->records = ARENA_ARRAY(arena, struct idempotency_row, load->idempotency_count + 1);
	load->gaps = ARENA_ARRAY(arena, struct load_gap, load->idempotency_count + 1);
	if (!load->rows || !load->definitions || !load->key_uids || !load->records || !load->gaps)
		return E_NOMEM;
	for (uint32_t i = 0; i < load->uid_count; i++) {
		const struct mem_job *job = disk_job(disk, load->uids[i]);
		if (!job)
			continue;
		if (mem_copy_row(arena, job->row, &load->rows[i]) || mem_copy_definition(arena, job->definition, false, &load->definitions[i]))
			return E_NOMEM;
	}
	for (uint32_t i = 0; i < load->key_count; i++) {
		const struct mem_job *job = disk_job_by_id(disk, load->keys[i].queue, load->keys[i].id);
		load->key_uids[i] = job ? job->uid : 0;
	}
	for (uint32_t i = 0; i < load->idempotency_count; i++)
		for (uint32_t k = 0; k < disk->tables[MEM_IDEMPOTENCY].count; k++) {
			const struct idempotency_row *record = disk_row(disk, MEM_IDEMPOTENCY, k);
			if (!str_eq(record->key, load->idempotency[i]))
				continue;
			load->records[i] = *record;
			load->records[i].key = arena_str(arena, record->key);
			load->records[i].answer = arena_str(arena, record->answer);
			if (!load->records[i].key.ptr || !load->records[i].answer.ptr)
				return E_NOMEM;
		}
	for (uint32_t i = 0; i < load->idempotency_count && load->gaps_wanted; i++)
		if (!load->records[i].key.len && load_gap(disk, load->idempotency[i], arena, &load->gaps[i]))
			return E_NOMEM;
	return E_OK;
}

static bool load_names_edge(const struct load *load, uint32_t place, const struct edge_row *row)
{
	return place < load->child_count ? row->child == load->children[place] : row->parent == load->parents[place - load->child_count];
}

static enum err load_edges(struct mem_disk *disk, struct load *load, struct arena *arena)
{
	const struct mem_rows *rows = &disk->tables[MEM_EDGES];
	uint32_t total = 0, wanted = load->child_count + load->parent_count;
	for (uint32_t i = 0; i < wanted; i++)
		for (uint32_t k = 0; k < rows->count; k++)
			total += load_names_edge(load, i, disk_row(disk, MEM_EDGES, k));
	load->edge_count = 0;
	load->edges = ARENA_ARRAY(arena, struct edge_row, total + 1);
	if (!load->edges)
		return E_NOMEM;
	for (uint32_t i = 0; i < wanted; i++)
		for (uint32_t k = 0; k < rows->count; k++) {
			const struct edge_row *row = disk_row(disk, MEM_EDGES, k);
			if (load_names_edge(load, i, row))
				load->edges[load->edge_count++] = (struct edge_row){ .parent = row->parent, .child = row->child, .state = row->state,
					                                             .on_failure = row->on_failure };
		}
	return E_OK;
}

static bool job_is_delivery(void *context, const struct mem_job *job)
{
	const struct load_delivery *wanted = context;
	return wanted->message && job->definition->message == wanted->message && str_eq(job->definition->group, wanted->endpoint);
}

static enum err load_webhooks(struct mem_disk *disk, struct load *load, struct arena *arena)
{
	if (load_reserve_webhooks(load, arena))
		return E_NOMEM;
	for (uint32_t i = 0; i < load->message_key_count; i++)
		load->message_key_uids[i] = mem_message_by_key(disk, load->message_keys[i].namespace_name, load->message_keys[i].key);
	for (uint32_t i = 0; i < load->message_count; i++) {
		const struct message_row *row = disk_message(disk, load->messages[i]);
		if (row && mem_copy_message(disk, arena, row, !load->messages_bare, &load->message_rows[i]))
			return E_NOMEM;
	}
	for (uint32_t i = 0; i < load->delivery_count; i++) {
		uint32_t count;
		struct load_delivery wanted = load->deliveries[i];
		struct mem_job **jobs = disk_jobs(disk, arena, job_is_delivery, &wanted, &count);
		if (!jobs)
			return E_NOMEM;
		load->delivery_uids[i] = count ? jobs[count - 1]->uid : 0;
	}
	return E_OK;
}

static enum err mem_load(struct store *store, struct load *load, struct arena *arena)
{
	struct store_mem *mem = of(store);
	CHECK(pthread_mutex_lock(&mem->disk->lock) == 0);
	enum err err = load_rows(mem->disk, load, arena);
	if (!err && load->child_count + load->parent_count)
		err = load_edges(mem->disk, load, arena);
	if (!err)
		err = load_webhooks(mem->disk, load, arena);
	CHECK(pthread_mutex_unlock(&mem->disk->lock) == 0);
	return err;
}

struct final_wanted {
	uint32_t queue;
	enum job_state state;
};

static bool job_is_final_of(void *context, const struct mem_job *job)
{
	const struct final_wanted *wanted = context;
	return job->table == TABLE_DONE && job->row->queue == wanted->queue && job->row->state == wanted->state;
}

static int job_finish_cmp(const void *a, const void *b)
{
	const struct job_row *x = (*(struct mem_job *const *)a)->row, *y = (*(struct mem_job *const *)b)->row;
	return list_key_cmp((struct list_key){ x->finished_us, x->uid }, (struct list_key){ y->finished_us, y->uid });
}

static enum err mem_nth_final(struct store *store, uint32_t queue, enum job_state state, uint32_t n, int64_t *out_us, uint64_t *out_uid,
                              uint64_t *out_bytes)
{
	struct store_mem *mem = of(store);
	struct arena arena = { 0 };
	struct final_wanted wanted = { queue, state };
	uint32_t count;
	CHECK(pthread_mutex_lock(&mem->disk->lock) == 0);
	struct mem_job **jobs = disk_jobs(mem->disk, &arena, job_is_final_of, &wanted, &count);
	*out_us = 0;
	*out_uid = *out_bytes = 0;
	if (jobs && n >= 1 && n <= count) {
		qsort(jobs, count, sizeof(*jobs), job_finish_cmp);
		*out_us = jobs[n - 1]->row->finished_us;
		*out_uid = jobs[n - 1]->uid;
		for (uint32_t i = 0; i < n; i++)
			*out_bytes += jobs[i]->row->bytes;
	}
	CHECK(pthread_mutex_unlock(&mem->disk->lock) == 0);
	arena_fini(&arena);
	return jobs ? E_OK : E_NOMEM;
}

static bool far_is_asked(void *context, const struct mem_job *job)
{
	const struct far_page *page = context;
	const struct job_row *row = job->row;
	return job->table == TABLE_LIVE && row->flags & ROW_FAR && row->queue == page->queue && !(row->flags & ROW_DUE_WALL) == !page->wall &&
	       list_key_cmp((struct list_key){ row->due_us, row->uid }, (struct list_key){ page->after_us, page->after_uid }) > 0;
}

static int job_due_cmp(const void *a, const void *b)
{
	const struct job_row *x = (*(struct mem_job *const *)a)->row, *y = (*(struct mem_job *const *)b)->row;
	return list_key_cmp((struct list_key){ x->due_us, x->uid }, (struct list_key){ y->due_us, y->uid });
}

static enum err far_rows(struct mem_disk *disk, struct far_page *page, struct arena *arena)
{
	uint32_t count;
	struct mem_job **jobs = disk_jobs(disk, arena, far_is_asked, page, &count);
	page->rows = jobs ? ARENA_ARRAY(arena, struct job_row, page->max) : NULL;
	if (!page->rows)
		return E_NOMEM;
	qsort(jobs, count, sizeof(*jobs), job_due_cmp);
	page->count = 0;
	bool within = true;
	for (; page->count < count && page->count < page->max && within; page->count++) {
		if (mem_copy_row(arena, jobs[page->count]->row, &page->rows[page->count]))
			return E_NOMEM;
		within = jobs[page->count]->row->due_us <= page->up_to_us;
	}
	page->more = page->count < count || !within;
	return E_OK;
}

static enum err mem_far(struct store *store, struct far_page *page, struct arena *arena)
{
	struct store_mem *mem = of(store);
	CHECK(pthread_mutex_lock(&mem->disk->lock) == 0);
	enum err err = far_rows(mem->disk, page, arena);
	CHECK(pthread_mutex_unlock(&mem->disk->lock) == 0);
	return err;
}

static bool job_is_live(void *context, const struct mem_job *job)
{
	(void)context;
	return job->table == TABLE_LIVE;
}

static int named_number_cmp(const void *a, const void *b)
{
	uint32_t x = (*(const struct named_row *const *)a)->number, y = (*(const struct named_row *const *)b)->number;
	return x == y ? 0 : x < y ? -1 : 1;
}

static enum err scan_nameds(const struct mem_disk *disk, const struct scan_visitor *visitor, struct arena *arena)
{
	enum err err = E_OK;
	const struct mem_rows *table = &disk->tables[MEM_NAMEDS];
	const struct named_row **rows = ARENA_ARRAY(arena, const struct named_row *, table->count + 1);
	for (uint32_t i = 0; rows && i < table->count; i++)
		rows[i] = table->rows[i];
	if (rows)
		qsort(rows, table->count, sizeof(*rows), named_number_cmp);
	for (uint32_t i = 0; rows && i < table->count && !err; i++)
		err = visitor->named(visitor->context, rows[i]);
	return rows ? err : E_NOMEM;
}

static int message_oldest_cmp(const void *a, const void *b)
{
	uint64_t x = ((const struct message_row *)a)->uid, y = ((const struct message_row *)b)->uid;
	return x == y ? 0 : x < y ? -1 : 1;
}

static enum err scan_expansions(const struct mem_disk *disk, const struct scan_visitor *visitor, struct arena *arena)
{
	enum err err = E_OK;
	uint32_t count = 0;
	const struct mem_rows *table = &disk->tables[MEM_MESSAGES];
	struct message_row *rows = ARENA_ARRAY(arena, struct message_row, table->count + 1);
	for (uint32_t i = 0; rows && i < table->count; i++) {
		rows[count] = *(const struct message_row *)table->rows[i];
		rows[count].metadata = rows[count].payload = STR("");
		count += rows[count].next_endpoint != MESSAGE_EXPANDED;
	}
	if (rows)
		qsort(rows, count, sizeof(*rows), message_oldest_cmp);
	for (uint32_t i = 0; rows && i < count && !err; i++)
		err = visitor->expansion(visitor->context, &rows[i]);
	return rows ? err : E_NOMEM;
}

static enum err scan_disk(const struct mem_disk *disk, const struct scan_visitor *visitor, struct arena *arena)
{
	enum err err = E_OK;
#define SCAN(table, visit)                                                        \
	for (uint32_t i = 0; i < disk->tables[table].count && !err; i++)          \
		err = visitor->visit(visitor->context, disk_row(disk, table, i))
	SCAN(MEM_BUDGETS, budget);
	SCAN(MEM_PERMITS, permit);
	SCAN(MEM_QUEUES, queue);
	SCAN(MEM_GROUPS, group);
	if (visitor->named)
		err = err ? err : scan_nameds(disk, visitor, arena);
	SCAN(MEM_POLICIES, policy);
	SCAN(MEM_COUNTS, counts);
	SCAN(MEM_TOKENS, token);
	for (uint32_t i = 0; i < disk->tables[MEM_OPERATIONS].count && !err; i++) {
		const struct operation_row *row = disk_row(disk, MEM_OPERATIONS, i);
		if (row->state == OPERATION_RUNNING || row->state == OPERATION_PAUSED)
			err = visitor->operation(visitor->context, row);
	}
	uint32_t count;
	struct mem_job **jobs = disk_jobs(disk, arena, job_is_live, NULL, &count);
	if (!jobs)
		return E_NOMEM;
	for (uint32_t i = 0; i < count && !err; i++) {
		const struct job_row *row = jobs[i]->row;
		bool whole = true;
		if (row->flags & ROW_FAR && visitor->far)
			err = visitor->far(visitor->context, &(struct job_row){ .uid = row->uid, .queue = row->queue, .state = JOB_DELAYED, .flags = row->flags,
			                                                        .priority = row->priority, .due_us = row->due_us }, &whole);
		if (!err && whole)
			err = visitor->job(visitor->context, row);
	}
	SCAN(MEM_DEDUPS, dedup);
	for (uint32_t i = 0; i < disk->tables[MEM_EDGES].count && !err; i++) {
		const struct edge_row *row = disk_row(disk, MEM_EDGES, i);
		if (row->state == EDGE_PENDING)
			err = visitor->edge(visitor->context, row);
	}
	SCAN(MEM_CHAINS, chain);
#undef SCAN
	return err || !visitor->expansion ? err : scan_expansions(disk, visitor, arena);
}

static enum err mem_scan(struct store *store, const struct scan_visitor *visitor)
{
	struct store_mem *mem = of(store);
	struct arena arena = { 0 };
	CHECK(pthread_mutex_lock(&mem->disk->lock) == 0);
	enum err err = scan_disk(mem->disk, visitor, &arena);
	CHECK(pthread_mutex_unlock(&mem->disk->lock) == 0);
	arena_fini(&arena);
	return err;
}

static enum err mem_reopen(struct store *store, struct problem *problem)
{
	(void)problem;
	struct store_mem *mem = of(store);
	mem->first = mem->count = mem->settled = 0;
	mem->unknown = false;
	return E_OK;
}

static enum err mem_reader_open(struct store *store, struct reader **out)
{
	return mem_reader_new(of(store)->disk, out);
}

static enum err mem_backup(struct store *store, const char *path, void (*progress)(void *, uint64_t, uint64_t), void *context,
                           struct problem *problem)
{
	(void)store;
	(void)path;
	(void)progress;
	(void)context;
	return problem_set(problem, E_INVALID, "", "This store lives in memory only: there is no file to copy.");
}

static void mem_close(struct store *store)
{
	struct store_mem *mem = of(store);
	if (!mem->manual && !mem->unknown && mem->settled < mem->count)
		store_mem_settle(store, mem->count - mem->settled, SETTLE_APPLY);
	CHECK(pthread_mutex_lock(&mem->disk->lock) == 0);
	uint32_t left = --mem->disk->stores;
	CHECK(pthread_mutex_unlock(&mem->disk->lock) == 0);
	if (left == 0)
		disk_free(mem->disk);
	mem_free(mem);
}

static const struct store_verbs store_mem_verbs = {
	.take = mem_take,
	.submit = mem_submit,
	.poll = mem_poll,
	.load = mem_load,
	.nth_final = mem_nth_final,
	.far = mem_far,
	.scan = mem_scan,
	.reopen = mem_reopen,
	.reader_open = mem_reader_open,
	.backup = mem_backup,
	.close = mem_close,
};

struct mem_disk *store_mem_disk(struct store *store)
{
	return of(store)->disk;
}

enum err store_mem_share(struct mem_disk *disk, struct store **out)
{
	struct store_mem *mem = mem_zalloc(sizeof(*mem));
	if (!mem)
		return E_NOMEM;
	mem->store = (struct store){ .verbs = &store_mem_verbs, .in_flight_max = MEM_IN_FLIGHT };
	mem->disk = disk;
	CHECK(pthread_mutex_lock(&disk->lock) == 0);
	disk->stores++;
	CHECK(pthread_mutex_unlock(&disk->lock) == 0);
	*out = &mem->store;
	return E_OK;
}

enum err store_mem_open(struct store **out)
{
	struct mem_disk *disk = disk_new();
	if (!disk)
		return E_NOMEM;
	enum err err = store_mem_share(disk, out);
	if (err)
		disk_free(disk);
	return err;
}
