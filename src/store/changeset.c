#include "store/changeset.h"

#define CHANGE_FIRST_CAPACITY 8u

void *changeset_grow(struct arena *arena, void **items, uint32_t *count, uint32_t *capacity, size_t item_bytes)
{
	if (*count == *capacity) {
		if (*capacity > UINT32_MAX / 2)
			return NULL;
		uint32_t wider = *capacity ? *capacity * 2 : CHANGE_FIRST_CAPACITY;
		void *grown = arena_alloc(arena, wider * item_bytes); /* the old array stays in the arena until the batch ends */
		if (!grown)
			return NULL;
		if (*count)
			memcpy(grown, *items, *count * item_bytes);
		*items = grown;
		*capacity = wider;
	}
	void *item = (char *)*items + (size_t)*count * item_bytes;
	memset(item, 0, item_bytes);
	++*count;
	return item;
}

bool changeset_is_empty(const struct changeset *cs)
{
	return cs->jobs.count + cs->attempts.count + cs->chunks.count + cs->staged.count + cs->unstaged.count == 0 &&
	       cs->dropped_bodies.count + cs->logs.count + cs->progress.count + cs->queues.count == 0 &&
	       cs->dropped_queues.count + cs->groups.count + cs->policies.count == 0 &&
	       cs->nameds.count + cs->messages.count + cs->entities.count + cs->message_ranges.count + cs->entity_ranges.count == 0 &&
	       cs->counts.count + cs->metrics.count + cs->events.count + cs->event_trims.count + cs->ranges.count + cs->tokens.count == 0 &&
	       cs->budgets.count + cs->permits.count + cs->dedups.count + cs->edges.count + cs->chains.count + cs->log_trims.count + cs->operations.count +
	       cs->idempotency.count == 0 && cs->events_up_to == 0 && cs->idempotency_before_us == 0;
}

bool changeset_makes_jobs(const struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		if (cs->jobs.items[i].before == TABLE_NONE && cs->jobs.items[i].after != TABLE_NONE)
			return true;
	return cs->chunks.count > 0;
}
