/* src/engine/idempotency.c: the same Idempotency-Key gives the same answer. The record commits with the change itself; while that commit is in
 * flight a repeat waits for it. An answer is kept packed, some five bytes an operation: records are many, and those that outgrow a page of the store
 * make each look at one of their neighbours cost a page more. */
#include "engine/engine_priv.h"

/* An answer in the store: KEPT_FORM, then for each operation a byte of flags, the uid (as its distance from the one before), the state, and what the
 * flags say. Numbers are of seven bits a byte, the lowest first, the last without the high bit. */
#define KEPT_FORM             1u
#define KEPT_DUPLICATE        1u
#define KEPT_DEDUPLICATED     2u
#define KEPT_CANCEL_REQUESTED 4u
#define KEPT_MORE             8u
#define KEPT_REFUSED          16u /* the error */
#define KEPT_NUMBERS          32u /* fence, next, the instant, the count */
#define KEPT_ID               64u /* its length and its bytes */
#define KEPT_NUMBER_BYTES     10  /* at most */
#define KEPT_BYTES            (1 + 8 * KEPT_NUMBER_BYTES) /* at most, besides the id */

static char *kept_put(char *at, uint64_t number)
{
	for (; number >= 128; number >>= 7)
		*at++ = (char)(number | 128);
	*at = (char)number;
	return at + 1;
}

static bool kept_take(struct str *rest, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; rest->len && shift < 64; shift += 7) {
		uint64_t byte = (unsigned char)*rest->ptr;
		*rest = str_from(*rest, 1);
		*out |= (byte & 127) << shift;
		if (byte < 128)
			return true;
	}
	return false;
}

static uint64_t kept_fold(uint64_t distance) /* so that a small step back is a small number too */
{
	return distance << 1 ^ (distance >> 63 ? UINT64_MAX : 0);
}

static uint64_t kept_unfold(uint64_t folded)
{
	return folded >> 1 ^ (folded & 1 ? UINT64_MAX : 0);
}

static uint32_t idempotency_count(const struct op *op) /* of other operations it counts what is not kept */
{
	return op->kind == OP_DEDUP_GET || op->kind == OP_DEDUP_RELEASE || op->kind == OP_DETACH || op->kind == OP_CHILDREN_DELETE ||
	                       op->kind == OP_CANCEL || op->kind == OP_RETRY || op->kind == OP_DELETE || op->kind == OP_MESSAGE ? op->result.count : 0;
}

static char *kept_write(char *at, const struct op *op, uint64_t last_uid)
{
	const struct op_result *result = &op->result;
	uint32_t count = idempotency_count(op);
	bool numbers = result->fence || result->next || result->until_us || count;
	*at++ = (char)((result->duplicate ? KEPT_DUPLICATE : 0) | (result->deduplicated ? KEPT_DEDUPLICATED : 0) |
	               (result->cancel_requested ? KEPT_CANCEL_REQUESTED : 0) | (op->kind == OP_MESSAGE && result->more ? KEPT_MORE : 0) |
	               (result->err ? KEPT_REFUSED : 0) | (numbers ? KEPT_NUMBERS : 0) | (result->id.len ? KEPT_ID : 0));
	at = kept_put(at, kept_fold(result->uid - last_uid));
	at = kept_put(at, (uint64_t)result->state);
	if (result->err)
		at = kept_put(at, (uint64_t)result->err);
	if (numbers) {
		at = kept_put(at, result->fence);
		at = kept_put(at, result->next);
		at = kept_put(at, (uint64_t)result->until_us);
		at = kept_put(at, count);
	}
	if (!result->id.len)
		return at;
	at = kept_put(at, result->id.len);
	memcpy(at, result->id.ptr, result->id.len);
	return at + result->id.len;
}

/* The next of them. False: it is not of this form. The id points into the record. */
static bool kept_read(struct str *rest, uint64_t last_uid, struct op_result *out)
{
	uint64_t uid, state, err = E_OK, fence = 0, next = 0, until_us = 0, count = 0, id_bytes = 0;
	unsigned flags = rest->len ? (unsigned char)*rest->ptr : 0;
	*rest = str_from(*rest, 1);
	bool fits = kept_take(rest, &uid) && kept_take(rest, &state) && (!(flags & KEPT_REFUSED) || kept_take(rest, &err));
	if (flags & KEPT_NUMBERS)
		fits = fits && kept_take(rest, &fence) && kept_take(rest, &next) && kept_take(rest, &until_us) && kept_take(rest, &count);
	if (flags & KEPT_ID)
		fits = fits && kept_take(rest, &id_bytes);
	if (!fits || id_bytes > rest->len)
		return false;
	*out = (struct op_result){
		.err = err < ERR_COUNT ? (enum err)err : E_INTERNAL, .uid = last_uid + kept_unfold(uid), .fence = fence, .next = next,
		.until_us = (int64_t)until_us, .state = state <= JOB_STATE_COUNT ? (enum job_state)state : JOB_WAITING, .count = (uint32_t)count,
		.duplicate = flags & KEPT_DUPLICATE, .deduplicated = flags & KEPT_DEDUPLICATED,
		.cancel_requested = flags & KEPT_CANCEL_REQUESTED, .more = flags & KEPT_MORE, .id = { rest->ptr, id_bytes },
	};
	*rest = str_from(*rest, id_bytes);
	return true;
}

/* Plan leaves what it found in the request's own state, for the check that follows. */
void idempotency_found(struct request *request, const struct idempotency_row *record)
{
	if (record->request_hash != request->request_hash || !record->answer.len || *record->answer.ptr != (char)KEPT_FORM) {
		request->err = E_IDEMPOTENCY;
		return;
	}
	struct str rest = arena_str(&request->arena, str_from(record->answer, 1));
	uint64_t last_uid = 0;
	request->replayed = true;
	for (uint32_t i = 0; i < request->op_count; i++) {
		struct op_result *result = &request->ops[i].result;
		if (!rest.ptr || !kept_read(&rest, last_uid, result)) {
			request->err = rest.ptr ? E_IDEMPOTENCY : E_NOMEM; /* nothing was done; the same question may be asked again */
			return;
		}
		last_uid = result->uid;
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
	size_t bytes = 1;
	for (uint32_t i = 0; i < request->op_count; i++)
		bytes += KEPT_BYTES + request->ops[i].result.id.len;
	char *answer = row ? arena_alloc(&cs->arena, bytes) : NULL;
	if (!answer)
		return E_NOMEM;
	char *end = answer;
	uint64_t last_uid = 0;
	*end++ = (char)KEPT_FORM;
	for (uint32_t i = 0; i < request->op_count; i++) {
		end = kept_write(end, &request->ops[i], last_uid);
		last_uid = request->ops[i].result.uid;
	}
	*row = (struct idempotency_row){ .key = request->idempotency_key, .request_hash = request->request_hash, .at_us = engine->index.now_us,
		                         .answer = { answer, (size_t)(end - answer) } };
	gaps_use(&engine->gaps, request->idempotency_key);
	return batch_key(engine->open, &engine->index, SLOT_NONE, request->idempotency_key, request->request_hash);
}
