/* src/engine/op_job.c: what a person does to a job by hand: cancel, retry, promote, reprioritise, move, delete. Bulk slices use the same. */
#include "engine/engine_priv.h"
#include "base/buf.h"
#include "base/json.h"

static enum err job_refuse_state(struct request *request, struct op *op, const struct job *job, const char *what)
{
	return refuse(request, op, E_STATE, "", "The job is %s: %s", job_state_name(job_state_of(job)), what);
}

static struct str job_reason(struct engine *engine, struct str reason)
{
	struct buf buf;
	if (!reason.len)
		return reason;
	buf_init(&buf, LIMIT_LOG_LINE_BYTES * 2);
	buf_add_byte(&buf, '{');
	json_put_field_str(&buf, "reason", reason);
	buf_add_byte(&buf, '}');
	struct str copy = buf_ok(&buf) ? arena_str(&engine->open->cs.arena, buf_str(&buf)) : (struct str){ 0 };
	buf_fini(&buf);
	return copy;
}

/* A running pull job is asked to stop (its worker hears it at the next heartbeat); anything else ends at once. */
static enum err job_cancel(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	struct ending ending = { .outcome = OUTCOME_BY_HAND, .details = job_reason(engine, op->job.reason) };
	if (job_state_is_final(job_state_of(job)))
		return job_refuse_state(request, op, job, "it has ended already, there is nothing to cancel.");
	if (job->state != JOB_ACTIVE || lease_at(index, job->lease)->delivery)
		return life_finish(engine, slot, JOB_CANCELLED, &ending);
	op->result.cancel_requested = true;
	if (job->flags & ROW_CANCEL)
		return E_OK;
	enum err err = job_touch(engine->open, index, slot);
	if (err)
		return err;
	job->flags |= ROW_CANCEL;
	err = job_place(index, slot);
	return err ? err : batch_event(engine->open, EVENT_CANCEL_REQUESTED, job->queue, job->uid, ending.details);
}

/* The edited payload stands beside the original: a body of its own that the row points to. */
static enum err job_edit(struct engine *engine, struct op *op, struct job *job)
{
	struct changeset *cs = &engine->open->cs;
	if (job->edited_body) {
		uint64_t *dropped = change_add(cs, dropped_bodies);
		if (!dropped)
			return E_NOMEM;
		*dropped = job->edited_body;
	}
	job->edited_body = op->job.payload_body;
	if (!job->edited_body) {
		struct body_chunk *chunk = change_add(cs, chunks);
		if (!chunk)
			return E_NOMEM;
		job->edited_body = engine->next_body++;
		*chunk = (struct body_chunk){ .number = job->edited_body, .bytes = op->job.payload };
	}
	job->flags |= ROW_EDITED;
	return E_OK;
}

/* The result of a run that ended in this very batch: no row will name its body. (Others go with the row, in the store.) */
static enum err job_drop_result(struct engine *engine, const struct job *job)
{
	struct dirty *dirty = job_dirty(engine->open, job);
	uint64_t *dropped = NULL;
	if (dirty->result && dirty->result->result_body && !(dropped = change_add(&engine->open->cs, dropped_bodies)))
		return E_NOMEM;
	if (dropped)
		*dropped = dirty->result->result_body;
	dirty->result = NULL;
	return E_OK;
}

static enum err job_retry(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	if (!job_state_is_final(job_state_of(job)))
		return job_refuse_state(request, op, job, "only a job that has ended can be retried; promote a delayed one instead.");
	enum err err = job_touch(engine->open, index, slot);
	err = err ? err : job_drop_result(engine, job);
	if (!err && op->job.has_payload)
		err = job_edit(engine, op, job);
	if (err)
		return err;
	struct queue *queue = queue_at(index, job->queue);
	job_move(index, job, op->job.delay_ms ? JOB_DELAYED : JOB_WAITING);
	job->attempts_made = 0;
	job->stalls = 0;
	job->expire_us = 0;
	job->flags &= (uint16_t)~(ROW_CANCEL | ROW_DUE_WALL);
	if (op->job.delay_ms)
		job->due_us = index->now_us + op->job.delay_ms * 1000;
	else
		job->rank = ++queue->rank_tail;
	err = job_place(index, slot);
	return err ? err : batch_event(engine->open, EVENT_RETRIED, job->queue, job->uid, (struct str){ 0 });
}

static enum err job_promote(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	const struct job *job = job_at(&engine->index, slot);
	if (job->state != JOB_DELAYED)
		return job_refuse_state(request, op, job, "only a delayed job can be promoted.");
	return life_wait(engine, slot, false, EVENT_PROMOTED, (struct str){ 0 });
}

static enum err job_reprioritise(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	if (job->state != JOB_WAITING && job->state != JOB_DELAYED)
		return job_refuse_state(request, op, job, "the priority matters only while it waits or is delayed.");
	enum err err = job_touch(engine->open, index, slot);
	if (err)
		return err;
	job->priority = op->job.priority;
	if (job->state == JOB_WAITING)
		job->rank = ++queue_at(index, job->queue)->rank_tail;
	err = job_place(index, slot);
	return err ? err : batch_event(engine->open, EVENT_REPRIORITISED, job->queue, job->uid, (struct str){ 0 });
}

/* Not before so long has passed. Time-to-live goes on counting from the time at which it may start. */
static void job_put_off(struct index *index, struct job *job, int64_t delay_ms)
{
	int64_t may_start_us = index->now_us, due_us = index->now_us + delay_ms * 1000;
	if (job->state == JOB_DELAYED)
		may_start_us = job->flags & ROW_DUE_WALL ? index->now_us + (job->due_us - index->wall_us) : job->due_us;
	else
		job_move(index, job, JOB_DELAYED);
	if (job->expire_us)
		job->expire_us += due_us - may_start_us;
	job->due_us = due_us;
	job->flags &= (uint16_t)~ROW_DUE_WALL;
}

/* The row changes its queue; the identity (queue, id) stays that of the queue it was enqueued into. */
static enum err job_move_queue(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	uint32_t queue, group, from = job->queue;
	if (job->state != JOB_WAITING && job->state != JOB_DELAYED)
		return job_refuse_state(request, op, job, "only a waiting or delayed job can be moved; retry or cancel it first.");
	enum err err = queue_begin(engine->open, index, op->job.to, &queue);
	err = err ? err : group_open(index, queue, group_at(index, job->group)->key, &group);
	err = err ? err : job_touch(engine->open, index, slot);
	if (err)
		return err;
	job->queue = queue;
	job->group = group;
	if (op->job.delay_ms) {
		job_put_off(index, job, op->job.delay_ms);
	} else if (job->state == JOB_WAITING) {
		job->rank = ++queue_at(index, queue)->rank_tail;
		job->since_us = index->now_us; /* it waits there from now on */
	}
	err = job_place(index, slot);
	err = err ? err : batch_event(engine->open, EVENT_MOVED, from, job->uid, (struct str){ 0 });
	return err ? err : batch_event(engine->open, EVENT_MOVED, queue, job->uid, (struct str){ 0 });
}

static enum err job_delete(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	const struct job *job = job_at(&engine->index, slot);
	if (job->state == JOB_ACTIVE)
		return job_refuse_state(request, op, job, "cancel it first, or wait for its end, then delete it.");
	return life_delete(engine, slot);
}

enum err op_job_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	uint64_t uid = op->job.uid;
	(void)park;
	if (!uid)
		uid = plan_uid_of(engine, op->job.queue, op->job.id, op->result.uid);
	uint32_t slot = plan_job(engine, uid);
	if (slot == SLOT_NONE)
		return E_JOB_NOT_FOUND;
	op->result.uid = uid;
	op->result.state = job_state_of(job_at(&engine->index, slot));
	bool takes_away = op->kind == OP_CANCEL || op->kind == OP_MOVE || op->kind == OP_DELETE;
	if (takes_away && aside_of(&engine->index, job_at(&engine->index, slot))->chain != SLOT_NONE)
		return E_CHAIN_OWNED;
	enum err err;
	switch (op->kind) {
	case OP_CANCEL: err = job_cancel(engine, request, op, slot); break;
	case OP_RETRY: err = job_retry(engine, request, op, slot); break;
	case OP_PROMOTE: err = job_promote(engine, request, op, slot); break;
	case OP_REPRIORITISE: err = job_reprioritise(engine, request, op, slot); break;
	case OP_MOVE: err = job_move_queue(engine, request, op, slot); break;
	default: err = job_delete(engine, request, op, slot); break;
	}
	if (!err)
		op->result.state = job_state_of(job_at(&engine->index, slot));
	return err;
}
