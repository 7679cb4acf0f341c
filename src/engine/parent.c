/* src/engine/parent.c: an enqueue names its parents: who may have children, who may become one, and what a repeat of it means. */
#include "engine/engine_priv.h"

/* The enqueue as one of these parents sees it. */
struct join {
	struct request *request;
	struct op *op;
	const struct op_parent *wanted;
	uint32_t parent, child; /* slots */
	bool compat;            /* both are of queues whose programs know no more than one parent */
};

static enum err parent_find(struct engine *engine, const struct join *join, bool *repeated, uint32_t *out)
{
	const struct op_parent *wanted = join->wanted;
	const struct request *request = join->request;
	uint64_t uid = wanted->uid;
	*repeated = false;
	if (wanted->ref) {
		if (wanted->ref > (uint32_t)(join->op - request->ops) || request->ops[wanted->ref - 1].kind != OP_ENQUEUE)
			return refuse(join->request, join->op, E_INVALID, "parents",
			              "ref %u is no earlier enqueue of this request: parents come first, counted from 0.", wanted->ref - 1);
		const struct op_result *result = &request->ops[wanted->ref - 1].result;
		if (result->err)
			return refuse(join->request, join->op, E_PARENT_NOT_FOUND, "parents", "Its parent, operation %u, was refused.", wanted->ref - 1);
		uid = result->uid;
		*repeated = result->duplicate;
	} else if (!uid) {
		uid = plan_uid_of(engine, wanted->queue, wanted->id, wanted->found);
	}
	*out = plan_job(engine, uid);
	return *out == SLOT_NONE ? E_PARENT_NOT_FOUND : E_OK;
}

static enum err parent_check_names(struct engine *engine, const struct join *join)
{
	const struct index *index = &engine->index;
	const struct queue *parent = queue_at(index, job_at(index, join->parent)->queue), *child = queue_at(index, job_at(index, join->child)->queue);
	if (join->compat || str_eq(parent->namespace_name, child->namespace_name))
		return E_OK;
	return refuse(join->request, join->op, E_INVALID, "parents", "A parent and its children are of one namespace.");
}

static enum err parent_check(struct engine *engine, const struct join *join)
{
	const struct index *index = &engine->index;
	const struct job *parent = job_at(index, join->parent), *child = job_at(index, join->child);
	enum err err = parent_check_names(engine, join);
	if (!err && follow_ahead(index, parent->uid))
		return refuse(join->request, join->op, E_STATE, "parents",
		              "The parent waits behind another job of its dedup key: add children while it runs.");
	if (err || join->compat)
		return err;
	if (parent->flags & ROW_LOST_CHILD)
		return E_CHILD_FAILED;
	if (parent->state != JOB_WAITING_CHILDREN && parent->state != JOB_ACTIVE)
		return refuse(join->request, join->op, E_STATE, "parents",
		              "The parent is %s: enqueue it with \"waits\": true, or add children while it runs.", job_state_name(job_state_of(parent)));
	if (!join->op->result.duplicate)
		return E_OK;
	if (child->flags & ROW_PARENT)
		return refuse(join->request, join->op, E_STATE, "parents",
		              "This id's job has children of its own: name all its parents when it is enqueued first.");
	if (job_state_is_final(job_state_of(child)) && child->state != JOB_COMPLETED)
		return refuse(join->request, join->op, E_STATE, "parents", "This id's job has ended %s: retry it first.",
		              job_state_name(job_state_of(child)));
	return E_OK;
}

/* ---- one parent only ---- */

static enum err parent_refuse_second(struct engine *engine, const struct join *join, uint32_t first)
{
	const struct job *job = job_at(&engine->index, first);
	char room[LABEL_ROOM];
	return refuse(join->request, join->op, E_PARENT_TAKEN, "parents", "The job is a child of '" STR_FMT "' in queue '" STR_FMT "'.",
	              STR_ARG(str_cut(label_of(&engine->index, job, room), 60)), STR_ARG(str_cut(queue_at(&engine->index, job->queue)->name, 60)));
}

/* A child has one parent as long as that is there. Of one that is gone nothing is left but what memory still knows. */
static enum err parent_replace(struct engine *engine, const struct join *join)
{
	struct index *index = &engine->index;
	uint64_t parent = job_at(index, join->parent)->uid, child = job_at(index, join->child)->uid;
	uint32_t kin = kin_find(index, child);
	enum err err = E_OK;
	uint32_t slot = kin == SLOT_NONE ? SLOT_NONE : kin_at(index, kin)->first_parent;
	for (; slot != SLOT_NONE && !err; slot = edge_at(index, slot)->next_parent) {
		if (edge_at(index, slot)->state == EDGE_GONE || edge_parent(index, slot) == parent)
			continue;
		uint32_t other = plan_job(engine, edge_parent(index, slot));
		err = other != SLOT_NONE ? parent_refuse_second(engine, join, other) : family_turn(engine, slot, EDGE_GONE, (struct str){ 0 });
	}
	for (uint32_t i = 0; i < engine->above_count && !err; i++) {
		const struct edge_row *row = &engine->above[i];
		uint32_t other = row->child == child && row->parent != parent && edge_find(index, row->parent, child) == SLOT_NONE
		                         ? plan_job(engine, row->parent) : SLOT_NONE;
		err = other == SLOT_NONE ? E_OK : parent_refuse_second(engine, join, other);
	}
	return err;
}

/* ---- the edge ---- */

/* A child that failed before it became one: it is waited for until somebody retries it. */
static enum on_failure parent_mode(const struct join *join, const struct job *child)
{
	if (job_state_is_final(job_state_of(child)) && child->state != JOB_COMPLETED)
		return ON_FAILURE_HOLD;
	if (join->wanted->on_failure != ON_FAILURE_COUNT)
		return join->wanted->on_failure;
	return join->compat ? ON_FAILURE_HOLD : ON_FAILURE_FAIL;
}

static enum err parent_edge(struct engine *engine, uint64_t parent, uint64_t child, enum on_failure on_failure, bool done)
{
	struct index *index = &engine->index;
	uint32_t slot = edge_find(index, parent, child);
	enum err err = slot != SLOT_NONE ? edge_become(engine->open, index, slot, EDGE_PENDING, on_failure)
	                                 : edge_begin(engine->open, index, parent, child, on_failure);
	return err || !done ? err : edge_become(engine->open, index, edge_find(index, parent, child), EDGE_DONE, on_failure);
}

static enum err parent_write(struct engine *engine, const struct join *join, bool done, enum on_failure on_failure)
{
	const struct index *index = &engine->index;
	const struct job *child = job_at(index, join->child);
	struct edge_row *row = family_row(engine, job_at(index, join->parent)->uid, child->uid, done ? EDGE_DONE : EDGE_PENDING);
	if (!row)
		return E_NOMEM;
	row->on_failure = on_failure;
	row->queue = queue_at(index, child->queue)->number;
	row->id = join->op->enqueue.id;
	return row->id.len ? E_OK : label_copy(index, child, &engine->open->cs.arena, &row->id);
}

static enum err parent_add(struct engine *engine, const struct join *join)
{
	struct index *index = &engine->index;
	const struct job *parent = job_at(index, join->parent), *child = job_at(index, join->child);
	bool done = child->state == JOB_COMPLETED;
	enum on_failure on_failure = parent_mode(join, child);
	uint32_t slot = edge_find(index, parent->uid, child->uid);
	if (slot != SLOT_NONE && edge_at(index, slot)->state != EDGE_GONE && (!join->compat || edge_at(index, slot)->state == EDGE_PENDING))
		return E_OK; /* it is its child already */
	enum err err = family_flag(engine, join->parent, ROW_PARENT);
	err = err ? err : family_flag(engine, join->child, ROW_CHILD);
	err = err ? err : parent_edge(engine, parent->uid, child->uid, on_failure, done);
	return err ? err : parent_write(engine, join, done, on_failure);
}

/* A parent that does not wait any more, a child that had parents, named once more: a repeat of what was said before. */
static bool parent_was(const struct index *index, const struct join *join)
{
	const struct job *parent = job_at(index, join->parent), *child = job_at(index, join->child);
	return parent->flags & ROW_PARENT && child->flags & ROW_CHILD && parent->state != JOB_WAITING_CHILDREN && parent->state != JOB_ACTIVE;
}

enum err family_join(struct engine *engine, struct request *request, struct op *op, uint32_t child)
{
	struct join join = { .request = request, .op = op, .child = child };
	bool compat = job_is_compat(&engine->index, job_at(&engine->index, child));
	if (compat && op->enqueue.parent_count > 1)
		return refuse(request, op, E_INVALID, "parents", "A job of a queue that keeps BullMQ's rules has one parent.");
	for (uint32_t i = 0; i < op->enqueue.parent_count; i++) {
		bool repeated;
		join.wanted = &op->enqueue.parents[i];
		enum err err = parent_find(engine, &join, &repeated, &join.parent);
		if (err)
			return err;
		join.compat = compat && job_is_compat(&engine->index, job_at(&engine->index, join.parent));
		if (!join.compat && op->result.duplicate && (repeated || parent_was(&engine->index, &join)))
			continue; /* the tree was there: it stays as it is */
		if (join.compat && op->result.duplicate)
			err = parent_replace(engine, &join);
		err = err ? err : parent_check(engine, &join);
		err = err ? err : parent_add(engine, &join);
		if (err)
			return err;
	}
	return E_OK;
}
