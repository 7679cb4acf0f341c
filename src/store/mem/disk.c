/* src/store/mem/disk.c: a change-set is applied in two steps: everything that needs memory is copied and reserved first and may
 * fail; then the copies are put in place, which cannot. */
#include "store/mem/disk.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/filter.h"
#include "store/mem/webhooks.h"

#include <stdlib.h>

/* ---- rows that own what they point to ---- */

#define ROW_SLICES_MAX 16
struct row_shape {
	size_t bytes;
	size_t slices[ROW_SLICES_MAX]; /* offset + 1 of each struct str; 0 ends */
};
#define SLICE(type, field) offsetof(type, field) + 1,

static const struct row_shape definition_shape = { sizeof(struct job_definition),
	{ SLICE(struct job_definition, id) SLICE(struct job_definition, name) SLICE(struct job_definition, group)
	  SLICE(struct job_definition, tags) SLICE(struct job_definition, trace) SLICE(struct job_definition, target) SLICE(struct job_definition, chain)
	  SLICE(struct job_definition, metadata) SLICE(struct job_definition, payload) } };
static const struct row_shape job_row_shape = { sizeof(struct job_row), { SLICE(struct job_row, worker) SLICE(struct job_row, group)
	SLICE(struct job_row, label) SLICE(struct job_row, deferred) } };
static const struct row_shape result_shape = { sizeof(struct job_result), { SLICE(struct job_result, result) SLICE(struct job_result, error) } };

static struct str *row_slice(void *row, const struct row_shape *shape, int i)
{
	return i < ROW_SLICES_MAX && shape->slices[i] ? (struct str *)(void *)((char *)row + shape->slices[i] - 1) : NULL;
}

static void *row_copy(const void *row, const struct row_shape *shape)
{
	size_t bytes = shape->bytes;
	struct str *slice;
	for (int i = 0; (slice = row_slice((void *)(uintptr_t)row, shape, i)); i++)
		bytes += slice->len;
	char *copy = mem_alloc(bytes);
	if (!copy)
		return NULL;
	memcpy(copy, row, shape->bytes);
	char *at = copy + shape->bytes;
	for (int i = 0; (slice = row_slice(copy, shape, i)); i++) {
		if (slice->len)
			memcpy(at, slice->ptr, slice->len);
		slice->ptr = at;
		at += slice->len;
	}
	return copy;
}

/* ---- tables ---- */

static bool queue_same(const void *a, const void *b)
{
	return ((const struct queue_row *)a)->number == ((const struct queue_row *)b)->number;
}
static bool group_same(const void *a, const void *b)
{
	const struct group_row *x = a, *y = b;
	return x->queue == y->queue && str_eq(x->key, y->key);
}
static bool budget_same(const void *a, const void *b)
{
	return ((const struct budget_row *)a)->number == ((const struct budget_row *)b)->number;
}
static bool permit_same(const void *a, const void *b)
{
	const struct permit_row *x = a, *y = b;
	return x->budget == y->budget && x->token == y->token;
}
static bool dedup_same(const void *a, const void *b)
{
	const struct dedup_row *x = a, *y = b;
	return x->queue == y->queue && str_eq(x->key, y->key);
}
static bool edge_same(const void *a, const void *b)
{
	const struct edge_row *x = a, *y = b;
	return x->parent == y->parent && x->child == y->child;
}
static bool chain_same(const void *a, const void *b)
{
	const struct chain_row *x = a, *y = b;
	return x->queue == y->queue && str_eq(x->key, y->key);
}
static bool named_same(const void *a, const void *b)
{
	const struct named_row *x = a, *y = b;
	return x->kind == y->kind && str_eq(x->namespace_name, y->namespace_name) && str_eq(x->name, y->name);
}
static bool message_same(const void *a, const void *b)
{
	return ((const struct message_row *)a)->uid == ((const struct message_row *)b)->uid;
}
static bool entity_same(const void *a, const void *b)
{
	const struct entity_row *x = a, *y = b;
	return x->endpoint == y->endpoint && str_eq(x->entity, y->entity);
}
static bool policy_same(const void *a, const void *b)
{
	return ((const struct policy_row *)a)->number == ((const struct policy_row *)b)->number;
}
static bool token_same(const void *a, const void *b)
{
	return ((const struct token_row *)a)->number == ((const struct token_row *)b)->number;
}
static bool operation_same(const void *a, const void *b)
{
	return ((const struct operation_row *)a)->number == ((const struct operation_row *)b)->number;
}
static bool idempotency_same(const void *a, const void *b)
{
	return str_eq(((const struct idempotency_row *)a)->key, ((const struct idempotency_row *)b)->key);
}
static bool progress_same(const void *a, const void *b)
{
	return ((const struct progress_row *)a)->uid == ((const struct progress_row *)b)->uid;
}
static bool staged_same(const void *a, const void *b)
{
	return *(const uint64_t *)a == *(const uint64_t *)b;
}
static bool counts_same(const void *a, const void *b)
{
	return ((const struct queue_counts *)a)->queue == ((const struct queue_counts *)b)->queue;
}

static bool metric_same(const void *a, const void *b)
{
	const struct metric_row *x = &((const struct metric_add *)a)->row, *y = &((const struct metric_add *)b)->row;
	return x->queue == y->queue && x->minute == y->minute;
}
static bool event_trim_same(const void *a, const void *b)
{
	return ((const struct event_trim *)a)->queue == ((const struct event_trim *)b)->queue;
}

static const struct {
	size_t list; /* where its list stands in a change-set */
	bool (*same)(const void *, const void *);
	struct row_shape shape;
} mem_tables[MEM_TABLE_COUNT] = {
#define X(table, list, type, same, slices) [MEM_##table] = { offsetof(struct changeset, list), same, { sizeof(type), { slices } } },
	MEM_TABLES(X)
#undef X
};

struct change_list { /* what each list of a change-set looks like */
	void *items;
	uint32_t count, capacity;
};
_Static_assert(sizeof(struct change_list) == sizeof(((struct changeset *)0)->jobs), "all lists are alike");

static const struct change_list *table_list(const struct changeset *cs, enum mem_table table)
{
	return (const struct change_list *)(const void *)((const char *)cs + mem_tables[table].list);
}

static enum err rows_reserve(struct mem_rows *rows, uint32_t more)
{
	if (rows->capacity - rows->count >= more)
		return E_OK;
	uint32_t capacity = rows->capacity ? rows->capacity : 8;
	while (capacity - rows->count < more)
		capacity *= 2;
	void **grown = mem_realloc(rows->rows, capacity * sizeof(*grown));
	if (!grown)
		return E_NOMEM;
	rows->rows = grown;
	rows->capacity = capacity;
	return E_OK;
}

static void **rows_find(struct mem_rows *rows, enum mem_table table, const void *key)
{
	for (uint32_t i = 0; mem_tables[table].same && i < rows->count; i++)
		if (mem_tables[table].same(rows->rows[i], key))
			return &rows->rows[i];
	return NULL;
}

void rows_remove_if(struct mem_rows *rows, bool (*goes)(const void *context, const void *row), const void *context)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < rows->count; i++)
		if (goes(context, rows->rows[i]))
			mem_free(rows->rows[i]);
		else
			rows->rows[kept++] = rows->rows[i];
	rows->count = kept;
}

static void rows_fini(struct mem_rows *rows)
{
	for (uint32_t i = 0; i < rows->count; i++)
		mem_free(rows->rows[i]);
	mem_free(rows->rows);
	*rows = (struct mem_rows){ 0 };
}

/* ---- jobs ---- */

static uint64_t key_hash(uint32_t queue, struct str id)
{
	return str_hash(id, queue);
}
static uint64_t job_uid_hash(void *context, uint32_t slot)
{
	struct mem_disk *disk = context;
	return map_mix(((struct mem_job *)pool_at(&disk->jobs, slot))->uid);
}
static uint64_t job_key_hash(void *context, uint32_t slot)
{
	struct mem_disk *disk = context;
	struct mem_job *job = pool_at(&disk->jobs, slot);
	return key_hash(job->definition->queue, job->definition->id);
}
static bool job_uid_equal(void *context, uint32_t slot, const void *key)
{
	struct mem_disk *disk = context;
	return ((struct mem_job *)pool_at(&disk->jobs, slot))->uid == *(const uint64_t *)key;
}
static bool job_key_equal(void *context, uint32_t slot, const void *key)
{
	struct mem_disk *disk = context;
	const struct job_definition *definition = ((struct mem_job *)pool_at(&disk->jobs, slot))->definition;
	const struct load_key *wanted = key;
	return definition->queue == wanted->queue && str_eq(definition->id, wanted->id);
}

static uint32_t disk_slot(const struct mem_disk *disk, uint64_t uid)
{
	return map_find(&disk->by_uid, map_mix(uid), job_uid_equal, &uid);
}

struct mem_job *disk_job(const struct mem_disk *disk, uint64_t uid)
{
	uint32_t slot = disk_slot(disk, uid);
	return slot == MAP_NONE ? NULL : pool_at(&disk->jobs, slot);
}

struct message_row *disk_message(const struct mem_disk *disk, uint64_t uid)
{
	for (uint32_t i = 0; i < disk->tables[MEM_MESSAGES].count; i++) {
		struct message_row *row = disk_row(disk, MEM_MESSAGES, i);
		if (row->uid == uid)
			return row;
	}
	return NULL;
}

struct mem_job *disk_job_by_id(const struct mem_disk *disk, uint32_t queue, struct str id)
{
	struct load_key key = { queue, id };
	uint32_t slot = id.len ? map_find(&disk->by_key, key_hash(queue, id), job_key_equal, &key) : MAP_NONE;
	return slot == MAP_NONE ? NULL : pool_at(&disk->jobs, slot);
}

static int job_uid_cmp(const void *a, const void *b)
{
	uint64_t x = (*(struct mem_job *const *)a)->uid, y = (*(struct mem_job *const *)b)->uid;
	return x == y ? 0 : x < y ? -1 : 1;
}

struct mem_job **disk_jobs(const struct mem_disk *disk, struct arena *arena, bool (*takes)(void *, const struct mem_job *), void *context,
                           uint32_t *out_count)
{
	struct mem_job **jobs = ARENA_ARRAY(arena, struct mem_job *, disk->jobs.live + 1);
	uint32_t count = 0;
	for (uint32_t slot = 0; jobs && slot < disk->jobs.used; slot++) {
		struct mem_job *job = pool_at(&disk->jobs, slot);
		if (job->uid && takes(context, job))
			jobs[count++] = job;
	}
	if (jobs)
		qsort(jobs, count, sizeof(*jobs), job_uid_cmp);
	*out_count = count;
	return jobs;
}

/* ---- step one: copies and room ---- */

struct job_copy { /* parts of a job write, until they are put in place */
	struct job_definition *definition;
	struct job_row *row;
	struct job_result *result;
	uint32_t slot;
};
struct prepared {
	struct job_copy *jobs;
	struct mem_rows tables[MEM_TABLE_COUNT];
};

static void prepared_fini(struct prepared *prepared, struct mem_disk *disk, const struct changeset *cs)
{
	for (uint32_t i = 0; prepared->jobs && i < cs->jobs.count; i++) {
		struct job_copy *copy = &prepared->jobs[i];
		mem_free(copy->definition);
		mem_free(copy->row);
		mem_free(copy->result);
		if (copy->slot != POOL_NONE)
			pool_give(&disk->jobs, copy->slot);
	}
	mem_free(prepared->jobs);
	for (int table = 0; table < MEM_TABLE_COUNT; table++)
		rows_fini(&prepared->tables[table]);
}

static enum err prepare_job(struct mem_disk *disk, const struct job_write *write, struct job_copy *copy)
{
	if (write->after == TABLE_NONE)
		return E_OK;
	if (write->before == TABLE_NONE) {
		if (pool_take(&disk->jobs, &copy->slot))
			return E_NOMEM;
		copy->definition = row_copy(write->definition, &definition_shape);
		if (!copy->definition)
			return E_NOMEM;
	}
	copy->row = row_copy(&write->row, &job_row_shape);
	if (!copy->row)
		return E_NOMEM;
	if (write->result) {
		copy->result = row_copy(write->result, &result_shape);
		if (!copy->result)
			return E_NOMEM;
	}
	return E_OK;
}

/* An update says nothing of the identity: it is taken from the row that it will replace, on disk or earlier in the change-set. */
static enum err prepare_edge(struct mem_disk *disk, struct mem_rows *copies, const struct edge_row *row)
{
	struct edge_row whole = *row;
	if (row->update) {
		void **old = rows_find(&disk->tables[MEM_EDGES], MEM_EDGES, row);
		for (uint32_t i = 0; i < copies->count; i++)
			if (edge_same(copies->rows[i], row))
				old = &copies->rows[i];
		if (old) {
			const struct edge_row *before = *old;
			whole.on_failure = before->on_failure;
			whole.queue = before->queue;
			whole.id = before->id;
		}
	}
	copies->rows[copies->count] = row_copy(&whole, &mem_tables[MEM_EDGES].shape);
	return copies->rows[copies->count] ? E_OK : E_NOMEM;
}

static enum err prepare_row(struct mem_disk *disk, enum mem_table table, struct mem_rows *copies, const void *row)
{
	union {
		struct message_row message;
		struct entity_row entity;
	} whole;
	if (table == MEM_EDGES)
		return prepare_edge(disk, copies, row);
	if (table == MEM_MESSAGES) {
		whole.message = *(const struct message_row *)row;
		message_merge(disk, copies, &whole.message);
		row = &whole;
	} else if (table == MEM_ENTITIES) {
		whole.entity = *(const struct entity_row *)row;
		entity_merge(disk, copies, &whole.entity);
		row = &whole;
	}
	copies->rows[copies->count] = row_copy(row, &mem_tables[table].shape);
	return copies->rows[copies->count] ? E_OK : E_NOMEM;
}

static enum err prepare(struct mem_disk *disk, const struct changeset *cs, struct prepared *prepared)
{
	prepared->jobs = mem_zalloc_array(cs->jobs.count + 1, sizeof(*prepared->jobs));
	if (!prepared->jobs || map_reserve(&disk->by_uid, cs->jobs.count) || map_reserve(&disk->by_key, cs->jobs.count))
		return E_NOMEM;
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		prepared->jobs[i].slot = POOL_NONE;
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		if (prepare_job(disk, &cs->jobs.items[i], &prepared->jobs[i]))
			return E_NOMEM;
	for (enum mem_table table = 0; table < MEM_TABLE_COUNT; table++) {
		const struct change_list *list = table_list(cs, table);
		struct mem_rows *rows = &prepared->tables[table];
		if (rows_reserve(rows, list->count) || rows_reserve(&disk->tables[table], list->count))
			return E_NOMEM;
		for (uint32_t i = 0; i < list->count; i++) {
			const char *row = (const char *)list->items + i * mem_tables[table].shape.bytes;
			if (prepare_row(disk, table, rows, row))
				return E_NOMEM;
			rows->count++;
		}
	}
	return E_OK;
}

/* ---- is the change-set one that fits? ---- */

static bool changeset_deletes(const struct changeset *cs, uint64_t uid)
{
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		if (cs->jobs.items[i].row.uid == uid)
			return cs->jobs.items[i].after == TABLE_NONE;
	return false;
}

static int definition_key_cmp(const void *a, const void *b)
{
	const struct job_definition *x = *(const struct job_definition *const *)a, *y = *(const struct job_definition *const *)b;
	return x->queue != y->queue ? (x->queue < y->queue ? -1 : 1) : str_cmp(x->id, y->id);
}

/* No two new jobs of the change-set have the same key. */
static enum err changeset_check_keys(const struct changeset *cs)
{
	const struct job_definition **keyed = mem_alloc((cs->jobs.count + 1) * sizeof(*keyed));
	if (!keyed)
		return E_NOMEM;
	uint32_t count = 0;
	for (uint32_t i = 0; i < cs->jobs.count; i++) {
		const struct job_write *write = &cs->jobs.items[i];
		if (write->before == TABLE_NONE && write->after != TABLE_NONE && write->definition->id.len)
			keyed[count++] = write->definition;
	}
	qsort(keyed, count, sizeof(*keyed), definition_key_cmp);
	enum err err = E_OK;
	for (uint32_t i = 1; i < count; i++)
		if (definition_key_cmp(&keyed[i - 1], &keyed[i]) == 0)
			err = E_CONFLICT;
	mem_free(keyed);
	return err;
}

static enum err disk_check_jobs(const struct mem_disk *disk, const struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->jobs.count; i++) {
		const struct job_write *write = &cs->jobs.items[i];
		const struct mem_job *job = disk_job(disk, write->row.uid);
		if ((job ? job->table : TABLE_NONE) != write->before)
			return E_CONFLICT;
		if (write->before != TABLE_NONE || write->after == TABLE_NONE)
			continue;
		const struct mem_job *other = disk_job_by_id(disk, write->definition->queue, write->definition->id);
		if (other && !changeset_deletes(cs, other->uid))
			return E_CONFLICT;
	}
	return changeset_check_keys(cs);
}

/* ---- step two: in place ---- */

static bool chunk_is_of(const void *number, const void *row)
{
	return ((const struct body_chunk *)row)->number == *(const uint64_t *)number;
}
static bool staged_is(const void *number, const void *row)
{
	return *(const uint64_t *)row == *(const uint64_t *)number;
}
static bool group_is_gone(const void *context, const void *row)
{
	(void)context;
	return ((const struct group_row *)row)->gone;
}
static bool group_is_of(const void *queue, const void *row)
{
	return ((const struct group_row *)row)->queue == *(const uint32_t *)queue;
}
static bool budget_is_gone(const void *context, const void *row)
{
	(void)context;
	return ((const struct budget_row *)row)->gone;
}
static bool permit_is_gone(const void *context, const void *row)
{
	(void)context;
	return ((const struct permit_row *)row)->gone;
}
static bool permit_is_of(const void *budget, const void *row)
{
	return ((const struct permit_row *)row)->budget == *(const uint32_t *)budget;
}
static bool dedup_is_of(const void *queue, const void *row)
{
	return ((const struct dedup_row *)row)->queue == *(const uint32_t *)queue;
}
static bool dedup_is_gone(const void *context, const void *row)
{
	(void)context;
	return ((const struct dedup_row *)row)->gone;
}
static bool edge_is(const void *key, const void *row)
{
	return edge_same(key, row);
}
static bool edge_is_below(const void *parent, const void *row)
{
	return ((const struct edge_row *)row)->parent == *(const uint64_t *)parent;
}
static bool chain_is_of(const void *queue, const void *row)
{
	return ((const struct chain_row *)row)->queue == *(const uint32_t *)queue;
}
static bool chain_is_gone(const void *context, const void *row)
{
	(void)context;
	return ((const struct chain_row *)row)->gone;
}
static bool queue_is(const void *queue, const void *row)
{
	return ((const struct queue_row *)row)->number == *(const uint32_t *)queue;
}
static bool counts_are_of(const void *queue, const void *row)
{
	return ((const struct queue_counts *)row)->queue == *(const uint32_t *)queue;
}
static bool metric_is_of(const void *queue, const void *row)
{
	return ((const struct metric_add *)row)->row.queue == *(const uint32_t *)queue;
}
static bool metric_is_old(const void *add, const void *row)
{
	const struct metric_add *limit = add;
	return ((const struct metric_add *)row)->row.queue == limit->row.queue && ((const struct metric_add *)row)->row.minute < limit->keep_from;
}
static bool trim_is_of(const void *queue, const void *row)
{
	return ((const struct event_trim *)row)->queue == *(const uint32_t *)queue;
}
static bool event_is_trimmed(const void *trim, const void *row)
{
	return ((const struct event_row *)row)->queue == ((const struct event_trim *)trim)->queue &&
	       ((const struct event_row *)row)->seq <= ((const struct event_trim *)trim)->up_to_seq;
}
static bool event_is_old(const void *seq, const void *row)
{
	return ((const struct event_row *)row)->seq <= *(const uint64_t *)seq;
}
static bool record_is_old(const void *at_us, const void *row)
{
	return ((const struct idempotency_row *)row)->at_us < *(const int64_t *)at_us;
}
static bool attempt_is_orphan(const void *disk, const void *row)
{
	return !disk_job(disk, ((const struct attempt_row *)row)->uid);
}
static bool log_is_orphan(const void *disk, const void *row)
{
	return !disk_job(disk, ((const struct log_row *)row)->uid);
}
static bool progress_is_orphan(const void *disk, const void *row)
{
	return !disk_job(disk, ((const struct progress_row *)row)->uid);
}

void disk_drop_body(struct mem_disk *disk, uint64_t number)
{
	if (!number)
		return;
	rows_remove_if(&disk->tables[MEM_CHUNKS], chunk_is_of, &number);
	rows_remove_if(&disk->tables[MEM_STAGED], staged_is, &number);
}

static void disk_drop_result(struct mem_disk *disk, struct mem_job *job)
{
	if (job->result)
		disk_drop_body(disk, job->result->result_body);
	mem_free(job->result);
	job->result = NULL;
}

static void disk_delete_job(struct mem_disk *disk, uint64_t uid)
{
	uint32_t slot = disk_slot(disk, uid);
	if (slot == MAP_NONE)
		return;
	struct mem_job *job = pool_at(&disk->jobs, slot);
	disk_drop_result(disk, job);
	disk_drop_body(disk, job->definition->payload_body);
	disk_drop_body(disk, job->row->edited_body);
	rows_remove_if(&disk->tables[MEM_EDGES], edge_is_below, &uid);
	map_remove(&disk->by_uid, map_mix(uid), slot);
	if (job->definition->id.len)
		map_remove(&disk->by_key, key_hash(job->definition->queue, job->definition->id), slot);
	mem_free(job->definition);
	mem_free(job->row);
	*job = (struct mem_job){ 0 };
	pool_give(&disk->jobs, slot);
}

static void disk_write_job(struct mem_disk *disk, const struct job_write *write, struct job_copy *copy)
{
	if (write->before == TABLE_NONE) {
		struct mem_job *job = pool_at(&disk->jobs, copy->slot);
		job->uid = write->row.uid;
		job->definition = copy->definition;
		CHECK(!map_put(&disk->by_uid, map_mix(job->uid), copy->slot)); /* reserved */
		if (job->definition->id.len)
			CHECK(!map_put(&disk->by_key, key_hash(job->definition->queue, job->definition->id), copy->slot));
		copy->definition = NULL;
		copy->slot = POOL_NONE;
	}
	struct mem_job *job = disk_job(disk, write->row.uid);
	if (write->after == TABLE_LIVE || copy->result)
		disk_drop_result(disk, job);
	mem_free(job->row);
	job->row = copy->row;
	job->table = write->after;
	copy->row = NULL;
	if (write->after == TABLE_DONE && copy->result) {
		job->result = copy->result;
		copy->result = NULL;
	}
}

static void disk_put_rows(struct mem_disk *disk, enum mem_table table, struct mem_rows *copies)
{
	struct mem_rows *rows = &disk->tables[table];
	for (uint32_t i = 0; i < copies->count; i++) {
		void **old = rows_find(rows, table, copies->rows[i]);
		if (old) {
			mem_free(*old);
			*old = copies->rows[i];
		} else {
			rows->rows[rows->count++] = copies->rows[i];
		}
	}
	copies->count = 0;
}

static void disk_put_edges(struct mem_disk *disk, struct mem_rows *copies)
{
	struct mem_rows *rows = &disk->tables[MEM_EDGES];
	for (uint32_t i = 0; i < copies->count; i++) {
		const struct edge_row *row = copies->rows[i];
		bool there = rows_find(rows, MEM_EDGES, row);
		if (there)
			rows_remove_if(rows, edge_is, row);
		if (row->gone || (row->update && !there))
			mem_free(copies->rows[i]);
		else
			rows->rows[rows->count++] = copies->rows[i];
	}
	copies->count = 0;
}

static void counts_add(struct queue_counts *sum, const struct queue_counts *delta)
{
	sum->enqueued += delta->enqueued;
	sum->started += delta->started;
	sum->ids += delta->ids;
	for (int state = 0; state < JOB_STATE_COUNT; state++) {
		sum->final[state] += delta->final[state];
		sum->final_bytes[state] += delta->final_bytes[state];
		sum->ended[state] += delta->ended[state];
	}
}

static void disk_add_counts(struct mem_disk *disk, struct mem_rows *copies)
{
	struct mem_rows *rows = &disk->tables[MEM_COUNTS];
	for (uint32_t i = 0; i < copies->count; i++) {
		void **sum = rows_find(rows, MEM_COUNTS, copies->rows[i]);
		if (sum) {
			counts_add(*sum, copies->rows[i]);
			mem_free(copies->rows[i]);
		} else {
			rows->rows[rows->count++] = copies->rows[i];
		}
	}
	copies->count = 0;
}

static void disk_trim_log(struct mem_rows *rows, const struct log_trim *trim)
{
	uint32_t lines = 0, kept = 0;
	for (uint32_t i = 0; i < rows->count; i++)
		lines += ((struct log_row *)rows->rows[i])->uid == trim->uid;
	for (uint32_t i = 0; i < rows->count; i++)
		if (((struct log_row *)rows->rows[i])->uid == trim->uid && lines-- > trim->keep)
			mem_free(rows->rows[i]);
		else
			rows->rows[kept++] = rows->rows[i];
	rows->count = kept;
}

/* Lines are added and others go in the order in which that was asked for. */
static void disk_add_logs(struct mem_disk *disk, const struct changeset *cs, struct mem_rows *copies)
{
	struct mem_rows *rows = &disk->tables[MEM_LOGS];
	uint32_t trims = 0;
	for (uint32_t i = 0; i <= copies->count; i++) {
		while (trims < cs->log_trims.count && cs->log_trims.items[trims].after == i)
			disk_trim_log(rows, &cs->log_trims.items[trims++]);
		if (i < copies->count)
			rows->rows[rows->count++] = copies->rows[i];
	}
	copies->count = 0;
}

static void disk_drop_queue(struct mem_disk *disk, uint32_t queue)
{
	rows_remove_if(&disk->tables[MEM_QUEUES], queue_is, &queue);
	rows_remove_if(&disk->tables[MEM_GROUPS], group_is_of, &queue);
	rows_remove_if(&disk->tables[MEM_COUNTS], counts_are_of, &queue);
	rows_remove_if(&disk->tables[MEM_DEDUPS], dedup_is_of, &queue);
	rows_remove_if(&disk->tables[MEM_CHAINS], chain_is_of, &queue);
	rows_remove_if(&disk->tables[MEM_METRICS], metric_is_of, &queue);
	rows_remove_if(&disk->tables[MEM_EVENT_TRIMS], trim_is_of, &queue);
}

static void disk_add_metrics(struct mem_disk *disk, const struct changeset *cs, struct mem_rows *copies)
{
	struct mem_rows *rows = &disk->tables[MEM_METRICS];
	for (uint32_t i = 0; i < copies->count; i++) {
		struct metric_add *add = copies->rows[i];
		void **sum = rows_find(rows, MEM_METRICS, add);
		if (sum) {
			((struct metric_add *)*sum)->row.completed += add->row.completed;
			((struct metric_add *)*sum)->row.failed += add->row.failed;
			mem_free(add);
		} else {
			rows->rows[rows->count++] = add;
		}
		if (cs->metrics.items[i].keep_from)
			rows_remove_if(rows, metric_is_old, &cs->metrics.items[i]);
	}
	copies->count = 0;
}

/* Events stand in the order of commits. */
static void disk_trim_events(struct mem_disk *disk, struct event_trim *trim, struct event_trim *copy)
{
	struct mem_rows *rows = &disk->tables[MEM_EVENTS];
	uint64_t kept = 0;
	uint32_t end = rows->count, gone = 0;
	while (end && kept < trim->keep) {
		const struct event_row *row = rows->rows[--end];
		kept += row->queue == trim->queue ? row->count : 0;
	}
	trim->removed = trim->up_to_seq = 0;
	for (uint32_t i = 0; i < end && gone < LIMIT_TRIM_ROWS; i++) {
		const struct event_row *row = rows->rows[i];
		if (row->queue != trim->queue)
			continue;
		gone++;
		trim->removed += row->count;
		trim->up_to_seq = row->seq;
	}
	trim->more = gone == LIMIT_TRIM_ROWS;
	rows_remove_if(rows, event_is_trimmed, trim);
	void **before = rows_find(&disk->tables[MEM_EVENT_TRIMS], MEM_EVENT_TRIMS, trim);
	copy->up_to_seq = trim->up_to_seq ? trim->up_to_seq : before ? ((const struct event_trim *)*before)->up_to_seq : 0;
}

/* A limit that goes takes the permits of before; those that go with it by name, and those of a limit that came back, stand in their list. */
static void disk_drop_budgets(struct mem_disk *disk, const struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->budgets.count; i++)
		if (cs->budgets.items[i].gone)
			rows_remove_if(&disk->tables[MEM_PERMITS], permit_is_of, &cs->budgets.items[i].number);
}

static void disk_delete_range(struct mem_disk *disk, struct range_delete *range)
{
	range->removed = range->removed_bytes = 0;
	for (uint32_t slot = 0; slot < disk->jobs.used; slot++) {
		struct mem_job *job = pool_at(&disk->jobs, slot);
		if (!job->uid || job->table != TABLE_DONE)
			continue;
		const struct job_row *row = job->row;
		struct list_key end = { range->up_to_us, range->up_to_uid }, key = { row->finished_us, row->uid };
		if (row->queue != range->queue || row->state != range->state || list_key_cmp(key, end) > 0)
			continue;
		range->removed++;
		range->removed_bytes += row->bytes;
		disk_delete_job(disk, job->uid);
	}
	struct queue_counts delta = { .queue = range->queue };
	delta.final[range->state] = 0 - range->removed;
	delta.final_bytes[range->state] = 0 - range->removed_bytes;
	void **sum = rows_find(&disk->tables[MEM_COUNTS], MEM_COUNTS, &delta);
	if (sum)
		counts_add(*sum, &delta);
}

/* The order that every store keeps: additions that hang on jobs, drops, jobs that go, jobs that come or change, the rest, ranges. */
static void disk_commit(struct mem_disk *disk, struct changeset *cs, struct prepared *prepared)
{
	disk_put_rows(disk, MEM_CHUNKS, &prepared->tables[MEM_CHUNKS]);
	disk_put_rows(disk, MEM_STAGED, &prepared->tables[MEM_STAGED]);
	for (uint32_t i = 0; i < cs->unstaged.count; i++)
		rows_remove_if(&disk->tables[MEM_STAGED], staged_is, &cs->unstaged.items[i]);
	for (uint32_t i = 0; i < cs->dropped_bodies.count; i++)
		disk_drop_body(disk, cs->dropped_bodies.items[i]);
	disk_add_counts(disk, &prepared->tables[MEM_COUNTS]);
	disk_add_metrics(disk, cs, &prepared->tables[MEM_METRICS]);
	disk_add_logs(disk, cs, &prepared->tables[MEM_LOGS]);
	for (uint32_t i = 0; i < cs->dropped_queues.count; i++)
		disk_drop_queue(disk, cs->dropped_queues.items[i]);
	bool deletes = cs->ranges.count > 0;
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		if (cs->jobs.items[i].after == TABLE_NONE) {
			disk_delete_job(disk, cs->jobs.items[i].row.uid);
			deletes = true;
		}
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		if (cs->jobs.items[i].after != TABLE_NONE)
			disk_write_job(disk, &cs->jobs.items[i], &prepared->jobs[i]);
	disk_drop_budgets(disk, cs);
	for (uint32_t i = 0; i < cs->event_trims.count; i++)
		disk_trim_events(disk, &cs->event_trims.items[i], prepared->tables[MEM_EVENT_TRIMS].rows[i]);
	disk_put_edges(disk, &prepared->tables[MEM_EDGES]);
	for (enum mem_table table = 0; table < MEM_TABLE_COUNT; table++)
		disk_put_rows(disk, table, &prepared->tables[table]);
	rows_remove_if(&disk->tables[MEM_BUDGETS], budget_is_gone, NULL);
	rows_remove_if(&disk->tables[MEM_PERMITS], permit_is_gone, NULL);
	if (cs->groups.count)
		rows_remove_if(&disk->tables[MEM_GROUPS], group_is_gone, NULL);
	if (cs->dedups.count)
		rows_remove_if(&disk->tables[MEM_DEDUPS], dedup_is_gone, NULL);
	if (cs->chains.count)
		rows_remove_if(&disk->tables[MEM_CHAINS], chain_is_gone, NULL);
	webhooks_commit(disk, cs);
	for (uint32_t i = 0; i < cs->ranges.count; i++)
		disk_delete_range(disk, &cs->ranges.items[i]);
	webhooks_ranges(disk, cs);
	if (deletes) {
		rows_remove_if(&disk->tables[MEM_ATTEMPTS], attempt_is_orphan, disk);
		rows_remove_if(&disk->tables[MEM_LOGS], log_is_orphan, disk);
		rows_remove_if(&disk->tables[MEM_PROGRESS], progress_is_orphan, disk);
	}
	if (cs->events_up_to >= disk->first_event_seq) {
		rows_remove_if(&disk->tables[MEM_EVENTS], event_is_old, &cs->events_up_to);
		disk->first_event_seq = cs->events_up_to + 1;
	}
	rows_remove_if(&disk->tables[MEM_IDEMPOTENCY], record_is_old, &cs->idempotency_before_us);
}

enum err disk_apply(struct mem_disk *disk, struct changeset *cs)
{
	if (cs->term != disk->meta.term || cs->seq != disk->meta.commit_seq + 1)
		return E_STALE_TERM;
	struct prepared prepared = { 0 };
	enum err err = disk_check_jobs(disk, cs);
	if (!err)
		err = webhooks_check(disk, cs);
	if (!err)
		err = prepare(disk, cs, &prepared);
	if (!err) {
		disk_commit(disk, cs, &prepared);
		disk->meta.commit_seq = cs->seq;
		disk->meta.engine_us = cs->engine_us;
		disk->meta.last_uid = cs->last_uid;
		disk->meta.next_body = cs->next_body;
		for (uint32_t i = 0; i < cs->queues.count; i++)
			if (cs->queues.items[i].number > disk->meta.last_queue)
				disk->meta.last_queue = cs->queues.items[i].number;
		for (uint32_t i = 0; i < cs->nameds.count; i++)
			if (!cs->nameds.items[i].gone && cs->nameds.items[i].number > disk->meta.last_named)
				disk->meta.last_named = cs->nameds.items[i].number;
		disk->wall_us = cs->wall_us;
		if (!disk->meta.created_us)
			disk->meta.created_us = cs->wall_us;
	}
	prepared_fini(&prepared, disk, cs);
	return err;
}

/* ---- a disk's life ---- */

void disk_sweep(struct mem_disk *disk)
{
	struct mem_rows *staged = &disk->tables[MEM_STAGED];
	for (uint32_t i = 0; i < staged->count; i++)
		rows_remove_if(&disk->tables[MEM_CHUNKS], chunk_is_of, staged->rows[i]);
	while (staged->count)
		mem_free(staged->rows[--staged->count]);
}

struct mem_disk *disk_new(void)
{
	struct mem_disk *disk = mem_zalloc(sizeof(*disk));
	if (!disk)
		return NULL;
	CHECK(pthread_mutex_init(&disk->lock, NULL) == 0);
	pool_init(&disk->jobs, sizeof(struct mem_job));
	map_init(&disk->by_uid, job_uid_hash, disk);
	map_init(&disk->by_key, job_key_hash, disk);
	disk->first_event_seq = 1;
	disk->meta.next_body = 1;
	return disk;
}

void disk_free(struct mem_disk *disk)
{
	for (uint32_t slot = 0; slot < disk->jobs.used; slot++) {
		struct mem_job *job = pool_at(&disk->jobs, slot);
		if (job->uid) {
			mem_free(job->definition);
			mem_free(job->row);
			mem_free(job->result);
		}
	}
	for (int table = 0; table < MEM_TABLE_COUNT; table++)
		rows_fini(&disk->tables[table]);
	map_fini(&disk->by_uid);
	map_fini(&disk->by_key);
	pool_fini(&disk->jobs);
	CHECK(pthread_mutex_destroy(&disk->lock) == 0);
	mem_free(disk);
}
