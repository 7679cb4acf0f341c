/* sim/watch.c: rule 5, the one about what does not happen. Ten times a second everything is looked at that could have gone on: a job that is due
 * while somebody waits for work and no limit holds it, a wait for a job that has ended, an answer. None may stay so for a second of quiet. */
#include "sim/world.h"
#include "base/check.h"
#include <stdio.h>

#define WATCH_US      100000
#define IN_TIME_US    1000000
#define SETTLE_US     2500000 /* after a fault: the engine looks again after a second, and rates are shut for one */

/* Engine time is at least what the last commit said, and it goes on since. */
static int64_t watch_engine_us(const struct world *world)
{
	return world->shadow.engine_us + (world->now_us - world->shadow.committed_us);
}

static bool watch_is_due(const struct world *world, const struct job_row *row)
{
	if (row->state == JOB_WAITING)
		return true;
	return row->state == JOB_DELAYED && row->due_us <= (row->flags & ROW_DUE_WALL ? world_wall_us(world) : watch_engine_us(world));
}

/* Nothing but the engine keeps it from running. */
static bool watch_is_ripe(struct world *world, const struct shadow_job *job)
{
	struct shadow *shadow = &world->shadow;
	const struct job_row *row = &job->row;
	if (!watch_is_due(world, row))
		return false;
	const struct shadow_queue *queue = shadow_queue(shadow, row->queue);
	const struct shadow_group *group = shadow_group(shadow, row->queue, str_of(job->group));
	uint32_t limit = shadow_group_limit(queue, group);
	int64_t engine_us = watch_engine_us(world);
	if (hooks_owns(shadow, job))
		limit = 1; /* it may be trusted with more */
	if (queue->apart || queue->paused || group->paused || (queue->concurrency && queue->active >= queue->concurrency) || (limit && group->active >= limit))
		return false;
	if (!budgets_have_room(shadow, job, engine_us))
		return false;
	return shadow_rate_open_us(&queue->rate) <= engine_us && shadow_rate_open_us(&group->rate) <= engine_us;
}

/* Since then: slots for deliveries are free (looked at each time) and none was taken, or one and the same worker has been waiting. Endpoints that may
 * not answer have half of the slots. */
static bool watch_has_capacity(struct world *world, const struct shadow_job *job, const struct shadow_queue *queue, int64_t since_us)
{
	uint32_t deliveries = 0, most = hooks_owns(&world->shadow, job) ? SIM_DELIVERIES / 2 : SIM_DELIVERIES;
	if (!queue->http)
		return workers_wait(since_us, queue->compat);
	for (uint32_t i = 0; i < world->shadow.queue_count; i++)
		deliveries += world->shadow.queues[i].http ? world->shadow.queues[i].active : 0;
	return deliveries < most && world->shadow.delivery_us <= since_us;
}

static void watch_jobs(struct world *world, bool quiet)
{
	struct shadow *shadow = &world->shadow;
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		struct shadow_job *job = pool_at(&shadow->jobs, slot);
		if (!job->exists || job_state_is_final(job->row.state)) { /* most of them, later on */
			job->ripe_us = 0;
			continue;
		}
		const struct shadow_queue *queue = shadow_queue(shadow, job->row.queue);
		if (quiet && job->row.state == JOB_ACTIVE && queue->http && world->now_us - shadow->committed_us > WATCH_US)
			CHECK(job->granted_fence == job->row.fence && job->granted_life == shadow->life); /* somebody is at it, today */
		if (!quiet || !watch_is_ripe(world, job) || !watch_has_capacity(world, job, queue, world->now_us)) {
			job->ripe_us = 0;
			continue;
		}
		shadow->ripe++;
		if (!job->ripe_us)
			job->ripe_us = world->now_us;
		bool late = world->now_us - job->ripe_us > IN_TIME_US && watch_has_capacity(world, job, queue, job->ripe_us);
		if (late)
			fprintf(stderr, "job %llu in queue %s, group '%s', is due for a second and capacity is free\n",
				(unsigned long long)job->row.uid, queue->name, job->group);
		CHECK(!late); /* rule 5 */
	}
}

/* A wait hears of the end; any other question is answered at once, or when its own time is over. */
static void watch_errands(struct world *world)
{
	for (const struct errand *errand = world->out.after; errand != &world->out; errand = errand->after) {
		const struct op *op = &errand->request->ops[0];
		int64_t since_us = errand->sent_us > world->quiet_us ? errand->sent_us : world->quiet_us, wait_us = 0;
		if (op->kind == OP_CLAIM)
			wait_us = 3000000; /* the most that workers ask for */
		if (op->kind == OP_WAIT) {
			const struct shadow_job *job = shadow_find(&world->shadow, op->job.uid);
			wait_us = 2000000;
			if (job && job->final_us && job->final_us > since_us)
				CHECK(world->now_us - job->final_us <= IN_TIME_US);
		}
		CHECK(world->now_us - since_us <= wait_us + 2 * IN_TIME_US);
	}
}

static void watch(struct world *world, struct actor *actor, uint64_t argument)
{
	bool quiet = world->now_us - world->quiet_us >= SETTLE_US;
	world_plan(world, WATCH_US, watch, actor, argument);
	watch_jobs(world, quiet);
	if (quiet)
		watch_errands(world);
}

void watch_start(struct world *world)
{
	world_plan(world, WATCH_US, watch, NULL, 0);
}
