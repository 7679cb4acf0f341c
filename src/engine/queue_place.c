/* src/engine/queue_place.c: queues and groups, and what may start now. */
#include "base/check.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/index.h"

#define SETTINGS_BYTES_MAX 65536

static void queue_place_job(void *context, uint32_t item, uint32_t position)
{
	job_at(context, item)->heap_position = position;
}

static void queue_place_lease(void *context, uint32_t item, uint32_t position)
{
	lease_at(context, job_at(context, item)->lease)->position = position;
}

static uint64_t queue_hash(struct queue_name name)
{
	return str_hash(name.name, str_hash(name.namespace_name, 17));
}

static bool queue_has_name(void *context, uint32_t slot, const void *key)
{
	const struct queue_name *name = key;
	const struct queue *queue = queue_at(context, slot);
	return str_eq(queue->name, name->name) && str_eq(queue->namespace_name, name->namespace_name);
}

static bool queue_has_number(void *context, uint32_t slot, const void *key)
{
	return queue_at(context, slot)->number == *(const uint32_t *)key;
}

static struct queue_name queue_whole_name(struct queue_name name)
{
	if (name.namespace_name.len == 0)
		name.namespace_name = STR("default");
	return name;
}

uint32_t queue_find(const struct index *index, struct queue_name name)
{
	name = queue_whole_name(name);
	return map_find(&index->queues_by_name, queue_hash(name), queue_has_name, &name);
}

uint32_t queue_find_number(const struct index *index, uint32_t number)
{
	return map_find(&index->queues_by_number, map_mix(number), queue_has_number, &number);
}

static struct str queue_copy(struct str s)
{
	char *copy = mem_alloc(s.len + 1);
	if (copy && s.len)
		memcpy(copy, s.ptr, s.len);
	return (struct str){ copy, s.len };
}

static void queue_free_contents(struct queue *queue)
{
	heap_fini(&queue->delayed);
	heap_fini(&queue->delayed_wall);
	heap_fini(&queue->leases);
	flow_fini(&queue->flow);
	mem_free(queue->window.starts_us);
	mem_free((char *)(uintptr_t)queue->name.ptr);
	mem_free((char *)(uintptr_t)queue->namespace_name.ptr);
	kept_settings_drop(queue->kept);
}

enum err queue_create(struct index *index, struct queue_name name, uint32_t *out_slot)
{
	uint32_t slot;
	name = queue_whole_name(name);
	/* One more queue to place: reserved here, so that it cannot fail later. */
	uint32_t queues = index->queues.live + 1;
	enum err err = heap_reserve(&index->due, queues - index->due.count);
	err = err ? err : heap_reserve(&index->due_wall, queues - index->due_wall.count);
	err = err ? err : heap_reserve(&index->blocked_queues, queues - index->blocked_queues.count);
	for (int clock = 0; clock < FAR_CLOCKS && !err; clock++)
		err = heap_reserve(&index->far[clock], queues - index->far[clock].count);
	err = err ? err : map_reserve(&index->queues_by_name, 1);
	err = err ? err : map_reserve(&index->queues_by_number, 1);
	err = err ? err : pool_take(&index->queues, &slot);
	if (err)
		return err;
	struct queue *queue = queue_at(index, slot);
	*queue = (struct queue){
		.number = index->next_queue_number, .hash = queue_hash(name),
		.namespace_name = queue_copy(name.namespace_name), .name = queue_copy(name.name),
		.due_position = HEAP_NOWHERE, .due_wall_position = HEAP_NOWHERE, .blocked_position = HEAP_NOWHERE,
		.lane = SLOT_NONE, .oldest = SLOT_NONE, .newest = SLOT_NONE, .first_priority = SLOT_NONE, .last_priority = SLOT_NONE,
		.untrimmed = UINT32_MAX,
	};
	for (int clock = 0; clock < FAR_CLOCKS; clock++)
		queue->far[clock] = (struct queue_far){ .next_us = INT64_MAX, .read_us = INT64_MIN, .position = HEAP_NOWHERE };
	heap_init(&queue->delayed, queue_place_job, index);
	heap_init(&queue->delayed_wall, queue_place_job, index);
	heap_init(&queue->leases, queue_place_lease, index);
	queue->counts.queue = queue->sent.queue = queue->number;
	if (!queue->namespace_name.ptr || !queue->name.ptr) {
		queue_free_contents(queue);
		pool_give(&index->queues, slot);
		return E_NOMEM;
	}
	err = map_put(&index->queues_by_name, queue->hash, slot);
	CHECK(!err);
	err = map_put(&index->queues_by_number, map_mix(queue->number), slot);
	CHECK(!err);
	err = lane_open(index, slot, NULL, 0, &queue->lane);
	err = err ? err : queue_set_settings(index, slot, STR("{}"), true, NULL);
	if (err) {
		queue_destroy(index, slot);
		return err;
	}
	index->next_queue_number++;
	*out_slot = slot;
	return E_OK;
}

/* ---- lines of queues ---- */

void line_add(struct index *index, enum line line, uint32_t slot)
{
	struct queue *queue = queue_at(index, slot);
	if (queue->in_line[line])
		return;
	queue->in_line[line] = true;
	queue->next_in[line] = SLOT_NONE;
	if (index->lines[line].first == SLOT_NONE)
		index->lines[line].first = slot;
	else
		queue_at(index, index->lines[line].last)->next_in[line] = slot;
	index->lines[line].last = slot;
	index->lines[line].count++;
}

uint32_t line_take(struct index *index, enum line line)
{
	uint32_t slot = index->lines[line].first;
	if (slot == SLOT_NONE)
		return SLOT_NONE;
	struct queue *queue = queue_at(index, slot);
	index->lines[line].first = queue->next_in[line];
	index->lines[line].count--;
	queue->in_line[line] = false;
	return slot;
}

static void line_remove(struct index *index, enum line line, uint32_t gone)
{
	if (!queue_at(index, gone)->in_line[line])
		return;
	for (uint32_t count = index->lines[line].count; count > 0; count--) { /* once round */
		uint32_t slot = line_take(index, line);
		if (slot != gone)
			line_add(index, line, slot);
	}
}

static void queue_forget_priorities(struct index *index, struct queue *queue)
{
	for (uint32_t slot = queue->first_priority; slot != SLOT_NONE;) {
		struct priority_entry *entry = pool_at(&index->priorities, slot);
		uint32_t next = entry->next;
		map_remove(&index->priorities_by_key, map_mix((uint64_t)entry->queue << 32 | (uint32_t)entry->priority), slot);
		pool_give(&index->priorities, slot);
		slot = next;
	}
}

void queue_destroy(struct index *index, uint32_t slot)
{
	struct queue *queue = queue_at(index, slot);
	queue_forget_priorities(index, queue);
	if (queue->due_position != HEAP_NOWHERE)
		heap_remove(&index->due, queue->due_position);
	if (queue->due_wall_position != HEAP_NOWHERE)
		heap_remove(&index->due_wall, queue->due_wall_position);
	if (queue->blocked_position != HEAP_NOWHERE)
		heap_remove(&index->blocked_queues, queue->blocked_position);
	for (int clock = 0; clock < FAR_CLOCKS; clock++)
		if (queue->far[clock].position != HEAP_NOWHERE)
			heap_remove(&index->far[clock], queue->far[clock].position);
	for (uint32_t group = 0; queue->groups && group < index->groups.used; group++)
		if (group_at(index, group)->key.ptr && group_at(index, group)->queue == slot)
			group_destroy(index, group);
	if (queue->dedups)
		dedup_drop_queue(index, slot);
	for (int line = 0; line < LINE_COUNT; line++)
		line_remove(index, (enum line)line, slot);
	lanes_destroy(index, slot);
	map_remove(&index->queues_by_name, queue->hash, slot);
	map_remove(&index->queues_by_number, map_mix(queue->number), slot);
	queue_free_contents(queue);
	pool_give(&index->queues, slot);
}

/* ---- settings ---- */

struct kept_settings *kept_settings_hold(struct kept_settings *kept)
{
	kept->holders++;
	return kept;
}

void kept_settings_drop(struct kept_settings *kept)
{
	if (!kept || --kept->holders > 0)
		return;
	shared_text_drop(kept->text);
	arena_fini(&kept->arena);
	mem_free(kept);
}

static void queue_refresh_groups(struct index *index, uint32_t queue)
{
	for (uint32_t slot = 0; slot < index->groups.used; slot++)
		if (group_at(index, slot)->key.ptr && group_at(index, slot)->queue == queue)
			group_refresh(index, slot);
}

void queue_use_settings(struct index *index, uint32_t slot, struct kept_settings *kept)
{
	struct queue *queue = queue_at(index, slot);
	struct kept_settings *old = queue->kept;
	bool regroup = old && (old->value.group_concurrency != kept->value.group_concurrency ||
	                       !rate_eq(&old->value.group_rate, &kept->value.group_rate));
	queue->kept = kept;
	queue->settings = &kept->value;
	kept_settings_drop(old);
	lane_use_limits(index, queue->lane, kept->limits, kept->value.limits.count);
	if (regroup)
		queue_refresh_groups(index, slot);
	queue_flag(index, slot);
}

enum err queue_use_text(struct index *index, uint32_t slot, struct str text)
{
	struct json json;
	struct problem problem = { 0 };
	struct kept_settings *kept = mem_zalloc(sizeof(*kept));
	if (!kept)
		return E_NOMEM;
	kept->holders = 1;
	kept->text = shared_text_new(text, ++index->text_version);
	arena_init(&kept->arena, SETTINGS_BYTES_MAX * 4);
	queue_settings_default(&kept->value);
	enum err err = E_NOMEM;
	if (kept->text) {
		json_init(&json, (struct str){ kept->text->bytes, kept->text->len }, &kept->arena, &problem);
		err = queue_settings_read(&json, &kept->value) && json_finish(&json) ? E_OK : problem.err ? problem.err : E_INVALID;
	}
	err = err ? err : limits_resolve(index, queue_at(index, slot)->namespace_name, &kept->value.limits, kept->limits);
	if (err)
		kept_settings_drop(kept);
	else
		queue_use_settings(index, slot, kept);
	return err;
}

/* The change is read over the present values and written out whole; what is kept is then read from that text, so that the store has
 * the same words. */
enum err queue_set_settings(struct index *index, uint32_t slot, struct str json_text, bool replace, struct problem *problem)
{
	const struct queue *queue = queue_at(index, slot);
	struct queue_settings settings;
	struct problem own = { 0 };
	struct arena arena;
	struct json json;
	struct buf buf;
	enum err err = E_OK;
	if (!problem)
		problem = &own;
	arena_init(&arena, SETTINGS_BYTES_MAX * 4);
	buf_init(&buf, SETTINGS_BYTES_MAX);
	if (replace)
		queue_settings_default(&settings);
	else
		settings = *queue->settings;
	json_init(&json, json_text, &arena, problem);
	if (!queue_settings_read(&json, &settings) || !json_finish(&json)) {
		err = problem->err ? problem->err : E_INVALID;
		goto out;
	}
	err = limits_check(index, queue->namespace_name, &settings, problem);
	if (err)
		goto out;
	queue_settings_write(&settings, &buf);
	err = buf_ok(&buf) ? queue_use_text(index, slot, buf_str(&buf)) : E_NOMEM;
out:
	arena_fini(&arena);
	buf_fini(&buf);
	return err;
}

/* ---- groups ---- */

struct group_key {
	uint32_t queue;
	struct str key;
};

static bool group_has_key(void *context, uint32_t slot, const void *wanted)
{
	const struct group_key *key = wanted;
	const struct group *group = group_at(context, slot);
	return group->queue == key->queue && str_eq(group->key, key->key);
}

uint32_t group_find(const struct index *index, uint32_t queue, struct str key)
{
	struct group_key wanted = { queue, key };
	return map_find(&index->groups_by_key, str_hash(key, queue), group_has_key, &wanted);
}

/* ---- groups that nothing needs: a list, so that nobody looks for them ---- */

static void group_link_idle(struct index *index, uint32_t slot)
{
	struct group *group = group_at(index, slot);
	group->idle = true;
	group->idle_before = SLOT_NONE;
	group->idle_after = index->first_idle;
	if (index->first_idle != SLOT_NONE)
		group_at(index, index->first_idle)->idle_before = slot;
	index->first_idle = slot;
}

static void group_unlink_idle(struct index *index, struct group *group)
{
	group->idle = false;
	if (group->idle_before == SLOT_NONE)
		index->first_idle = group->idle_after;
	else
		group_at(index, group->idle_before)->idle_after = group->idle_after;
	if (group->idle_after != SLOT_NONE)
		group_at(index, group->idle_after)->idle_before = group->idle_before;
}

bool group_is_needed(const struct group *group)
{
	return group->jobs || group->has_row || group->paused || group->blocked_us || group->place != GROUP_NOWHERE || group->endpoint != SLOT_NONE;
}

static void group_refresh_idle(struct index *index, uint32_t slot)
{
	struct group *group = group_at(index, slot);
	if (group_is_needed(group) == !group->idle)
		return;
	if (group->idle)
		group_unlink_idle(index, group);
	else
		group_link_idle(index, slot);
}

void index_free_idle(struct index *index, uint64_t up_to_seq)
{
	for (uint32_t slot = index->first_idle, next; slot != SLOT_NONE; slot = next) {
		next = group_at(index, slot)->idle_after;
		if (group_at(index, slot)->touched <= up_to_seq)
			group_destroy(index, slot);
	}
}

static enum err group_reserve_turns(struct index *index, uint32_t queue, uint32_t lane) /* one more group, now or by undoing */
{
	struct heap *turns = &lane_at(index, lane)->turns;
	return heap_reserve(turns, queue_at(index, queue)->groups + 1 - turns->count);
}

enum err group_open(struct index *index, uint32_t queue, struct str key, uint32_t *out_slot)
{
	uint32_t slot = group_find(index, queue, key);
	if (slot != SLOT_NONE) {
		*out_slot = slot;
		return E_OK;
	}
	/* A place in either heap for each group that there is, so that it can move between them for ever. */
	uint32_t lane = queue_at(index, queue)->lane;
	enum err err = heap_reserve(&index->blocked_groups, index->groups.live + 1 - index->blocked_groups.count);
	err = err ? err : group_reserve_turns(index, queue, lane);
	err = err ? err : map_reserve(&index->groups_by_key, 1);
	err = err ? err : pool_take(&index->groups, &slot);
	if (err)
		return err;
	struct group *group = group_at(index, slot);
	*group = (struct group){ .queue = queue, .endpoint = SLOT_NONE, .lane = lane, .key = queue_copy(key), .hash = str_hash(key, queue),
		                 .position = HEAP_NOWHERE };
	heap_init(&group->ready, queue_place_job, index);
	if (!group->key.ptr) {
		pool_give(&index->groups, slot);
		return E_NOMEM;
	}
	err = map_put(&index->groups_by_key, group->hash, slot);
	CHECK(!err);
	queue_at(index, queue)->groups++;
	lane_at(index, lane)->groups++;
	group_link_idle(index, slot);
	*out_slot = slot;
	return E_OK;
}

static void group_leave_place(struct index *index, struct group *group)
{
	if (group->place == GROUP_IN_TURNS)
		heap_remove(&lane_at(index, group->lane)->turns, group->position);
	else if (group->place == GROUP_BLOCKED)
		heap_remove(&index->blocked_groups, group->position);
	else if (group->place == GROUP_IN_DOUBT)
		doubt_leave(index, group);
	group->place = GROUP_NOWHERE;
	group->position = HEAP_NOWHERE;
}

static void group_leave_lane(struct index *index, const struct group *group)
{
	struct lane *lane = lane_at(index, group->lane);
	lane->touched = index->open_seq;
	if (--lane->groups == 0)
		index->sweep_limits = true;
}

void group_back_to_lane(struct index *index, uint32_t slot, uint32_t lane)
{
	struct group *group = group_at(index, slot);
	if (group->lane == lane)
		return;
	group_leave_place(index, group);
	group_leave_lane(index, group);
	turn_move(index, group, lane);
	group->lane = lane;
	lane_at(index, lane)->groups++;
}

enum err group_use_lane(struct index *index, uint32_t slot, uint32_t lane)
{
	enum err err = group_reserve_turns(index, group_at(index, slot)->queue, lane);
	if (!err)
		group_back_to_lane(index, slot, lane);
	return err;
}

void group_destroy(struct index *index, uint32_t slot)
{
	struct group *group = group_at(index, slot);
	group_leave_place(index, group);
	group_leave_lane(index, group);
	if (group->idle)
		group_unlink_idle(index, group);
	map_remove(&index->groups_by_key, group->hash, slot);
	queue_at(index, group->queue)->groups--;
	heap_fini(&group->ready);
	mem_free(group->window.starts_us);
	mem_free((char *)(uintptr_t)group->key.ptr);
	group->key = (struct str){ 0 }; /* a free slot is told by it */
	pool_give(&index->groups, slot);
}

static uint32_t group_concurrency(const struct index *index, const struct group *group)
{
	if (group->settings.has_concurrency)
		return group->settings.concurrency;
	return group->key.len ? queue_at(index, group->queue)->settings->group_concurrency : 0;
}

uint32_t group_limit(const struct index *index, const struct group *group)
{
	uint32_t limit = group_concurrency(index, group);
	const struct named *endpoint = group_endpoint(index, group);
	if (!endpoint || (limit && limit <= endpoint->health.allowed))
		return limit;
	return (uint32_t)endpoint->health.allowed;
}

struct rate group_rate(const struct queue *queue, const struct group *group)
{
	if (group->settings.has_rate)
		return group->settings.rate;
	return group->key.len ? queue->settings->group_rate : (struct rate){ 0 };
}

enum err group_start(struct index *index, uint32_t slot)
{
	struct group *group = group_at(index, slot);
	struct rate rate = group_rate(queue_at(index, group->queue), group);
	return window_start(index, &rate, &group->window, &group->window_shape, 1);
}

enum err queue_start(struct index *index, uint32_t slot)
{
	struct queue *queue = queue_at(index, slot);
	if (queue->settings->compat) {
		limiter_start(index, queue);
		return E_OK;
	}
	return window_start(index, &queue->settings->rate, &queue->window, &queue->window_shape, 1);
}

static enum explain_code group_pause_code(const struct index *index, const struct group *group)
{
	const struct named *endpoint = group_endpoint(index, group);
	if (!endpoint)
		return EXPLAIN_GROUP_PAUSED;
	return endpoint->state == NAMED_DISABLED ? EXPLAIN_ENDPOINT_DISABLED : EXPLAIN_ENDPOINT_PAUSED;
}

/* By its endpoint's breaker, after an overloaded gateway's answer, or because somebody asked for it. */
static enum explain_code group_penalty_code(const struct index *index, const struct group *group)
{
	const struct named *endpoint = group_endpoint(index, group);
	const struct health *health = endpoint ? &endpoint->health : NULL;
	if (health && health->opens && health->open_until_us == group->blocked_us && health->asked_until_us < group->blocked_us)
		return EXPLAIN_BREAKER_OPEN;
	return health && health->slow_until_us == group->blocked_us ? EXPLAIN_SLOWED_DOWN : EXPLAIN_BACKED_OFF;
}

enum explain_code group_blocker(struct index *index, const struct group *group, int64_t *until_us)
{
	const struct queue *queue = queue_at(index, group->queue);
	struct group *own = (struct group *)(uintptr_t)group; /* its window may have to be fitted */
	uint32_t limit = group_limit(index, group);
	struct rate rate = group_rate(queue, group);
	if (group->paused)
		return group_pause_code(index, group);
	if (limit && group->active >= limit)
		return EXPLAIN_GROUP_CONCURRENCY;
	if (group->blocked_us > index->now_us) {
		*until_us = group->blocked_us;
		return group_penalty_code(index, group);
	}
	int64_t next_us = window_next_us(index, &rate, &own->window, &own->window_shape, 1);
	if (next_us > index->now_us) {
		*until_us = next_us;
		return EXPLAIN_GROUP_RATE;
	}
	next_us = group->endpoint == SLOT_NONE ? 0 : ride_gathers_us(index, group);
	if (next_us > index->now_us) {
		*until_us = next_us;
		return EXPLAIN_GROUP_MIN;
	}
	if (!group->ready.count)
		return EXPLAIN_EMPTY;
	return doubt_holds(index, group) ? EXPLAIN_DELIVERY_SHARE : EXPLAIN_READY;
}

/* A group without jobs stays until its rate's window has passed, so that leaving and coming back wins no extra starts; and until its
 * penalty has, whose row goes then. */
static int64_t group_rest_us(struct index *index, const struct group *group)
{
	struct rate rate = group_rate(queue_at(index, group->queue), group);
	int64_t end_us = window_fits(&rate, group->window_shape) ? rate_end_us(&rate, &group->window, index->now_us) : 0;
	return group->blocked_us > end_us ? group->blocked_us : end_us;
}

/* Into the turns of its lane: a job of it may start. While a limit stops the lane, nobody looks before it has room. */
static void group_join_turns(struct index *index, uint32_t slot)
{
	struct group *group = group_at(index, slot);
	struct lane *lane = lane_at(index, group->lane);
	int32_t priority = (int32_t)heap_peek(&group->ready)->major;
	if (group->place != GROUP_IN_TURNS || turn_of(&lane->turns.entries[group->position]).priority != priority) {
		group_leave_place(index, group);
		struct heap_entry entry = turn_join(index, slot, priority);
		enum err err = heap_push(&lane->turns, entry.major, entry.minor, slot);
		CHECK(!err); /* reserved by group_open: one place for each group */
		group->place = GROUP_IN_TURNS;
	}
	if (lane->at == SLOT_NONE || lane->woken)
		queue_flag(index, group->queue);
}

void group_refresh(struct index *index, uint32_t slot)
{
	struct group *group = group_at(index, slot);
	int64_t until_us = 0;
	if (group->endpoint != SLOT_NONE || group->doubtful)
		doubt_refresh(index, group);
	enum explain_code code = group_blocker(index, group, &until_us);
	if (code == EXPLAIN_READY) {
		group_join_turns(index, slot);
	} else if (code == EXPLAIN_DELIVERY_SHARE && group->place == GROUP_IN_DOUBT) {
		return; /* it keeps its place in the line */
	} else {
		group_leave_place(index, group);
		if (group->ready.count == 0)
			until_us = group_rest_us(index, group);
		if (until_us > 0) {
			enum err err = heap_push(&index->blocked_groups, until_us, slot, slot);
			CHECK(!err); /* reserved by group_open */
			group->place = GROUP_BLOCKED;
		}
		if (code == EXPLAIN_DELIVERY_SHARE)
			doubt_join(index, slot);
	}
	group_refresh_idle(index, slot);
}

/* ---- queues among themselves ---- */

static void queue_refresh_due(struct heap *heap, const struct heap *delayed, uint32_t position, uint32_t slot)
{
	const struct heap_entry *first = heap_peek(delayed);
	if (!first && position != HEAP_NOWHERE) {
		heap_remove(heap, position);
	} else if (first && position != HEAP_NOWHERE) {
		heap_change(heap, position, first->major, slot);
	} else if (first) {
		enum err err = heap_push(heap, first->major, slot, slot);
		CHECK(!err); /* reserved by queue_create */
	}
}

void queue_refresh(struct index *index, uint32_t slot)
{
	static const struct heap nothing;
	struct queue *queue = queue_at(index, slot);
	queue_refresh_due(&index->due, &queue->delayed, queue->due_position, slot);
	queue_refresh_due(&index->due_wall, queue->skew_us ? &nothing : &queue->delayed_wall, queue->due_wall_position, slot);
}

void queue_flag(struct index *index, uint32_t slot)
{
	line_add(index, LINE_FLAGGED, slot);
}

void queue_open_at(struct index *index, uint32_t slot, int64_t at_us)
{
	struct queue *queue = queue_at(index, slot);
	if (queue->blocked_position != HEAP_NOWHERE)
		heap_remove(&index->blocked_queues, queue->blocked_position);
	enum err err = heap_push(&index->blocked_queues, at_us, slot, slot);
	CHECK(!err); /* reserved by queue_create */
}

void queue_open_by(struct index *index, uint32_t slot, int64_t at_us)
{
	uint32_t position = queue_at(index, slot)->blocked_position;
	if (position == HEAP_NOWHERE || index->blocked_queues.entries[position].major > at_us)
		queue_open_at(index, slot, at_us);
}

enum explain_code queue_blocker(struct index *index, uint32_t slot, int64_t *until_us)
{
	struct queue *queue = queue_at(index, slot);
	if (queue->paused)
		return EXPLAIN_QUEUE_PAUSED;
	if (queue->settings->concurrency && queue->active >= queue->settings->concurrency)
		return EXPLAIN_QUEUE_CONCURRENCY;
	if (queue->settings->compat)
		return limiter_blocker(index, queue, until_us);
	if (queue->blocked_us > index->now_us) {
		*until_us = queue->blocked_us;
		return EXPLAIN_BACKED_OFF;
	}
	int64_t next_us = window_next_us(index, &queue->settings->rate, &queue->window, &queue->window_shape, 1);
	if (next_us > index->now_us) {
		*until_us = next_us;
		return EXPLAIN_QUEUE_RATE;
	}
	return EXPLAIN_READY;
}

bool queue_next(struct index *index, uint32_t slot, enum explain_code *why, int64_t *until_us, uint32_t *out_group)
{
	*until_us = 0;
	*why = queue_blocker(index, slot, until_us);
	return *why == EXPLAIN_READY && lanes_first(index, queue_at(index, slot), why, until_us, out_group);
}

bool queue_may_start(struct index *index, uint32_t slot, enum explain_code *why, int64_t *until_us)
{
	uint32_t group;
	return queue_next(index, slot, why, until_us, &group);
}

const struct retry_policy *job_policy(const struct index *index, const struct job *job)
{
	if (job->policy)
		return &index->policies[job->policy - 1].value;
	const struct endpoint_settings *endpoint = group_endpoint_settings(index, group_at(index, job->group));
	return endpoint ? &endpoint->retry : &queue_at(index, job->queue)->settings->retry;
}

uint32_t job_max_attempts(const struct index *index, const struct job *job)
{
	return job->max_attempts ? job->max_attempts : job_policy(index, job)->max_attempts;
}
