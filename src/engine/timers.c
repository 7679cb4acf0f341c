/* src/engine/timers.c: what happens because time passes. Each is a small change with a mark of its own; a step does a bounded number. */
#include "engine/engine_priv.h"

#define TIMERS_A_STEP 2000

typedef enum err timer_change(struct engine *engine, uint32_t slot);

static enum err timer_due(struct engine *engine, uint32_t slot)
{
	const struct job *job = job_at(&engine->index, slot);
	bool head = job->flags & ROW_LIFO && !job->attempts_started && !job_is_compat(&engine->index, job);
	return life_wait(engine, slot, head, EVENT_WAITING, compat_from(job));
}

static enum err timer_lease(struct engine *engine, uint32_t slot)
{
	const struct lease *lease = lease_at(&engine->index, job_at(&engine->index, slot)->lease);
	if (lease->stays || lease->hard_us <= lease->deadline_us)
		return life_time_out(engine, slot);
	return life_stall(engine, slot, queue_at(&engine->index, job_at(&engine->index, slot)->queue)->settings->max_stalls);
}

static bool timer_run(struct engine *engine, timer_change *change, uint32_t slot)
{
	struct mark mark = batch_mark(engine->open);
	enum err err = change(engine, slot);
	if (err)
		batch_undo(engine->open, &engine->index, mark);
	return err == E_OK;
}

/* Jobs whose instant has come, from the queue whose first one is due first. */
static uint32_t timers_due(struct engine *engine, const struct heap *due, int64_t now_us, bool wall, uint32_t budget)
{
	const struct heap_entry *first;
	while (budget && (first = heap_peek(due)) && first->major <= now_us) {
		struct queue *queue = queue_at(&engine->index, first->item);
		if (!timer_run(engine, timer_due, heap_peek(wall ? &queue->delayed_wall : &queue->delayed)->item))
			return 0;
		budget--;
	}
	return budget;
}

static uint32_t timers_of(struct engine *engine, const struct heap *heap, timer_change *change, uint32_t budget)
{
	const struct heap_entry *first;
	while (budget && (first = heap_peek(heap)) && first->major <= engine->index.now_us) {
		if (!timer_run(engine, change, first->item))
			return 0;
		budget--;
	}
	return budget;
}

/* Permits whose holders were silent for too long. */
static uint32_t timers_permits(struct engine *engine, uint32_t budget)
{
	const struct heap_entry *first;
	while (budget && (first = heap_peek(&engine->index.permits_by_deadline)) && first->major <= engine->index.now_us) {
		if (!timer_run(engine, permit_end, first->item))
			return 0;
		budget--;
	}
	return budget;
}

static uint32_t timers_rates(struct engine *engine, uint32_t budget)
{
	struct index *index = &engine->index;
	const struct heap_entry *first;
	while (budget && (first = heap_peek(&index->blocked_groups)) && first->major <= index->now_us) {
		uint32_t slot = first->item;
		bool over = group_at(index, slot)->blocked_us && group_at(index, slot)->blocked_us <= index->now_us;
		if (over && !timer_run(engine, group_end_penalty, slot))
			return 0;
		budget -= over;
		if (!over)
			group_refresh(index, slot);
	}
	while ((first = heap_peek(&index->blocked_limits)) && first->major <= index->now_us)
		limit_refresh(index, first->item);
	while ((first = heap_peek(&index->blocked_queues)) && first->major <= index->now_us) {
		uint32_t slot = first->item;
		heap_remove(&index->blocked_queues, queue_at(index, slot)->blocked_position);
		queue_flag(index, slot);
	}
	return budget;
}

bool timers_fire(struct engine *engine)
{
	struct index *index = &engine->index;
	if (batch_is_large(engine->open) || engine_is_full(engine))
		return false;
	uint32_t budget = TIMERS_A_STEP;
	budget = timers_rates(engine, budget);
	budget = timers_permits(engine, budget);
	budget = timers_due(engine, &index->due, index->now_us, false, budget);
	budget = timers_due(engine, &index->due_wall, index->wall_us, true, budget);
	if (!engine->handing_back)
		budget = timers_of(engine, &index->leases_by_deadline, timer_lease, budget);
	budget = timers_of(engine, &index->expiring, life_expire, budget);
	budget = timers_of(engine, &index->dedups_by_until, dedup_due, budget);
	return budget == 0;
}

int64_t timers_next_us(const struct engine *engine)
{
	const struct index *index = &engine->index;
	int64_t next_us = engine->maintain_us;
	const struct heap *heaps[] = { &index->due, &index->leases_by_deadline, &index->expiring, &index->blocked_groups,
		                       &index->blocked_queues, &index->blocked_limits, &index->permits_by_deadline, &index->dedups_by_until,
		                       &engine->parked_by_deadline };
	for (size_t i = 0; i < ARRAY_COUNT(heaps); i++) {
		const struct heap_entry *first = heap_peek(heaps[i]);
		if (first && first->major < next_us)
			next_us = first->major;
	}
	const struct heap_entry *wall = heap_peek(&index->due_wall);
	if (wall) { /* the wall clock may jump: look at least once a second */
		int64_t wait_us = wall->major - index->wall_us;
		wait_us = wait_us > 1000000 ? 1000000 : wait_us;
		if (index->now_us + wait_us < next_us)
			next_us = index->now_us + wait_us;
	}
	int64_t far_us = far_next_look_us(engine);
	if (far_us < next_us)
		next_us = far_us;
	if (expand_is_due(engine) && engine->expand_pause_us < next_us)
		next_us = engine->expand_pause_us > index->now_us ? engine->expand_pause_us : index->now_us;
	if (engine_is_full(engine) && next_us < engine->full_until_us)
		next_us = engine->full_until_us;
	return next_us;
}
