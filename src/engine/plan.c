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
	struct load_message_key *message_keys;
	uint64_t **message_targets; /* likewise */
	uint32_t message_capacity;
	uint64_t *messages; /* named by their uids */
	uint32_t named_capacity, named_count;
	struct load_delivery *deliveries;
	uint64_t **delivery_targets;
	uint32_t delivery_capacity, delivery_count;
	struct str *idempotency;
	struct request **idempotency_targets;
	uint32_t idempotency_capacity;
	uint64_t *children;
	uint32_t child_count, child_capacity;
	uint64_t *below; /* of one operation: whose children are looked for, level after level */
	uint32_t below_count, below_capacity;
	struct map below_seen;
	struct edge_row *edges;
	uint32_t edge_count, edge_capacity;
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

/* A message that may have come before. Those in flight are looked for when it is applied. */
static void plan_message(struct engine *engine, struct plan *plan, struct op *op)
{
	uint32_t capacity = plan->message_capacity;
	op->result.uid = 0;
	if (!op->message.key.len)
		return;
	struct load_message_key *keys = plan_grow(engine, plan->message_keys, plan->load.message_key_count, &capacity, sizeof(*keys));
	uint64_t **targets = plan_grow(engine, plan->message_targets, plan->load.message_key_count, &plan->message_capacity, sizeof(*targets));
	if (!keys || !targets) {
		plan->failed = true;
		return;
	}
	plan->message_keys = keys;
	plan->message_targets = targets;
	keys[plan->load.message_key_count] = (struct load_message_key){ named_namespace(op->message.namespace_name), op->message.key };
	targets[plan->load.message_key_count++] = &op->result.uid;
}

static void plan_message_uid(struct engine *engine, struct plan *plan, uint64_t uid)
{
	uint64_t *messages = plan_grow(engine, plan->messages, plan->named_count, &plan->named_capacity, sizeof(*messages));
	if (!messages) {
		plan->failed = true;
		return;
	}
	plan->messages = messages;
	messages[plan->named_count++] = uid;
}

/* The newest one on disk; those in flight are looked for when it is applied. */
static void plan_delivery(struct engine *engine, struct plan *plan, uint64_t message, struct str endpoint, uint64_t *target)
{
	uint32_t capacity = plan->delivery_capacity;
	struct load_delivery *deliveries = plan_grow(engine, plan->deliveries, plan->delivery_count, &capacity, sizeof(*deliveries));
	uint64_t **targets = plan_grow(engine, plan->delivery_targets, plan->delivery_count, &plan->delivery_capacity, sizeof(*targets));
	if (!deliveries || !targets) {
		plan->failed = true;
		return;
	}
	plan->deliveries = deliveries;
	plan->delivery_targets = targets;
	deliveries[plan->delivery_count] = (struct load_delivery){ message, endpoint };
	targets[plan->delivery_count++] = target;
	*target = 0;
}

static bool op_replays(const struct op *op)
{
	return op->kind == OP_SLICE && op->operation.replay;
}

/* The messages of a slice, and their deliveries to its endpoint. */
static void plan_replay(struct engine *engine, struct plan *plan, struct op *op)
{
	struct op_operation *slice = &op->operation;
	uint32_t slot = named_find_number(&engine->index, slice->replay->endpoint);
	slice->found = slot == SLOT_NONE ? NULL : ARENA_ARRAY(&engine->scratch, uint64_t, slice->count + 1);
	if (slot != SLOT_NONE && !slice->found)
		plan->failed = true;
	for (uint32_t i = 0; i < slice->count && slice->found; i++) {
		plan_message_uid(engine, plan, slice->uids[i]);
		plan_delivery(engine, plan, slice->uids[i], named_at(&engine->index, slot)->name, &slice->found[i]);
	}
}

static bool op_names_job(enum op_kind kind)
{
	switch (kind) {
	case OP_CANCEL: case OP_RETRY: case OP_PROMOTE: case OP_REPRIORITISE: case OP_MOVE: case OP_DELETE: case OP_DETACH: case OP_CHILDREN_DELETE:
	case OP_EDIT: case OP_RESCHEDULE: case OP_WAIT: case OP_EXPLAIN:
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
	} else if (op->kind == OP_MESSAGE) {
		plan_message(engine, plan, op);
	} else if (op->kind == OP_MESSAGE_EXPUNGE) {
		plan_message_uid(engine, plan, op->resend.message);
	} else if (op_replays(op)) {
		plan_replay(engine, plan, op);
	} else if (op->kind == OP_RESEND) {
		plan_message_uid(engine, plan, op->resend.message);
		plan_delivery(engine, plan, op->resend.message, op->resend.endpoint, &op->result.uid);
	} else if (op_holds_lease(op->kind)) {
		if (!op->lease.uid)
			plan_key(engine, plan, op->lease.queue, op->lease.id, &op->result.uid);
		if (op->lease.child)
			plan_key(engine, plan, op->lease.child->queue, op->lease.child->id, &op->lease.child->found);
	} else if (op_names_job(op->kind)) {
		if (!op->job.uid)
			plan_key(engine, plan, op->job.queue, op->job.id, &op->result.uid);
		if (op->kind == OP_DETACH)
			plan_key(engine, plan, op->job.parent.queue, op->job.parent.id, &op->job.parent.found);
	}
}

static void plan_enqueue(struct engine *engine, struct plan *plan, const struct op *op) /* its first one, and the owner of its key */
{
	const struct index *index = &engine->index;
	plan_uid(engine, plan, op->result.uid);
	for (uint32_t i = 0; i < op->enqueue.parent_count; i++)
		plan_uid(engine, plan, op->enqueue.parents[i].uid ? op->enqueue.parents[i].uid : op->enqueue.parents[i].found);
	uint32_t kin = op->enqueue.parent_count && op->result.uid ? kin_find(index, op->result.uid) : SLOT_NONE;
	uint32_t edge = kin == SLOT_NONE ? SLOT_NONE : kin_at(index, kin)->first_parent;
	for (; edge != SLOT_NONE; edge = edge_at(index, edge)->next_parent)
		plan_uid(engine, plan, edge_parent(index, edge)); /* who may have ended: is it still there? */
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
	else if (op->kind == OP_RESEND)
		plan_uid(engine, plan, op->result.uid);
	else if (op->kind == OP_SLICE && (!op->operation.replay || op->operation.found))
		for (uint32_t i = 0; i < op->operation.count; i++)
			plan_uid(engine, plan, op->operation.replay ? op->operation.found[i] : op->operation.uids[i]);
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

/* Whom retries concern that are about to come, and enqueues of an id that is there: those who waited for the job when it ended. */
static void plan_above(struct engine *engine, struct plan *plan, uint64_t uid)
{
	uint32_t slot = plan_job(engine, uid);
	if (slot == SLOT_NONE || !(job_at(&engine->index, slot)->flags & ROW_CHILD) || !job_state_is_final(job_state_of(job_at(&engine->index, slot))))
		return;
	uint64_t *children = plan_grow(engine, plan->children, plan->child_count, &plan->child_capacity, sizeof(*children));
	if (!children) {
		plan->failed = true;
		return;
	}
	plan->children = children;
	children[plan->child_count++] = uid;
}

static void plan_op_above(struct engine *engine, struct plan *plan, const struct op *op)
{
	if (op->kind == OP_ENQUEUE && op->enqueue.parent_count && op->result.uid)
		plan_above(engine, plan, op->result.uid);
	else if (op->kind == OP_RESEND)
		plan_above(engine, plan, op->result.uid);
	else if (op->kind == OP_RETRY)
		plan_above(engine, plan, op->job.uid ? op->job.uid : plan_uid_of(engine, op->job.queue, op->job.id, op->result.uid));
	else if (op->kind == OP_SLICE && (!op->operation.replay || op->operation.found))
		for (uint32_t i = 0; i < op->operation.count; i++)
			plan_above(engine, plan, op->operation.replay ? op->operation.found[i] : op->operation.uids[i]);
}

/* The uids that the plan has gathered: their rows, and the jobs come into memory. */
static enum err plan_load_uids(struct engine *engine, struct plan *plan)
{
	if (plan->failed)
		return E_NOMEM;
	if (!plan->load.uid_count)
		return E_OK;
	plan->load.uids = plan->uids;
	enum err err = engine->store->verbs->load(engine->store, &plan->load, &engine->scratch);
	for (uint32_t i = 0; i < plan->load.uid_count && !err; i++)
		err = plan_admit(engine, &plan->load.rows[i], &plan->load.definitions[i]);
	plan->load = (struct load){ 0 };
	return err;
}

static enum err plan_load_above(struct engine *engine, struct plan *plan, struct request *first, uint32_t count)
{
	struct request *request = first;
	for (uint32_t i = 0; i < count; i++, request = request->link)
		for (uint32_t n = 0; n < request->op_count; n++)
			plan_op_above(engine, plan, &request->ops[n]);
	if (plan->failed)
		return E_NOMEM;
	if (!plan->child_count)
		return E_OK;
	plan->load = (struct load){ .children = plan->children, .child_count = plan->child_count };
	enum err err = engine->store->verbs->load(engine->store, &plan->load, &engine->scratch);
	if (err)
		return err;
	engine->above = plan->load.edges;
	engine->above_count = plan->load.edge_count;
	plan->load = (struct load){ 0 };
	for (uint32_t i = 0; i < engine->above_count; i++)
		plan_uid(engine, plan, engine->above[i].parent);
	return plan_load_uids(engine, plan);
}

/* ---- all below a job ---- */

static uint64_t below_hash(void *context, uint32_t item)
{
	return map_mix(((const struct plan *)context)->below[item]);
}

static bool below_is(void *context, uint32_t item, const void *uid)
{
	return ((const struct plan *)context)->below[item] == *(const uint64_t *)uid;
}

static void plan_below(struct engine *engine, struct plan *plan, uint64_t uid)
{
	if (plan->below_count > LIMIT_TREE_JOBS || map_find(&plan->below_seen, map_mix(uid), below_is, &uid) != MAP_NONE)
		return;
	uint64_t *below = plan_grow(engine, plan->below, plan->below_count, &plan->below_capacity, sizeof(*below));
	if (below) {
		plan->below = below;
		below[plan->below_count] = uid;
	}
	if (!below || map_put(&plan->below_seen, map_mix(uid), plan->below_count)) {
		plan->failed = true;
		return;
	}
	plan->below_count++;
	plan_uid(engine, plan, uid);
}

static enum err plan_keep_edges(struct engine *engine, struct plan *plan, const struct load *load)
{
	for (uint32_t i = 0; i < load->edge_count; i++) {
		if (load->edges[i].on_failure == ON_FAILURE_FOLLOW)
			continue; /* before it, not below it */
		struct edge_row *edges = plan_grow(engine, plan->edges, plan->edge_count, &plan->edge_capacity, sizeof(*edges));
		if (!edges)
			return E_NOMEM;
		plan->edges = edges;
		edges[plan->edge_count++] = load->edges[i];
		plan_below(engine, plan, load->edges[i].child);
	}
	return plan->failed ? E_NOMEM : E_OK;
}

/* The children of those from `from` on: in memory, and, unless only those are asked for that have not begun, in the store. */
static enum err plan_level(struct engine *engine, struct plan *plan, const struct op *op, uint32_t from)
{
	const struct index *index = &engine->index;
	struct load load = { .parents = plan->below + from, .parent_count = plan->below_count - from };
	uint32_t until = plan->below_count;
	enum err err = op->kind == OP_CHILDREN_DELETE ? E_OK : engine->store->verbs->load(engine->store, &load, &engine->scratch);
	for (uint32_t i = from; i < until && !err; i++) {
		uint32_t kin = kin_find(index, plan->below[i]);
		uint32_t slot = kin == SLOT_NONE ? SLOT_NONE : kin_at(index, kin)->first_child;
		for (; slot != SLOT_NONE; slot = edge_at(index, slot)->next_child)
			if (edge_at(index, slot)->on_failure != ON_FAILURE_FOLLOW)
				plan_below(engine, plan, edge_child(index, slot));
		if (op->kind == OP_RETRY)
			plan_above(engine, plan, plan->below[i]);
	}
	err = err ? err : plan_keep_edges(engine, plan, &load);
	return err ? err : plan_load_uids(engine, plan);
}

static enum err plan_tree(struct engine *engine, struct plan *plan, struct op *op)
{
	uint64_t root = op->job.uid ? op->job.uid : plan_uid_of(engine, op->job.queue, op->job.id, op->result.uid);
	enum err err = E_OK;
	if (!root)
		return E_OK;
	plan->below_count = 0;
	map_init(&plan->below_seen, below_hash, plan);
	plan_below(engine, plan, root);
	for (uint32_t from = 0, until; from < plan->below_count && plan->below_count <= LIMIT_TREE_JOBS && !err; from = until) {
		until = plan->below_count;
		err = plan_level(engine, plan, op, from);
	}
	op->job.tree_too_large = plan->below_count > LIMIT_TREE_JOBS;
	map_fini(&plan->below_seen);
	return err;
}

static enum err plan_load_below(struct engine *engine, struct plan *plan, struct request *first, uint32_t count)
{
	struct request *request = first;
	enum err err = E_OK;
	for (uint32_t i = 0; i < count && !err; i++, request = request->link)
		for (uint32_t n = 0; n < request->op_count && !err; n++)
			if (op_names_job(request->ops[n].kind) && (request->ops[n].job.tree || request->ops[n].kind == OP_CHILDREN_DELETE))
				err = plan_tree(engine, plan, &request->ops[n]);
	tree_sort_below(plan->edges, plan->edge_count);
	engine->below = plan->edges;
	engine->below_count = plan->edge_count;
	return err;
}

static enum err plan_load_messages(struct engine *engine, const struct plan *plan)
{
	struct load load = { .messages = plan->messages, .message_count = plan->named_count, .messages_bare = true,
		             .deliveries = plan->deliveries, .delivery_count = plan->delivery_count };
	enum err err = plan->named_count ? engine->store->verbs->load(engine->store, &load, &engine->scratch) : E_OK;
	engine->messages = load.message_rows;
	engine->message_count = err ? 0 : plan->named_count;
	for (uint32_t i = 0; i < plan->delivery_count && !err; i++)
		*plan->delivery_targets[i] = load.delivery_uids[i];
	return err;
}

/* ---- who has the keys of order `latest` under which they would go once more ---- */

static void plan_owner(struct engine *engine, struct plan *plan, uint64_t message_uid, const struct named *named)
{
	const struct index *index = &engine->index;
	const struct message_row *message = message_loaded(engine, message_uid);
	struct str key = message && named->group != SLOT_NONE ? delivery_key(&engine->scratch, message, named) : STR("");
	uint32_t slot = key.len ? dedup_find(index, group_at(index, named->group)->queue, key) : SLOT_NONE;
	plan->failed |= !key.ptr;
	if (slot == SLOT_NONE)
		return;
	const struct dedup *dedup = pool_at(&index->dedups, slot);
	uint64_t *uids = plan_grow(engine, plan->uids, plan->load.uid_count, &plan->uid_capacity, sizeof(*uids));
	if (!uids) {
		plan->failed = true;
		return;
	}
	plan->uids = uids;
	uids[plan->load.uid_count++] = dedup->next ? dedup->next : dedup->owner;
}

static void plan_op_owners(struct engine *engine, struct plan *plan, const struct op *op)
{
	const struct message_row *message = op->kind == OP_RESEND ? message_loaded(engine, op->resend.message) : NULL;
	uint32_t slot = SLOT_NONE;
	if (message)
		slot = named_find(&engine->index, NAMED_ENDPOINT, (struct queue_name){ message->namespace_name, op->resend.endpoint });
	else if (op_replays(op))
		slot = named_find_number(&engine->index, op->operation.replay->endpoint);
	if (slot == SLOT_NONE)
		return;
	if (message)
		plan_owner(engine, plan, message->uid, named_at(&engine->index, slot));
	for (uint32_t i = 0; !message && i < op->operation.count; i++)
		plan_owner(engine, plan, op->operation.uids[i], named_at(&engine->index, slot));
}

static enum err plan_load_owners(struct engine *engine, struct plan *plan, struct request *first, uint32_t count)
{
	struct request *request = first;
	for (uint32_t i = 0; i < count; i++, request = request->link)
		for (uint32_t n = 0; n < request->op_count; n++)
			plan_op_owners(engine, plan, &request->ops[n]);
	if (plan->failed || !plan->load.uid_count)
		return plan->failed ? E_NOMEM : E_OK;
	plan->load.uids = plan->uids;
	enum err err = engine->store->verbs->load(engine->store, &plan->load, &engine->scratch);
	struct owner *owners = err ? NULL : ARENA_ARRAY(&engine->scratch, struct owner, plan->load.uid_count);
	if (!owners)
		return err ? err : E_NOMEM;
	for (uint32_t i = 0; i < plan->load.uid_count; i++)
		if (plan->load.rows[i].uid)
			owners[engine->owner_count++] = (struct owner){ plan->load.rows[i].uid, plan->load.definitions[i].message };
	engine->owners = owners;
	plan->load = (struct load){ 0 };
	return E_OK;
}

enum err plan_load(struct engine *engine, struct request *first, uint32_t count)
{
	struct plan plan = { 0 };
	enum err err = E_OK;
	struct request *request = first;
	for (uint32_t i = 0; i < count; i++, request = request->link) {
		if (request->idempotency_key.len && !gaps_exclude(&engine->gaps, request->idempotency_key))
			plan_idempotency(engine, &plan, request);
		for (uint32_t n = 0; n < request->op_count; n++)
			plan_op_keys(engine, &plan, &request->ops[n]);
	}
	if (plan.failed)
		return E_NOMEM;
	if (plan.load.key_count || plan.load.idempotency_count || plan.load.message_key_count) {
		plan.load.keys = plan.keys;
		plan.load.message_keys = plan.message_keys;
		plan.load.idempotency = plan.idempotency;
		plan.load.gaps_wanted = plan.load.idempotency_count && gaps_ask(&engine->gaps);
		err = engine->store->verbs->load(engine->store, &plan.load, &engine->scratch);
		if (err)
			return err;
		for (uint32_t i = 0; i < plan.load.key_count; i++)
			*plan.key_targets[i] = plan.load.key_uids[i];
		for (uint32_t i = 0; i < plan.load.message_key_count; i++)
			*plan.message_targets[i] = plan.load.message_key_uids[i];
		for (uint32_t i = 0; i < plan.load.idempotency_count; i++)
			if (plan.load.records[i].key.len)
				idempotency_found(plan.idempotency_targets[i], &plan.load.records[i]);
			else if (plan.load.gaps_wanted && !gaps_exclude(&engine->gaps, plan.idempotency[i]))
				gaps_learn(engine, &plan.load.gaps[i]);
		plan.load = (struct load){ 0 };
	}
	err = plan_load_messages(engine, &plan);
	err = err || !plan.named_count ? err : plan_load_owners(engine, &plan, first, count);
	if (err)
		return err;
	request = first;
	for (uint32_t i = 0; i < count; i++, request = request->link)
		for (uint32_t n = 0; n < request->op_count; n++)
			plan_op_uids(engine, &plan, &request->ops[n]);
	err = plan_load_uids(engine, &plan);
	err = err ? err : plan_load_below(engine, &plan, first, count);
	return err ? err : plan_load_above(engine, &plan, first, count);
}

void plan_forget(struct engine *engine)
{
	struct index *index = &engine->index;
	engine->above = NULL;
	engine->above_count = 0;
	engine->below = NULL;
	engine->below_count = 0;
	engine->messages = NULL;
	engine->message_count = 0;
	engine->owners = NULL;
	engine->owner_count = 0;
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
