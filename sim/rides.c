/* sim/rides.c: third parties that take several messages in one call. One that says a 7 is bad: a call with it and others is refused, and all are handed
 * back, to go again in halves; alone it fails. Now and then the other side says how many it takes, or something fails for all. */
#include "sim/world.h"
#include "base/check.h"
#include "base/mem.h"

#define BAD 7

struct ride { /* one call */
	uint32_t endpoint, count;
	struct { uint64_t uid, fence; bool bad; } parts[SIM_BATCH_MAX];
};

static void ride_told(struct world *world, const struct op *op)
{
	const struct op_lease *lease = &op->lease;
	if (op->result.err == E_STALE)
		told_stale(&world->shadow, lease->uid, lease->fence);
	else if (op->result.err)
		CHECK(op->result.err == E_JOB_NOT_FOUND);
	else if (op->kind == OP_COMPLETE)
		told_completed(&world->shadow, lease->uid, lease->fence);
	else
		told_left(&world->shadow, lease->uid, lease->fence);
}

static void ride_finished(struct world *world, struct actor *actor, struct request *request)
{
	(void)actor;
	for (uint32_t i = 0; i < request->op_count && !request->err; i++)
		ride_told(world, &request->ops[i]);
}

static bool ride_has_bad(const struct ride *ride)
{
	for (uint32_t i = 0; i < ride->count; i++)
		if (ride->parts[i].bad)
			return true;
	return false;
}

enum ride_fate { RIDE_WELL, RIDE_HALVES, RIDE_LEARNS, RIDE_RECORD, RIDE_FAILS, RIDE_BACK };

static enum ride_fate ride_fate(struct world *world, const struct ride *ride)
{
	if (hooks_is_dead(world, ride->endpoint) && !world_chance(world, 150))
		return RIDE_FAILS;
	if (ride_has_bad(ride))
		return ride->count > 1 ? RIDE_HALVES : RIDE_RECORD;
	uint64_t fate = world->calm ? 0 : world_below(world, 1000);
	if (fate < 800)
		return RIDE_WELL;
	if (fate < 850)
		return ride->count > 2 && world_chance(world, 100) ? RIDE_LEARNS : RIDE_WELL;
	return fate < 950 ? RIDE_FAILS : RIDE_BACK;
}

/* What the first message's verdict says of the call. */
static const struct op_hook *ride_hook(struct world *world, struct request *request, const struct ride *ride, enum ride_fate fate)
{
	static const enum blame blames[] = { [RIDE_WELL] = BLAME_WELL, [RIDE_RECORD] = BLAME_RECORD, [RIDE_FAILS] = BLAME_ENDPOINT, [RIDE_BACK] = BLAME_NONE };
	struct op_hook *hook = ARENA_NEW(&request->arena, struct op_hook);
	CHECK(hook);
	*hook = (struct op_hook){ .endpoint = ride->endpoint, .blame = blames[fate], .batch_size = ride->count,
		                  .overloaded = fate == RIDE_FAILS && world_chance(world, 300),
		                  .bisect = fate == RIDE_HALVES || fate == RIDE_LEARNS, .batch_learnt = fate == RIDE_LEARNS ? ride->count - 1 : 0 };
	return fate == RIDE_BACK ? NULL : hook;
}

static void ride_verdict(struct world *world, struct request *request, const struct ride *ride, uint32_t part, enum ride_fate fate)
{
	struct op *op = &request->ops[ride->count - 1 - part]; /* the last one first */
	op->kind = fate == RIDE_WELL ? OP_COMPLETE : fate == RIDE_RECORD || fate == RIDE_FAILS ? OP_FAIL : OP_RELEASE;
	op->lease = (struct op_lease){ .uid = ride->parts[part].uid, .fence = ride->parts[part].fence, .token = part ? RIDER_TOKEN : DELIVERY_TOKEN };
	if (op->kind == OP_COMPLETE)
		op->lease.body = STR("{\"ok\":true}");
	if (op->kind == OP_FAIL) {
		op->lease.error = STR("{\"type\":\"sim\",\"message\":\"refused\"}");
		op->lease.verdict = fate == RIDE_RECORD ? VERDICT_FINAL : VERDICT_POLICY;
		op->lease.busy = fate == RIDE_FAILS && !part && world_chance(world, 300);
	}
	if (!part)
		op->lease.hook = ride_hook(world, request, ride, fate);
}

static void ride_end(struct world *world, struct actor *actor, uint64_t argument)
{
	struct ride *ride = (struct ride *)actor;
	(void)argument;
	enum ride_fate fate = ride_fate(world, ride);
	if (world->calm || !world_chance(world, 30)) { /* or it vanishes: the leases must run out */
		struct request *request = world_request(world, ride->count);
		for (uint32_t i = 0; i < ride->count; i++)
			ride_verdict(world, request, ride, i, fate);
		world->shadow.halved += fate == RIDE_HALVES;
		world_send(world, request, NULL, ride_finished);
	}
	mem_free(ride);
}

static void ride_add(struct world *world, struct ride *ride, uint64_t uid, uint64_t fence)
{
	const struct shadow_job *job = shadow_find(&world->shadow, uid);
	CHECK(job && ride->count < SIM_BATCH_MAX);
	ride->parts[ride->count].uid = uid;
	ride->parts[ride->count].fence = fence;
	ride->parts[ride->count++].bad = job->n == BAD;
	told_granted(&world->shadow, uid, fence, false);
}

bool rides_deliver(struct world *world, const struct effect *effect)
{
	if (!effect->endpoint || !memmem(effect->endpoint->bytes, effect->endpoint->len, "\"batch\":{", 9))
		return false;
	struct ride *ride = mem_zalloc(sizeof(*ride));
	CHECK(ride);
	ride->endpoint = effect->endpoint_number;
	ride_add(world, ride, effect->uid, effect->fence);
	for (uint32_t i = 0; i < effect->rider_count; i++)
		ride_add(world, ride, effect->riders[i].uid, effect->riders[i].fence);
	world->shadow.rode += effect->rider_count;
	world_plan(world, world->calm ? 1000 : (int64_t)world_below(world, 300000), ride_end, (struct actor *)ride, 0);
	return true;
}
