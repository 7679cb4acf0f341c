/* src/engine/retain_messages.c: messages that are old and that no job names any more, and what endpoints that are gone were told: both go in slices,
 * found by the store. What is removed is known only when it is committed. */
#include "base/uid.h"
#include "engine/engine_priv.h"

#define MESSAGES_A_SLICE  500
#define ENDPOINTS_A_SLICE 64
#define ROUNDS_AN_AGE     30 /* messages that stayed because of their deliveries are looked at again */

static bool retain_is_flying(const struct engine *engine)
{
	for (const struct batch *batch = engine->first_flying; batch; batch = batch->next)
		if (batch->cs.message_ranges.count || batch->cs.entity_ranges.count)
			return true;
	return false;
}

bool retain_messages(struct engine *engine)
{
	const struct index *index = &engine->index;
	int64_t age_us = engine->config.message_age_ms * 1000;
	if (index->now_us < engine->messages_us || retain_is_flying(engine))
		return false;
	int64_t now_us = index->wall_us < index->now_us ? index->wall_us : index->now_us; /* a clock that jumped ahead makes nothing old */
	uint64_t up_to = uid_floor(now_us - age_us);
	if (up_to <= engine->messages_looked + 1) {
		engine->messages_us = index->now_us + age_us / ROUNDS_AN_AGE;
		return false;
	}
	struct message_range *range = change_add(&engine->open->cs, message_ranges);
	if (range)
		*range = (struct message_range){ .after_uid = engine->messages_looked, .up_to_uid = up_to - 1, .max = MESSAGES_A_SLICE };
	return range != NULL;
}

/* Numbers that no endpoint has. Others' were never told anything. */
bool retain_entities(struct engine *engine)
{
	const struct index *index = &engine->index;
	uint32_t number = engine->orphans_from, count = 0;
	if (retain_is_flying(engine))
		return false;
	for (; number < index->next_named_number && count < ENDPOINTS_A_SLICE; number++) {
		if (named_find_number(index, number) != SLOT_NONE)
			continue;
		struct entity_range *range = change_add(&engine->open->cs, entity_ranges);
		if (!range)
			break;
		*range = (struct entity_range){ .endpoint = number, .max = LIMIT_SLICE_ENTITIES };
		count++;
	}
	if (!count)
		engine->orphans_from = number;
	return count > 0;
}

void retain_told(struct engine *engine, const struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->message_ranges.count; i++) {
		const struct message_range *range = &cs->message_ranges.items[i];
		bool over = range->next_uid >= range->up_to_uid;
		engine->messages_looked = over ? 0 : range->next_uid;
		if (over)
			engine->messages_us = engine->index.now_us + engine->config.message_age_ms * 1000 / ROUNDS_AN_AGE;
	}
	for (uint32_t i = 0; i < cs->entity_ranges.count; i++) {
		const struct entity_range *range = &cs->entity_ranges.items[i];
		engine->orphans_from = range->endpoint;
		if (range->removed == range->max)
			break; /* there may be more of it */
		engine->orphans_from++;
	}
}
