/* src/engine/idempotency.c: the same Idempotency-Key gives the same answer. The record commits with the change itself; while that commit is in
 * flight a repeat waits for it. An answer is kept as one fixed entry an operation, what can be said again, and behind them the ids that they tell. */
#include "engine/engine_priv.h"

#define KEPT_DUPLICATE        1u
#define KEPT_DEDUPLICATED     2u
#define KEPT_CANCEL_REQUESTED 4u
#define KEPT_MORE             8u
struct kept { /* in the store, in this machine's byte order: a record lives a day */
	uint64_t uid, fence, next;
	int64_t until_us;
	uint32_t err, state, count, flags;
	uint64_t id_bytes;
};
_Static_assert(sizeof(struct kept) == 56, "stored");

static uint32_t idempotency_count(const struct op *op) /* of other operations it counts what is not kept */
{
	return op->kind == OP_DEDUP_GET || op->kind == OP_DEDUP_RELEASE || op->kind == OP_DETACH || op->kind == OP_CHILDREN_DELETE ||
	                       op->kind == OP_CANCEL || op->kind == OP_RETRY || op->kind == OP_DELETE || op->kind == OP_MESSAGE ? op->result.count : 0;
}

static void idempotency_read(const struct kept *kept, struct op_result *out)
{
	*out = (struct op_result){
		.err = kept->err < ERR_COUNT ? (enum err)kept->err : E_INTERNAL, .uid = kept->uid, .fence = kept->fence, .next = kept->next,
		.until_us = kept->until_us, .state = kept->state <= JOB_STATE_COUNT ? (enum job_state)kept->state : JOB_WAITING, .count = kept->count,
		.duplicate = kept->flags & KEPT_DUPLICATE, .deduplicated = kept->flags & KEPT_DEDUPLICATED,
		.cancel_requested = kept->flags & KEPT_CANCEL_REQUESTED, .more = kept->flags & KEPT_MORE,
	};
}

/* Plan leaves what it found in the request's own state, for the check that follows. */
void idempotency_found(struct request *request, const struct idempotency_row *record)
{
	size_t fixed = request->op_count * sizeof(struct kept);
	if (record->request_hash != request->request_hash || record->answer.len < fixed) {
		request->err = E_IDEMPOTENCY;
		return;
	}
	struct str ids = arena_str(&request->arena, str_from(record->answer, fixed));
	request->replayed = true;
	for (uint32_t i = 0; i < request->op_count; i++) {
		struct op_result *result = &request->ops[i].result;
		struct kept kept;
		memcpy(&kept, record->answer.ptr + i * sizeof(kept), sizeof(kept));
		idempotency_read(&kept, result);
		if (kept.id_bytes > ids.len || !ids.ptr) {
			request->err = E_NOMEM; /* nothing was done; the same question may be asked again */
			return;
		}
		result->id = (struct str){ ids.ptr, kept.id_bytes };
		ids = str_from(ids, kept.id_bytes);
	}
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
	size_t fixed = request->op_count * sizeof(struct kept), bytes = fixed;
	for (uint32_t i = 0; i < request->op_count; i++)
		bytes += request->ops[i].result.id.len;
	char *answer = row ? arena_alloc(&cs->arena, bytes) : NULL;
	if (!answer)
		return E_NOMEM;
	char *ids = answer + fixed;
	for (uint32_t i = 0; i < request->op_count; i++) {
		const struct op_result *result = &request->ops[i].result;
		struct kept kept = { .uid = result->uid, .fence = result->fence, .next = result->next, .until_us = result->until_us,
			             .err = (uint32_t)result->err, .state = (uint32_t)result->state, .count = idempotency_count(&request->ops[i]),
			             .flags = (result->duplicate ? KEPT_DUPLICATE : 0) | (result->deduplicated ? KEPT_DEDUPLICATED : 0) |
			                      (result->cancel_requested ? KEPT_CANCEL_REQUESTED : 0) |
			                      (request->ops[i].kind == OP_MESSAGE && result->more ? KEPT_MORE : 0), .id_bytes = result->id.len };
		memcpy(answer + i * sizeof(kept), &kept, sizeof(kept));
		if (result->id.len)
			memcpy(ids, result->id.ptr, result->id.len);
		ids += result->id.len;
	}
	*row = (struct idempotency_row){ .key = request->idempotency_key, .request_hash = request->request_hash, .at_us = engine->index.now_us,
		                         .answer = { answer, bytes } };
	return batch_key(engine->open, &engine->index, SLOT_NONE, request->idempotency_key, request->request_hash);
}
