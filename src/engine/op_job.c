/* src/engine/op_job.c: what a person does to a job by hand: cancel, retry, promote, reprioritise, reschedule, move, edit, delete. Bulk slices use the same. */
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
enum err job_cancel(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
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
	return err ? err : job_event(engine, job, EVENT_CANCEL_REQUESTED, ending.details);
}

/* The edited payload stands beside the original: a body of its own that the row points to. */
static enum err job_use_payload(struct engine *engine, struct op *op, struct job *job)
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

static int64_t job_rank(struct index *index, const struct job *job, bool head)
{
	struct queue *queue = queue_at(index, job->queue);
	return compat_head(queue, job->priority, head) ? --queue->rank_head : ++queue->rank_tail;
}

static bool retry_keeps_attempts(const struct index *index, const struct op *op, const struct job *job)
{
	if (op->job.keep_attempts == KEEP_ATTEMPTS_AS_QUEUE)
		return job_is_compat(index, job);
	return op->job.keep_attempts == KEEP_ATTEMPTS_YES;
}

enum err job_retry(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	struct str from = compat_from(job);
	if (!job_state_is_final(job_state_of(job)))
		return job_refuse_state(request, op, job, "only a job that has ended can be retried; promote a delayed one instead.");
	enum err err = job_touch(engine->open, index, slot);
	err = err ? err : job_drop_result(engine, job);
	if (!err && job->flags & ROW_CHILD)
		err = family_retried(engine, job->uid, job_is_compat(index, job));
	if (!err && op->job.has_payload)
		err = job_use_payload(engine, op, job);
	if (err)
		return err;
	bool waits = edges_pending(index, job->uid) && (op->job.tree || !job_is_compat(index, job)); /* there it runs, and awaits them itself */
	job_move(index, job, waits ? JOB_WAITING_CHILDREN : op->job.delay_ms ? JOB_DELAYED : JOB_WAITING);
	if (!retry_keeps_attempts(index, op, job))
		job->attempts_made = 0;
	if (op->job.reset_started)
		job->attempts_started = 0;
	job->stalls = 0;
	job->expire_us = 0;
	job->flags = (uint16_t)((job->flags & ~(ROW_CANCEL | ROW_DUE_WALL)) | ROW_REDONE);
	if (waits)
		job->due_us = op->job.delay_ms * 1000; /* begins when they have ended */
	else if (op->job.delay_ms)
		life_set_due(index, job, index->now_us + op->job.delay_ms * 1000);
	else
		job->rank = job_rank(index, job, op->job.lifo);
	err = job_place(index, slot);
	return err ? err : job_event(engine, job, EVENT_RETRIED, from);
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
	struct queue *queue = queue_at(index, job->queue);
	if (job->state == JOB_WAITING) /* in every queue: it was asked for by hand */
		job->rank = op->job.lifo ? --queue->rank_head : ++queue->rank_tail;
	err = job_place(index, slot);
	return err ? err : job_event(engine, job, EVENT_REPRIORITISED, (struct str){ 0 });
}

static struct str job_due_details(struct engine *engine, int64_t at_us) /* wall time */
{
	struct buf buf;
	buf_init(&buf, 128);
	buf_add_byte(&buf, '{');
	json_put_field_instant(&buf, "due_at", at_us);
	buf_add_byte(&buf, '}');
	struct str copy = buf_ok(&buf) ? arena_str(&engine->open->cs.arena, buf_str(&buf)) : (struct str){ 0 };
	buf_fini(&buf);
	return copy;
}

static enum err job_reschedule(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	int64_t wall_us = op->job.run_at_us;
	if (job->state != JOB_DELAYED)
		return job_refuse_state(request, op, job, "only a delayed job has a time to be changed.");
	struct str details = job_due_details(engine, wall_us ? wall_us : skew_wall_us(index, queue_at(index, job->queue)) + op->job.delay_ms * 1000);
	enum err err = details.ptr ? job_touch(engine->open, index, slot) : E_NOMEM;
	if (err)
		return err;
	life_set_due(index, job, index->now_us + op->job.delay_ms * 1000);
	if (wall_us) {
		job->flags |= ROW_DUE_WALL;
		job->due_us = wall_us;
	}
	err = job_place(index, slot);
	return err ? err : job_event(engine, job, EVENT_RESCHEDULED, details);
}

/* What the row of a final job says that struct job does not: it is written again as it was. */
enum err job_keep_row(struct engine *engine, const struct job *job)
{
	struct dirty *dirty = job_dirty(engine->open, job);
	const struct job_row *row = dirty->finished_us || !job_state_is_final(job_state_of(job)) ? NULL : plan_final_row(engine, job);
	if (!row)
		return E_OK;
	dirty->outcome = row->outcome;
	dirty->started_us = row->started_us;
	dirty->finished_us = row->finished_us;
	dirty->worker = row->worker.len ? arena_str(&engine->open->cs.arena, row->worker) : row->worker;
	return row->worker.len && !dirty->worker.ptr ? E_NOMEM : E_OK;
}

static enum err job_edit(struct engine *engine, struct op *op, uint32_t slot)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	enum err err = job_touch(engine->open, index, slot);
	err = err ? err : job_keep_row(engine, job);
	err = err ? err : job_use_payload(engine, op, job);
	return err ? err : job_place(index, slot);
}

static enum err job_refuse_move(struct request *request, struct op *op)
{
	return refuse(request, op, E_COMPAT, "queue", "Jobs are not moved into or out of queues that keep other rules; enqueue it anew.");
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
	if (queue_is_kept(index, op->job.to))
		return queue_refuse_kept(request, op, "queue");
	enum err err = queue_begin(engine->open, index, op->job.to, &queue);
	if (!err && (job_is_compat(index, job) || queue_at(index, queue)->settings->compat))
		return job_refuse_move(request, op);
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
	if (job->state == JOB_ACTIVE && !op->job.force)
		return job_refuse_state(request, op, job, "cancel it first, or wait for its end, then delete it.");
	return life_delete(engine, slot);
}

static enum err job_detach_from(struct engine *engine, struct op *op, const struct job *job)
{
	const struct job_name *parent = &op->job.parent;
	uint64_t uid = parent->uid ? parent->uid : plan_uid_of(engine, parent->queue, parent->id, parent->found);
	return uid ? family_detach(engine, uid, job->uid, &op->result.count) : E_PARENT_NOT_FOUND;
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
	skew_hear(engine, request, job_at(&engine->index, slot)->queue);
	if (op->job.only_in_state && op->job.only_state != op->result.state)
		return job_refuse_state(request, op, job_at(&engine->index, slot), "this was asked only of one in another state.");
	bool takes_away = op->kind == OP_CANCEL || op->kind == OP_MOVE || op->kind == OP_DELETE;
	bool forced = op->job.force && job_is_compat(&engine->index, job_at(&engine->index, slot)); /* as the other side does with all jobs of a queue */
	if (takes_away && !forced && chain_owns(&engine->index, job_at(&engine->index, slot)))
		return E_CHAIN_OWNED;
	enum err err;
	if (op->job.tree || op->kind == OP_CHILDREN_DELETE) {
		err = tree_apply(engine, request, op, uid);
		if (!err)
			op->result.state = job_state_of(job_at(&engine->index, slot));
		return err;
	}
	switch (op->kind) {
	case OP_CANCEL: err = job_cancel(engine, request, op, slot); break;
	case OP_RETRY: err = job_retry(engine, request, op, slot); break;
	case OP_PROMOTE: err = job_promote(engine, request, op, slot); break;
	case OP_REPRIORITISE: err = job_reprioritise(engine, request, op, slot); break;
	case OP_RESCHEDULE: err = job_reschedule(engine, request, op, slot); break;
	case OP_EDIT: err = job_edit(engine, op, slot); break;
	case OP_DETACH: err = job_detach_from(engine, op, job_at(&engine->index, slot)); break;
	case OP_MOVE: err = job_move_queue(engine, request, op, slot); break;
	default: err = job_delete(engine, request, op, slot); break;
	}
	if (!err)
		op->result.state = job_state_of(job_at(&engine->index, slot));
	return err;
}
