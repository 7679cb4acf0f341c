/* src/engine/apply.c: one request into the open batch: each operation by its handler, each undone alone when it is refused. */
#include "engine/engine_priv.h"
#include "base/check.h"
#include <stdarg.h>
#include <stdio.h>

#define KEEP_DEFERRALS 3

static op_handler *const handlers[OP_KIND_COUNT] = {
	[OP_ENQUEUE] = op_enqueue_apply,
	[OP_CLAIM] = op_claim_apply,
	[OP_HEARTBEAT] = op_lease_apply,
	[OP_COMPLETE] = op_lease_apply,
	[OP_FAIL] = op_lease_apply,
	[OP_RELEASE] = op_lease_apply,
	[OP_SNOOZE] = op_lease_apply,
	[OP_PROGRESS] = op_lease_apply,
	[OP_LOG] = op_lease_apply,
	[OP_AWAIT_CHILDREN] = op_lease_apply,
	[OP_DETACH] = op_job_apply,
	[OP_CHILDREN_DELETE] = op_job_apply,
	[OP_CANCEL] = op_job_apply,
	[OP_RETRY] = op_job_apply,
	[OP_PROMOTE] = op_job_apply,
	[OP_REPRIORITISE] = op_job_apply,
	[OP_MOVE] = op_job_apply,
	[OP_DELETE] = op_job_apply,
	[OP_EDIT] = op_job_apply,
	[OP_RESCHEDULE] = op_job_apply,
	[OP_QUEUE_PUT] = op_queue_apply,
	[OP_QUEUE_PAUSE] = op_queue_apply,
	[OP_QUEUE_RESUME] = op_queue_apply,
	[OP_QUEUE_DELETE] = op_queue_apply,
	[OP_GROUP_PUT] = op_queue_apply,
	[OP_GROUP_DELETE] = op_queue_apply,
	[OP_GROUP_PAUSE] = op_queue_apply,
	[OP_GROUP_RESUME] = op_queue_apply,
	[OP_BACK_OFF] = op_back_off_apply,
	[OP_LIMIT_PUT] = op_limit_apply,
	[OP_LIMIT_DELETE] = op_limit_apply,
	[OP_LIMIT_ACQUIRE] = op_limit_apply,
	[OP_LIMIT_RELEASE] = op_limit_apply,
	[OP_LIMIT_GET] = op_limit_apply,
	[OP_LIMITS] = op_limit_apply,
	[OP_EVENT] = op_event_apply,
	[OP_EVENTS_TRIM] = op_event_apply,
	[OP_SWEEP] = op_sweep_apply,
	[OP_QUEUE_RESET] = op_reset_apply,
	[OP_OPERATION_START] = op_operation_apply,
	[OP_OPERATION_PAUSE] = op_operation_apply,
	[OP_OPERATION_RESUME] = op_operation_apply,
	[OP_OPERATION_CANCEL] = op_operation_apply,
	[OP_SLICE] = op_slice_apply,
	[OP_DEDUP_GET] = op_dedup_apply,
	[OP_DEDUP_RELEASE] = op_dedup_apply,
	[OP_CHAIN_PUT] = op_chain_apply,
	[OP_CHAIN_NEXT] = op_chain_apply,
	[OP_CHAIN_DELETE] = op_chain_apply,
	[OP_CHAIN_GET] = op_chain_apply,
	[OP_CHAINS] = op_chains_apply,
	[OP_TOKEN_PUT] = op_token_apply,
	[OP_BARRIER] = op_barrier_apply,
	[OP_WAIT] = op_wait_apply,
	[OP_EXPLAIN] = op_explain_apply,
	[OP_QUEUE_GET] = op_queues_apply,
	[OP_QUEUES] = op_queues_apply,
	[OP_GROUPS] = op_groups_apply,
	[OP_WITHDRAW] = op_withdraw_apply,
	[OP_MESSAGE] = op_message_apply,
	[OP_MESSAGE_EXPUNGE] = op_expunge_apply,
	[OP_RESEND] = op_resend_apply,
	[OP_ENTITY_DELETE] = op_entity_apply,
	[OP_NAMED_PUT] = op_named_apply,
	[OP_NAMED_STATE] = op_named_apply,
	[OP_NAMED_DELETE] = op_named_apply,
	[OP_NAMED_GET] = op_named_apply,
	[OP_NAMEDS] = op_nameds_apply,
};

enum err refuse(struct request *request, struct op *op, enum err err, const char *field, const char *detail, ...)
{
	struct problem *problem = ARENA_NEW(&request->arena, struct problem);
	if (problem) {
		char text[sizeof(problem->detail)];
		va_list list;
		va_start(list, detail);
		vsnprintf(text, sizeof(text), detail, list);
		va_end(list);
		problem_set(problem, err, field, "%s", text);
		op->result.problem = problem;
	}
	return err;
}

static void result_clear(struct op_result *result)
{
	struct problem *problem = result->problem;
	*result = (struct op_result){ .problem = problem };
}

/* The answer of a refused operation holds the refusal and nothing else. */
static void apply_refused(struct op *op, enum err err)
{
	enum job_state state = op->result.state;
	uint64_t uid = op->result.uid;
	result_clear(&op->result);
	op->result.err = err;
	op->result.uid = uid;
	op->result.state = state;
}

static bool apply_ops(struct engine *engine, struct request *request, struct mark start)
{
	for (uint32_t i = 0; i < request->op_count; i++) {
		struct op *op = &request->ops[i];
		bool park = false;
		struct mark mark = batch_mark(engine->open);
		bool skipped = op->kind == OP_CLAIM && op->claim.rides && i > 0 && request->ops[i - 1].result.err;
		enum err err = skipped ? E_CANCELLED : handlers[op->kind](engine, request, op, &park);
		if (park) {
			CHECK(request->op_count == 1);
			return true;
		}
		if (!err)
			continue;
		batch_undo(engine->open, &engine->index, mark);
		apply_refused(op, err);
		if (!request->atomic)
			continue;
		batch_undo(engine->open, &engine->index, start);
		for (uint32_t other = 0; other < request->op_count; other++)
			if (other != i) {
				request->ops[other].result.problem = NULL;
				apply_refused(&request->ops[other], E_CANCELLED);
			}
		return false;
	}
	return false;
}

static bool apply_is_look(enum op_kind kind) /* at what memory has */
{
	switch (kind) {
	case OP_QUEUE_GET: case OP_QUEUES: case OP_GROUPS: case OP_LIMIT_GET: case OP_LIMITS: case OP_CHAIN_GET: case OP_CHAINS:
		return true;
	default:
		return false;
	}
}

/* A repeat tells what was changed then. Of what it looked at besides no answer is kept: it looks again. */
static void apply_looks(struct engine *engine, struct request *request)
{
	for (uint32_t i = 0; i < request->op_count; i++) {
		struct op *op = &request->ops[i];
		bool park = false;
		if (!apply_is_look(op->kind))
			continue;
		op->result = (struct op_result){ 0 };
		enum err err = handlers[op->kind](engine, request, op, &park);
		if (err)
			apply_refused(op, err);
	}
}

enum applied apply_refuse(struct engine *engine, struct request *request, enum err err)
{
	request->err = err;
	if (request->state && request->state->staged)
		stage_refuse(engine, request);
	return APPLIED;
}

/* Who wants to see what is on disk waits, a little, for those who are about to leave it. */
static bool apply_waits_for_keep(struct engine *engine, struct request *request)
{
	if (!keep_is_due(engine) || !engine->flying || request->op_count != 1 || request->ops[0].kind != OP_BARRIER)
		return false;
	struct request_state *state = request_state_open(request);
	return state && state->deferrals++ < KEEP_DEFERRALS;
}

enum applied apply_request(struct engine *engine, struct request *request)
{
	if (apply_waits_for_keep(engine, request))
		return APPLIED_DEFERRED;
	struct mark start = batch_mark(engine->open);
	enum idempotency known = request->idempotency_key.len ? idempotency_check(engine, request) : IDEMPOTENCY_NEW;
	if (known == IDEMPOTENCY_IN_FLIGHT)
		return APPLIED_DEFERRED;
	if (known == IDEMPOTENCY_MISMATCH)
		return apply_refuse(engine, request, E_IDEMPOTENCY);
	engine->applying = request;
	engine->room = (struct expand_room){ .deliveries = EXPAND_INLINE, .endpoints = EXPAND_ENDPOINTS, .bytes = EXPAND_INLINE_BYTES,
		                             .looks = EVENT_TYPE_LOOKS };
	if (known == IDEMPOTENCY_REPLAYED)
		apply_looks(engine, request);
	bool parked = known == IDEMPOTENCY_NEW && apply_ops(engine, request, start);
	engine->applying = NULL;
	if (parked)
		return APPLIED_PARKED;
	enum err err = request->state && request->state->staged ? stage_settle(engine, request) : E_OK;
	if (!err && known == IDEMPOTENCY_NEW)
		err = family_release(engine, request);
	if (!err && known == IDEMPOTENCY_NEW && request->idempotency_key.len)
		err = idempotency_record(engine, request);
	if (!err)
		return APPLIED;
	batch_undo(engine->open, &engine->index, start);
	return apply_refuse(engine, request, err);
}
