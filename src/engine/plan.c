/* src/engine/plan.c: what requests will need is named first and read in few calls: keys, then the jobs behind them. */
#include "engine/engine_priv.h"
#include "base/check.h"
#include "base/mem.h"

struct plan { /* in the scratch arena */
	struct load load;
	uint64_t *uids;
	uint32_t uid_capacity;
	struct load_key *keys;
	uint64_t **key_targets; /* where the uid behind keys[n] goes */
	uint32_t key_capacity;
	struct str *idempotency;
	struct request **idempotency_targets;
	uint32_t idempotency_capacity;
	uint64_t *children;
	uint32_t child_capacity;
	bool failed;
};

static void *plan_grow(struct engine *engine, void *items, uint32_t count, uint32_t *capacity, size_t item_bytes)
{
	if (count < *capacity)
		return items;
	uint32_t wanted = *capacity ? *capacity * 2 : 64;
	void *grown = arena_alloc(&engine->scratch, wanted * item_bytes);
	if (grown && count)
		memcpy(grown, items, count * item_bytes);
	if (grown)
		*capacity = wanted;
	return grown;
}

static void plan_uid(struct engine *engine, struct plan *plan, uint64_t uid)
{
	if (!uid || job_find(&engine->index, uid) != SLOT_NONE)
		return;
	uint64_t *uids = plan_grow(engine, plan->uids, plan->load.uid_count, &plan->uid_capacity, sizeof(*uids));
	if (!uids) {
		plan->failed = true;
		return;
	}
	plan->uids = uids;
	uids[plan->load.uid_count++] = uid;
}

static void plan_key(struct engine *engine, struct plan *plan, struct queue_name name, struct str id, uint64_t *target)
{
	uint32_t slot = queue_find(&engine->index, name);
	if (slot == SLOT_NONE || id.len == 0)
		return;
	const struct key *key = key_find(&engine->index, slot, id);
	*target = key ? key->uid : 0;
	if (key)
		return;
	uint32_t capacity = plan->key_capacity;
	struct load_key *keys = plan_grow(engine, plan->keys, plan->load.key_count, &capacity, sizeof(*keys));
	uint64_t **targets = plan_grow(engine, plan->key_targets, plan->load.key_count, &plan->key_capacity, sizeof(*targets));
	if (!keys || !targets) {
		plan->failed = true;
		return;
	}
	plan->keys = keys;
	plan->key_targets = targets;
	keys[plan->load.key_count] = (struct load_key){ queue_at(&engine->index, slot)->number, id };
	targets[plan->load.key_count++] = target;
}

static void plan_idempotency(struct engine *engine, struct plan *plan, struct request *request)
{
	uint32_t capacity = plan->idempotency_capacity;
	struct str *keys = plan_grow(engine, plan->idempotency, plan->load.idempotency_count, &capacity, sizeof(*keys));
	struct request **targets = plan_grow(engine, plan->idempotency_targets, plan->load.idempotency_count, &plan->idempotency_capacity, sizeof(*targets));
	if (!keys || !targets) {
		plan->failed = true;
		return;
	}
	plan->idempotency = keys;
	plan->idempotency_targets = targets;
	keys[plan->load.idempotency_count] = request->idempotency_key;
	targets[plan->load.idempotency_count++] = request;
}

static bool op_names_job(enum op_kind kind)
{
	switch (kind) {
	case OP_CANCEL: case OP_RETRY: case OP_PROMOTE: case OP_REPRIORITISE: case OP_MOVE: case OP_DELETE: case OP_DETACH: case OP_EDIT: case OP_RESCHEDULE:
	case OP_WAIT: case OP_EXPLAIN:
		return true;
	default:
		return false;
	}
}

static bool op_holds_lease(enum op_kind kind)
{
	return (kind >= OP_HEARTBEAT && kind <= OP_LOG) || kind == OP_AWAIT_CHILDREN;
}

static void plan_op_keys(struct engine *engine, struct plan *plan, struct op *op)
{
	if (op->kind == OP_ENQUEUE) {
		plan_key(engine, plan, op->enqueue.queue, op->enqueue.id, &op->result.uid);
		for (uint32_t i = 0; i < op->enqueue.parent_count; i++)
			plan_key(engine, plan, op->enqueue.parents[i].queue, op->enqueue.parents[i].id, &op->enqueue.parents[i].found);
	} else if (op_holds_lease(op->kind) && !op->lease.uid) {
		plan_key(engine, plan, op->lease.queue, op->lease.id, &op->result.uid);
	} else if (op_names_job(op->kind) && !op->job.uid) {
		plan_key(engine, plan, op->job.queue, op->job.id, &op->result.uid);
	}
}

static void plan_enqueue(struct engine *engine, struct plan *plan, const struct op *op) /* its first one, and the owner of its key */
{
	const struct index *index = &engine->index;
	plan_uid(engine, plan, op->result.uid);
	for (uint32_t i = 0; i < op->enqueue.parent_count; i++)
		plan_uid(engine, plan, op->enqueue.parents[i].uid ? op->enqueue.parents[i].uid : op->enqueue.parents[i].found);
	uint32_t queue = op->enqueue.dedup ? queue_find(index, op->enqueue.queue) : SLOT_NONE;
	uint32_t dedup = queue == SLOT_NONE ? SLOT_NONE : dedup_find(index, queue, op->enqueue.dedup->key);
	if (dedup != SLOT_NONE)
		plan_uid(engine, plan, ((const struct dedup *)pool_at(&index->dedups, dedup))->owner);
}

/* The newest job of a chain that is about to give way; only under another queue's rules it may be on disk alone. */
static void plan_chain(struct engine *engine, struct plan *plan, const struct op_chain *want)
{
	const struct index *index = &engine->index;
	uint32_t queue = queue_find(index, want->queue);
	uint32_t chain = queue == SLOT_NONE ? SLOT_NONE : chain_find(index, queue, want->key);
	if (chain != SLOT_NONE)
		plan_uid(engine, plan, ((const struct chain *)pool_at(&index->chains, chain))->pending);
}

static void plan_op_uids(struct engine *engine, struct plan *plan, struct op *op)
{
	if (op->kind == OP_ENQUEUE)
		plan_enqueue(engine, plan, op);
	else if (op->kind == OP_CHAIN_PUT || op->kind == OP_CHAIN_NEXT || op->kind == OP_CHAIN_DELETE)
		plan_chain(engine, plan, &op->chain);
	else if (op_names_job(op->kind))
		plan_uid(engine, plan, op->job.uid ? op->job.uid : op->result.uid);
	else if (op_holds_lease(op->kind))
		plan_uid(engine, plan, op->lease.uid ? op->lease.uid : op->result.uid);
	else if (op->kind == OP_SLICE)
		for (uint32_t i = 0; i < op->operation.count; i++)
			plan_uid(engine, plan, op->operation.uids[i]);
}

static enum err plan_note(struct engine *engine)
{
	if (engine->loaded_count < engine->loaded_capacity)
		return E_OK;
	uint32_t capacity = engine->loaded_capacity ? engine->loaded_capacity * 2 : 256;
	struct loaded *loaded = mem_realloc(engine->loaded, capacity * sizeof(*loaded));
	if (!loaded)
		return E_NOMEM;
	engine->loaded = loaded;
	engine->loaded_capacity = capacity;
	return E_OK;
}

/* A job that is only in the store, in memory for this step: a final one stands in no place, and the queue's sums count it already; a far
 * one stands among the delayed. */
static enum err plan_admit(struct engine *engine, const struct job_row *row, const struct job_definition *definition)
{
	struct index *index = &engine->index;
	uint32_t slot;
	if (row->uid == 0 || job_find(index, row->uid) != SLOT_NONE || range_covers(engine, row))
		return E_OK;
	CHECK(job_state_is_final(row->state) || row->flags & ROW_FAR); /* every other one is in memory */
	enum err err = plan_note(engine);
	err = err ? err : job_restore(index, row, &slot);
	if (err)
		return err;
	if (job_state_is_final(row->state) && job_is_compat(index, job_at(index, slot)))
		err = label_set(index, slot, definition->id); /* its row has none */
	else if (!job_state_is_final(row->state))
		err = job_return(index, slot);
	if (err) {
		job_destroy(index, slot);
		return err;
	}
	engine->loaded[engine->loaded_count++] = (struct loaded){ slot, row };
	return E_OK;
}

/* Whom retries concern that are about to come: those who waited for the job when it ended. */
static void plan_above(struct engine *engine, struct plan *plan, uint64_t uid)
{
	uint32_t slot = plan_job(engine, uid);
	if (slot == SLOT_NONE || !(job_at(&engine->index, slot)->flags & ROW_CHILD) || !job_state_is_final(job_state_of(job_at(&engine->index, slot))))
		return;
	uint64_t *children = plan_grow(engine, plan->children, plan->load.child_count, &plan->child_capacity, sizeof(*children));
	if (!children) {
		plan->failed = true;
		return;
	}
	plan->children = children;
	children[plan->load.child_count++] = uid;
}

static void plan_op_above(struct engine *engine, struct plan *plan, const struct op *op)
{
	if (op->kind == OP_RETRY)
		plan_above(engine, plan, op->job.uid ? op->job.uid : plan_uid_of(engine, op->job.queue, op->job.id, op->result.uid));
	else if (op->kind == OP_SLICE)
		for (uint32_t i = 0; i < op->operation.count; i++)
			plan_above(engine, plan, op->operation.uids[i]);
}

static enum err plan_load_above(struct engine *engine, struct plan *plan, struct request *first, uint32_t count)
{
	struct request *request = first;
	plan->load = (struct load){ 0 };
	for (uint32_t i = 0; i < count; i++, request = request->link)
		for (uint32_t n = 0; n < request->op_count; n++)
			plan_op_above(engine, plan, &request->ops[n]);
	if (plan->failed)
		return E_NOMEM;
	if (!plan->load.child_count)
		return E_OK;
	plan->load.children = plan->children;
	enum err err = engine->store->verbs->load(engine->store, &plan->load, &engine->scratch);
	if (!err) {
		engine->above = plan->load.edges;
		engine->above_count = plan->load.edge_count;
	}
	return err;
}

enum err plan_load(struct engine *engine, struct request *first, uint32_t count)
{
	struct plan plan = { 0 };
	enum err err = E_OK;
	struct request *request = first;
	for (uint32_t i = 0; i < count; i++, request = request->link) {
		if (request->idempotency_key.len)
			plan_idempotency(engine, &plan, request);
		for (uint32_t n = 0; n < request->op_count; n++)
			plan_op_keys(engine, &plan, &request->ops[n]);
	}
	if (plan.failed)
		return E_NOMEM;
	if (plan.load.key_count || plan.load.idempotency_count) {
		plan.load.keys = plan.keys;
		plan.load.idempotency = plan.idempotency;
		err = engine->store->verbs->load(engine->store, &plan.load, &engine->scratch);
		if (err)
			return err;
		for (uint32_t i = 0; i < plan.load.key_count; i++)
			*plan.key_targets[i] = plan.load.key_uids[i];
		for (uint32_t i = 0; i < plan.load.idempotency_count; i++)
			if (plan.load.records[i].key.len)
				idempotency_found(plan.idempotency_targets[i], &plan.load.records[i]);
		plan.load = (struct load){ 0 };
	}
	request = first;
	for (uint32_t i = 0; i < count; i++, request = request->link)
		for (uint32_t n = 0; n < request->op_count; n++)
			plan_op_uids(engine, &plan, &request->ops[n]);
	if (plan.failed)
		return E_NOMEM;
	if (plan.load.uid_count) {
		plan.load.uids = plan.uids;
		err = engine->store->verbs->load(engine->store, &plan.load, &engine->scratch);
		for (uint32_t i = 0; i < plan.load.uid_count && !err; i++)
			err = plan_admit(engine, &plan.load.rows[i], &plan.load.definitions[i]);
	}
	return err ? err : plan_load_above(engine, &plan, first, count);
}

void plan_forget(struct engine *engine)
{
	struct index *index = &engine->index;
	engine->above = NULL;
	engine->above_count = 0;
	if (!engine->loaded_count)
		return;
	for (uint32_t i = 0; i < engine->loaded_count; i++) {
		const struct job *job = job_at(index, engine->loaded[i].slot);
		if (job->dirty != DIRTY_NONE || job->version > index->committed_seq || job->flags & JOB_DELETED)
			continue; /* a batch holds it now, and lets go of it when it settles */
		if (job_state_is_final(job_state_of(job)))
			job_destroy(index, engine->loaded[i].slot);
		else if (job_is_far(index, job))
			job_leave(index, engine->loaded[i].slot);
	}
	engine->loaded_count = 0;
	index_free_idle(index, index->committed_seq);
}

uint32_t plan_job(struct engine *engine, uint64_t uid)
{
	uint32_t slot = uid ? job_find(&engine->index, uid) : SLOT_NONE;
	return slot == SLOT_NONE || job_at(&engine->index, slot)->flags & JOB_DELETED ? SLOT_NONE : slot;
}

const struct job_row *plan_final_row(const struct engine *engine, const struct job *job)
{
	const struct job_row *row = NULL;
	for (const struct batch *batch = engine->first_flying; batch; batch = batch->next)
		for (uint32_t i = 0; i < batch->cs.jobs.count; i++)
			if (batch->cs.jobs.items[i].row.uid == job->uid)
				row = &batch->cs.jobs.items[i].row;
	for (uint32_t i = 0; i < engine->loaded_count && !row; i++)
		if (job_at(&engine->index, engine->loaded[i].slot) == job)
			row = engine->loaded[i].row;
	return row;
}

uint64_t plan_uid_of(const struct engine *engine, struct queue_name name, struct str id, uint64_t loaded)
{
	uint32_t queue = queue_find(&engine->index, name);
	const struct key *key = queue == SLOT_NONE ? NULL : key_find(&engine->index, queue, id);
	return key ? key->uid : loaded;
}
