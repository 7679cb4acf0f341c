/* sim/clocks.c: a queue whose programs have a clock of their own, hours from ours and not always going forward. What is delayed there is due by the
 * clock that they say, and by none that nobody has said. */
#include "sim/world.h"
#include "base/check.h"

#define MINUTE_US INT64_C(60000000)
#define FAR_US    (3 * MINUTE_US) /* certainly beyond what counts as the same clock */
#define TOKEN     "clock-token"
#define DELETES   64u

static struct {
	bool asked, clean;
	int64_t offset_us;      /* of their clock from ours */
	uint64_t ripe;          /* a job that the claim under way must find; 0: none */
	int64_t wall_offset_us; /* of the world, when it was sent */
} clocks;

static int64_t clocks_say(struct world *world, struct request *request)
{
	request->asked_us = world_wall_us(world) + clocks.offset_us;
	if (world->shadow.clock_us < request->asked_us)
		world->shadow.clock_us = request->asked_us;
	if (world->shadow.ahead_us < clocks.offset_us)
		world->shadow.ahead_us = clocks.offset_us;
	return request->asked_us;
}

static void clocks_heard(struct world *world, struct actor *actor, struct request *request)
{
	(void)world, (void)actor;
	clocks.asked = false;
	for (uint32_t i = 0; i < request->op_count && !request->err; i++)
		CHECK(request->ops[i].result.err != E_INTERNAL && request->ops[i].result.err != E_INVALID);
}

static void clocks_enqueue(struct world *world)
{
	struct request *request = world_request(world, 1);
	request->ops[0].kind = OP_ENQUEUE;
	request->ops[0].enqueue = (struct op_enqueue){
		.queue.name = STR(SIM_DRIFT_QUEUE), .compat = COMPAT_BULLMQ, .uid = uid_next(&world->maker, world_wall_us(world)), .payload = STR("1"),
		.delay_ms = world_chance(world, 800) ? (int64_t)(1 + world_below(world, 20)) * MINUTE_US / 1000 : 0,
	};
	clocks_say(world, request);
	world_send(world, request, NULL, clocks_heard);
}

/* ---- working there ---- */

static void clocks_complete(struct world *world, const struct claim_result *claim)
{
	struct request *request = world_request(world, claim->count);
	for (uint32_t i = 0; i < claim->count; i++) {
		request->ops[i].kind = OP_COMPLETE;
		request->ops[i].lease = (struct op_lease){ .uid = claim->grants[i].uid, .token = STR(TOKEN), .body = STR("true") };
	}
	clocks_say(world, request);
	clocks.asked = true;
	world_send(world, request, NULL, clocks_heard);
}

static bool clocks_is_ripe(struct world *world, const struct shadow_job *job, int64_t clock_us)
{
	if (!job || !job->exists || strcmp(shadow_queue(&world->shadow, job->row.queue)->name, SIM_DRIFT_QUEUE) != 0)
		return false;
	int64_t off_us = clock_us - world_wall_us(world);
	if (job->row.state == JOB_WAITING)
		return true;
	int64_t due_us = job->row.due_us + (job->row.flags & ROW_DUE_WALL ? 0 : clock_us - off_us - world->shadow.engine_us);
	return job->row.state == JOB_DELAYED && due_us <= clock_us && (off_us > FAR_US || off_us < -FAR_US);
}

static void clocks_claimed(struct world *world, struct actor *actor, struct request *request)
{
	clocks_heard(world, actor, request);
	if (request->err || request->ops[0].result.err)
		return;
	const struct claim_result *claim = request->ops[0].result.claim;
	const struct shadow_job *ripe = clocks.ripe && clocks.wall_offset_us == world->wall_offset_us ? shadow_find(&world->shadow, clocks.ripe) : NULL;
	CHECK(claim->count || !clocks_is_ripe(world, ripe, request->asked_us)); /* due by the clock that was said, and nothing else keeps it */
	world->shadow.clocked += claim->count && clocks.ripe;
	if (claim->count)
		clocks_complete(world, claim);
}

static void clocks_claim(struct world *world)
{
	struct request *request = world_request(world, 1);
	struct op_claim *claim = &request->ops[0].claim;
	int64_t clock_us = clocks_say(world, request);
	request->ops[0].kind = OP_CLAIM;
	claim->queues = ARENA_ARRAY(&request->arena, struct claim_queue, 1);
	CHECK(claim->queues);
	claim->queues[0].queue.name = STR(SIM_DRIFT_QUEUE);
	claim->queue_count = 1;
	claim->max = 1 + (uint32_t)world_below(world, 5);
	claim->compat = COMPAT_BULLMQ;
	claim->token = STR(TOKEN);
	clocks.ripe = 0;
	clocks.wall_offset_us = world->wall_offset_us;
	for (uint32_t slot = 0; slot < world->shadow.jobs.used && !clocks.ripe; slot++) {
		const struct shadow_job *job = pool_at(&world->shadow.jobs, slot);
		clocks.ripe = clocks_is_ripe(world, job, clock_us) ? job->row.uid : 0;
	}
	world_send(world, request, NULL, clocks_claimed);
}

/* What a lost answer left running, or nobody will live to see due. */
static void clocks_delete(struct world *world)
{
	uint32_t count = 0;
	struct request *request = world_request(world, DELETES);
	for (uint32_t slot = 0; slot < world->shadow.jobs.used && count < DELETES; slot++) {
		const struct shadow_job *job = pool_at(&world->shadow.jobs, slot);
		if (!job->exists || job_state_is_final(job->row.state) || strcmp(shadow_queue(&world->shadow, job->row.queue)->name, SIM_DRIFT_QUEUE) != 0)
			continue;
		request->ops[count++] = (struct op){ .kind = OP_DELETE, .job = { .uid = job->row.uid, .force = true } };
	}
	clocks.clean = world->calm && !count;
	if (!count)
		request->ops[count++] = (struct op){ .kind = OP_QUEUE_GET, .queue.queue.name = STR(SIM_DRIFT_QUEUE) };
	request->op_count = count;
	world_send(world, request, NULL, clocks_heard);
}

static void clocks_act(struct world *world, struct actor *actor, uint64_t argument)
{
	world_plan(world, (int64_t)world_below(world, 60000) + 1000, clocks_act, actor, argument);
	if (clocks.asked || (world->calm && clocks.clean))
		return;
	clocks.asked = true;
	if (world->calm) {
		clocks_delete(world);
		return;
	}
	if (world_chance(world, 60)) /* mostly onwards; sometimes back, or to ours */
		clocks.offset_us = world_chance(world, 100) ? 0 : clocks.offset_us + ((int64_t)world_below(world, 30) - 6) * MINUTE_US;
	if (world_chance(world, 450))
		clocks_enqueue(world);
	else
		clocks_claim(world);
}

void clocks_start(struct world *world)
{
	memset(&clocks, 0, sizeof(clocks));
	world_plan(world, 1400000, clocks_act, NULL, 0);
}
