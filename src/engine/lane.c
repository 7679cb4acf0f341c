/* src/engine/lane.c: groups in turns, by the limits that their starts take from.
 *
 * A lane that a limit stops stands in the limit's line, first come first served, and is not looked at again before the limit has room:
 * then it is woken, in the order of the line, without losing its place, and its queue is served. Who starts a job goes behind. So
 * whoever stands in a line and is not woken stands at a limit without room. */
#include "base/check.h"
#include "engine/index.h"

static void lane_place_group(void *context, uint32_t item, uint32_t position)
{
	group_at(context, item)->position = position;
}

static bool lane_is_of(const struct lane *lane, const uint32_t *limits, uint32_t count)
{
	for (uint32_t i = 0; i < count && lane->limit_count == count; i++)
		if (lane->limits[i] != limits[i])
			return false;
	return lane->limit_count == count;
}

static void lane_set_limits(struct lane *lane, const uint32_t *limits, uint32_t count)
{
	CHECK(count <= LIMITS_A_JOB);
	lane->limit_count = count;
	for (uint32_t i = 0; i < LIMITS_A_JOB; i++)
		lane->limits[i] = i < count ? limits[i] : SLOT_NONE;
}

enum err lane_open(struct index *index, uint32_t queue, const uint32_t *limits, uint32_t count, uint32_t *out_slot)
{
	uint32_t slot, own = queue_at(index, queue)->lane;
	for (slot = own == SLOT_NONE ? own : lane_at(index, own)->next; slot != SLOT_NONE; slot = lane_at(index, slot)->next) {
		if (lane_is_of(lane_at(index, slot), limits, count)) {
			*out_slot = slot;
			return E_OK;
		}
	}
	enum err err = pool_take(&index->lanes, &slot);
	if (err)
		return err;
	struct lane *lane = lane_at(index, slot);
	*lane = (struct lane){ .queue = queue, .live = true, .next = SLOT_NONE, .at = SLOT_NONE, .touched = index->open_seq };
	lane_set_limits(lane, limits, count);
	heap_init(&lane->turns, lane_place_group, index);
	if (own != SLOT_NONE) {
		lane->next = lane_at(index, own)->next;
		lane_at(index, own)->next = slot;
		index->sweep_limits = true; /* should nobody come */
	}
	*out_slot = slot;
	return E_OK;
}

void lanes_destroy(struct index *index, uint32_t queue)
{
	for (uint32_t slot = queue_at(index, queue)->lane, next; slot != SLOT_NONE; slot = next) {
		struct lane *lane = lane_at(index, slot);
		next = lane->next;
		lane_leave(index, slot);
		heap_fini(&lane->turns);
		lane->live = false;
		pool_give(&index->lanes, slot);
	}
	queue_at(index, queue)->lane = SLOT_NONE;
}

void lane_use_limits(struct index *index, uint32_t slot, const uint32_t *limits, uint32_t count)
{
	struct lane *lane = lane_at(index, slot);
	if (lane_is_of(lane, limits, count))
		return;
	lane_leave(index, slot);
	lane_set_limits(lane, limits, count);
}

void lane_names(const struct index *index, const struct group *group, struct group_settings *settings, struct limit_names *names)
{
	const struct lane *lane = lane_at(index, group->lane);
	*names = (struct limit_names){ .count = settings->has_limits ? lane->limit_count : 0 };
	for (uint32_t i = 0; i < names->count; i++)
		names->names[i] = limit_at(index, lane->limits[i])->name;
	settings->limits = settings->has_limits ? names : NULL;
}

/* ---- lines ---- */

void lane_leave(struct index *index, uint32_t slot)
{
	struct lane *lane = lane_at(index, slot);
	if (lane->at == SLOT_NONE)
		return;
	struct limit *limit = limit_at(index, lane->at);
	*(lane->before == SLOT_NONE ? &limit->first_lane : &lane_at(index, lane->before)->after) = lane->after;
	*(lane->after == SLOT_NONE ? &limit->last_lane : &lane_at(index, lane->after)->before) = lane->before;
	uint32_t at = lane->at;
	lane->at = SLOT_NONE;
	lane->woken = false;
	if (limit->first_lane == SLOT_NONE)
		limit_refresh(index, at); /* nobody waits for time to open it */
}

static void lane_join(struct index *index, uint32_t slot, uint32_t at)
{
	struct lane *lane = lane_at(index, slot);
	struct limit *limit = limit_at(index, at);
	if (lane->at != at) {
		lane_leave(index, slot);
		lane->at = at;
		lane->before = limit->last_lane;
		lane->after = SLOT_NONE;
		*(lane->before == SLOT_NONE ? &limit->first_lane : &lane_at(index, lane->before)->after) = slot;
		limit->last_lane = slot;
	}
	lane->woken = false;
	limit_refresh(index, at);
}

enum explain_code lane_blocker(struct index *index, const struct lane *lane, int64_t *until_us, uint32_t *out_limit)
{
	for (uint32_t i = 0; i < lane->limit_count; i++) {
		*out_limit = lane->limits[i];
		enum explain_code code = limit_blocker(index, limit_at(index, lane->limits[i]), 1, until_us);
		if (code != EXPLAIN_READY)
			return code;
	}
	return EXPLAIN_READY;
}

/* ---- turns ---- */

static bool lane_is_before(const struct index *index, const struct lane *lane, const struct lane *other)
{
	struct turn mine = lane_turn(index, lane), others = lane_turn(index, other);
	return turn_is_before(&mine, &others);
}

/* Who may not start now, since too many of its kind do, steps out. */
static const struct heap_entry *lane_first(struct index *index, const struct lane *lane)
{
	const struct heap_entry *entry;
	while ((entry = heap_peek(&lane->turns)) && doubt_holds(index, group_at(index, entry->item)))
		group_refresh(index, entry->item);
	return entry;
}

bool lanes_first(struct index *index, const struct queue *queue, enum explain_code *why, int64_t *until_us, uint32_t *out_group)
{
	const struct lane *first = NULL;
	*why = EXPLAIN_EMPTY;
	for (uint32_t slot = queue->lane, next; slot != SLOT_NONE; slot = next) {
		struct lane *lane = lane_at(index, slot);
		const struct heap_entry *entry = lane_first(index, lane);
		int64_t open_us = 0;
		uint32_t limit;
		next = lane->next;
		enum explain_code code = !entry ? EXPLAIN_EMPTY : lane->limit_count ? lane_blocker(index, lane, &open_us, &limit) : EXPLAIN_READY;
		if (code == EXPLAIN_EMPTY) {
			lane_leave(index, slot); /* who comes is to be looked at */
		} else if (code == EXPLAIN_READY) {
			first = !first || lane_is_before(index, lane, first) ? lane : first;
		} else {
			lane_join(index, slot, limit);
			*why = *why == EXPLAIN_EMPTY ? code : *why;
			*until_us = open_us && (!*until_us || open_us < *until_us) ? open_us : *until_us;
		}
	}
	if (!first)
		return false;
	*why = EXPLAIN_READY;
	*until_us = 0;
	*out_group = heap_peek(&first->turns)->item;
	return true;
}

uint32_t lanes_ready(struct index *index, const struct queue *queue, bool open_only)
{
	uint32_t count = 0, limit;
	int64_t until_us;
	for (uint32_t slot = queue->lane; slot != SLOT_NONE; slot = lane_at(index, slot)->next)
		if (lane_at(index, slot)->turns.count && (!open_only || lane_blocker(index, lane_at(index, slot), &until_us, &limit) == EXPLAIN_READY))
			count += lane_at(index, slot)->turns.count;
	return count;
}

enum err lane_start(struct index *index, uint32_t slot)
{
	struct lane *lane = lane_at(index, slot);
	if (!lane->limit_count)
		return E_OK;
	lane_leave(index, slot);
	enum err err = E_OK;
	for (uint32_t i = 0; i < lane->limit_count && !err; i++)
		err = limit_start(index, lane->limits[i], 1);
	return err;
}
