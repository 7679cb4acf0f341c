/* src/engine/limit.c: limits of namespaces: who runs under each, permits of holders outside, their windows and penalties. */
#include "base/check.h"
#include "base/mem.h"
#include "engine/index.h"

static uint64_t limit_hash(struct queue_name name)
{
	return str_hash(name.name, str_hash(name.namespace_name, 37));
}

static bool limit_has_name(void *context, uint32_t slot, const void *key)
{
	const struct queue_name *name = key;
	const struct limit *limit = limit_at(context, slot);
	return str_eq(limit->name, name->name) && str_eq(limit->namespace_name, name->namespace_name);
}

static bool limit_has_number(void *context, uint32_t slot, const void *key)
{
	return limit_at(context, slot)->number == *(const uint32_t *)key;
}

static struct queue_name limit_whole_name(struct queue_name name)
{
	if (!name.namespace_name.len)
		name.namespace_name = STR("default");
	return name;
}

uint32_t limit_find(const struct index *index, struct queue_name name)
{
	name = limit_whole_name(name);
	return map_find(&index->limits_by_name, limit_hash(name), limit_has_name, &name);
}

uint32_t limit_find_number(const struct index *index, uint32_t number)
{
	return map_find(&index->limits_by_number, map_mix(number), limit_has_number, &number);
}

/* Both texts in one allocation, which the name owns. */
static bool limit_copy_name(struct limit *limit, struct queue_name name)
{
	char *text = mem_alloc(name.name.len + name.namespace_name.len + 1);
	if (!text)
		return false;
	memcpy(text, name.name.ptr, name.name.len);
	memcpy(text + name.name.len, name.namespace_name.ptr, name.namespace_name.len);
	limit->name = (struct str){ text, name.name.len };
	limit->namespace_name = (struct str){ text + name.name.len, name.namespace_name.len };
	return true;
}

enum err limit_create(struct index *index, struct queue_name name, uint32_t number, uint32_t *out_slot)
{
	uint32_t slot;
	name = limit_whole_name(name);
	enum err err = heap_reserve(&index->blocked_limits, index->limits.live + 1 - index->blocked_limits.count);
	err = err ? err : map_reserve(&index->limits_by_name, 1);
	err = err ? err : map_reserve(&index->limits_by_number, 1);
	err = err ? err : pool_take(&index->limits, &slot);
	if (err)
		return err;
	struct limit *limit = limit_at(index, slot);
	*limit = (struct limit){ .number = number ? number : index->next_limit_number, .hash = limit_hash(name), .position = HEAP_NOWHERE,
		                 .first_lane = SLOT_NONE, .last_lane = SLOT_NONE, .touched = index->open_seq };
	if (!limit_copy_name(limit, name)) {
		pool_give(&index->limits, slot);
		return E_NOMEM;
	}
	err = map_put(&index->limits_by_name, limit->hash, slot);
	CHECK(!err);
	err = map_put(&index->limits_by_number, map_mix(limit->number), slot);
	CHECK(!err);
	if (limit->number >= index->next_limit_number)
		index->next_limit_number = limit->number + 1;
	*out_slot = slot;
	return E_OK;
}

void limit_destroy(struct index *index, uint32_t slot)
{
	struct limit *limit = limit_at(index, slot);
	while (limit->first_lane != SLOT_NONE)
		lane_leave(index, limit->first_lane); /* nobody's groups are in it: their settings named the limit */
	if (limit->position != HEAP_NOWHERE)
		heap_remove(&index->blocked_limits, limit->position);
	map_remove(&index->limits_by_name, limit->hash, slot);
	map_remove(&index->limits_by_number, map_mix(limit->number), slot);
	mem_free(limit->window.starts_us);
	mem_free((char *)(uintptr_t)limit->name.ptr);
	limit->name = (struct str){ 0 };
	pool_give(&index->limits, slot);
}

/* ---- names in settings ---- */

enum err limits_resolve(struct index *index, struct str namespace_name, const struct limit_names *names, uint32_t *out_slots)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < names->count && !err; i++) {
		out_slots[i] = limit_find(index, (struct queue_name){ namespace_name, names->names[i] });
		if (out_slots[i] == SLOT_NONE)
			err = limit_create(index, (struct queue_name){ namespace_name, names->names[i] }, 0, &out_slots[i]);
	}
	return err;
}

static bool limit_exists(const struct index *index, struct str namespace_name, struct str name)
{
	uint32_t slot = limit_find(index, (struct queue_name){ namespace_name, name });
	return slot != SLOT_NONE && !limit_at(index, slot)->gone;
}

static enum err limit_missing(struct problem *problem, const char *field, struct str name)
{
	return problem_set(problem, E_INVALID, field, "There is no limit '" STR_FMT "' here: make it first ('ruche limits set " STR_FMT " concurrency=5').",
	                   STR_ARG(str_cut(name, 60)), STR_ARG(str_cut(name, 60)));
}

enum err limits_check(struct index *index, struct str namespace_name, const struct queue_settings *settings, struct problem *problem)
{
	for (uint32_t i = 0; i < settings->limits.count; i++)
		if (!limit_exists(index, namespace_name, settings->limits.names[i]))
			return limit_missing(problem, "limits", settings->limits.names[i]);
	struct str who = settings->retry_after;
	if (who.len && !limit_name_is_word(who) && !limit_exists(index, namespace_name, who))
		return limit_missing(problem, "retry_after", who);
	return E_OK;
}

/* ---- room ---- */

enum explain_code limit_blocker(struct index *index, const struct limit *limit, uint32_t units, int64_t *until_us)
{
	struct limit *own = (struct limit *)(uintptr_t)limit; /* its window may have to be fitted */
	uint64_t taken = limit->active + limit->held;
	if (limit->gone)
		return EXPLAIN_READY;
	if (limit->blocked_us > index->now_us) {
		*until_us = limit->blocked_us;
		return EXPLAIN_BACKED_OFF;
	}
	if (limit->settings.concurrency && taken + units > limit->settings.concurrency)
		return EXPLAIN_LIMIT_CONCURRENCY;
	int64_t next_us = window_next_us(index, &limit->settings.rate, &own->window, &own->window_shape, units);
	if (next_us <= index->now_us)
		return EXPLAIN_READY;
	*until_us = next_us;
	return EXPLAIN_LIMIT_RATE;
}

enum err limit_start(struct index *index, uint32_t slot, uint32_t units)
{
	struct limit *limit = limit_at(index, slot);
	return window_start(index, &limit->settings.rate, &limit->window, &limit->window_shape, units);
}

static void limit_open_at(struct index *index, uint32_t slot, int64_t at_us) /* 0: not by time */
{
	struct limit *limit = limit_at(index, slot);
	if (limit->position != HEAP_NOWHERE)
		heap_remove(&index->blocked_limits, limit->position);
	if (!at_us)
		return;
	enum err err = heap_push(&index->blocked_limits, at_us, slot, slot);
	CHECK(!err); /* reserved by limit_create */
}

void limit_refresh(struct index *index, uint32_t slot)
{
	struct limit *limit = limit_at(index, slot);
	int64_t until_us = 0;
	if (limit->first_lane == SLOT_NONE) {
		limit_open_at(index, slot, 0);
		return;
	}
	bool room = limit_blocker(index, limit, 1, &until_us) == EXPLAIN_READY;
	limit_open_at(index, slot, room ? 0 : until_us);
	for (uint32_t lane = limit->first_lane; room && lane != SLOT_NONE; lane = lane_at(index, lane)->after) {
		if (!lane_at(index, lane)->woken)
			queue_flag(index, lane_at(index, lane)->queue);
		lane_at(index, lane)->woken = true;
	}
}

void limits_count(struct index *index, const struct lease *lease, int sign)
{
	for (uint32_t i = 0; i < lease->limit_count; i++) {
		struct limit *limit = limit_at(index, lease->limits[i]);
		limit->active += (uint64_t)(int64_t)sign;
		limit->touched = index->open_seq;
		if (sign < 0)
			limit_refresh(index, lease->limits[i]);
	}
}

/* ---- permits ---- */

struct permit_key {
	uint32_t limit;
	uint64_t token;
};

static bool permit_is(void *context, uint32_t slot, const void *wanted)
{
	const struct permit_key *key = wanted;
	const struct permit *permit = permit_at(context, slot);
	return permit->limit == key->limit && permit->token == key->token;
}

uint32_t permit_find(const struct index *index, uint32_t limit, uint64_t token)
{
	struct permit_key key = { limit, token };
	return map_find(&index->permits_by_token, token + limit, permit_is, &key);
}

enum err permit_create(struct index *index, uint32_t limit, uint64_t token, uint32_t *out_slot)
{
	uint32_t slot;
	enum err err = heap_reserve(&index->permits_by_deadline, index->permits.live + 1 - index->permits_by_deadline.count);
	err = err ? err : map_reserve(&index->permits_by_token, 1);
	err = err ? err : pool_take(&index->permits, &slot);
	if (err)
		return err;
	*permit_at(index, slot) = (struct permit){ .limit = limit, .token = token, .position = HEAP_NOWHERE };
	err = map_put(&index->permits_by_token, token + limit, slot);
	CHECK(!err);
	*out_slot = slot;
	return E_OK;
}

void permit_set(struct index *index, uint32_t slot, uint32_t units, int64_t deadline_us)
{
	struct permit *permit = permit_at(index, slot);
	struct limit *limit = limit_at(index, permit->limit);
	bool room = units < permit->units;
	limit->held = limit->held - permit->units + units;
	limit->touched = permit->touched = index->open_seq;
	permit->units = units;
	permit->deadline_us = deadline_us;
	if (permit->position != HEAP_NOWHERE)
		heap_remove(&index->permits_by_deadline, permit->position);
	if (units) {
		enum err err = heap_push(&index->permits_by_deadline, deadline_us, slot, slot);
		CHECK(!err); /* reserved by permit_create */
	} else {
		index->sweep_limits = true;
	}
	if (room)
		limit_refresh(index, permit->limit);
}

void permit_destroy(struct index *index, uint32_t slot)
{
	struct permit *permit = permit_at(index, slot);
	CHECK(permit->units == 0);
	CHECK(permit->position == HEAP_NOWHERE);
	map_remove(&index->permits_by_token, permit->token + permit->limit, slot);
	permit->touched = UINT64_MAX; /* a free slot is told by it */
	pool_give(&index->permits, slot);
}

/* ---- going ---- */

static void sweep_lanes(struct index *index, uint32_t queue)
{
	uint32_t *link = &lane_at(index, queue_at(index, queue)->lane)->next;
	while (*link != SLOT_NONE) {
		uint32_t slot = *link;
		struct lane *lane = lane_at(index, slot);
		if (lane->groups || lane->touched > index->committed_seq) {
			index->sweep_limits |= lane->groups == 0;
			link = &lane->next;
			continue;
		}
		*link = lane->next;
		lane_leave(index, slot);
		heap_fini(&lane->turns);
		lane->live = false;
		pool_give(&index->lanes, slot);
	}
}

static bool limit_is_named(const struct index *index, uint32_t limit)
{
	for (uint32_t slot = 0; slot < index->lanes.used; slot++) {
		const struct lane *lane = lane_at(index, slot);
		for (uint32_t i = 0; lane->live && i < lane->limit_count; i++)
			if (lane->limits[i] == limit)
				return true;
	}
	for (uint32_t slot = 0; slot < index->permits.used; slot++)
		if (permit_at(index, slot)->touched != UINT64_MAX && permit_at(index, slot)->limit == limit)
			return true;
	return false;
}

void limits_sweep(struct index *index)
{
	if (!index->sweep_limits)
		return;
	index->sweep_limits = false;
	for (uint32_t slot = 0; slot < index->queues.used; slot++)
		if (queue_find_number(index, queue_at(index, slot)->number) == slot)
			sweep_lanes(index, slot);
	for (uint32_t slot = 0; slot < index->permits.used; slot++) {
		const struct permit *permit = permit_at(index, slot);
		if (permit->touched == UINT64_MAX || permit->units)
			continue;
		if (permit->touched <= index->committed_seq)
			permit_destroy(index, slot);
		else
			index->sweep_limits = true;
	}
	for (uint32_t slot = 0; slot < index->limits.used; slot++) {
		const struct limit *limit = limit_at(index, slot);
		if (!limit->name.ptr || !limit->gone)
			continue;
		if (!limit->active && !limit->held && limit->touched <= index->committed_seq && !limit_is_named(index, slot))
			limit_destroy(index, slot);
		else
			index->sweep_limits = true;
	}
}
