/* sim/shadow.c: the rules of design.md §6, judged on rows. */
#include "sim/shadow.h"
#include "base/check.h"
#include "base/json.h"
#include "rules/settings.h"
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

static struct shadow_job *shadow_open(struct shadow *shadow, uint64_t uid)
{
	struct shadow_job *job = shadow_find(shadow, uid);
	uint32_t slot;
	if (job)
		return job;
	enum err err = pool_take(&shadow->jobs, &slot);
	CHECK(!err);
	job = pool_at(&shadow->jobs, slot);
	job->row.uid = uid;
	err = map_put(&shadow->by_uid, map_mix(uid), slot);
	CHECK(!err);
	return job;
}

static struct shadow_queue *shadow_queue(struct shadow *shadow, uint32_t number)
{
	for (uint32_t i = 0; i < shadow->queue_count; i++)
		if (shadow->queues[i].number == number)
			return &shadow->queues[i];
	CHECK(shadow->queue_count < ARRAY_COUNT(shadow->queues));
	struct shadow_queue *queue = &shadow->queues[shadow->queue_count++];
	*queue = (struct shadow_queue){ .number = number };
	return queue;
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
	snprintf(queue->name, sizeof(queue->name), STR_FMT, STR_ARG(row->name));
	queue->concurrency = settings.concurrency;
	queue->group_concurrency = settings.group_concurrency;
	queue->rate_max = settings.rate.max;
	queue->rate_per_us = settings.rate.per_ms * 1000;
	CHECK(queue->rate_max <= ARRAY_COUNT(queue->starts_us));
	arena_fini(&arena);
}

/* Rule 7 for rates: the start before `max` starts lies a whole span back. */
static void shadow_start(struct shadow_queue *queue, int64_t at_us)
{
	if (!queue->rate_max)
		return;
	int64_t *oldest = &queue->starts_us[queue->start_next];
	if (queue->start_count == queue->rate_max)
		CHECK(at_us - *oldest >= queue->rate_per_us);
	else
		queue->start_count++;
	*oldest = at_us;
	queue->start_next = (queue->start_next + 1) % queue->rate_max;
}

static bool shadow_reachable(enum job_state from, enum job_state to) /* several moves may share a change-set */
{
	uint32_t seen = 1u << from;
	for (int round = 0; round < JOB_STATE_COUNT; round++)
		for (int a = 0; a < JOB_STATE_COUNT; a++)
			for (int b = 0; b < JOB_STATE_COUNT; b++)
				if (seen & 1u << a && job_may_become((enum job_state)a, (enum job_state)b))
					seen |= 1u << b;
	return seen & 1u << to;
}

static struct shadow_group *shadow_group(struct shadow *shadow, const struct shadow_job *job)
{
	for (uint32_t i = 0; i < shadow->group_count; i++)
		if (shadow->groups[i].queue == job->row.queue && !strcmp(shadow->groups[i].key, job->group))
			return &shadow->groups[i];
	CHECK(shadow->group_count < ARRAY_COUNT(shadow->groups));
	struct shadow_group *group = &shadow->groups[shadow->group_count++];
	*group = (struct shadow_group){ .queue = job->row.queue };
	memcpy(group->key, job->group, sizeof(group->key));
	return group;
}

static void shadow_leave(struct shadow *shadow, const struct shadow_job *job)
{
	struct shadow_queue *queue = shadow_queue(shadow, job->row.queue);
	if (job->row.state == JOB_ACTIVE) {
		queue->active--;
		shadow_group(shadow, job)->active--;
	}
	if (job_state_is_final(job->row.state))
		queue->final[job->row.state]--;
}

static void shadow_enter(struct shadow *shadow, const struct shadow_job *job)
{
	struct shadow_queue *queue = shadow_queue(shadow, job->row.queue);
	if (job->row.state == JOB_ACTIVE) {
		queue->active++;
		shadow_group(shadow, job)->active++;
	}
	if (job_state_is_final(job->row.state))
		queue->final[job->row.state]++;
}

static void shadow_write(struct shadow *shadow, const struct job_write *write)
{
	struct shadow_job *job = shadow_open(shadow, write->row.uid);
	const struct job_row *row = &write->row;
	CHECK(job->exists == (write->before != TABLE_NONE));                              /* rule 1: exactly one place */
	if (job->exists) {
		CHECK((write->before == TABLE_DONE) == job_state_is_final(job->row.state));
		CHECK(row->fence >= job->row.fence);                                      /* a fence never goes back */
		CHECK(row->attempts_started >= job->row.attempts_started);
		shadow_leave(shadow, job);
		if (write->after != TABLE_NONE)
			CHECK(job->row.state == row->state || shadow_reachable(job->row.state, row->state));
	}
	bool started = row->state == JOB_ACTIVE && (!job->exists || job->row.state != JOB_ACTIVE || job->row.fence != row->fence);
	CHECK(!job->deleted || write->after == TABLE_NONE);
	job->row = *row;
	snprintf(job->group, sizeof(job->group), STR_FMT, STR_ARG(row->group));
	job->row.group = str_of(job->group);
	job->row.worker = (struct str){ 0 };
	job->exists = write->after != TABLE_NONE;
	job->deleted = !job->exists;
	if (!job->exists)
		return;
	CHECK((write->after == TABLE_DONE) == job_state_is_final(row->state));
	if (row->state == JOB_ACTIVE && row->max_attempts)
		CHECK(row->attempts_made < row->max_attempts);                            /* rule 3 */
	CHECK(row->attempts_made <= row->attempts_started);
	CHECK(row->state != JOB_COMPLETED || row->attempts_made > 0);
	shadow_enter(shadow, job);
	if (started && shadow_queue(shadow, row->queue)->rate_max) {
		CHECK(shadow->start_count < ARRAY_COUNT(shadow->starts));
		shadow->starts[shadow->start_count++] = (struct shadow_started){ row->queue, row->started_us };
	}
}

static int shadow_compare_starts(const void *a, const void *b)
{
	int64_t x = ((const struct shadow_started *)a)->at_us, y = ((const struct shadow_started *)b)->at_us;
	return (x > y) - (x < y);
}

/* Rows stand in no order of time in a change-set: one may have been dirtied first and started last. */
static void shadow_starts(struct shadow *shadow)
{
	qsort(shadow->starts, shadow->start_count, sizeof(shadow->starts[0]), shadow_compare_starts);
	for (uint32_t i = 0; i < shadow->start_count; i++)
		shadow_start(shadow_queue(shadow, shadow->starts[i].queue), shadow->starts[i].at_us);
	shadow->start_count = 0;
}

/* Rule 7: at no commit more active jobs than a limit allows. */
static void shadow_limits(struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->group_count; i++) {
		uint32_t limit = shadow_queue(shadow, shadow->groups[i].queue)->group_concurrency;
		CHECK(!limit || !shadow->groups[i].key[0] || shadow->groups[i].active <= limit);
	}
	for (uint32_t i = 0; i < shadow->queue_count; i++)
		CHECK(!shadow->queues[i].concurrency || shadow->queues[i].active <= shadow->queues[i].concurrency);
}

void shadow_commit(struct shadow *shadow, const struct changeset *cs)
{
	CHECK(cs->seq == shadow->seq + 1);
	CHECK(cs->engine_us >= shadow->engine_us); /* rule 10: engine time never goes back */
	shadow->seq = cs->seq;
	shadow->engine_us = cs->engine_us;
	for (uint32_t i = 0; i < cs->queues.count; i++)
		shadow_settings(shadow, &cs->queues.items[i]);
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		shadow_write(shadow, &cs->jobs.items[i]);
	shadow_starts(shadow);
	shadow_limits(shadow);
}

/* ---- what clients were told ---- */

void shadow_enqueued(struct shadow *shadow, uint64_t uid)
{
	struct shadow_job *job = shadow_find(shadow, uid);
	CHECK(job);                        /* rule 1: an acknowledged job is on disk */
	CHECK(job->exists || job->deleted);
	job->acknowledged = true;
}

/* Rule 2: no lease completes twice; and rows let no final job complete again, but after a retry. */
void shadow_completed(struct shadow *shadow, uint64_t uid, uint64_t fence)
{
	struct shadow_job *job = shadow_find(shadow, uid);
	CHECK(job);
	CHECK(fence > job->completed_fence);
	job->completed_fence = fence;
}

void shadow_stale(struct shadow *shadow, uint64_t uid, uint64_t fence)
{
	const struct shadow_job *job = shadow_find(shadow, uid);
	CHECK(job);
	CHECK(!job->exists || job->row.state != JOB_ACTIVE || job->row.fence != fence);
}

void shadow_granted(struct shadow *shadow, uint64_t uid, uint64_t fence)
{
	const struct shadow_job *job = shadow_find(shadow, uid);
	CHECK(job);
	CHECK(job->row.fence >= fence);    /* the claim was committed before its answer */
}

void shadow_at_rest(struct shadow *shadow)
{
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *job = pool_at(&shadow->jobs, slot);
		if (job->exists && !job_state_is_final(job->row.state))
			fprintf(stderr, "not at rest: %llu %s in queue %s group '%s', due %lld, made %u\n",
				(unsigned long long)job->row.uid, job_state_name(job->row.state),
				shadow_queue(shadow, job->row.queue)->name, job->group, (long long)job->row.due_us,
				job->row.attempts_made);
		CHECK(!job->exists || job_state_is_final(job->row.state)); /* rule 5: no wake-up is lost */
	}
}

void shadow_hash(struct shadow *shadow, uint64_t *hash)
{
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *job = pool_at(&shadow->jobs, slot);
		*hash = map_mix(*hash ^ job->row.uid) + (uint64_t)job->row.state + job->row.fence * 31 + job->row.attempts_made * 17 + job->exists;
	}
}
