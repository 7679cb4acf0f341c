/* src/engine/op_lease.c: claiming, and what the holder of a lease may say. Everything but the claim checks the lease first: a late or
 * foreign holder changes nothing and is told so. */
#include "engine/engine_priv.h"
#include "base/json.h"

enum err op_claim_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct op_claim *claim = &op->claim;
	if (claim->wait_ms && request->op_count > 1)
		return refuse(request, op, E_INVALID, "wait_ms", "A claim can only wait when it is the only operation of its request.");
	for (uint32_t i = 0; i < claim->queue_count; i++) {
		uint32_t slot;
		enum err err = compat_begin(engine, request, op, claim->queues[i].queue, claim->compat, &slot);
		if (err)
			return err;
	}
	enum err err = serve_claim(engine, request, op);
	if (err || op->result.claim->count || op->result.claim->ready || !claim->wait_ms || engine->quiesced)
		return err;
	claim->wait_ms = skew_wait_ms(engine, claim);
	err = park_claim(engine, request, op);
	*park = err == E_OK;
	return err;
}

static enum err lease_find(struct engine *engine, struct request *request, struct op *op, uint32_t *out_slot)
{
	const struct op_lease *want = &op->lease;
	uint64_t uid = want->uid ? want->uid : plan_uid_of(engine, want->queue, want->id, op->result.uid);
	uint32_t slot = plan_job(engine, uid);
	op->result.uid = uid;
	if (slot == SLOT_NONE)
		return E_JOB_NOT_FOUND;
	const struct job *job = job_at(&engine->index, slot);
	op->result.state = job_state_of(job);
	*out_slot = slot;
	skew_hear(engine, request, job->queue);
	if (job_is_compat(&engine->index, job))
		return compat_check_lease(engine, request, op, job);
	if (!want->token.len)
		return refuse(request, op, E_INVALID, "token", "The lease token of the claim is needed.");
	if (job->state != JOB_ACTIVE)
		return refuse(request, op, E_STALE, "",
			      "The job is %s, so this lease no longer holds; nothing was changed.",
			      job_state_name(job_state_of(job)));
	const struct lease *lease = lease_at(&engine->index, job->lease);
	if (lease->token != lease_token_hash(want->token) || (want->fence && want->fence != job->fence))
		return refuse(request, op, E_STALE, "token", "Another worker holds the job now, under a newer lease; nothing was changed.");
	return E_OK;
}

/* Memory only: after a restart every lease has a full term again. */
static enum err lease_heartbeat(struct engine *engine, struct op *op, uint32_t slot)
{
	const struct job *job = job_at(&engine->index, slot);
	struct lease *lease = lease_at(&engine->index, job->lease);
	if (op->lease.lease_ms)
		lease->lease_ms = op->lease.lease_ms;
	lease_renew(&engine->index, job);
	return E_OK;
}

/* Whoever was called and made children has no lease to hand back: that it went well means that it waits for them, to be called once more. */
static enum err lease_await_called(struct engine *engine, const struct op_lease *lease, uint32_t slot)
{
	enum err err = lease->exchange.len ? life_attempt(engine, slot, (struct str){ 0 }, lease->exchange, JOB_WAITING_CHILDREN, 0) : E_OK;
	return err ? err : life_await(engine, slot);
}

static enum err lease_complete(struct engine *engine, struct op *op, uint32_t slot)
{
	const struct job *job = job_at(&engine->index, slot);
	if (job->flags & ROW_LOST_CHILD)
		return E_CHILD_FAILED;
	const struct op_lease *lease = &op->lease;
	if (edges_pending(&engine->index, job->uid))
		return lease_at(&engine->index, job->lease)->delivery ? lease_await_called(engine, lease, slot) : E_CHILDREN;
	struct ending ending = {
		.outcome = lease->verdict == VERDICT_FILTERED ? OUTCOME_FILTERED : OUTCOME_SUCCESS,
		.result = lease->result_body ? (struct str){ 0 } : lease->body,
		.result_body = lease->result_body, .result_bytes = lease->body.len, .keep = lease->keep,
	};
	enum err err = compat_result_details(engine, job, lease->body, &ending.details);
	if (!err && lease->exchange.len)
		err = life_attempt(engine, slot, (struct str){ 0 }, lease->exchange, JOB_COMPLETED, 0);
	if (!err && lease->hook)
		err = delivery_ended(engine, lease->hook);
	return err ? err : life_finish(engine, slot, JOB_COMPLETED, &ending);
}

static enum err lease_fail(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	const struct op_lease *lease = &op->lease;
	struct failure failure = {
		.verdict = lease->verdict, .delay_us = lease->delay_ms * 1000, .costs_nothing = lease->costs_nothing, .error = lease->error,
		.exchange = lease->exchange, .dice = (uint32_t)map_mix(request->dice ^ lease->uid), .keep = lease->keep,
	};
	if (lease->hook && health_holds(engine, lease->hook)) {
		failure.verdict = VERDICT_HEAD;
		failure.costs_nothing = true;
	}
	return life_fail(engine, slot, &failure);
}

static enum err lease_progress(struct engine *engine, struct op *op, const struct job *job)
{
	struct progress_row *row = change_add(&engine->open->cs, progress);
	if (!row)
		return E_NOMEM;
	*row = (struct progress_row){ .uid = job->uid, .at_us = engine->index.wall_us, .json = op->lease.body };
	engine->open->bytes += op->lease.body.len;
	struct str details = life_details_of(engine, "progress", op->lease.body);
	return details.ptr ? job_event(engine, job, EVENT_PROGRESS, details) : E_NOMEM;
}

/* Who holds a lease may write so many; who needs none keeps the newest of them. */
static enum err lease_log_line(struct engine *engine, struct request *request, struct op *op, const struct job *job)
{
	struct lease *lease = job->lease == SLOT_NONE ? NULL : lease_at(&engine->index, job->lease);
	if (lease && lease->log_lines >= LIMIT_LOG_LINES && !op->lease.trims)
		return refuse(request, op, E_TOO_LARGE, "line", "This attempt has written %d lines, as many as are kept of one; write the rest elsewhere.",
		              LIMIT_LOG_LINES);
	struct log_row *row = change_add(&engine->open->cs, logs);
	if (!row)
		return E_NOMEM;
	*row = (struct log_row){ .uid = job->uid, .attempt = job->attempts_started, .at_us = engine->index.wall_us, .line = op->lease.body };
	engine->open->bytes += op->lease.body.len;
	if (lease)
		lease->log_lines++;
	return E_OK;
}

static enum err lease_log(struct engine *engine, struct request *request, struct op *op, const struct job *job)
{
	const struct op_lease *asked = &op->lease;
	bool bounded = job->lease == SLOT_NONE, trims = asked->trims || bounded;
	enum err err = asked->body.len || !asked->trims ? lease_log_line(engine, request, op, job) : E_OK;
	struct log_trim *trim = err || !trims ? NULL : change_add(&engine->open->cs, log_trims);
	if (trim)
		*trim = (struct log_trim){ .uid = job->uid, .keep = asked->trims ? asked->keep_lines : LIMIT_LOG_LINES,
			                   .after = engine->open->cs.logs.count };
	return err ? err : trim || !trims ? E_OK : E_NOMEM;
}

/* With a child named, only that one counts: when it has ended there is nothing to wait for. */
static enum err lease_await(struct engine *engine, struct op *op, uint32_t slot)
{
	const struct index *index = &engine->index;
	const struct job *job = job_at(index, slot);
	if (job->flags & ROW_LOST_CHILD)
		return E_CHILD_FAILED;
	const struct job_name *child = op->lease.child;
	if (child) {
		uint64_t uid = child->uid ? child->uid : plan_uid_of(engine, child->queue, child->id, child->found);
		uint32_t edge = uid ? edge_find(index, job->uid, uid) : SLOT_NONE;
		if (edge == SLOT_NONE || edge_at(index, edge)->state != EDGE_PENDING)
			return E_OK;
	}
	return life_await(engine, slot);
}

/* Handing back: no attempt is spent. A cancelled job has no reason to come back. */
static enum err lease_release(struct engine *engine, struct op *op, uint32_t slot)
{
	const struct job *job = job_at(&engine->index, slot);
	if (job->flags & ROW_CANCEL) {
		struct ending ending = { .outcome = OUTCOME_BY_HAND };
		return life_finish(engine, slot, JOB_CANCELLED, &ending);
	}
	if (job->flags & ROW_LOST_CHILD && !job_is_compat(&engine->index, job))
		return family_lost(engine, slot);
	if (op->kind == OP_AWAIT_CHILDREN)
		return lease_await(engine, op, slot);
	if (op->kind == OP_SNOOZE && op->lease.run_at_us)
		return life_delay(engine, slot, op->lease.run_at_us, true, EVENT_SNOOZED, (struct str){ 0 });
	if (op->kind == OP_SNOOZE)
		return life_delay(engine, slot, engine->index.now_us + op->lease.delay_ms * 1000, false, EVENT_SNOOZED, (struct str){ 0 });
	return life_wait(engine, slot, true, EVENT_RELEASED, (struct str){ 0 });
}

static int64_t lease_rate_ttl_ms(const struct index *index, uint32_t slot) /* 0: none, or none that is told here */
{
	const struct queue *queue = queue_at(index, job_at(index, slot)->queue);
	int64_t ttl_ms = queue->settings->compat ? limiter_ttl_ms(index, queue, 0) : 0;
	return ttl_ms > 0 ? ttl_ms : 0;
}

enum err op_lease_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	uint32_t slot = SLOT_NONE;
	(void)park;
	enum err err = lease_find(engine, request, op, &slot);
	if (err)
		return err;
	const struct job *job = job_at(&engine->index, slot);
	int64_t began_us = job->lease == SLOT_NONE ? 0 : lease_at(&engine->index, job->lease)->started_us;
	op->result.fence = job->fence;
	op->result.cancel_requested = job->flags & (ROW_CANCEL | ROW_LOST_CHILD);
	switch (op->kind) {
	case OP_HEARTBEAT: err = lease_heartbeat(engine, op, slot); break;
	case OP_COMPLETE: err = lease_complete(engine, op, slot); break;
	case OP_FAIL: err = lease_fail(engine, request, op, slot); break;
	case OP_RELEASE:
	case OP_AWAIT_CHILDREN:
	case OP_SNOOZE: err = lease_release(engine, op, slot); break;
	case OP_PROGRESS: err = lease_progress(engine, op, job); break;
	default: err = lease_log(engine, request, op, job); break;
	}
	err = err ? err : back_off_after(engine, request, op, slot);
	if (!err && op->lease.hook)
		err = health_ended(engine, op, job_at(&engine->index, slot), began_us);
	if (!err && op->lease.hook)
		err = ride_ended(engine, op->lease.hook);
	if (!err && op->kind == OP_RELEASE)
		op->result.rate_ttl_ms = lease_rate_ttl_ms(&engine->index, slot);
	op->result.state = job_state_of(job_at(&engine->index, slot));
	return err;
}
