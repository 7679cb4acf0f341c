/* src/engine/stage.c: large bodies go to disk before the operation that brings them: cut into chunks, a bounded number of bytes a batch, so that
 * small jobs keep their latency. A body is "staged" until a row references it; what a crash leaves staged is swept at the next start. */
#include "engine/engine_priv.h"
#include "base/mem.h"

#define STAGE_BYTES_A_BATCH (4 * LIMIT_BODY_CHUNK)

static struct str *stage_body(struct op *op, uint64_t **out_number)
{
	switch (op->kind) {
	case OP_ENQUEUE: *out_number = &op->enqueue.payload_body; return &op->enqueue.payload;
	case OP_MESSAGE: *out_number = &op->message.payload_body; return &op->message.payload;
	case OP_COMPLETE: *out_number = &op->lease.result_body; return &op->lease.body;
	case OP_EDIT:
	case OP_RETRY: *out_number = &op->job.payload_body; return &op->job.payload;
	default: return NULL;
	}
}

static bool stage_is_large(struct op *op, struct str **body, uint64_t **number)
{
	*body = stage_body(op, number);
	return *body && (*body)->len > LIMIT_PAYLOAD_INLINE;
}

bool stage_needed(const struct request *request)
{
	struct str *body;
	uint64_t *number;
	for (uint32_t i = 0; i < request->op_count; i++)
		if (stage_is_large(&request->ops[i], &body, &number))
			return true;
	return false;
}

static enum err stage_chunk(struct engine *engine, struct request_state *state, struct str body, uint64_t *number)
{
	struct changeset *cs = &engine->open->cs;
	size_t from = (size_t)state->stage_index * LIMIT_BODY_CHUNK;
	struct str bytes = str_from(body, from);
	if (bytes.len > LIMIT_BODY_CHUNK)
		bytes.len = LIMIT_BODY_CHUNK;
	if (state->stage_index == 0) {
		uint64_t *staged = change_add(cs, staged);
		if (!staged)
			return E_NOMEM;
		*staged = *number = engine->next_body++;
	}
	struct body_chunk *chunk = change_add(cs, chunks);
	if (!chunk)
		return E_NOMEM;
	*chunk = (struct body_chunk){ .number = *number, .index = state->stage_index, .bytes = bytes };
	engine->open->bytes += bytes.len;
	state->stage_index++;
	return E_OK;
}

/* Goes on with one request; true when all its bodies are in this batch or earlier ones. */
static enum err stage_request(struct engine *engine, struct request *request, size_t *budget, bool *done)
{
	struct request_state *state = request_state_open(request);
	struct str *body;
	uint64_t *number;
	if (!state)
		return E_NOMEM;
	state->staged = true;
	for (; state->stage_op < request->op_count; state->stage_op++, state->stage_index = 0) {
		if (!stage_is_large(&request->ops[state->stage_op], &body, &number))
			continue;
		while ((size_t)state->stage_index * LIMIT_BODY_CHUNK < body->len) {
			if (*budget < LIMIT_BODY_CHUNK || batch_is_large(engine->open))
				return E_OK;
			enum err err = stage_chunk(engine, state, *body, number);
			if (err)
				return err;
			*budget -= LIMIT_BODY_CHUNK;
		}
	}
	*done = true;
	return E_OK;
}

void stage_round(struct engine *engine)
{
	size_t budget = STAGE_BYTES_A_BATCH;
	if (engine->open->bytes >= STAGE_BYTES_A_BATCH)
		return;
	while (engine->staging.first && budget >= LIMIT_BODY_CHUNK) {
		struct request *request = engine->staging.first;
		bool done = false;
		enum err err = engine_is_full(engine) ? engine->full : stage_request(engine, request, &budget, &done);
		if (!err && !done)
			return;
		request = request_list_take(&engine->staging);
		if (err) {
			request->err = err;
			stage_refuse(engine, request);
			batch_answer(engine->open, request); /* this change-set and earlier ones may point into it */
		} else {
			request_list_add(&engine->pending, request);
		}
	}
}

static bool stage_is_used(const struct request *request, const struct op *op)
{
	return request->err == E_OK && !request->replayed && op->result.err == E_OK && !op->result.duplicate;
}

/* A body that no row will reference. Without memory to remember it, it is swept at the next start. */
static void stage_lose(struct engine *engine, uint64_t number)
{
	if (engine->lost_count == engine->lost_capacity) {
		uint32_t capacity = engine->lost_capacity ? engine->lost_capacity * 2 : 16;
		uint64_t *lost = mem_realloc(engine->lost_bodies, capacity * sizeof(*lost));
		if (!lost)
			return;
		engine->lost_bodies = lost;
		engine->lost_capacity = capacity;
	}
	engine->lost_bodies[engine->lost_count++] = number;
}

enum err stage_settle(struct engine *engine, struct request *request)
{
	struct str *body;
	uint64_t *number;
	for (uint32_t i = 0; i < request->op_count; i++) {
		struct op *op = &request->ops[i];
		if (!stage_is_large(op, &body, &number) || !*number)
			continue;
		if (!stage_is_used(request, op)) {
			stage_lose(engine, *number);
			continue;
		}
		uint64_t *entry = change_add(&engine->open->cs, unstaged);
		if (!entry)
			return E_NOMEM;
		*entry = *number;
	}
	return E_OK;
}

void stage_refuse(struct engine *engine, struct request *request)
{
	struct str *body;
	uint64_t *number;
	for (uint32_t i = 0; i < request->op_count; i++)
		if (stage_is_large(&request->ops[i], &body, &number) && *number)
			stage_lose(engine, *number);
}

void stage_drop_lost(struct engine *engine)
{
	struct changeset *cs = &engine->open->cs;
	while (engine->lost_count && !engine_is_full(engine)) {
		uint64_t *unstaged = change_add(cs, unstaged), *dropped = unstaged ? change_add(cs, dropped_bodies) : NULL;
		if (!dropped)
			return;
		*unstaged = *dropped = engine->lost_bodies[--engine->lost_count];
	}
}
