/* sim/workers.c: those who work: claim, take their time, renew or forget, finish, fail, vanish. And third parties, who answer the daemon's calls. */
#include "sim/world.h"
#include "base/check.h"
#include "base/mem.h"

#define WORKERS 7
#define COMPAT_WORKERS 2 /* of them, for the queue that keeps other rules */

#define NOBODY  (-1)

static const char *const pull_queues[] = { "plain", "narrow", "rated", "kept", "fair", "rising" };

struct actor {
	uint64_t number;
	char name[16];
	int64_t asked_us; /* for work, and got no answer yet; NOBODY: does not wait */
};

struct task { /* one granted job */
	struct actor *worker;
	uint64_t uid, fence;
	char token[24];
	int64_t ends_us, lease_ms;
	int64_t asked_us; /* engine time, at least, when it last asked for more */
	bool lazy;  /* renews nothing */
	bool delivery;
	uint32_t endpoint; /* DELIVERY: its number; 0: none's */
	bool compat;
	bool deferred; /* it has failed: the worker only says so */
};

static void worker_claim(struct world *world, struct actor *actor, uint64_t argument);
static void task_act(struct world *world, struct actor *actor, uint64_t argument);
static void tasks_granted(struct world *world, struct actor *actor, const struct request *request, const struct op *op);
static void task_lease_op(struct request *request, const struct task *task, struct op *op, enum op_kind kind);
static void task_finished(struct world *world, struct actor *actor, struct request *request);

/* A parent is not done before its children are: it waits for them, or fails with them. Who was about to wait and need not is done. */
static bool task_minds_children(struct world *world, struct task *task, const struct request *request)
{
	const struct op *op = &request->ops[0];
	bool awaited = op->kind == OP_AWAIT_CHILDREN && op->result.err == E_OK && op->result.state == JOB_ACTIVE;
	if (request->err || (op->result.err != E_CHILDREN && op->result.err != E_CHILD_FAILED && !awaited))
		return false;
	struct request *next = world_request(world, 1);
	task_lease_op(next, task, &next->ops[0], awaited ? OP_COMPLETE : op->result.err == E_CHILDREN ? OP_AWAIT_CHILDREN : OP_FAIL);
	next->ops[0].lease.body = awaited ? STR("{\"ok\":true}") : STR("");
	next->ops[0].lease.error = next->ops[0].kind == OP_FAIL ? STR("{\"message\":\"a child failed\"}") : STR("");
	world_send(world, next, (struct actor *)task, task_finished);
	return true;
}

static void task_finished(struct world *world, struct actor *actor, struct request *request)
{
	struct task *task = (struct task *)actor;
	const struct op *op = &request->ops[0];
	bool goes_on = task_minds_children(world, task, request);
	if (!request->err && op->kind == OP_COMPLETE && op->result.err == E_OK && op->result.state != JOB_WAITING_CHILDREN)
		told_completed(&world->shadow, task->uid, task->fence);
	else if (!request->err && op->result.err == E_NO_LEASE)
		CHECK(task->compat); /* its lease is over, whether a sweep has taken it back or will */
	else if (!request->err && op->result.err == E_STALE)
		told_stale(&world->shadow, task->uid, task->fence);
	else if (!request->err && op->result.err)
		CHECK(op->result.err == E_JOB_NOT_FOUND || (op->kind == OP_COMPLETE && goes_on));
	else if (!request->err && !goes_on)
		told_left(&world->shadow, task->uid, task->fence);
	if (request->op_count > 1)
		tasks_granted(world, task->worker, request, &request->ops[1]);
	if (!goes_on)
		mem_free(task);
}

static void task_renewed(struct world *world, struct actor *actor, struct request *request)
{
	struct task *task = (struct task *)actor;
	const struct op *op = &request->ops[0];
	if (!request->err && op->result.err) {
		if (op->result.err == E_STALE)
			told_stale(&world->shadow, task->uid, task->fence);
		mem_free(task); /* the lease is lost: the work is dropped */
		return;
	}
	if (!request->err && op->kind == OP_HEARTBEAT)
		told_renewed(&world->shadow, task->uid, task->fence, task->asked_us);
	int64_t left_us = task->ends_us - world->now_us, beat_us = task->lease_ms * 300;
	world_plan(world, left_us < beat_us ? (left_us > 0 ? left_us : 0) : beat_us, task_act, (struct actor *)task, 0);
}

static void task_lease_op(struct request *request, const struct task *task, struct op *op, enum op_kind kind)
{
	op->kind = kind;
	op->lease = (struct op_lease){ .uid = task->uid, .fence = task->fence, .token = arena_str(&request->arena, str_of(task->token)) };
}

static bool worker_is_compat(const struct actor *actor)
{
	return actor->number >= WORKERS - COMPAT_WORKERS;
}

static void claim_op(struct world *world, struct request *request, struct op *op, const struct actor *actor)
{
	struct op_claim *claim = &op->claim;
	uint32_t count = ARRAY_COUNT(pull_queues);
	op->kind = OP_CLAIM;
	claim->queues = ARENA_ARRAY(&request->arena, struct claim_queue, count);
	CHECK(claim->queues);
	claim->worker = str_of(actor->name);
	if (worker_is_compat(actor)) {
		claim->queues[0].queue.name = STR(SIM_COMPAT_QUEUE);
		claim->queue_count = 1;
		claim->compat = COMPAT_BULLMQ;
		claim->limiter = (struct rate){ .max = SIM_RATE_MAX, .per_ms = SIM_RATE_MS };
		return;
	}
	uint64_t first = world_below(world, count);
	for (uint32_t i = 0; i < count; i++) {
		claim->queues[i].queue.name = str_of(pull_queues[(first + i) % count]);
		claim->queues[i].weight = actor->number == 1 ? i + 1 : 0;
	}
	claim->queue_count = count;
	if (!world_chance(world, 200))
		return;
	claim->group_max = 1 + (uint32_t)world_below(world, SHARE_BATCH_MAX);
	claim->group_min = (uint32_t)world_below(world, claim->group_max + 1);
	claim->group_wait_ms = claim->group_min > 1 ? 1 + (int64_t)world_below(world, 1000) : 0;
}

/* The end of an attempt together with something that is bound to be refused: neither happens. */
static void task_undone(struct world *world, struct actor *actor, struct request *request)
{
	(void)world, (void)actor;
	CHECK(request->err || (request->ops[0].result.err && request->ops[1].result.err));
}

static void task_end_undone(struct world *world, struct task *task)
{
	static const enum op_kind kinds[] = { OP_COMPLETE, OP_FAIL, OP_FAIL, OP_RELEASE, OP_SNOOZE, OP_LOG, OP_PROGRESS };
	struct request *request = world_request(world, 2);
	request->atomic = true;
	task_lease_op(request, task, &request->ops[0], kinds[world_below(world, ARRAY_COUNT(kinds))]);
	request->ops[0].lease.body = STR("1");
	request->ops[1].kind = OP_DELETE;
	request->ops[1].job.uid = 1;
	world_send(world, request, NULL, task_undone);
}

/* In the queue of the other rules each end says what is kept. */
static const struct keep *task_keep(struct world *world, const struct task *task)
{
	static const struct keep some = { .count = SIM_KEEP }, none = { .none = true };
	return !task->compat ? NULL : world_chance(world, 100) ? &none : &some;
}

static void task_end(struct world *world, struct task *task)
{
	if (world_chance(world, 80))
		task_end_undone(world, task);
	bool next = !task->delivery && world_chance(world, 150); /* finishes and asks for more in one call */
	struct request *request = world_request(world, next ? 2 : 1);
	struct op *op = &request->ops[0];
	uint64_t fate = task->deferred ? 850 : world->calm ? world_below(world, 700) : world_below(world, 1000);
	if (!world->calm && world_chance(world, task->compat ? 150 : 40)) { /* vanishes: the lease must run out */
		arena_fini(&request->arena);
		mem_free(request);
		mem_free(task);
		return;
	}
	if (task->endpoint && hooks_is_dead(world, task->endpoint) && !world_chance(world, 150))
		fate = 850;
	if (fate < 700) {
		task_lease_op(request, task, op, OP_COMPLETE);
		op->lease.body = STR("{\"ok\":true}");
		op->lease.keep = task_keep(world, task);
	} else if (fate < 900 || task->delivery) {
		task_lease_op(request, task, op, OP_FAIL);
		op->lease.error = STR("{\"type\":\"sim\",\"message\":\"no luck\"}");
		op->lease.verdict = task->deferred ? VERDICT_FINAL : (enum verdict)world_below(world, VERDICT_TAIL + 1);
		op->lease.keep = task_keep(world, task);
		op->lease.delay_ms = (int64_t)world_below(world, 2000);
		op->lease.busy = task->delivery && world_chance(world, 300);
		op->lease.busy_ms = op->lease.busy ? (int64_t)world_below(world, 2000) : 0;
	} else if (fate < 950) {
		task_lease_op(request, task, op, OP_RELEASE);
	} else {
		task_lease_op(request, task, op, OP_SNOOZE);
		op->lease.delay_ms = (int64_t)world_below(world, 1000);
	}
	if (task->endpoint)
		hooks_blame(world, request, op, task->endpoint);
	if (next) {
		claim_op(world, request, &request->ops[1], task->worker);
		request->ops[1].claim.max = 1;
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
	task->asked_us = world->shadow.engine_us;
	task_lease_op(request, task, op, world_chance(world, 800) ? OP_HEARTBEAT : world_chance(world, 500) ? OP_PROGRESS : OP_LOG);
	if (op->kind != OP_HEARTBEAT)
		op->lease.body = STR("50");
	world_send(world, request, actor, task_renewed);
}

static void task_begin(struct world *world, struct task *task)
{
	int64_t span_us = (int64_t)world_below(world, world_chance(world, 50) ? 6000000 : 300000);
	task->lazy = !world->calm && world_chance(world, 100);
	task->ends_us = world->now_us + (world->calm || task->deferred ? 1000 : span_us);
	int64_t beat_us = task->lease_ms * 300;
	world_plan(world, task->lazy || task->delivery || task->ends_us - world->now_us < beat_us ? task->ends_us - world->now_us : beat_us, task_act,
	           (struct actor *)task, 0);
}

static void tasks_granted(struct world *world, struct actor *actor, const struct request *request, const struct op *op)
{
	const struct claim_result *result = op->result.claim;
	if (request->err || op->result.err)
		return;
	if (op->claim.group_max)
		told_batch(&world->shadow, op);
	for (uint32_t i = 0; i < result->count; i++) {
		struct task *task = mem_zalloc(sizeof(*task));
		CHECK(task);
		*task = (struct task){ .worker = actor,
				       .uid = result->grants[i].uid,
				       .fence = result->grants[i].fence,
				       .compat = result->grants[i].with_history,
				       .deferred = result->grants[i].deferred.len > 0,
				       .lease_ms = result->grants[i].lease_ms };
		CHECK(result->token.len < sizeof(task->token));
		memcpy(task->token, result->token.ptr, result->token.len);
		told_granted(&world->shadow, task->uid, task->fence, task->deferred);
		if (task->compat)
			chains_granted(world, task->uid);
		task_begin(world, task);
	}
}

static void worker_claimed(struct world *world, struct actor *actor, struct request *request)
{
	actor->asked_us = NOBODY;
	tasks_granted(world, actor, request, &request->ops[0]);
	world_plan(world, (int64_t)world_below(world, 100000) + 100, worker_claim, actor, 0);
}

static void worker_claim(struct world *world, struct actor *actor, uint64_t argument)
{
	struct request *request = world_request(world, 1);
	struct op_claim *claim = &request->ops[0].claim;
	(void)argument;
	claim_op(world, request, &request->ops[0], actor);
	claim->max = world_chance(world, 50) ? 0 : 1 + (uint32_t)world_below(world, 6); /* 0: only wants to know */
	claim->wait_ms = (int64_t)world_below(world, 3000);
	actor->asked_us = claim->max && claim->group_min < 2 ? world->now_us : NOBODY; /* who waits for more leaves what is there */
	world_send(world, request, actor, worker_claimed);
}

/* Where time ends no lease the workers ask for those that are over. */
static void worker_swept(struct world *world, struct actor *actor, struct request *request)
{
	const struct op_result *result = &request->ops[0].result;
	(void)world, (void)actor;
	CHECK(request->err || result->err || (result->id.len >= 2 && result->id.ptr[0] == '['));
	CHECK(request->err || !result->err || result->err == E_CONFLICT); /* the queue is being deleted */
}

static void worker_sweep(struct world *world, struct actor *actor, uint64_t argument)
{
	struct request *request = world_request(world, 1);
	request->ops[0].kind = OP_SWEEP;
	request->ops[0].queue = (struct op_queue){ .queue = { .name = STR(SIM_COMPAT_QUEUE) }, .interval_ms = 400, .max_stalls = SIM_STALLS };
	world_send(world, request, NULL, worker_swept);
	world_plan(world, 500000 + (int64_t)world_below(world, 200000), worker_sweep, actor, argument);
}

static struct actor workers[WORKERS];

void workers_start(struct world *world)
{
	for (uint64_t i = 0; i < WORKERS; i++) {
		workers[i] = (struct actor){ .number = i, .asked_us = NOBODY, .name = { 'w', (char)('0' + i) } };
		world_plan(world, 1000000 + (int64_t)world_below(world, 100000), worker_claim, &workers[i], 0);
		if (worker_is_compat(&workers[i]))
			world_plan(world, 1500000, worker_sweep, &workers[i], 0);
	}
}

bool workers_wait(int64_t since_us, bool compat)
{
	for (uint64_t i = 0; i < WORKERS; i++)
		if (worker_is_compat(&workers[i]) == compat && workers[i].asked_us != NOBODY && workers[i].asked_us <= since_us)
			return true;
	return false;
}

void workers_deliver(struct world *world, const struct effect *effect)
{
	struct task *task = mem_zalloc(sizeof(*task));
	CHECK(task);
	*task = (struct task){ .uid = effect->uid, .fence = effect->fence, .lease_ms = effect->timeout_ms, .delivery = true,
			       .endpoint = effect->endpoint_number };
	memcpy(task->token, DELIVERY_TOKEN.ptr, DELIVERY_TOKEN.len);
	told_granted(&world->shadow, effect->uid, effect->fence, false);
	task_begin(world, task);
}
