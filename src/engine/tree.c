/* src/engine/tree.c: what a person does to a job and to all that is below it. Who is below is told by the edges in memory, and by those that
 * plan.c has found in the store: resolved ones, which memory has let go. However high the tree is, nothing recurses, and a job that can be
 * reached in several ways is seen once. */
#include "engine/engine_priv.h"
#include "base/mem.h"
#include <stdlib.h>

struct tree {
	uint64_t *uids; /* the job itself first, then level after level */
	uint32_t count, capacity;
	struct map seen;
};

static uint64_t tree_hash(void *context, uint32_t item)
{
	return map_mix(((const struct tree *)context)->uids[item]);
}

static bool tree_is(void *context, uint32_t item, const void *uid)
{
	return ((const struct tree *)context)->uids[item] == *(const uint64_t *)uid;
}

static enum err tree_add(struct tree *tree, uint64_t uid)
{
	if (map_find(&tree->seen, map_mix(uid), tree_is, &uid) != MAP_NONE)
		return E_OK;
	if (tree->count == LIMIT_TREE_JOBS)
		return E_TOO_LARGE;
	if (tree->count == tree->capacity) {
		uint32_t capacity = tree->capacity ? tree->capacity * 2 : 64;
		uint64_t *grown = mem_realloc(tree->uids, capacity * sizeof(*grown));
		if (!grown)
			return E_NOMEM;
		tree->uids = grown;
		tree->capacity = capacity;
	}
	tree->uids[tree->count++] = uid;
	enum err err = map_put(&tree->seen, map_mix(uid), tree->count - 1);
	tree->count -= err != E_OK;
	return err;
}

static void tree_fini(struct tree *tree)
{
	map_fini(&tree->seen);
	mem_free(tree->uids);
}

/* ---- who is below ---- */

static int below_cmp(const void *a, const void *b)
{
	const struct edge_row *x = a, *y = b;
	return x->parent != y->parent ? (x->parent < y->parent ? -1 : 1) : x->child != y->child ? (x->child < y->child ? -1 : 1) : 0;
}

void tree_sort_below(struct edge_row *rows, uint32_t count)
{
	if (count)
		qsort(rows, count, sizeof(*rows), below_cmp);
}

static uint32_t below_first(const struct engine *engine, uint64_t parent) /* place of the first one that is not before it */
{
	uint32_t low = 0, high = engine->below_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (engine->below[middle].parent < parent)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Not begun, not ended, and so on with theirs: those that may be taken away from a parent that goes on. */
static bool tree_is_unstarted(struct engine *engine, uint64_t uid)
{
	uint32_t slot = plan_job(engine, uid);
	return slot != SLOT_NONE && job_at(&engine->index, slot)->state != JOB_ACTIVE && !job_state_is_final(job_state_of(job_at(&engine->index, slot)));
}

static enum err tree_add_children(struct engine *engine, struct tree *tree, uint64_t parent, bool unstarted)
{
	const struct index *index = &engine->index;
	uint32_t kin = kin_find(index, parent);
	enum err err = E_OK;
	uint32_t slot = kin == SLOT_NONE ? SLOT_NONE : kin_at(index, kin)->first_child;
	for (; slot != SLOT_NONE && !err; slot = edge_at(index, slot)->next_child) {
		uint32_t state = edge_at(index, slot)->state;
		uint64_t child = edge_child(index, slot);
		if (edge_at(index, slot)->on_failure == ON_FAILURE_FOLLOW)
			continue; /* before it, not below it */
		if (unstarted ? state == EDGE_PENDING && tree_is_unstarted(engine, child) : state != EDGE_GONE)
			err = tree_add(tree, child);
	}
	for (uint32_t i = unstarted ? engine->below_count : below_first(engine, parent); i < engine->below_count && !err; i++) {
		if (engine->below[i].parent != parent)
			break;
		if (edge_find(index, parent, engine->below[i].child) == SLOT_NONE) /* memory knows better */
			err = tree_add(tree, engine->below[i].child);
	}
	return err;
}

static enum err tree_walk(struct engine *engine, struct tree *tree, uint64_t root, bool unstarted)
{
	*tree = (struct tree){ 0 };
	map_init(&tree->seen, tree_hash, tree);
	enum err err = tree_add(tree, root);
	for (uint32_t i = 0; i < tree->count && !err; i++)
		err = tree_add_children(engine, tree, tree->uids[i], unstarted);
	return err;
}

static enum err tree_refuse_size(struct request *request, struct op *op)
{
	return refuse(request, op, E_TOO_LARGE, "", "More than %d jobs are below it: use a bulk operation with a filter.", LIMIT_TREE_JOBS);
}

static enum err tree_refuse_none(struct request *request, struct op *op, const char *what)
{
	return refuse(request, op, E_STATE, "", "Neither it nor a job below it %s.", what);
}

/* ---- cancel, retry ---- */

static bool tree_job_is_chained(const struct engine *engine, uint32_t slot)
{
	return aside_of(&engine->index, job_at(&engine->index, slot))->chain != SLOT_NONE;
}

static enum err tree_cancel_all(struct engine *engine, struct request *request, struct op *op, const struct tree *tree)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < tree->count && !err; i++) {
		uint32_t slot = plan_job(engine, tree->uids[i]);
		if (slot == SLOT_NONE || job_state_is_final(job_state_of(job_at(&engine->index, slot))))
			continue;
		err = tree_job_is_chained(engine, slot) ? E_CHAIN_OWNED : job_cancel(engine, request, op, slot);
		op->result.count++;
	}
	return err;
}

/* Parents have ended by hand before they hear of their children: none of them fails on the way. */
static enum err tree_cancel(struct engine *engine, struct request *request, struct op *op, const struct tree *tree)
{
	family_hold(engine);
	enum err err = family_let_go(engine, tree_cancel_all(engine, request, op, tree));
	return err || op->result.count ? err : tree_refuse_none(request, op, "could be cancelled: all have ended");
}

static bool tree_is_retried(uint32_t place, const struct job *job) /* what has completed stays, unless it was named */
{
	return job_state_is_final(job_state_of(job)) && (place == 0 || job->state != JOB_COMPLETED);
}

/* First all edges, then the jobs: so whoever has children that run once more waits for them. */
static enum err tree_retry(struct engine *engine, struct request *request, struct op *op, const struct tree *tree)
{
	struct index *index = &engine->index;
	enum err err = E_OK;
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < tree->count && !err; i++) {
			uint32_t slot = plan_job(engine, tree->uids[i]);
			if (slot == SLOT_NONE || !tree_is_retried(i, job_at(index, slot)))
				continue;
			struct op one = *op;
			one.job.has_payload &= i == 0;
			err = pass == 0 ? family_retried(engine, tree->uids[i], job_is_compat(index, job_at(index, slot)))
			                : job_retry(engine, request, &one, slot);
			op->result.count += (uint32_t)pass;
		}
	return err || op->result.count ? err : tree_refuse_none(request, op, "has ended without completing: there is nothing to retry");
}

/* ---- delete ---- */

static enum err tree_refuse_running(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	const struct job *job = job_at(&engine->index, slot);
	char room[LABEL_ROOM];
	return refuse(request, op, E_STATE, "", "Job '" STR_FMT "' of queue '" STR_FMT "' is active: cancel it first, or wait for its end, then delete.",
	              STR_ARG(str_cut(label_of(&engine->index, job, room), 60)), STR_ARG(str_cut(queue_at(&engine->index, job->queue)->name, 60)));
}

/* Nobody below is told that he may run now, since nobody waits any more before anybody goes. */
static enum err tree_delete_from(struct engine *engine, struct request *request, struct op *op, const struct tree *tree, uint32_t first)
{
	struct index *index = &engine->index;
	enum err err = E_OK;
	for (int pass = 0; pass < 3; pass++)
		for (uint32_t i = first; i < tree->count && !err; i++) {
			uint32_t slot = plan_job(engine, tree->uids[i]);
			if (slot == SLOT_NONE)
				continue;
			if (pass == 0 && tree_job_is_chained(engine, slot))
				err = E_CHAIN_OWNED;
			else if (pass == 0 && job_at(index, slot)->state == JOB_ACTIVE && !op->job.force)
				err = tree_refuse_running(engine, request, op, slot);
			else if (pass == 1 && !(err = follow_leave(engine, job_at(index, slot))))
				err = family_drop_children(engine, tree->uids[i]);
			else if (pass == 2)
				err = life_delete(engine, slot);
			op->result.count += pass == 2;
		}
	return err;
}

enum err tree_apply(struct engine *engine, struct request *request, struct op *op, uint64_t root)
{
	struct tree tree;
	bool children_only = op->kind == OP_CHILDREN_DELETE;
	enum err err = tree_walk(engine, &tree, root, children_only);
	if (err == E_TOO_LARGE || op->job.tree_too_large)
		err = tree_refuse_size(request, op);
	else if (!err && op->kind == OP_CANCEL)
		err = tree_cancel(engine, request, op, &tree);
	else if (!err && op->kind == OP_RETRY)
		err = tree_retry(engine, request, op, &tree);
	else if (!err)
		err = tree_delete_from(engine, request, op, &tree, children_only);
	tree_fini(&tree);
	return err;
}
