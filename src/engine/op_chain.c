/* src/engine/op_chain.c: chains made, replaced, deleted and looked at. */
#include "engine/engine_priv.h"
#include <stdlib.h>

static const struct chain *chain_of(const struct engine *engine, uint32_t slot)
{
	return pool_at(&engine->index.chains, slot);
}

static enum err chain_read(struct engine *engine, struct request *request, const struct chain *chain, struct chain_info *out)
{
	const struct queue *queue = queue_at(&engine->index, chain->queue);
	const struct chain_terms *terms = chain->terms;
	struct arena *arena = &request->arena;
	*out = (struct chain_info){
		.queue = { arena_str(arena, queue->namespace_name), arena_str(arena, queue->name) }, .key = arena_str(arena, terms->key),
		.schedule = arena_str(arena, terms->schedule), .job = arena_str(arena, terms->job), .payload = arena_str(arena, terms->payload),
		.next_us = chain->pending ? chain->last.slot_ms * 1000 : 0, .pending = chain->pending, .count = chain->last.count,
	};
	bool copied = out->queue.namespace_name.ptr && out->queue.name.ptr && out->key.ptr && out->schedule.ptr && out->job.ptr && out->payload.ptr;
	return copied ? E_OK : E_NOMEM;
}

static enum err chain_answer(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	op->result.uid = chain_of(engine, slot)->pending;
	op->result.count = 1;
	op->result.chains = ARENA_NEW(&request->arena, struct chain_info);
	return op->result.chains ? chain_read(engine, request, chain_of(engine, slot), op->result.chains) : E_NOMEM;
}

static enum err chain_apply_put(struct engine *engine, struct request *request, struct op *op, uint32_t queue)
{
	const struct op_chain *want = &op->chain;
	struct chain_text text = { want->key, want->schedule, want->job, want->payload };
	struct problem problem = { 0 };
	struct chain_terms *terms;
	uint32_t slot;
	if (want->payload.len > LIMIT_PAYLOAD_INLINE)
		return refuse(request, op, E_TOO_LARGE, "payload", "The payload of a chain is at most %d bytes; it may name where the rest is.",
		              LIMIT_PAYLOAD_INLINE);
	enum err err = enqueue_check_room(engine);
	if (err)
		return err;
	err = chain_terms_new(engine, &text, &terms, &problem);
	if (!err) {
		err = enqueue_check_target(request, op, terms->template.target, "job.http", queue_at(&engine->index, queue));
		err = err ? err : chain_put(engine, queue, terms, &problem, &slot);
		chain_terms_drop(terms);
	}
	if (err && problem.err)
		return refuse(request, op, err, problem.field, "%s", problem.detail);
	return err ? err : chain_answer(engine, request, op, slot);
}

enum err op_chain_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	uint32_t queue = queue_find(index, op->chain.queue);
	(void)park;
	if (op->kind == OP_CHAIN_PUT) {
		enum err err = queue_begin(engine->open, index, op->chain.queue, &queue);
		return err ? err : chain_apply_put(engine, request, op, queue);
	}
	if (queue == SLOT_NONE || queue_at(index, queue)->deleted)
		return E_QUEUE_NOT_FOUND;
	uint32_t slot = chain_find(index, queue, op->chain.key);
	if (slot == SLOT_NONE)
		return E_CHAIN_NOT_FOUND;
	return op->kind == OP_CHAIN_GET ? chain_answer(engine, request, op, slot) : chain_delete(engine, slot);
}

static int chain_compare(const void *a, const void *b)
{
	return str_cmp((*(const struct chain *const *)a)->terms->key, (*(const struct chain *const *)b)->terms->key);
}

enum err op_chains_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	uint32_t queue = queue_find(index, op->chain.queue), limit = op->chain.limit ? op->chain.limit : 100, count = 0;
	(void)park;
	if (queue == SLOT_NONE || queue_at(index, queue)->deleted)
		return E_QUEUE_NOT_FOUND;
	const struct chain **chains = ARENA_ARRAY(&engine->scratch, const struct chain *, queue_at(index, queue)->chains + 1);
	if (!chains)
		return E_NOMEM;
	for (uint32_t slot = 0; slot < index->chains.used; slot++) {
		const struct chain *chain = chain_of(engine, slot);
		if (chain->live && !chain->gone && chain->queue == queue && str_cmp(chain->terms->key, op->chain.after) > 0)
			chains[count++] = chain;
	}
	qsort(chains, count, sizeof(*chains), chain_compare);
	op->result.more = count > limit;
	op->result.count = count < limit ? count : limit;
	op->result.chains = ARENA_ARRAY(&request->arena, struct chain_info, op->result.count + 1);
	enum err err = op->result.chains ? E_OK : E_NOMEM;
	for (uint32_t i = 0; i < op->result.count && !err; i++)
		err = chain_read(engine, request, chains[i], &op->result.chains[i]);
	return err;
}
