/* src/engine/follow.c: jobs under a key of dedup that go one after the other (`fifo`). Each waits for the one before it, by an edge whose on_failure
 * is FOLLOW, and the last one owns the key. An edge goes when the one before has ended, however; where an endpoint asks for it, a failure holds those
 * behind until the failed one is retried, deleted or detached, or the endpoint is told otherwise. Who leaves the line closes it behind him. */
#include "engine/engine_priv.h"

/* Those who follow by `edge`: the first of them that is pending among a parent's children, or a child's parents. */
static uint32_t follow_find(const struct index *index, uint64_t uid, bool ahead)
{
	uint32_t kin = index->edges.live ? kin_find(index, uid) : SLOT_NONE;
	uint32_t slot = kin == SLOT_NONE ? SLOT_NONE : ahead ? kin_at(index, kin)->first_child : kin_at(index, kin)->first_parent;
	while (slot != SLOT_NONE && (edge_at(index, slot)->on_failure != ON_FAILURE_FOLLOW || edge_at(index, slot)->state != EDGE_PENDING))
		slot = ahead ? edge_at(index, slot)->next_child : edge_at(index, slot)->next_parent;
	return slot;
}

uint64_t follow_ahead(const struct index *index, uint64_t uid)
{
	uint32_t edge = follow_find(index, uid, true);
	return edge == SLOT_NONE ? 0 : edge_child(index, edge);
}

bool follow_is_followed(const struct index *index, uint64_t uid)
{
	return follow_find(index, uid, false) != SLOT_NONE;
}

bool follow_holds(const struct index *index, uint32_t group)
{
	const struct endpoint_settings *settings = group == SLOT_NONE ? NULL : group_endpoint_settings(index, group_at(index, group));
	return settings && settings->order == ENDPOINT_ORDER_FIFO && settings->fifo_holds;
}

uint32_t follow_next_state(const struct index *index, uint32_t follower, enum job_state state)
{
	bool failed = state == JOB_FAILED || state == JOB_EXPIRED;
	return failed && follower != SLOT_NONE && follow_holds(index, job_at(index, follower)->group) ? EDGE_PENDING : EDGE_GONE;
}

enum err follow_begin(struct engine *engine, uint32_t follower, uint64_t ahead)
{
	struct index *index = &engine->index;
	uint64_t uid = job_at(index, follower)->uid;
	uint32_t slot = plan_job(engine, ahead); /* one that failed may be on disk only: it was told that others wait for it */
	enum err err = slot == SLOT_NONE ? E_OK : family_flag(engine, slot, ROW_CHILD);
	err = err ? err : edge_begin(engine->open, index, uid, ahead, ON_FAILURE_FOLLOW);
	struct edge_row *row = err ? NULL : family_row(engine, uid, ahead, EDGE_PENDING);
	if (!row)
		return err ? err : E_NOMEM;
	row->on_failure = ON_FAILURE_FOLLOW;
	row->queue = queue_at(index, job_at(index, follower)->queue)->number;
	return E_OK;
}

enum err follow_leave(struct engine *engine, const struct job *job)
{
	struct index *index = &engine->index;
	uint64_t uid = job->uid;
	uint32_t own = job->flags & ROW_PARENT ? follow_find(index, uid, true) : SLOT_NONE;
	if (own == SLOT_NONE)
		return E_OK;
	uint64_t ahead = edge_child(index, own);
	uint32_t behind = follow_find(index, uid, false);
	uint32_t follower = behind == SLOT_NONE ? SLOT_NONE : plan_job(engine, edge_parent(index, behind));
	enum err err = follower == SLOT_NONE ? E_OK : follow_begin(engine, follower, ahead);
	if (!err && behind != SLOT_NONE)
		err = family_turn(engine, behind, EDGE_GONE, (struct str){ 0 });
	err = err ? err : family_turn(engine, own, EDGE_GONE, (struct str){ 0 });
	return err ? err : dedup_pass_back(engine, uid, ahead);
}
