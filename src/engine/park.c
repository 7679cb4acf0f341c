/* src/engine/park.c: requests that wait: claims in the lines of their queues, and those who wait for a job's end. They belong to no batch
 * until they are answered, hold nothing, and can be withdrawn at any time. */
#include "engine/engine_priv.h"
#include "base/check.h"

static struct parked *parked_at(const struct engine *engine, uint32_t slot)
{
	return pool_at(&engine->parked, slot);
}

static bool parked_has_number(void *context, uint32_t slot, const void *key)
{
	return parked_at(context, slot)->request->number == *(const uint64_t *)key;
}

static bool parked_has_uid(void *context, uint32_t slot, const void *key)
{
	const struct parked *parked = parked_at(context, slot);
	return parked->kind == PARKED_WAIT && parked->uid == *(const uint64_t *)key;
}

static void parked_link(struct engine *engine, uint32_t slot)
{
	struct parked *parked = parked_at(engine, slot);
	parked->before = engine->last_parked;
	parked->after = SLOT_NONE;
	if (parked->before == SLOT_NONE)
		engine->first_parked = slot;
	else
		parked_at(engine, parked->before)->after = slot;
	engine->last_parked = slot;
}

static void parked_unlink(struct engine *engine, const struct parked *parked)
{
	if (parked->before == SLOT_NONE)
		engine->first_parked = parked->after;
	else
		parked_at(engine, parked->before)->after = parked->after;
	if (parked->after == SLOT_NONE)
		engine->last_parked = parked->before;
	else
		parked_at(engine, parked->after)->before = parked->before;
}

static enum err park(struct engine *engine, struct request *request, enum parked_kind kind, int64_t wait_ms, uint64_t uid, uint32_t *out_slot)
{
	uint32_t slot;
	enum err err = heap_reserve(&engine->parked_by_deadline, 1);
	err = err ? err : map_reserve(&engine->parked_by_number, 1);
	err = err ? err : map_reserve(&engine->parked_by_uid, 1);
	err = err ? err : pool_take(&engine->parked, &slot);
	if (err)
		return err;
	*parked_at(engine, slot) = (struct parked){ .heap_position = HEAP_NOWHERE, .kind = kind, .request = request, .uid = uid };
	err = heap_push(&engine->parked_by_deadline, engine->index.now_us + wait_ms * 1000, slot, slot);
	CHECK(!err);
	err = map_put(&engine->parked_by_number, map_mix(request->number), slot);
	CHECK(!err);
	if (kind == PARKED_WAIT) {
		err = map_put(&engine->parked_by_uid, map_mix(uid), slot);
		CHECK(!err);
		engine->parked_waits++;
	}
	parked_link(engine, slot);
	*out_slot = slot;
	return E_OK;
}

enum err park_claim(struct engine *engine, struct request *request, struct op *op)
{
	uint32_t slot, count = op->claim.queue_count;
	struct parked_link *links = ARENA_ARRAY(&request->arena, struct parked_link, count);
	enum err err = links ? park(engine, request, PARKED_CLAIM, op->claim.wait_ms, 0, &slot) : E_NOMEM;
	if (err)
		return err;
	struct parked *parked = parked_at(engine, slot);
	parked->links = links;
	parked->link_count = count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t queue_slot = queue_find(&engine->index, op->claim.queues[i].queue);
		CHECK(queue_slot != SLOT_NONE); /* the claim made it */
		struct queue *queue = queue_at(&engine->index, queue_slot);
		links[i] = (struct parked_link){ .before = queue->last_waiter, .parked = slot, .queue = queue_slot };
		if (queue->last_waiter)
			queue->last_waiter->after = &links[i];
		else
			queue->first_waiter = &links[i];
		queue->last_waiter = &links[i];
		queue->waiters++;
	}
	return E_OK;
}

enum err park_wait(struct engine *engine, struct request *request, struct op *op, uint64_t uid)
{
	uint32_t slot;
	return park(engine, request, PARKED_WAIT, op->job.wait_ms, uid, &slot);
}

void unpark(struct engine *engine, uint32_t slot)
{
	struct parked *parked = parked_at(engine, slot);
	for (uint32_t i = 0; i < parked->link_count; i++) {
		struct parked_link *link = &parked->links[i];
		struct queue *queue = queue_at(&engine->index, link->queue);
		if (link->before)
			link->before->after = link->after;
		else
			queue->first_waiter = link->after;
		if (link->after)
			link->after->before = link->before;
		else
			queue->last_waiter = link->before;
		queue->waiters--;
	}
	parked_unlink(engine, parked);
	heap_remove(&engine->parked_by_deadline, parked->heap_position);
	map_remove(&engine->parked_by_number, map_mix(parked->request->number), slot);
	if (parked->kind == PARKED_WAIT) {
		map_remove(&engine->parked_by_uid, map_mix(parked->uid), slot);
		engine->parked_waits--;
	}
	pool_give(&engine->parked, slot);
}

static void park_hear_end(struct engine *engine, const struct job *job)
{
	uint32_t slot;
	while ((slot = map_find(&engine->parked_by_uid, map_mix(job->uid), parked_has_uid, &job->uid)) != MAP_NONE) {
		struct request *request = parked_at(engine, slot)->request;
		unpark(engine, slot);
		request->ops[0].result.uid = job->uid;
		request->ops[0].result.state = job_state_of(job);
		batch_answer(engine->open, request);
	}
}

void park_hear_ends(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->open->dirty_count && engine->parked_waits; i++) {
		const struct job *job = job_at(&engine->index, engine->open->dirty[i].slot);
		if (job_state_is_final(job_state_of(job)) || job->flags & JOB_DELETED)
			park_hear_end(engine, job);
	}
}

void park_fire(struct engine *engine)
{
	const struct heap_entry *first;
	while ((first = heap_peek(&engine->parked_by_deadline)) && first->major <= engine->index.now_us) {
		uint32_t slot = first->item;
		struct parked *parked = parked_at(engine, slot);
		struct request *request = parked->request;
		struct op *op = &request->ops[0];
		enum parked_kind kind = parked->kind;
		uint64_t uid = parked->uid;
		unpark(engine, slot);
		if (kind == PARKED_WAIT) {
			uint32_t job = job_find(&engine->index, uid);
			op->result.uid = uid; /* those who wait for its end have not heard of it: it is live, and when it is not in memory far */
			op->result.state = job == SLOT_NONE ? JOB_DELAYED : job_state_of(job_at(&engine->index, job));
		} else {
			struct mark mark = batch_mark(engine->open);
			enum err err = serve_claim(engine, request, op); /* with the reason why nothing came */
			if (err) {
				batch_undo(engine->open, &engine->index, mark);
				op->result = (struct op_result){ .err = err };
			}
		}
		batch_answer(engine->open, request);
	}
}

void park_recall_all(struct engine *engine, struct request_list *out)
{
	while (engine->first_parked != SLOT_NONE) {
		uint32_t slot = engine->first_parked;
		const struct parked *parked = parked_at(engine, slot);
		int64_t left_us = engine->parked_by_deadline.entries[parked->heap_position].major - engine->index.now_us;
		struct request *request = parked->request;
		struct op *op = &request->ops[0];
		*(parked->kind == PARKED_CLAIM ? &op->claim.wait_ms : &op->job.wait_ms) = left_us > 0 ? (left_us + 999) / 1000 : 0;
		op->result = (struct op_result){ 0 };
		unpark(engine, slot);
		request->state = NULL;
		request_list_add(out, request);
	}
}

bool park_withdraw(struct engine *engine, uint64_t number)
{
	uint32_t slot = map_find(&engine->parked_by_number, map_mix(number), parked_has_number, &number);
	if (slot == MAP_NONE)
		return false;
	struct request *request = parked_at(engine, slot)->request;
	unpark(engine, slot);
	request->err = E_CANCELLED;
	batch_answer(engine->open, request);
	return true;
}
