/* sim/workers.c: those who work: claim, take their time, renew or forget, finish, fail, vanish. And third parties, who answer the daemon's calls. */
#include "sim/world.h"
#include "base/check.h"
#include "base/mem.h"

#define WORKERS 5

struct actor {
	uint64_t number;
	char name[16];
};

struct task { /* one granted job */
	struct actor *worker;
	uint64_t uid, fence;
	char token[24];
	int64_t ends_us, lease_ms;
	bool lazy;  /* renews nothing */
	bool delivery;
};

static void worker_claim(struct world *world, struct actor *actor, uint64_t argument);
static void task_act(struct world *world, struct actor *actor, uint64_t argument);

static void task_finished(struct world *world, struct actor *actor, struct request *request)
{
	struct task *task = (struct task *)actor;
	const struct op *op = &request->ops[0];
	if (!request->err && op->kind == OP_COMPLETE && op->result.err == E_OK)
		shadow_completed(&world->shadow, task->uid, task->fence);
	else if (!request->err && op->result.err == E_STALE)
		shadow_stale(&world->shadow, task->uid, task->fence);
	else if (!request->err && op->result.err)
		CHECK(op->result.err == E_JOB_NOT_FOUND);
	mem_free(task);
}

static void task_renewed(struct world *world, struct actor *actor, struct request *request)
{
	struct task *task = (struct task *)actor;
	const struct op *op = &request->ops[0];
	if (!request->err && op->result.err) {
		if (op->result.err == E_STALE)
			shadow_stale(&world->shadow, task->uid, task->fence);
		mem_free(task); /* the lease is lost: the work is dropped */
		return;
	}
	int64_t left_us = task->ends_us - world->now_us, beat_us = task->lease_ms * 300;
	world_plan(world, left_us < beat_us ? (left_us > 0 ? left_us : 0) : beat_us, task_act, (struct actor *)task, 0);
}

static void task_lease_op(struct task *task, struct op *op, enum op_kind kind)
{
	op->kind = kind;
	op->lease = (struct op_lease){ .uid = task->uid, .fence = task->fence, .token = str_of(task->token) };
}

static void task_end(struct world *world, struct task *task)
{
	struct request *request = world_request(world, 1);
	struct op *op = &request->ops[0];
	uint64_t fate = world->calm ? world_below(world, 700) : world_below(world, 1000);
	if (!world->calm && world_chance(world, 40)) { /* vanishes: the lease must run out */
		arena_fini(&request->arena);
		mem_free(request);
		mem_free(task);
		return;
	}
	if (fate < 700) {
		task_lease_op(task, op, OP_COMPLETE);
		op->lease.body = STR("{\"ok\":true}");
	} else if (fate < 900 || task->delivery) {
		task_lease_op(task, op, OP_FAIL);
		op->lease.error = STR("{\"type\":\"sim\",\"message\":\"no luck\"}");
		op->lease.verdict = (enum verdict)world_below(world, VERDICT_TAIL + 1);
		op->lease.delay_ms = (int64_t)world_below(world, 2000);
	} else if (fate < 950) {
		task_lease_op(task, op, OP_RELEASE);
	} else {
		task_lease_op(task, op, OP_SNOOZE);
		op->lease.delay_ms = (int64_t)world_below(world, 1000);
	}
	world_send(world, request, (struct actor *)task, task_finished);
}

static void task_act(struct world *world, struct actor *actor, uint64_t argument)
{
	struct task *task = (struct task *)actor;
	(void)argument;
	if (world->now_us >= task->ends_us) {
		task_end(world, task);
		return;
	}
	struct request *request = world_request(world, 1);
	struct op *op = &request->ops[0];
	task_lease_op(task, op, world_chance(world, 800) ? OP_HEARTBEAT : world_chance(world, 500) ? OP_PROGRESS : OP_LOG);
	if (op->kind != OP_HEARTBEAT)
		op->lease.body = STR("50");
	world_send(world, request, actor, task_renewed);
}

static void task_begin(struct world *world, struct task *task)
{
	int64_t span_us = (int64_t)world_below(world, world_chance(world, 50) ? 6000000 : 300000);
	task->lazy = !world->calm && world_chance(world, 100);
	task->ends_us = world->now_us + (world->calm ? 1000 : span_us);
	int64_t beat_us = task->lease_ms * 300;
	world_plan(world, task->lazy || task->delivery || task->ends_us - world->now_us < beat_us ? task->ends_us - world->now_us : beat_us, task_act,
	           (struct actor *)task, 0);
}

static void worker_claimed(struct world *world, struct actor *actor, struct request *request)
{
	const struct claim_result *result = request->ops[0].result.claim;
	if (!request->err && !request->ops[0].result.err)
		for (uint32_t i = 0; i < result->count; i++) {
			struct task *task = mem_zalloc(sizeof(*task));
			CHECK(task);
			*task = (struct task){ .worker = actor,
					       .uid = result->grants[i].uid,
					       .fence = result->grants[i].fence,
					       .lease_ms = result->grants[i].lease_ms };
			CHECK(result->token.len < sizeof(task->token));
			memcpy(task->token, result->token.ptr, result->token.len);
			shadow_granted(&world->shadow, task->uid, task->fence);
			task_begin(world, task);
		}
	world_plan(world, (int64_t)world_below(world, 100000) + 100, worker_claim, actor, 0);
}

static void worker_claim(struct world *world, struct actor *actor, uint64_t argument)
{
	static const char *const queues[] = { "plain", "narrow", "rated" };
	struct request *request = world_request(world, 1);
	struct op_claim *claim = &request->ops[0].claim;
	(void)argument;
	request->ops[0].kind = OP_CLAIM;
	claim->queues = ARENA_ARRAY(&request->arena, struct claim_queue, 3);
	CHECK(claim->queues);
	uint64_t first = world_below(world, 3);
	for (uint32_t i = 0; i < 3; i++) {
		claim->queues[i].queue.name = str_of(queues[(first + i) % 3]);
		claim->queues[i].weight = actor->number == 1 ? i + 1 : 0;
	}
	claim->queue_count = 3;
	claim->max = 1 + (uint32_t)world_below(world, 6);
	claim->wait_ms = (int64_t)world_below(world, 3000);
	claim->worker = str_of(actor->name);
	world_send(world, request, actor, worker_claimed);
}

static struct actor workers[WORKERS];

void workers_start(struct world *world)
{
	for (uint64_t i = 0; i < WORKERS; i++) {
		workers[i] = (struct actor){ .number = i, .name = { 'w', (char)('0' + i) } };
		world_plan(world, 1000000 + (int64_t)world_below(world, 100000), worker_claim, &workers[i], 0);
	}
}

void workers_deliver(struct world *world, const struct effect *effect)
{
	struct task *task = mem_zalloc(sizeof(*task));
	CHECK(task);
	*task = (struct task){ .uid = effect->uid, .fence = effect->fence, .lease_ms = effect->timeout_ms, .delivery = true };
	memcpy(task->token, DELIVERY_TOKEN.ptr, DELIVERY_TOKEN.len);
	shadow_granted(&world->shadow, effect->uid, effect->fence);
	task_begin(world, task);
}
