#include "engine/test_world.h"

static void world_start(struct world *world, struct store *store)
{
	world->store = store;
	world->engine = engine_new(&world->config, store);
	assert_non_null(world->engine);
	assert_int_equal(engine_start(world->engine, world->boot_us, world->wall_us, NULL), E_OK);
}

void world_open(struct world *world)
{
	struct store *store;
	*world = (struct world){ .boot_us = 1000000, .wall_us = START_US };
	engine_config_default(&world->config);
	world->config.deliveries_max = 4;
	assert_int_equal(store_mem_open(&store), E_OK);
	world_start(world, store);
}

static void world_take(struct world *world)
{
	struct request **end = &world->replies;
	while (*end)
		end = (struct request **)(void *)&(*end)->link;
	*end = engine_take_replies(world->engine);
	struct effect **last = &world->effects;
	while (*last)
		last = &(*last)->next;
	*last = engine_take_effects(world->engine);
}

static void world_step_once(struct world *world)
{
	engine_step(world->engine, world->boot_us, world->wall_us);
	world_take(world);
	engine_verify(world->engine);
}

bool world_starve(struct world *world, uint64_t nth, enum mem_fail how)
{
	mem_fail_after(nth, how);
	engine_step(world->engine, world->boot_us, world->wall_us);
	bool starved = mem_fail_disarm();
	world_take(world);
	engine_verify(world->engine);
	return starved;
}

void world_step(struct world *world)
{
	for (int i = 0; i < 20; i++)
		world_step_once(world);
}

void world_pass(struct world *world, int64_t ms)
{
	world->boot_us += ms * 1000;
	world->wall_us += ms * 1000;
	world_step(world);
}

void world_manual(struct world *world, bool manual)
{
	store_mem_set_automatic(world->store, !manual);
}

void world_settle(struct world *world, enum settle how)
{
	store_mem_settle(world->store, 1, how);
	world_step_once(world);
}

static void world_end(struct world *world)
{
	engine_abandon(world->engine, E_UNAVAILABLE);
	world_take(world);
	for (struct request *request = world->replies, *next; request; request = next) {
		next = request->link;
		request_drop(request);
	}
	world->replies = NULL;
	while (world->effects) {
		struct effect *effect = world->effects;
		world->effects = effect->next;
		effect_free(effect);
	}
	engine_free(world->engine);
}

void world_close(struct world *world)
{
	world_end(world);
	world->store->verbs->close(world->store);
}

void world_crash(struct world *world)
{
	struct store *store;
	assert_int_equal(store_mem_share(store_mem_disk(world->store), &store), E_OK);
	world_close(world);
	world_start(world, store);
	world_step(world);
}

/* ---- requests ---- */

struct request *request_new(struct world *world, uint32_t op_count)
{
	struct request *request = mem_zalloc(sizeof(*request));
	assert_non_null(request);
	request->number = ++world->number;
	request->dice = map_mix(request->number);
	request->ops = ARENA_ARRAY(&request->arena, struct op, op_count);
	assert_non_null(request->ops);
	request->op_count = op_count;
	return request;
}

void request_drop(struct request *request)
{
	arena_fini(&request->arena);
	buf_fini(&request->body);
	mem_free(request);
}

void world_push(struct world *world, struct request *request)
{
	engine_push(world->engine, request);
	world_step_once(world);
}

bool world_answered(struct world *world, struct request *request)
{
	struct request **at = &world->replies;
	while (*at && *at != request)
		at = (struct request **)(void *)&(*at)->link;
	if (!*at)
		return false;
	*at = request->link;
	return true;
}

struct request *world_ask(struct world *world, struct request *request)
{
	engine_push(world->engine, request);
	world_step(world);
	return world_answered(world, request) ? request : NULL;
}

void world_dump(struct world *world, struct buf *out)
{
	buf_init(out, 1 << 20);
	engine_dump(world->engine, out);
}

bool world_starve_request(struct world *world, struct request *request, uint64_t nth)
{
	struct buf before, after;
	world_dump(world, &before);
	engine_push(world->engine, request);
	bool starved = world_starve(world, nth, MEM_FAIL_ONE);
	world_step(world);
	world_pass(world, 3000);
	assert_true(world_answered(world, request));
	bool done = !request->err && request->ops[0].result.err == E_OK;
	assert_true(done || starved);
	request_drop(request);
	world_dump(world, &after);
	assert_int_equal(str_eq(buf_str(&before), buf_str(&after)), !done);
	buf_fini(&before);
	buf_fini(&after);
	return starved;
}

uint32_t world_effects(const struct world *world, enum effect_kind kind)
{
	uint32_t count = 0;
	for (const struct effect *effect = world->effects; effect; effect = effect->next)
		count += effect->kind == kind;
	return count;
}

struct op *enqueue_op(struct world *world, struct op *op, const char *queue, const char *group)
{
	op->kind = OP_ENQUEUE;
	op->enqueue.queue.name = str_of(queue);
	op->enqueue.group = str_of(group);
	op->enqueue.payload = STR("{\"a\":1}");
	op->enqueue.uid = uid_next(&world->maker, world->wall_us);
	return op;
}

struct request *enqueue_request(struct world *world, const char *queue, const char *group, const char *id)
{
	struct request *request = request_new(world, 1);
	enqueue_op(world, &request->ops[0], queue, group)->enqueue.id = str_of(id);
	return request;
}

struct request *claim_request(struct world *world, const char *queue, uint32_t max, int64_t wait_ms)
{
	struct request *request = request_new(world, 1);
	struct op_claim *claim = &request->ops[0].claim;
	request->ops[0].kind = OP_CLAIM;
	claim->queues = ARENA_ARRAY(&request->arena, struct claim_queue, 1);
	assert_non_null(claim->queues);
	claim->queues[0].queue.name = str_of(queue);
	claim->queue_count = 1;
	claim->max = max;
	claim->wait_ms = wait_ms;
	claim->worker = STR("worker-1");
	claim->token = STR("token-1");
	return request;
}

struct request *lease_request(struct world *world, enum op_kind kind, uint64_t uid)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].lease = (struct op_lease){ .uid = uid, .token = STR("token-1"), .body = STR("true"),
		                                   .error = kind == OP_FAIL ? STR("{\"message\":\"no\"}") : STR("") };
	return request;
}

struct request *job_request(struct world *world, enum op_kind kind, uint64_t uid)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].job.uid = uid;
	return request;
}

struct request *queue_request(struct world *world, enum op_kind kind, const char *queue, const char *group, const char *settings)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].queue = (struct op_queue){ .queue.name = str_of(queue), .group = str_of(group), .settings = str_of(settings) };
	return request;
}

/* ---- asked and answered ---- */

enum err world_err(struct world *world, struct request *request)
{
	assert_ptr_equal(world_ask(world, request), request);
	enum err err = request->err ? request->err : request->ops[0].result.err;
	request_drop(request);
	return err;
}

uint64_t world_enqueue(struct world *world, const char *queue, const char *group)
{
	struct request *request = enqueue_request(world, queue, group, "");
	uint64_t uid = request->ops[0].enqueue.uid;
	assert_int_equal(world_err(world, request), E_OK);
	return uid;
}

uint32_t world_claim(struct world *world, const char *queue, uint32_t max, uint64_t *uids)
{
	struct request *request = claim_request(world, queue, max, 0);
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint32_t count = request->ops[0].result.claim->count;
	for (uint32_t i = 0; i < count; i++)
		uids[i] = request->ops[0].result.claim->grants[i].uid;
	request_drop(request);
	return count;
}

enum err world_lease(struct world *world, enum op_kind kind, uint64_t uid, const char *token, enum verdict verdict, int64_t delay_ms)
{
	struct request *request = lease_request(world, kind, uid);
	struct op_lease *lease = &request->ops[0].lease;
	lease->token = str_of(token);
	lease->verdict = verdict;
	lease->delay_ms = delay_ms;
	return world_err(world, request);
}

enum err world_by_hand(struct world *world, enum op_kind kind, uint64_t uid)
{
	return world_err(world, job_request(world, kind, uid));
}

void world_settings(struct world *world, const char *queue, const char *json)
{
	struct request *request = queue_request(world, OP_QUEUE_PUT, queue, "", json);
	assert_ptr_equal(world_ask(world, request), request);
	if (request->ops[0].result.err)
		fail_msg("settings: %s %s", request->ops[0].result.problem->field, request->ops[0].result.problem->detail);
	request_drop(request);
}

enum job_state world_state(struct world *world, uint64_t uid)
{
	struct request *request = job_request(world, OP_EXPLAIN, uid);
	assert_ptr_equal(world_ask(world, request), request);
	enum job_state state = request->ops[0].result.err ? JOB_STATE_COUNT : request->ops[0].result.explanation->state;
	request_drop(request);
	return state;
}
