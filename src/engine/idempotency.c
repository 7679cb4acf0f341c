/* src/engine/idempotency.c: the same Idempotency-Key gives the same answer. The record commits with the change itself; while that commit is in
 * flight a repeat waits for it. An answer is kept as one fixed entry an operation: what can be said again. */
#include "engine/engine_priv.h"

struct kept { /* in the store, in this machine's byte order: a record lives a day */
	uint64_t uid, fence;
	uint32_t err, state;
	uint32_t duplicate, cancel_requested;
};
_Static_assert(sizeof(struct kept) == 32, "stored");

/* Plan leaves what it found in the request's own state, for the check that follows. */
void idempotency_found(struct request *request, const struct idempotency_row *record)
{
	if (record->request_hash != request->request_hash || record->answer.len != request->op_count * sizeof(struct kept)) {
		request->err = E_IDEMPOTENCY;
		return;
	}
	for (uint32_t i = 0; i < request->op_count; i++) {
		struct kept kept;
		memcpy(&kept, record->answer.ptr + i * sizeof(kept), sizeof(kept));
		request->ops[i].result = (struct op_result){
			.err = kept.err < ERR_COUNT ? (enum err)kept.err : E_INTERNAL, .uid = kept.uid, .fence = kept.fence,
			.state = kept.state < JOB_STATE_COUNT ? (enum job_state)kept.state : JOB_WAITING,
			.duplicate = kept.duplicate, .cancel_requested = kept.cancel_requested,
		};
	}
	request->replayed = true;
}

enum idempotency idempotency_check(struct engine *engine, struct request *request)
{
	if (request->err == E_IDEMPOTENCY)
		return IDEMPOTENCY_MISMATCH;
	if (request->replayed)
		return IDEMPOTENCY_REPLAYED;
	const struct key *key = key_find(&engine->index, SLOT_NONE, request->idempotency_key);
	if (!key)
		return IDEMPOTENCY_NEW;
	return key->uid == request->request_hash ? IDEMPOTENCY_IN_FLIGHT : IDEMPOTENCY_MISMATCH;
}

static bool idempotency_matters(const struct request *request) /* what was refused whole may be tried again */
{
	for (uint32_t i = 0; i < request->op_count; i++)
		if (request->ops[i].result.err == E_OK)
			return true;
	return false;
}

enum err idempotency_record(struct engine *engine, struct request *request)
{
	struct changeset *cs = &engine->open->cs;
	if (!idempotency_matters(request))
		return E_OK;
	struct idempotency_row *row = change_add(cs, idempotency);
	struct kept *kept = row ? ARENA_ARRAY(&cs->arena, struct kept, request->op_count) : NULL;
	if (!kept)
		return E_NOMEM;
	for (uint32_t i = 0; i < request->op_count; i++) {
		const struct op_result *result = &request->ops[i].result;
		kept[i] = (struct kept){ .uid = result->uid, .fence = result->fence, .err = (uint32_t)result->err, .state = (uint32_t)result->state,
			                 .duplicate = result->duplicate, .cancel_requested = result->cancel_requested };
	}
	*row = (struct idempotency_row){ .key = request->idempotency_key, .request_hash = request->request_hash, .at_us = engine->index.now_us,
		                         .answer = { (const char *)kept, request->op_count * sizeof(*kept) } };
	return batch_key(engine->open, &engine->index, SLOT_NONE, request->idempotency_key, request->request_hash);
}
