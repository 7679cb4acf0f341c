/* src/engine/op_chain.c: chains made, replaced, deleted and looked at. */
#include "engine/engine_priv.h"
#include <stdlib.h>

#define ITERATION_ID_ROOM 32 /* repeat:KEY:MILLISECONDS */

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
		.metadata = arena_str(arena, terms->metadata), .next_us = chain->pending ? chain->last.slot_ms * 1000 : 0,
		.offset_ms = chain->last.offset_ms, .pending = chain->pending, .count = chain->last.count,
	};
	bool told = chain_is_told(&engine->index, chain);
	if (told)
		out->next_id = chain_iteration_id(arena, terms, chain->last.slot_ms);
	bool copied = out->queue.namespace_name.ptr && out->queue.name.ptr && out->key.ptr && out->schedule.ptr && out->job.ptr && out->payload.ptr &&
		      out->metadata.ptr && (!told || out->next_id.ptr);
	return copied ? E_OK : E_NOMEM;
}

static enum err chain_answer(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	op->result.uid = chain_of(engine, slot)->pending;
	op->result.count = 1;
	op->result.chains = ARENA_NEW(&request->arena, struct chain_info);
	enum err err = op->result.chains ? chain_read(engine, request, chain_of(engine, slot), op->result.chains) : E_NOMEM;
	if (!err)
		op->result.id = op->result.chains->next_id;
	return err;
}

static struct chain_told chain_told(const struct op_chain *want)
{
	return (struct chain_told){ .next_ms = want->next_us / 1000, .metadata = want->iteration };
}

/* What only another queue's rules know of, and what they must know. */
static enum err chain_check_told(struct request *request, struct op *op, const struct chain_terms *terms)
{
	const struct op_chain *want = &op->chain;
	bool told = terms->repeat.every_ms == 0 && !terms->zone;
	if (told && !want->next_us)
		return refuse(request, op, E_INVALID, "next_at", "Under these rules the caller reads the pattern: say when its next job runs.");
	if (terms->zone && (want->next_us || want->iteration.len))
		return refuse(request, op, E_INVALID, want->next_us ? "next_at" : "iteration", "The schedule says when, and metadata is that of each job; "
			      "this belongs to queues with compat.");
	if (!terms->zone && terms->key.len > LIMIT_ID_BYTES - ITERATION_ID_ROOM)
		return refuse(request, op, E_TOO_LARGE, "key", "The ids of its jobs hold the key, so it is at most %d bytes.",
		              LIMIT_ID_BYTES - ITERATION_ID_ROOM);
	return E_OK;
}

static enum err chain_apply_put(struct engine *engine, struct request *request, struct op *op, uint32_t queue)
{
	const struct op_chain *want = &op->chain;
	struct chain_text text = { want->key, want->schedule, want->job, want->payload, want->metadata,
		                   queue_at(&engine->index, queue)->settings->compat != COMPAT_NONE };
	struct chain_told told = chain_told(want);
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
		err = err ? err : chain_check_told(request, op, terms);
		err = err ? err : chain_put(engine, queue, terms, &told, &problem, &slot);
		chain_terms_drop(terms);
	}
	if (err && problem.err)
		return refuse(request, op, err, problem.field, "%s", problem.detail);
	return err ? err : chain_answer(engine, request, op, slot);
}

static enum err chain_apply_next(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	const struct chain *chain = chain_of(engine, slot);
	struct chain_told told = chain_told(&op->chain);
	bool made;
	if (!chain_is_told(&engine->index, chain))
		return refuse(request, op, E_COMPAT, "compat", "Queue '" STR_FMT "' keeps Ruche's own rules: a claim makes the chain's next job by itself.",
			      STR_ARG(str_cut(op->chain.queue.name, 60)));
	enum err err = chain_check_told(request, op, chain->terms);
	err = err ? err : chain_next(engine, slot, op->chain.producer, &told, &made);
	if (err || !made)
		return err;
	op->result.uid = chain->pending;
	op->result.id = chain_iteration_id(&request->arena, chain->terms, chain->last.slot_ms);
	return op->result.id.ptr ? E_OK : E_NOMEM;
}

enum err op_chain_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	uint32_t queue = queue_find(index, op->chain.queue);
	(void)park;
	if (op->kind == OP_CHAIN_PUT) {
		enum err err = compat_begin(engine, request, op, op->chain.queue, op->chain.compat, &queue);
		return err ? err : chain_apply_put(engine, request, op, queue);
	}
	if (queue == SLOT_NONE || queue_at(index, queue)->deleted)
		return E_QUEUE_NOT_FOUND;
	uint32_t slot = chain_find(index, queue, op->chain.key);
	if (slot == SLOT_NONE)
		return E_CHAIN_NOT_FOUND;
	if (op->kind == OP_CHAIN_NEXT)
		return chain_apply_next(engine, request, op, slot);
	return op->kind == OP_CHAIN_GET ? chain_answer(engine, request, op, slot) : chain_delete(engine, slot);
}

static int chain_compare(const void *a, const void *b)
{
	return str_cmp((*(const struct chain *const *)a)->terms->key, (*(const struct chain *const *)b)->terms->key);
}

static int chain_compare_next(const void *a, const void *b) /* those that have ended are the last */
{
	const struct chain *x = *(const struct chain *const *)a, *y = *(const struct chain *const *)b;
	int64_t x_ms = x->pending ? x->last.slot_ms : INT64_MAX, y_ms = y->pending ? y->last.slot_ms : INT64_MAX;
	return x_ms != y_ms ? (x_ms < y_ms ? -1 : 1) : chain_compare(a, b);
}

static int chain_compare_next_down(const void *a, const void *b)
{
	return chain_compare_next(b, a);
}

/* Which of them are asked for: a page behind a key, or places in the order of next times. */
static uint32_t chains_page(const struct op_chain *want, const struct chain **chains, uint32_t count, struct op_result *result)
{
	static int (*const compares[])(const void *a, const void *b) = {
		[CHAINS_BY_KEY] = chain_compare, [CHAINS_BY_NEXT] = chain_compare_next, [CHAINS_BY_NEXT_DOWN] = chain_compare_next_down,
	};
	uint32_t limit = want->limit ? want->limit : 100, from = 0;
	qsort(chains, count, sizeof(*chains), compares[want->order]);
	result->number = count;
	if (want->order == CHAINS_BY_KEY) {
		while (from < count && str_cmp(chains[from]->terms->key, want->after) <= 0)
			from++;
	} else {
		from = want->from < count ? (uint32_t)want->from : count;
		if (want->to >= 0 && want->to < count)
			count = want->to + 1 > from ? (uint32_t)want->to + 1 : from;
	}
	result->more = count - from > limit;
	result->count = result->more ? limit : count - from;
	return from;
}

enum err op_chains_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	uint32_t queue = queue_find(index, op->chain.queue), count = 0;
	(void)park;
	if (queue == SLOT_NONE || queue_at(index, queue)->deleted)
		return E_QUEUE_NOT_FOUND;
	const struct chain **chains = ARENA_ARRAY(&engine->scratch, const struct chain *, queue_at(index, queue)->chains + 1);
	if (!chains)
		return E_NOMEM;
	for (uint32_t slot = 0; slot < index->chains.used; slot++) {
		const struct chain *chain = chain_of(engine, slot);
		if (chain->live && !chain->gone && chain->queue == queue)
			chains[count++] = chain;
	}
	uint32_t from = chains_page(&op->chain, chains, count, &op->result);
	op->result.chains = ARENA_ARRAY(&request->arena, struct chain_info, op->result.count + 1);
	enum err err = op->result.chains ? E_OK : E_NOMEM;
	for (uint32_t i = 0; i < op->result.count && !err; i++)
		err = chain_read(engine, request, chains[from + i], &op->result.chains[i]);
	return err;
}
