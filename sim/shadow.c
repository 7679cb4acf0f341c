/* sim/shadow.c: the rules of design.md §6, judged on rows. */
#include "sim/shadow.h"
#include "engine/engine.h"
#include "base/check.h"
#include "base/json.h"
#include "base/mem.h"
#include "rules/settings.h"
#include "store/mem/disk.h"
#include <stdio.h>
#include <stdlib.h>

static uint64_t shadow_hash_of(void *context, uint32_t item)
{
	return map_mix(((struct shadow_job *)pool_at(context, item))->row.uid);
}

static bool shadow_equal(void *context, uint32_t item, const void *key)
{
	return ((struct shadow_job *)pool_at(context, item))->row.uid == *(const uint64_t *)key;
}

void shadow_init(struct shadow *shadow)
{
	*shadow = (struct shadow){ 0 };
	pool_init(&shadow->jobs, sizeof(struct shadow_job));
	map_init(&shadow->by_uid, shadow_hash_of, &shadow->jobs);
}

void shadow_fini(struct shadow *shadow)
{
	pool_fini(&shadow->jobs);
	map_fini(&shadow->by_uid);
}

struct shadow_job *shadow_find(struct shadow *shadow, uint64_t uid)
{
	uint32_t item = map_find(&shadow->by_uid, map_mix(uid), shadow_equal, &uid);
	return item == MAP_NONE ? NULL : pool_at(&shadow->jobs, item);
}

struct shadow_job *shadow_open(struct shadow *shadow, uint64_t uid)
{
	struct shadow_job *job = shadow_find(shadow, uid);
	uint32_t slot;
	if (job)
		return job;
	enum err err = pool_take(&shadow->jobs, &slot);
	CHECK(!err);
	job = pool_at(&shadow->jobs, slot);
	*job = (struct shadow_job){ .row.uid = uid };
	err = map_put(&shadow->by_uid, map_mix(uid), slot);
	CHECK(!err);
	return job;
}

/* ---- queues and groups ---- */

uint32_t shadow_group_limit(const struct shadow_queue *queue, const struct shadow_group *group)
{
	return group->has_concurrency ? group->concurrency : group->key[0] ? queue->group_concurrency : 0;
}

struct shadow_queue *shadow_queue(struct shadow *shadow, uint32_t number)
{
	for (uint32_t i = 0; i < shadow->queue_count; i++)
		if (shadow->queues[i].number == number)
			return &shadow->queues[i];
	CHECK(shadow->queue_count < ARRAY_COUNT(shadow->queues));
	struct shadow_queue *queue = &shadow->queues[shadow->queue_count++];
	*queue = (struct shadow_queue){ .number = number };
	return queue;
}

/* A limit that is lowered stops nobody who runs, and what was started in the same change-set, before it. */
static uint32_t shadow_allowance(uint32_t limit, uint32_t active)
{
	return !limit ? UINT32_MAX : active > limit ? active : limit;
}

static void shadow_settings(struct shadow *shadow, const struct queue_row *row)
{
	struct shadow_queue *queue = shadow_queue(shadow, row->number);
	struct queue_settings settings;
	struct arena arena = { 0 };
	struct json json;
	struct problem problem;
	queue_settings_default(&settings);
	json_init(&json, row->settings, &arena, &problem);
	CHECK(queue_settings_read(&json, &settings));
	CHECK(!queue->dropped); /* numbers are never given twice */
	snprintf(queue->name, sizeof(queue->name), STR_FMT, STR_ARG(row->name));
	queue->allowance = shadow_allowance(queue->concurrency, queue->active);
	for (uint32_t i = 0; i < shadow->group_count; i++)
		if (shadow->groups[i].queue == row->number)
			shadow->groups[i].allowance = shadow_allowance(shadow_group_limit(queue, &shadow->groups[i]), shadow->groups[i].active);
	queue->concurrency = settings.concurrency;
	queue->group_concurrency = settings.group_concurrency;
	queue->group_rate = settings.group_rate;
	queue->rate.max = settings.rate.max;
	queue->rate.per_us = settings.rate.per_ms * 1000;
	if (settings.compat && str_eq(row->name, STR(SIM_COMPAT_QUEUE))) { /* of two windows that touch, all starts may be within one span */
		queue->rate.max = 2 * SIM_RATE_MAX;
		queue->rate.per_us = SIM_RATE_MS * 1000;
	}
	queue->keep_completed = settings.keep_completed;
	queue->keep_failed = settings.keep_failed;
	queue->limits = budgets_named(shadow, &settings.limits);
	queue->blocked_us = row->blocked_us;
	queue->rise_us = settings.rise_after_ms * 1000;
	queue->paused = row->paused;
	queue->http = settings.target == TARGET_HTTP;
	queue->compat = settings.compat != COMPAT_NONE;
	queue->apart = !strcmp(queue->name, SIM_BLANK_QUEUE) || !strcmp(queue->name, SIM_DRIFT_QUEUE);
	queue->changed_seq = shadow->seq;
	CHECK(queue->rate.max <= ARRAY_COUNT(queue->rate.starts_us));
	arena_fini(&arena);
}

struct shadow_group *shadow_group(struct shadow *shadow, uint32_t queue, struct str key)
{
	for (uint32_t i = 0; i < shadow->group_count; i++)
		if (shadow->groups[i].queue == queue && str_eq(str_of(shadow->groups[i].key), key))
			return &shadow->groups[i];
	CHECK(shadow->group_count < ARRAY_COUNT(shadow->groups));
	struct shadow_group *group = &shadow->groups[shadow->group_count++];
	*group = (struct shadow_group){ .queue = queue };
	snprintf(group->key, sizeof(group->key), STR_FMT, STR_ARG(key));
	return group;
}

static void shadow_group_row(struct shadow *shadow, const struct group_row *row)
{
	bool dropped = row->gone;
	struct shadow_group *group = shadow_group(shadow, row->queue, row->key);
	struct group_settings settings = { 0 };
	struct arena arena = { 0 };
	struct json json;
	struct problem problem;
	json_init(&json, row->settings, &arena, &problem);
	if (!dropped)
		CHECK(group_settings_read(&json, &settings));
	group->allowance = shadow_allowance(shadow_group_limit(shadow_queue(shadow, row->queue), group), group->active);
	group->paused = !dropped && row->paused;
	group->has_concurrency = settings.has_concurrency;
	group->concurrency = settings.concurrency;
	group->weight = settings.weight;
	group->has_limits = settings.has_limits;
	group->limits = settings.has_limits ? budgets_named(shadow, settings.limits) : 0;
	group->blocked_us = dropped ? 0 : row->blocked_us;
	group->changed_seq = shadow->seq;
	arena_fini(&arena);
}

/* ---- rates ---- */

int64_t shadow_rate_open_us(const struct shadow_rate *rate)
{
	return rate->max && rate->count >= rate->max ? rate->starts_us[rate->next] + rate->per_us : INT64_MIN;
}

/* Rule 7 for rates: the start before `max` starts lies a whole span back. */
void shadow_start(struct shadow_rate *rate, int64_t at_us)
{
	if (!rate->max)
		return;
	CHECK(at_us >= shadow_rate_open_us(rate));
	rate->count += rate->count < rate->max;
	rate->starts_us[rate->next] = at_us;
	rate->next = (rate->next + 1) % rate->max;
}

static int shadow_compare_starts(const void *a, const void *b)
{
	int64_t x = ((const struct shadow_started *)a)->at_us, y = ((const struct shadow_started *)b)->at_us;
	return (x > y) - (x < y);
}

/* What no instant of a queue's starts and ends is behind. */
static int64_t shadow_latest_us(const struct shadow *shadow, const struct shadow_queue *queue)
{
	return queue->apart && shadow->clock_us > shadow->engine_us ? shadow->clock_us : shadow->engine_us;
}

/* Rows stand in no order of time in a change-set: one may have been dirtied first and started last. */
static void shadow_starts(struct shadow *shadow)
{
	qsort(shadow->starts, shadow->start_count, sizeof(shadow->starts[0]), shadow_compare_starts);
	for (uint32_t i = 0; i < shadow->start_count; i++) {
		const struct shadow_started *started = &shadow->starts[i];
		struct shadow_queue *queue = shadow_queue(shadow, started->queue);
		struct shadow_group *group = shadow_group(shadow, started->queue, str_of(started->job->group));
		CHECK(started->at_us <= shadow_latest_us(shadow, queue));
		group->led++;
		if (queue->http)
			shadow->delivery_us = shadow->committed_us;
		CHECK(!queue->paused || queue->changed_seq == shadow->seq); /* who is paused starts nothing */
		CHECK(!group->paused || group->changed_seq == shadow->seq);
		if (started->deferred)
			continue; /* it takes nothing from a rate */
		shadow_start(&queue->rate, started->at_us);
		group->rate.max = group->key[0] ? queue->group_rate.max : 0;
		group->rate.per_us = queue->group_rate.per_ms * 1000;
		shadow_start(&group->rate, started->at_us);
		budgets_start(shadow, started->job, started->at_us);
	}
	shadow->start_count = 0;
	for (uint32_t i = 0; i < shadow->group_count; i++) {
		struct shadow_group *group = &shadow->groups[i];
		CHECK(group->rode <= group->led * (SIM_BATCH_MAX - 1));                   /* nobody rides but under a start of this commit */
		group->rode = group->led = 0;
	}
}

/* Within queue, group and priority the lowest rank goes first, unless jobs rise there (turns.c): nobody who stayed behind untouched stood before it. */
static void shadow_in_order(struct shadow *shadow, const struct shadow_job *job, const struct job_row *row)
{
	if (job->row.state != JOB_WAITING || job->row.rank != row->rank || job->row.priority != row->priority || job->row.queue != row->queue ||
	    shadow_queue(shadow, row->queue)->rise_us)
		return;
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *other = pool_at(&shadow->jobs, slot);
		if (other == job || !other->exists || other->row.state != JOB_WAITING || other->row.queue != row->queue ||
		    other->placed_seq == shadow->seq || strcmp(other->group, job->group))
			continue;
		CHECK(other->row.priority > row->priority || (other->row.priority == row->priority && other->row.rank > row->rank));
	}
}

/* Who comes back without having failed stands before all who wait, who is sent back by hand behind them. */
static void shadow_stands_well(struct shadow *shadow, const struct shadow_job *job)
{
	bool head = job->last == EVENT_STALLED || job->last == EVENT_RELEASED, tail = job->last == EVENT_RETRIED || job->last == EVENT_PROMOTED;
	if (!job->exists || job->row.state != JOB_WAITING || (!head && !tail) || job->last_seq != shadow->seq || job->ranked_seq != shadow->seq)
		return;
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *other = pool_at(&shadow->jobs, slot);
		if (other->exists && other->row.state == JOB_WAITING && other->row.queue == job->row.queue && other->placed_seq != shadow->seq)
			CHECK(head ? job->row.rank < other->row.rank : job->row.rank > other->row.rank);
	}
}

/* ---- jobs ---- */

/* It runs under another one's start, and takes from nothing that bounds calls. */
static bool shadow_rides(const struct job_row *row)
{
	return row->state == JOB_ACTIVE && row->lease_token == str_hash(RIDER_TOKEN, 31);
}

static void shadow_count(struct shadow *shadow, const struct shadow_job *job, int sign)
{
	struct shadow_queue *queue = shadow_queue(shadow, job->row.queue);
	if (job->row.state == JOB_ACTIVE && !shadow_rides(&job->row)) {
		struct shadow_group *group = shadow_group(shadow, job->row.queue, str_of(job->group));
		queue->active += (uint32_t)sign;
		group->active += (uint32_t)sign;
		group->ended |= sign < 0;
		budgets_count(shadow, job, sign);
	}
	if (job->row.state == JOB_WAITING) {
		struct shadow_group *group = shadow_group(shadow, job->row.queue, str_of(job->group));
		group->waiting += (uint32_t)sign;
		group->odd += job->row.priority ? (uint32_t)sign : 0;
	}
	if (job_state_is_final(job->row.state)) {
		queue->final[job->row.state] += (uint64_t)(int64_t)sign;
		queue->final_bytes[job->row.state] += (uint64_t)(sign * (int64_t)job->row.bytes);
	}
}

static bool shadow_reachable(enum job_state from, enum job_state to) /* several moves may share a change-set */
{
	static uint32_t reached[JOB_STATE_COUNT]; /* bits of states; it is asked for each row that is written, and never changes */
	uint32_t seen = 1u << from;
	for (int round = 0; !reached[from] && round < JOB_STATE_COUNT; round++)
		for (int a = 0; a < JOB_STATE_COUNT; a++)
			for (int b = 0; b < JOB_STATE_COUNT; b++)
				if (seen & 1u << a && job_may_become((enum job_state)a, (enum job_state)b))
					seen |= 1u << b;
	reached[from] |= seen;
	return reached[from] & 1u << to;
}

/* Rule 1: a caller's id names one job at a time. */
static void shadow_one_of_its_name(struct shadow *shadow, const struct shadow_job *job)
{
	for (uint32_t slot = 0; job->exists && job->id[0] && slot < shadow->jobs.used; slot++) {
		const struct shadow_job *other = pool_at(&shadow->jobs, slot);
		CHECK(other == job || !other->exists || other->home != job->home || strcmp(other->id, job->id));
	}
}

static const struct retention *shadow_keep(struct shadow *shadow, const struct job_row *row)
{
	const struct shadow_queue *queue = shadow_queue(shadow, row->queue);
	return row->state == JOB_COMPLETED ? &queue->keep_completed : &queue->keep_failed;
}

static bool shadow_is_gone_at_its_end(struct shadow *shadow, const struct job_row *row)
{
	return job_state_is_final(row->state) && (shadow_keep(shadow, row)->none || shadow_queue(shadow, row->queue)->compat);
}

/* A payload that is edited, a child or a parent that it gets, a child's failure that is taken back: nothing else changes of a job that has ended. */
static bool shadow_is_edit(const struct job_row *before, const struct job_row *after)
{
	bool edited = after->flags & ROW_EDITED && before->edited_body != after->edited_body;
	bool joined = (before->flags ^ after->flags) & (ROW_PARENT | ROW_CHILD | ROW_LOST_CHILD);
	return before->state == after->state && (edited || joined) && before->fence == after->fence &&
	       before->outcome == after->outcome && before->finished_us == after->finished_us && before->started_us == after->started_us &&
	       before->attempts_made == after->attempts_made && before->stalls == after->stalls;
}

/* Ids that a queue counts are given once; and its live jobs have theirs at hand. */
static void shadow_id(struct shadow_queue *queue, const struct job_write *write)
{
	const struct job_definition *definition = write->definition;
	if (!queue->compat || !definition)
		return;
	CHECK(write->after != TABLE_LIVE || str_eq(write->row.label, definition->id));
	uint64_t number = 0;
	for (size_t i = 0; i < definition->id.len; i++) {
		if (definition->id.ptr[i] < '0' || definition->id.ptr[i] > '9')
			return;
		number = number * 10 + (uint64_t)(definition->id.ptr[i] - '0');
	}
	CHECK(number > queue->last_id);
	queue->last_id = number;
}

/* What may happen to a row that was there. */
static void shadow_judge(struct shadow *shadow, const struct shadow_job *job, const struct job_write *write)
{
	const struct job_row *row = &write->row;
	CHECK((write->before == TABLE_DONE) == job_state_is_final(job->row.state));
	CHECK(row->fence >= job->row.fence);                                              /* rule 2: a fence never goes back */
	CHECK(row->attempts_started >= job->row.attempts_started);
	CHECK(row->policy == job->row.policy && row->max_attempts == job->row.max_attempts && row->timeout_ms == job->row.timeout_ms);
	if (write->after == TABLE_NONE)                                                   /* rule 1: nothing goes but by hand, or at its end */
		CHECK(job->deleted_seq == shadow->seq || shadow_is_gone_at_its_end(shadow, row));
	else
		CHECK(job->row.state == row->state || shadow_reachable(job->row.state, row->state));
	if (write->before == TABLE_DONE)                                                  /* rule 8: a recorded retry, or deleted */
		CHECK(write->after == TABLE_NONE || job->retried_seq == shadow->seq || shadow_is_edit(&job->row, row));
}

/* Where sweeps take back: who stalled too often is to fail, but for the jobs of a chain, and that is not forgotten before it has ended. */
static void shadow_deferred(struct shadow *shadow, struct shadow_job *job, const struct job_write *write)
{
	const struct job_row *row = &write->row;
	bool deferred = row->deferred.len > 0, final = job_state_is_final(row->state), compat = shadow_queue(shadow, row->queue)->compat;
	CHECK(!deferred || (compat && !final));
	CHECK(!compat || final || row->stalls <= SIM_STALLS || deferred || job->of_chain);
	CHECK(!deferred || job->deferred || row->stalls > SIM_STALLS || row->flags & ROW_LOST_CHILD);
	CHECK(!job->deferred || deferred || final || job->retried_seq == shadow->seq);
	shadow->deferrals += deferred && !job->deferred;
	job->deferred = deferred;
}

static void shadow_write(struct shadow *shadow, const struct job_write *write)
{
	struct shadow_job *job = shadow_open(shadow, write->row.uid);
	const struct job_row *row = &write->row;
	uint64_t fence_before = job->exists ? job->row.fence : 0;
	CHECK(job->exists == (write->before != TABLE_NONE));                              /* rule 1: exactly one place */
	CHECK(!job->deleted || write->after == TABLE_NONE);
	if (job->exists) {
		shadow_judge(shadow, job, write);
		if (write->before == TABLE_DONE)
			shadow_queue(shadow, job->row.queue)->left[job->row.state]++;
		shadow_count(shadow, job, -1);
	} else if (write->after != TABLE_NONE) {
		CHECK(write->definition);
		job->home = write->definition->queue;
		snprintf(job->id, sizeof(job->id), STR_FMT, STR_ARG(write->definition->id));
		job->of_chain = write->definition->chain.len > 0;
		if (shadow_queue(shadow, row->queue)->compat)
			history_past(job, row, shadow->seq);
	}
	if (!job->exists || job->row.rank != row->rank)
		job->ranked_seq = shadow->seq; /* a row may also be written because it has become a child */
	bool was_live = job->exists && !job_state_is_final(job->row.state);
	if (was_live && row->fence == fence_before + 1)
		shadow_in_order(shadow, job, row);
	bool others_first = job->row.state == JOB_PARKED || job->row.state == JOB_WAITING_CHILDREN; /* its time to live had not begun */
	bool again = job->retried_seq == shadow->seq; /* it expired and was put back by hand in one commit: its time began anew */
	if (was_live && row->fence == fence_before + 1 && job->row.expire_us && !others_first && !again) /* of two starts the later one is told */
		CHECK(row->started_us < job->row.expire_us); /* time-to-live: not started after it */
	job->row = *row;
	snprintf(job->group, sizeof(job->group), STR_FMT, STR_ARG(row->group));
	job->row.group = str_of(job->group);
	job->row.worker = job->row.label = job->row.deferred = (struct str){ 0 };
	job->exists = write->after != TABLE_NONE;
	job->deleted = !job->exists;
	if (!job->exists)
		return;
	CHECK(row->version == shadow->seq);
	CHECK((write->after == TABLE_DONE) == job_state_is_final(row->state));
	bool compat = shadow_queue(shadow, row->queue)->compat;
	shadow_id(shadow_queue(shadow, row->queue), write);
	if (row->state == JOB_ACTIVE && row->max_attempts && !compat)
		CHECK(row->attempts_made < row->max_attempts);                            /* rule 3 */
	CHECK(row->attempts_made <= row->attempts_started);
	history_agree(job, row, compat);
	shadow_deferred(shadow, job, write);
	if (row->fence != fence_before)
		budgets_choose(shadow, job);
	shadow_count(shadow, job, +1);
	if (row->fence != fence_before && shadow_rides(row)) {
		shadow_group(shadow, row->queue, str_of(job->group))->rode++;
	} else if (row->fence != fence_before) {
		CHECK(shadow->start_count < ARRAY_COUNT(shadow->starts));
		shadow->starts[shadow->start_count++] = (struct shadow_started){ row->queue, job, row->started_us, write->row.deferred.len > 0 };
	}
}

/* Those that wait, before and after this change-set alike, are the measure of who goes first: the others are marked. */
static void shadow_mark_touched(struct shadow *shadow, const struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		shadow_open(shadow, cs->jobs.items[i].row.uid)->placed_seq = cs->seq;
}

/* Rule 7: at no commit more active jobs than a limit allows. */
void shadow_limit(uint32_t limit, uint32_t active, uint32_t *allowance)
{
	CHECK(!limit || active <= (limit > *allowance ? limit : *allowance));
	if (active < *allowance)
		*allowance = active;
}

static void shadow_limits(struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->group_count; i++) {
		struct shadow_group *group = &shadow->groups[i];
		shadow_limit(shadow_group_limit(shadow_queue(shadow, group->queue), group), group->active, &group->allowance);
	}
	for (uint32_t i = 0; i < shadow->queue_count; i++)
		shadow_limit(shadow->queues[i].concurrency, shadow->queues[i].active, &shadow->queues[i].allowance);
}

/* ---- keys of dedup ---- */

static void shadow_dedup_row(struct shadow *shadow, const struct dedup_row *row)
{
	struct shadow_dedup *dedup = NULL;
	for (uint32_t i = 0; i < shadow->dedup_count && !dedup; i++)
		if (shadow->dedups[i].queue == row->queue && str_eq(str_of(shadow->dedups[i].key), row->key))
			dedup = &shadow->dedups[i];
	if (!dedup) {
		CHECK(shadow->dedup_count < ARRAY_COUNT(shadow->dedups));
		dedup = &shadow->dedups[shadow->dedup_count++];
		dedup->queue = row->queue;
		snprintf(dedup->key, sizeof(dedup->key), STR_FMT, STR_ARG(row->key));
	}
	dedup->owner = row->owner;
	dedup->next = row->next;
	dedup->until_us = row->until_us;
	dedup->live = !row->gone;
	dedup->latest = row->flags & DEDUP_LATEST;
	dedup->held = row->flags & DEDUP_HELD;
}

static bool shadow_is_live(struct shadow *shadow, uint64_t uid)
{
	const struct shadow_job *job = shadow_find(shadow, uid);
	return job && job->exists && !job_state_is_final(job->row.state);
}

/* ---- chains ---- */

static void shadow_chain_goes_on(const struct shadow_chain *chain, const struct chain_row *row)
{
	const char *limit = row->gone ? NULL : memmem(row->schedule.ptr, row->schedule.len, "\"limit\":", 8);
	CHECK(row->gone ? !row->pending : row->count >= 1 && limit && row->count <= (uint64_t)(limit[8] - '0'));
	CHECK(row->gone || row->pending || row->count == (uint64_t)(limit[8] - '0')); /* nothing else ends one here */
	CHECK(!chain->live || row->gone || row->count <= chain->count || row->slot_ms > chain->slot_ms); /* rule 6: no time twice */
}

static void shadow_chain_row(struct shadow *shadow, const struct chain_row *row)
{
	struct shadow_chain *chain = NULL;
	for (uint32_t i = 0; i < shadow->chain_count && !chain; i++)
		if (shadow->chains[i].queue == row->queue && str_eq(str_of(shadow->chains[i].key), row->key))
			chain = &shadow->chains[i];
	if (!chain) {
		CHECK(shadow->chain_count < ARRAY_COUNT(shadow->chains));
		chain = &shadow->chains[shadow->chain_count++];
		chain->queue = row->queue;
		snprintf(chain->key, sizeof(chain->key), STR_FMT, STR_ARG(row->key));
	}
	if (shadow_queue(shadow, row->queue)->compat)
		chains_judge(shadow, chain, row);
	else
		shadow_chain_goes_on(chain, row);
	chain->told = shadow_queue(shadow, row->queue)->compat;
	chain->changed_seq = shadow->seq;
	chain->pending = row->pending;
	chain->count = row->count;
	chain->slot_ms = row->slot_ms;
	chain->live = !row->gone;
}

/* Whatever a commit ends with: a chain that has not ended has a job that nobody has claimed, and two chains never the same one. */
static void shadow_chains(struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->chain_count; i++) {
		const struct shadow_chain *chain = &shadow->chains[i];
		for (uint32_t n = 0; n < i; n++)
			CHECK(!chain->live || !chain->pending || !shadow->chains[n].live || shadow->chains[n].pending != chain->pending);
		if (chain->live && chain->told && chain->changed_seq == shadow->seq)
			CHECK(shadow_find(shadow, chain->pending) && shadow_find(shadow, chain->pending)->exists);
		if (!chain->live || !chain->pending || chain->told)
			continue;
		CHECK(shadow_is_live(shadow, chain->pending));
		const struct job_row *row = &shadow_find(shadow, chain->pending)->row;
		CHECK(row->state == JOB_WAITING || row->state == JOB_DELAYED);
		CHECK(!row->attempts_started);
		CHECK(row->queue == chain->queue);
		CHECK(!(row->flags & ROW_FAR)); /* it is at hand when it is claimed */
	}
}

/* A key without an end of its own has an owner that is not done; whoever is parked follows an owner that is not done, and is the only one. */
static void shadow_dedups(struct shadow *shadow)
{
	uint32_t parked = 0, followers = 0;
	for (uint32_t i = 0; i < shadow->dedup_count; i++) {
		const struct shadow_dedup *dedup = &shadow->dedups[i];
		if (!dedup->live)
			continue;
		CHECK(dedup->until_us || dedup->held || shadow_is_live(shadow, dedup->owner));
		if (!dedup->next)
			continue;
		CHECK(shadow_is_live(shadow, dedup->owner));
		CHECK(shadow_is_live(shadow, dedup->next));
		CHECK(shadow_find(shadow, dedup->next)->row.state == JOB_PARKED);
		const struct job_row *owner = &shadow_find(shadow, dedup->owner)->row;
		CHECK(!dedup->latest || owner->state == JOB_ACTIVE || owner->flags & ROW_PARENT); /* nobody waits before something newer */
		followers++;
	}
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *job = pool_at(&shadow->jobs, slot);
		parked += job->exists && job->row.state == JOB_PARKED;
	}
	CHECK(parked == followers);
}

/* ---- counts, retention, dropped queues ---- */

static void shadow_counts(struct shadow *shadow, const struct changeset *cs)
{
	for (uint32_t i = 0; i < shadow->queue_count; i++) {
		struct shadow_queue *queue = &shadow->queues[i];
		struct queue_counts said = { .queue = queue->number };
		for (uint32_t k = 0; k < cs->counts.count; k++)
			if (cs->counts.items[k].queue == queue->number)
				said = cs->counts.items[k];
		CHECK(said.enqueued == queue->events.enqueued);
		CHECK(said.started == queue->events.started);
		for (int state = 0; state < JOB_STATE_COUNT; state++) {
			CHECK(said.ended[state] == queue->events.ended[state]);
			CHECK(said.final[state] == queue->final[state] - queue->final_before[state]);
			CHECK(said.final_bytes[state] == queue->final_bytes[state] - queue->bytes_before[state]);
		}
	}
}

static bool shadow_in_range(const struct shadow_job *job, const struct range_delete *range)
{
	return job->exists && job->row.queue == range->queue && job->row.state == range->state &&
	       (job->row.finished_us < range->up_to_us || (job->row.finished_us == range->up_to_us && job->row.uid <= range->up_to_uid));
}

/* Retention takes final jobs only, and none that its queue's settings keep. */
static void shadow_range(struct shadow *shadow, const struct changeset *cs, const struct range_delete *range)
{
	struct shadow_queue *queue = shadow_queue(shadow, range->queue);
	const struct retention *keep = range->state == JOB_COMPLETED ? &queue->keep_completed : &queue->keep_failed;
	CHECK(job_state_is_final(range->state));
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		struct shadow_job *job = pool_at(&shadow->jobs, slot);
		if (!shadow_in_range(job, range))
			continue;
		bool too_old = keep->age_ms && job->row.finished_us <= cs->engine_us - keep->age_ms * 1000;
		uint64_t most = queue->compat ? SIM_KEEP : keep->count;
		bool too_many = most && queue->final[range->state] + queue->left[range->state] > most;
		bool tied = job->row.finished_us == range->up_to_us && job->row.version == shadow->seq; /* ended at the very instant of the last that goes */
		CHECK(too_old || too_many || tied || queue->changed_seq == shadow->seq);
		shadow_count(shadow, job, -1);
		queue->left[range->state] += tied; /* beside those that the range is for */
		job->exists = false;
		job->deleted = true;
		shadow->retained++;
	}
}

static void shadow_drop_queue(struct shadow *shadow, uint32_t number)
{
	shadow_queue(shadow, number)->dropped = true;
	for (uint32_t i = 0; i < shadow->group_count; i++)
		if (shadow->groups[i].queue == number)
			shadow->groups[i].paused = shadow->groups[i].has_concurrency = shadow->groups[i].has_limits = false;
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *job = pool_at(&shadow->jobs, slot);
		CHECK(!job->exists || job->row.queue != number); /* rule 1: a queue goes only when it is empty */
	}
}

static bool shadow_tells(struct shadow *shadow, uint64_t uid) /* it is there, or was written in this change-set */
{
	const struct shadow_job *job = shadow_find(shadow, uid);
	return job && (job->exists || job->placed_seq == shadow->seq);
}

/* Rule 9: what hangs on a job comes and goes with it. */
static void shadow_no_orphans(struct shadow *shadow, const struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->attempts.count; i++) {
		struct shadow_job *job = shadow_find(shadow, cs->attempts.items[i].uid);
		CHECK(shadow_tells(shadow, cs->attempts.items[i].uid));
		if (!cs->attempts.items[i].fence) { /* of its past, which comes with it */
			CHECK(job->past_seq == cs->seq);
			continue;
		}
		CHECK(job->tries_seq == cs->seq && job->tries > 0); /* an end without success, each told once */
		job->tries--;
	}
	for (uint32_t i = 0; i < cs->logs.count; i++)
		CHECK(shadow_tells(shadow, cs->logs.items[i].uid));
	for (uint32_t i = 0; i < cs->progress.count; i++)
		CHECK(shadow_tells(shadow, cs->progress.items[i].uid));
}

/* Every end that is counted ever is counted in its minute, in the same commit. */
static void shadow_metrics(struct shadow *shadow, const struct changeset *cs)
{
	uint32_t found = 0, resets = 0;
	for (uint32_t n = 0; n < cs->metrics.count; n++) /* a queue that is made as new forgets its minutes, and counts nothing */
		resets += !cs->metrics.items[n].row.completed && !cs->metrics.items[n].row.failed;
	for (uint32_t i = 0; i < cs->counts.count; i++) {
		const struct queue_counts *counts = &cs->counts.items[i];
		uint64_t completed = 0, failed = 0;
		for (uint32_t n = 0; n < cs->metrics.count; n++) {
			const struct metric_add *add = &cs->metrics.items[n];
			if (add->row.queue != counts->queue || (!add->row.completed && !add->row.failed))
				continue;
			CHECK(shadow_queue(shadow, add->row.queue)->apart || add->row.minute == cs->engine_us / 60000000); /* theirs may have gone on */
			completed += add->row.completed;
			failed += add->row.failed;
			found++;
		}
		CHECK(completed == counts->ended[JOB_COMPLETED] && failed == counts->ended[JOB_FAILED]);
	}
	CHECK(found + resets == cs->metrics.count);
}

/* A trim takes whole commits that were there before. */
static void shadow_trims(const struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->event_trims.count; i++)
		CHECK(cs->event_trims.items[i].up_to_seq < cs->seq && (cs->event_trims.items[i].removed > 0) == (cs->event_trims.items[i].up_to_seq > 0));
}

void shadow_commit(struct shadow *shadow, const struct changeset *cs, int64_t now_us)
{
	CHECK(cs->seq == shadow->seq + 1);
	CHECK(cs->engine_us >= shadow->engine_us); /* rule 10: engine time never goes back */
	shadow->seq = cs->seq;
	shadow->engine_us = cs->engine_us;
	shadow->committed_us = now_us;
	for (uint32_t i = 0; i < shadow->queue_count; i++) {
		struct shadow_queue *queue = &shadow->queues[i];
		queue->events = (struct queue_counts){ 0 };
		memset(queue->left, 0, sizeof(queue->left));
		memcpy(queue->final_before, queue->final, sizeof(queue->final));
		memcpy(queue->bytes_before, queue->final_bytes, sizeof(queue->final_bytes));
	}
	budgets_read(shadow, cs);
	for (uint32_t i = 0; i < cs->queues.count; i++)
		shadow_settings(shadow, &cs->queues.items[i]);
	for (uint32_t i = 0; i < cs->groups.count; i++)
		shadow_group_row(shadow, &cs->groups.items[i]);
	shadow_mark_touched(shadow, cs);
	history_read(shadow, cs);
	hooks_read(shadow, cs);
	for (uint32_t i = 0; i < cs->jobs.count; i++) {
		shadow_write(shadow, &cs->jobs.items[i]);
		struct shadow_job *job = shadow_find(shadow, cs->jobs.items[i].row.uid);
		job->final_us = !job->exists || job_state_is_final(job->row.state) ? now_us : 0;
	}
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		shadow_stands_well(shadow, shadow_find(shadow, cs->jobs.items[i].row.uid));
	for (uint32_t i = 0; i < cs->dropped_queues.count; i++)
		for (uint32_t n = 0; n < shadow->dedup_count; n++)
			if (shadow->dedups[n].queue == cs->dropped_queues.items[i])
				shadow->dedups[n].live = false;
	for (uint32_t i = 0; i < cs->dedups.count; i++)
		shadow_dedup_row(shadow, &cs->dedups.items[i]);
	shadow_dedups(shadow);
	order_read(shadow, cs);
	for (uint32_t i = 0; i < cs->chains.count; i++)
		shadow_chain_row(shadow, &cs->chains.items[i]);
	shadow_chains(shadow);
	shadow_metrics(shadow, cs);
	shadow_trims(cs);
	resets_judge(shadow, cs);
	hooks_health(shadow);
	shadow_starts(shadow);
	shadow_limits(shadow);
	budgets_judge(shadow);
	turns_judge(shadow);
	shadow_counts(shadow, cs);
	shadow_no_orphans(shadow, cs);
	for (uint32_t i = 0; i < cs->ranges.count; i++)
		shadow_range(shadow, cs, &cs->ranges.items[i]);
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		if (cs->jobs.items[i].before == TABLE_NONE)
			shadow_one_of_its_name(shadow, shadow_find(shadow, cs->jobs.items[i].row.uid));
	for (uint32_t i = 0; i < cs->dropped_queues.count; i++)
		shadow_drop_queue(shadow, cs->dropped_queues.items[i]);
}

/* ---- memory and disk ---- */

static int shadow_compare_uids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static const struct queue_row *shadow_queue_row(struct mem_disk *disk, uint32_t number)
{
	for (uint32_t i = 0; i < disk->tables[MEM_QUEUES].count; i++) {
		const struct queue_row *row = disk_row(disk, MEM_QUEUES, i);
		if (row->number == number)
			return row;
	}
	return NULL;
}

static void shadow_dump_queue(struct shadow *shadow, struct mem_disk *disk, const struct queue_row *row, struct buf *out)
{
	struct queue_counts counts = { 0 };
	uint64_t sum = 0, count = 0;
	for (uint32_t i = 0; i < disk->tables[MEM_COUNTS].count; i++) {
		const struct queue_counts *kept = disk_row(disk, MEM_COUNTS, i);
		if (kept->queue == row->number)
			counts = *kept;
	}
	buf_addf(out, "queue %u " STR_FMT "/" STR_FMT "%s " STR_FMT " enqueued=%llu started=%llu", row->number, STR_ARG(row->namespace_name),
	         STR_ARG(row->name), row->paused ? " paused" : "", STR_ARG(row->settings), (unsigned long long)counts.enqueued,
	         (unsigned long long)counts.started);
	for (int state = 0; state < JOB_STATE_COUNT; state++)
		buf_addf(out, " %llu/%llu/%llu", (unsigned long long)counts.ended[state], (unsigned long long)counts.final[state],
		         (unsigned long long)counts.final_bytes[state]);
	for (uint32_t i = 0; i < shadow->group_count; i++) {
		const struct shadow_group *group = &shadow->groups[i];
		if (group->queue != row->number || (!group->paused && !group->has_concurrency && !group->weight))
			continue;
		sum += str_hash(str_of(group->key), (group->paused ? 1 : 2) + (group->has_concurrency ? 10 + group->concurrency : 0) +
		                                    group->weight * UINT64_C(10000000));
		count++;
	}
	buf_addf(out, "\ngroups %llu %llx\n", (unsigned long long)count, (unsigned long long)sum);
}

static void shadow_dump_operations(struct mem_disk *disk, struct buf *out)
{
	uint64_t sum = 0, count = 0;
	for (uint32_t i = 0; i < disk->tables[MEM_OPERATIONS].count; i++) {
		const struct operation_row *row = disk_row(disk, MEM_OPERATIONS, i);
		if (row->state == OPERATION_DONE || row->state == OPERATION_CANCELLED)
			continue;
		sum += map_mix(row->number + map_mix(row->cursor_uid + row->cursor_phase) + row->done * 3 + row->skipped * 5 + row->failed * 7 + row->state);
		count++;
	}
	buf_addf(out, "operations %llu %llx\n", (unsigned long long)count, (unsigned long long)sum);
}

static bool shadow_is_pending(const struct mem_disk *disk, const struct edge_row *row) /* below a parent that has not ended */
{
	const struct mem_job *parent = disk_job(disk, row->parent);
	return row->state == EDGE_PENDING && parent && parent->table == TABLE_LIVE;
}

/* Who waits for whom. */
static void shadow_dump_edges(struct mem_disk *disk, struct buf *out)
{
	uint64_t sum = 0, count = 0;
	for (uint32_t i = 0; i < disk->tables[MEM_EDGES].count; i++) {
		const struct edge_row *row = disk_row(disk, MEM_EDGES, i);
		if (!shadow_is_pending(disk, row))
			continue;
		sum += map_mix(row->parent + map_mix(row->child + row->on_failure));
		count++;
	}
	buf_addf(out, "edges %llu %llx\n", (unsigned long long)count, (unsigned long long)sum);
}

void shadow_dump(struct shadow *shadow, struct mem_disk *disk, const struct engine *engine, bool (*has_left)(const struct engine *, uint64_t),
                 struct buf *out)
{
	uint32_t highest = 0;
	for (uint32_t i = 0; i < shadow->queue_count; i++)
		highest = shadow->queues[i].number > highest ? shadow->queues[i].number : highest;
	for (uint32_t number = 1; number <= highest; number++) {
		const struct queue_row *row = shadow_queue_row(disk, number);
		if (row)
			shadow_dump_queue(shadow, disk, row, out);
	}
	shadow_dump_operations(disk, out);
	budgets_dump(disk, out);
	hooks_dump(disk, disk->meta.last_named, out);
	shadow_dump_edges(disk, out);
	uint64_t *uids = mem_zalloc_array(shadow->jobs.used + 1, sizeof(*uids));
	uint32_t count = 0;
	CHECK(uids);
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *job = pool_at(&shadow->jobs, slot);
		if (job->exists && !job_state_is_final(job->row.state) && !(job->row.flags & ROW_FAR && has_left(engine, job->row.uid)))
			uids[count++] = job->row.uid;
	}
	qsort(uids, count, sizeof(*uids), shadow_compare_uids);
	for (uint32_t i = 0; i < count; i++) {
		const struct shadow_job *job = shadow_find(shadow, uids[i]);
		engine_dump_job(&job->row, str_of(job->group), out);
	}
	mem_free(uids);
}

static void shadow_add_body(struct map *bodies, uint64_t *numbers, uint32_t *count, uint64_t number)
{
	if (!number)
		return;
	numbers[*count] = number;
	enum err err = map_put(bodies, map_mix(number), (*count)++);
	CHECK(!err);
}

static uint64_t shadow_body_hash(void *context, uint32_t item)
{
	return map_mix(((const uint64_t *)context)[item]);
}

static bool shadow_body_equal(void *context, uint32_t item, const void *key)
{
	return ((const uint64_t *)context)[item] == *(const uint64_t *)key;
}

/* Rule 9 of bodies: each that is there is named by a row or is on its way, and each that a row names is there. */
static void shadow_compare_bodies(struct mem_disk *disk)
{
	const struct mem_rows *chunks = &disk->tables[MEM_CHUNKS];
	uint64_t *named = mem_zalloc_array(disk->jobs.used * 3 + 1, sizeof(*named)), *there = mem_zalloc_array(chunks->count + 1, sizeof(*there));
	uint32_t named_count = 0, there_count = 0;
	struct map by_name, by_chunk;
	CHECK(named && there);
	map_init(&by_name, shadow_body_hash, named);
	map_init(&by_chunk, shadow_body_hash, there);
	for (uint32_t slot = 0; slot < disk->jobs.used; slot++) {
		const struct mem_job *job = pool_at(&disk->jobs, slot);
		if (!job->uid)
			continue;
		shadow_add_body(&by_name, named, &named_count, job->definition->payload_body);
		shadow_add_body(&by_name, named, &named_count, job->row->edited_body);
		shadow_add_body(&by_name, named, &named_count, job->result ? job->result->result_body : 0);
	}
	for (uint32_t i = 0; i < chunks->count; i++)
		shadow_add_body(&by_chunk, there, &there_count, ((const struct body_chunk *)disk_row(disk, MEM_CHUNKS, i))->number);
	for (uint32_t i = 0; i < named_count; i++)
		CHECK(map_find(&by_chunk, map_mix(named[i]), shadow_body_equal, &named[i]) != MAP_NONE);
	for (uint32_t i = 0; i < there_count; i++) {
		bool staged = false;
		for (uint32_t k = 0; k < disk->tables[MEM_STAGED].count; k++)
			staged |= *(const uint64_t *)disk_row(disk, MEM_STAGED, k) == there[i];
		CHECK(staged || map_find(&by_name, map_mix(there[i]), shadow_body_equal, &there[i]) != MAP_NONE);
	}
	map_fini(&by_name);
	map_fini(&by_chunk);
	mem_free(named);
	mem_free(there);
}

/* Whoever waits for children has one that has not ended, and an edge goes with its parent. */
static void shadow_compare_edges(struct shadow *shadow, struct mem_disk *disk)
{
	const struct mem_rows *edges = &disk->tables[MEM_EDGES];
	uint64_t *waiting = mem_zalloc_array(shadow->jobs.used + 1, sizeof(*waiting));
	uint32_t count = 0;
	CHECK(waiting);
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *job = pool_at(&shadow->jobs, slot);
		if (job->exists && job->row.state == JOB_WAITING_CHILDREN)
			waiting[count++] = job->row.uid;
	}
	for (uint32_t i = 0; i < edges->count; i++) {
		const struct edge_row *row = disk_row(disk, MEM_EDGES, i);
		const struct mem_job *child = disk_job(disk, row->child);
		CHECK(disk_job(disk, row->parent));
		if (!shadow_is_pending(disk, row))
			continue;
		CHECK((child && child->table == TABLE_LIVE) || row->on_failure == ON_FAILURE_FOLLOW); /* or it failed, and holds those behind */
		for (uint32_t n = 0; n < count; n++)
			if (waiting[n] == row->parent)
				waiting[n--] = waiting[--count];
	}
	CHECK(count == 0);
	mem_free(waiting);
}

void shadow_compare_disk(struct shadow *shadow, struct mem_disk *disk, bool at_rest)
{
	uint32_t there = 0;
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *job = pool_at(&shadow->jobs, slot);
		const struct mem_job *kept = disk_job(disk, job->row.uid);
		CHECK((kept != NULL) == job->exists);                                     /* rule 1, where it counts */
		if (!kept)
			continue;
		CHECK(kept->row->state == job->row.state);
		CHECK(kept->row->version == job->row.version);
		CHECK((kept->table == TABLE_DONE) == job_state_is_final(job->row.state));
		there++;
	}
	CHECK(disk->jobs.live == there);
	shadow_compare_bodies(disk);
	shadow_compare_edges(shadow, disk);
	for (uint32_t i = 0; i < disk->tables[MEM_OPERATIONS].count && at_rest; i++) {
		const struct operation_row *operation = disk_row(disk, MEM_OPERATIONS, i);
		CHECK(operation->state == OPERATION_DONE || operation->state == OPERATION_CANCELLED); /* rule 5, of bulk work */
	}
	for (uint32_t i = 0; i < disk->tables[MEM_COUNTS].count; i++) {
		const struct queue_counts *counts = disk_row(disk, MEM_COUNTS, i);
		const struct shadow_queue *queue = shadow_queue(shadow, counts->queue);
		for (int state = 0; state < JOB_STATE_COUNT; state++) {
			CHECK(counts->final[state] == queue->final[state]);
			CHECK(counts->final_bytes[state] == queue->final_bytes[state]);
		}
	}
}

void shadow_at_rest(struct shadow *shadow)
{
	hooks_at_rest(shadow);
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *job = pool_at(&shadow->jobs, slot);
		if (job->exists && !job_state_is_final(job->row.state))
			fprintf(stderr, "not at rest: %llu %s in queue %s group '%s', due %lld, made %u\n",
				(unsigned long long)job->row.uid, job_state_name(job->row.state),
				shadow_queue(shadow, job->row.queue)->name, job->group, (long long)job->row.due_us,
				job->row.attempts_made);
		CHECK(!job->exists || job_state_is_final(job->row.state)); /* rule 5: no wake-up is lost */
	}
	for (uint32_t i = 0; i < shadow->queue_count; i++) {
		const struct shadow_queue *queue = &shadow->queues[i];
		for (int state = 0; state < JOB_STATE_COUNT; state++) {
			const struct retention *keep = state == JOB_COMPLETED ? &queue->keep_completed : &queue->keep_failed;
			CHECK(queue->dropped || !keep->count || queue->final[state] <= keep->count);
		}
	}
}

void shadow_hash(struct shadow *shadow, uint64_t *hash)
{
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *job = pool_at(&shadow->jobs, slot);
		*hash = map_mix(*hash ^ job->row.uid) + (uint64_t)job->row.state + job->row.fence * 31 + job->row.attempts_made * 17 + job->exists;
	}
}
