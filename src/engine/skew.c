/* src/engine/skew.c: the clock of a compat queue's programs. BullMQ's tell the time themselves, and some of them under a clock of their own: tests that
 * fake it. Within a minute of ours it is ours. Beyond, the queue goes by theirs until a request says otherwise: what is due, when jobs started and
 * ended, and the minutes of ends. Nobody knows when a time of that clock will have come, so no timer looks after such jobs: claims do. */
#include "engine/engine_priv.h"

#define SKEW_SLACK_US 60000000
#define SKEW_WAIT_MS  1000 /* no timer wakes who waits: let him ask again */
#define SKEW_A_CLAIM  1000 /* jobs that one claim finds due */

void skew_hear(struct engine *engine, const struct request *request, uint32_t slot)
{
	struct queue *queue = queue_at(&engine->index, slot);
	if (!request->asked_us || !queue->settings->compat)
		return;
	int64_t skew_us = request->asked_us - engine->index.wall_us;
	if (skew_us >= -SKEW_SLACK_US && skew_us <= SKEW_SLACK_US)
		skew_us = 0;
	bool refresh = (skew_us == 0) != (queue->skew_us == 0);
	queue->skew_us = skew_us;
	if (refresh)
		queue_refresh(&engine->index, slot);
}

int64_t skew_wall_us(const struct index *index, const struct queue *queue)
{
	return index->wall_us + queue->skew_us;
}

int64_t skew_now_us(const struct index *index, const struct queue *queue)
{
	return queue->skew_us ? skew_wall_us(index, queue) : index->now_us;
}

void skew_due(const struct index *index, const struct queue *queue, int64_t *due_us, bool *wall)
{
	if (*wall || !queue->skew_us)
		return;
	*due_us = skew_wall_us(index, queue) + (*due_us - index->now_us);
	*wall = true;
}

int64_t skew_wait_ms(const struct engine *engine, const struct op_claim *claim)
{
	for (uint32_t i = 0; i < claim->queue_count; i++) {
		uint32_t slot = queue_find(&engine->index, claim->queues[i].queue);
		if (slot != SLOT_NONE && queue_at(&engine->index, slot)->skew_us && claim->wait_ms > SKEW_WAIT_MS)
			return SKEW_WAIT_MS;
	}
	return claim->wait_ms;
}

/* The first one that is due by their clock: delayed under it, or before, when it was still ours. */
static uint32_t skew_first_due(const struct index *index, const struct queue *queue)
{
	const struct heap_entry *theirs = heap_peek(&queue->delayed_wall), *ours = heap_peek(&queue->delayed);
	if (theirs && theirs->major <= skew_wall_us(index, queue))
		return theirs->item;
	return ours && ours->major <= index->now_us + queue->skew_us ? ours->item : SLOT_NONE;
}

enum err skew_promote(struct engine *engine, uint32_t slot)
{
	struct index *index = &engine->index;
	struct queue *queue = queue_at(index, slot);
	enum err err = E_OK;
	if (!queue->skew_us)
		return E_OK;
	far_catch_up(engine, slot);
	for (int n = 0; n < SKEW_A_CLAIM && !err; n++) {
		uint32_t job = skew_first_due(index, queue);
		if (job == SLOT_NONE)
			break;
		err = life_wait(engine, job, false, EVENT_WAITING, compat_from(job_at(index, job)));
	}
	return err;
}
