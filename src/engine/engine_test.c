/* src/engine/engine_test.c: the engine over a store in memory: one request at a time, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/uid.h"
#include "engine/engine.h"
#include "engine/engine_priv.h"
#include "store/mem/mem.h"

#define START_US INT64_C(1800000000000000)

struct world {
	struct store *store;
	struct engine *engine;
	int64_t boot_us, wall_us;
	struct uid_maker maker;
	uint64_t number;
	struct request *replies; /* taken, not yet looked at */
	struct effect *effects;
};

static void world_open(struct world *world)
{
	struct engine_config config;
	*world = (struct world){ .boot_us = 1000000, .wall_us = START_US };
	engine_config_default(&config);
	config.deliveries_max = 4;
	assert_int_equal(store_mem_open(&world->store), E_OK);
	world->engine = engine_new(&config, world->store);
	assert_non_null(world->engine);
	assert_int_equal(engine_start(world->engine, world->boot_us, world->wall_us, NULL), E_OK);
}

static void request_drop(struct request *request)
{
	arena_fini(&request->arena);
	buf_fini(&request->body);
	mem_free(request);
}

static void world_step(struct world *world)
{
	for (int i = 0; i < 20; i++) {
		engine_step(world->engine, world->boot_us, world->wall_us);
		struct request *replies = engine_take_replies(world->engine), **end = &world->replies;
		while (*end)
			end = (struct request **)(void *)&(*end)->link;
		*end = replies;
		struct effect **last = &world->effects;
		while (*last)
			last = &(*last)->next;
		*last = engine_take_effects(world->engine);
	}
	engine_verify(world->engine);
}

static void world_pass(struct world *world, int64_t ms)
{
	world->boot_us += ms * 1000;
	world->wall_us += ms * 1000;
	world_step(world);
}

static void world_close(struct world *world)
{
	engine_abandon(world->engine, E_UNAVAILABLE);
	for (struct request *request = engine_take_replies(world->engine), *next; request; request = next) {
		next = request->link;
		request_drop(request);
	}
	while (world->effects) {
		struct effect *effect = world->effects;
		world->effects = effect->next;
		effect_free(effect);
	}
	engine_free(world->engine);
	world->store->verbs->close(world->store);
}

/* The process dies and comes back over the same disk. */
static void world_crash(struct world *world)
{
	struct store *store;
	struct engine_config config;
	engine_config_default(&config);
	config.deliveries_max = 4;
	assert_int_equal(store_mem_share(store_mem_disk(world->store), &store), E_OK);
	world_close(world);
	world->store = store;
	world->engine = engine_new(&config, store);
	assert_int_equal(engine_start(world->engine, world->boot_us, world->wall_us, NULL), E_OK);
	world_step(world);
}

static struct request *request_new(struct world *world, uint32_t op_count)
{
	struct request *request = mem_zalloc(sizeof(*request));
	assert_non_null(request);
	request->number = ++world->number;
	request->dice = map_mix(request->number);
	request->ops = ARENA_ARRAY(&request->arena, struct op, op_count);
	request->op_count = op_count;
	return request;
}

static struct op *enqueue_op(struct world *world, struct op *op, const char *queue, const char *group)
{
	op->kind = OP_ENQUEUE;
	op->enqueue.queue.name = str_of(queue);
	op->enqueue.group = str_of(group);
	op->enqueue.payload = STR("{\"a\":1}");
	op->enqueue.uid = uid_next(&world->maker, world->wall_us);
	return op;
}

static struct request *world_ask(struct world *world, struct request *request)
{
	engine_push(world->engine, request);
	world_step(world);
	struct request **at = &world->replies;
	while (*at && *at != request)
		at = (struct request **)(void *)&(*at)->link;
	if (!*at)
		return NULL;
	*at = request->link;
	return request;
}

static uint64_t enqueue(struct world *world, const char *queue, const char *group)
{
	struct request *request = request_new(world, 1);
	enqueue_op(world, &request->ops[0], queue, group);
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->err, E_OK);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint64_t uid = request->ops[0].result.uid;
	request_drop(request);
	return uid;
}

static struct request *claim_request(struct world *world, const char *queue, uint32_t max, int64_t wait_ms)
{
	struct request *request = request_new(world, 1);
	struct op_claim *claim = &request->ops[0].claim;
	request->ops[0].kind = OP_CLAIM;
	claim->queues = ARENA_ARRAY(&request->arena, struct claim_queue, 1);
	claim->queues[0].queue.name = str_of(queue);
	claim->queue_count = 1;
	claim->max = max;
	claim->wait_ms = wait_ms;
	claim->worker = STR("worker-1");
	claim->token = STR("token-1");
	return request;
}

/* Claims up to `max`; writes their uids; answers how many. */
static uint32_t claim(struct world *world, const char *queue, uint32_t max, uint64_t *uids)
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

static enum err lease(struct world *world, enum op_kind kind, uint64_t uid, const char *token, enum verdict verdict, int64_t delay_ms)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].lease = (struct op_lease){ .uid = uid, .token = str_of(token), .verdict = verdict, .delay_ms = delay_ms,
		                                   .body = STR("true"), .error = kind == OP_FAIL ? STR("{\"message\":\"no\"}") : STR("") };
	assert_ptr_equal(world_ask(world, request), request);
	enum err err = request->ops[0].result.err;
	request_drop(request);
	return err;
}

static enum err by_hand(struct world *world, enum op_kind kind, uint64_t uid)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].job.uid = uid;
	assert_ptr_equal(world_ask(world, request), request);
	enum err err = request->ops[0].result.err;
	request_drop(request);
	return err;
}

static void settings(struct world *world, const char *queue, const char *json)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_QUEUE_PUT;
	request->ops[0].queue.queue.name = str_of(queue);
	request->ops[0].queue.settings = str_of(json);
	assert_ptr_equal(world_ask(world, request), request);
	if (request->ops[0].result.err)
		fail_msg("settings: %s %s", request->ops[0].result.problem->field, request->ops[0].result.problem->detail);
	request_drop(request);
}

static enum job_state state_of(struct world *world, uint64_t uid)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_EXPLAIN;
	request->ops[0].job.uid = uid;
	assert_ptr_equal(world_ask(world, request), request);
	enum job_state state = request->ops[0].result.err ? JOB_STATE_COUNT : request->ops[0].result.explanation->state;
	request_drop(request);
	return state;
}

/* ---- tests ---- */

static void a_job_lives_and_completes(void **state)
{
	struct world world;
	uint64_t uids[4], uid;
	(void)state;
	world_open(&world);
	uid = enqueue(&world, "mail", "");
	assert_int_equal(claim(&world, "mail", 4, uids), 1);
	assert_true(uids[0] == uid);
	assert_int_equal(state_of(&world, uid), JOB_ACTIVE);
	assert_int_equal(lease(&world, OP_COMPLETE, uid, "wrong", VERDICT_POLICY, 0), E_STALE);
	assert_int_equal(lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_STALE);
	assert_int_equal(state_of(&world, uid), JOB_COMPLETED);
	assert_int_equal(by_hand(&world, OP_RETRY, uid), E_OK);
	assert_int_equal(state_of(&world, uid), JOB_WAITING);
	assert_int_equal(by_hand(&world, OP_DELETE, uid), E_OK);
	assert_int_equal(state_of(&world, uid), JOB_STATE_COUNT);
	world_close(&world);
}

static void jobs_go_first_in_first_out_by_priority(void **state)
{
	struct world world;
	uint64_t uids[8], in[6];
	(void)state;
	world_open(&world);
	for (int i = 0; i < 6; i++) {
		struct request *request = request_new(&world, 1);
		enqueue_op(&world, &request->ops[0], "q", "")->enqueue.priority = i == 5 ? 0 : 7;
		request->ops[0].enqueue.lifo = i == 4;
		in[i] = request->ops[0].enqueue.uid;
		assert_ptr_equal(world_ask(&world, request), request);
		request_drop(request);
	}
	assert_int_equal(claim(&world, "q", 8, uids), 6);
	uint64_t expected[] = { in[5], in[4], in[0], in[1], in[2], in[3] };
	assert_memory_equal(uids, expected, sizeof(expected));
	world_close(&world);
}

static void failures_back_off_and_end(void **state)
{
	struct world world;
	uint64_t uids[4], uid;
	(void)state;
	world_open(&world);
	settings(&world, "q", "{\"retry\":{\"kind\":\"fixed\",\"max_attempts\":2,\"delay_ms\":1000,\"jitter\":\"none\"}}");
	uid = enqueue(&world, "q", "");
	assert_int_equal(claim(&world, "q", 1, uids), 1);
	assert_int_equal(lease(&world, OP_FAIL, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(state_of(&world, uid), JOB_DELAYED);
	world_pass(&world, 999);
	assert_int_equal(claim(&world, "q", 1, uids), 0);
	world_pass(&world, 2);
	assert_int_equal(claim(&world, "q", 1, uids), 1);
	assert_int_equal(lease(&world, OP_FAIL, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(state_of(&world, uid), JOB_FAILED);
	world_close(&world);
}

static void a_lost_lease_stalls_once_then_fails(void **state)
{
	struct world world;
	uint64_t uids[4], uid;
	(void)state;
	world_open(&world);
	uid = enqueue(&world, "q", "");
	assert_int_equal(claim(&world, "q", 1, uids), 1);
	world_pass(&world, 20000);
	assert_int_equal(lease(&world, OP_HEARTBEAT, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	world_pass(&world, 20000);
	assert_int_equal(state_of(&world, uid), JOB_ACTIVE);
	world_pass(&world, 11000);
	assert_int_equal(state_of(&world, uid), JOB_WAITING);
	assert_int_equal(lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_STALE);
	assert_int_equal(claim(&world, "q", 1, uids), 1);
	world_pass(&world, 31000);
	assert_int_equal(state_of(&world, uid), JOB_FAILED);
	world_close(&world);
}

static void a_waiting_claim_gets_the_next_job(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *waiting = claim_request(&world, "q", 5, 10000);
	assert_null(world_ask(&world, waiting));
	uint64_t uid = enqueue(&world, "q", "");
	assert_ptr_equal(world.replies, waiting);
	assert_int_equal(waiting->ops[0].result.claim->count, 1);
	assert_true(waiting->ops[0].result.claim->grants[0].uid == uid);
	world.replies = NULL;
	request_drop(waiting);
	waiting = claim_request(&world, "q", 5, 10000);
	assert_null(world_ask(&world, waiting));
	world_pass(&world, 10001);
	assert_ptr_equal(world.replies, waiting);
	assert_int_equal(waiting->ops[0].result.claim->count, 0);
	assert_string_equal(waiting->ops[0].result.claim->nothing, "empty");
	world.replies = NULL;
	request_drop(waiting);
	world_close(&world);
}

static void groups_take_turns_within_their_limits(void **state)
{
	struct world world;
	uint64_t uids[16], a[3], b[3];
	(void)state;
	world_open(&world);
	settings(&world, "q", "{\"group_concurrency\":2}");
	for (int i = 0; i < 3; i++)
		a[i] = enqueue(&world, "q", "a");
	for (int i = 0; i < 3; i++)
		b[i] = enqueue(&world, "q", "b");
	assert_int_equal(claim(&world, "q", 16, uids), 4);
	uint64_t expected[] = { a[0], b[0], a[1], b[1] };
	assert_memory_equal(uids, expected, sizeof(expected));
	assert_int_equal(lease(&world, OP_COMPLETE, b[0], "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(claim(&world, "q", 16, uids), 1);
	assert_true(uids[0] == b[2]);
	world_close(&world);
}

static void rates_are_exact(void **state)
{
	struct world world;
	uint64_t uids[16];
	(void)state;
	world_open(&world);
	settings(&world, "q", "{\"rate\":{\"max\":2,\"per_ms\":1000}}");
	world_pass(&world, 2000);
	for (int i = 0; i < 5; i++)
		enqueue(&world, "q", "");
	assert_int_equal(claim(&world, "q", 16, uids), 2);
	assert_int_equal(claim(&world, "q", 16, uids), 0);
	struct request *waiting = claim_request(&world, "q", 16, 60000);
	assert_null(world_ask(&world, waiting));
	world_pass(&world, 1001);
	assert_ptr_equal(world.replies, waiting);
	assert_int_equal(waiting->ops[0].result.claim->count, 2);
	world.replies = NULL;
	request_drop(waiting);
	world_close(&world);
}

static void ids_are_kept(void **state)
{
	struct world world;
	uint64_t first = 0, uids[2];
	(void)state;
	world_open(&world);
	for (int i = 0; i < 4; i++) {
		struct request *request = request_new(&world, 1);
		enqueue_op(&world, &request->ops[0], "q", "")->enqueue.id = STR("fiche-12");
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->ops[0].result.duplicate, i > 0);
		if (i == 0)
			first = request->ops[0].result.uid;
		assert_true(request->ops[0].result.uid == first);
		request_drop(request);
		if (i == 1) {
			assert_int_equal(claim(&world, "q", 1, uids), 1);
			assert_int_equal(lease(&world, OP_COMPLETE, first, "token-1", VERDICT_POLICY, 0), E_OK);
		}
		if (i == 2)
			world_crash(&world);
	}
	assert_int_equal(by_hand(&world, OP_DELETE, first), E_OK);
	struct request *request = request_new(&world, 1);
	enqueue_op(&world, &request->ops[0], "q", "")->enqueue.id = STR("fiche-12");
	assert_ptr_equal(world_ask(&world, request), request);
	assert_false(request->ops[0].result.duplicate);
	request_drop(request);
	world_close(&world);
}

static void an_atomic_request_is_all_or_nothing(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, 3);
	request->atomic = true;
	enqueue_op(&world, &request->ops[0], "q", "");
	enqueue_op(&world, &request->ops[1], "other", "g");
	request->ops[2].kind = OP_CANCEL;
	request->ops[2].job.uid = 12345;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_CANCELLED);
	assert_int_equal(request->ops[1].result.err, E_CANCELLED);
	assert_int_equal(request->ops[2].result.err, E_JOB_NOT_FOUND);
	request_drop(request);
	assert_int_equal(claim(&world, "q", 4, uids), 0);
	world_close(&world);
}

static void a_restart_is_invisible_to_workers(void **state)
{
	struct world world;
	uint64_t uids[4], uid;
	(void)state;
	world_open(&world);
	settings(&world, "web", "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"}}");
	uint64_t web = enqueue(&world, "web", "");
	assert_int_equal(state_of(&world, web), JOB_ACTIVE);
	uid = enqueue(&world, "q", "g");
	assert_int_equal(claim(&world, "q", 1, uids), 1);
	struct buf before, after;
	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	engine_quiesce(world.engine);
	engine_dump(world.engine, &before);
	world_crash(&world);
	assert_int_equal(state_of(&world, web), JOB_ACTIVE); /* let go of, and begun anew */
	engine_dump(world.engine, &after);
	assert_true(buf_ok(&before) && buf_ok(&after));
	world_pass(&world, 29000);
	assert_int_equal(lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	buf_fini(&before);
	buf_fini(&after);
	world_close(&world);
}

static void a_refused_commit_changes_nothing(void **state)
{
	struct world world;
	uint64_t uids[8], uid;
	struct buf before, after;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 3; i++)
		uid = enqueue(&world, "q", "g");
	assert_int_equal(claim(&world, "q", 1, uids), 1);
	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	engine_dump(world.engine, &before);
	store_mem_set_automatic(world.store, false);
	struct request *more = request_new(&world, 2);
	enqueue_op(&world, &more->ops[0], "new-queue", "new-group");
	enqueue_op(&world, &more->ops[1], "q", "g");
	assert_null(world_ask(&world, more));
	struct request *done = request_new(&world, 1);
	done->ops[0].kind = OP_COMPLETE;
	done->ops[0].lease = (struct op_lease){ .uid = uids[0], .token = STR("token-1"), .body = STR("1") };
	assert_null(world_ask(&world, done));
	assert_int_equal(store_mem_in_flight(world.store), 1);
	store_mem_settle(world.store, 1, SETTLE_REFUSE);
	engine_step(world.engine, world.boot_us, world.wall_us);
	engine_verify(world.engine);
	/* The enqueue is refused; the completion goes in again by itself. */
	world_step(&world);
	assert_ptr_equal(world.replies, more);
	assert_int_equal(more->err, E_STORE_FULL);
	world.replies = more->link;
	request_drop(more);
	store_mem_settle(world.store, 1, SETTLE_APPLY);
	world_step(&world);
	assert_ptr_equal(world.replies, done);
	assert_int_equal(done->ops[0].result.err, E_OK);
	world.replies = NULL;
	request_drop(done);
	store_mem_set_automatic(world.store, true);
	assert_int_equal(state_of(&world, uids[0]), JOB_COMPLETED);
	assert_int_equal(state_of(&world, uid), JOB_WAITING);
	world_pass(&world, 2000);
	enqueue(&world, "q", "g");
	buf_fini(&before);
	buf_fini(&after);
	world_close(&world);
}

static void an_unknown_outcome_rebuilds(void **state)
{
	struct world world;
	uint64_t uid;
	(void)state;
	world_open(&world);
	enqueue(&world, "q", "");
	for (int applied = 0; applied < 2; applied++) {
		store_mem_set_automatic(world.store, false);
		struct request *request = request_new(&world, 1);
		enqueue_op(&world, &request->ops[0], "q", "");
		uid = request->ops[0].enqueue.uid;
		assert_null(world_ask(&world, request));
		store_mem_settle(world.store, 1, applied ? SETTLE_APPLY_UNKNOWN : SETTLE_LOSE_UNKNOWN);
		store_mem_set_automatic(world.store, true);
		world_step(&world);
		assert_ptr_equal(world.replies, request);
		assert_int_equal(request->err, E_OUTCOME_UNKNOWN);
		world.replies = NULL;
		request_drop(request);
		assert_int_equal(state_of(&world, uid), applied ? JOB_WAITING : JOB_STATE_COUNT);
	}
	world_close(&world);
}

static void deliveries_leave_after_the_commit(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	settings(&world, "web", "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"},\"retry\":{\"kind\":\"fixed\",\"delay_ms\":10,\"jitter\":\"none\",\"max_attempts\":3}}");
	for (int i = 0; i < 6; i++)
		enqueue(&world, "web", "");
	uint32_t count = 0;
	uint64_t first = 0;
	for (struct effect *effect = world.effects; effect; effect = effect->next)
		if (effect->kind == EFFECT_DELIVER) {
			first = first ? first : effect->uid;
			count++;
		}
	assert_int_equal(count, 4); /* as many as there are slots */
	assert_int_equal(lease(&world, OP_FAIL, first, "ruche-delivery", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(state_of(&world, first), JOB_DELAYED);
	assert_int_equal(by_hand(&world, OP_CANCEL, first), E_OK);
	assert_int_equal(state_of(&world, first), JOB_CANCELLED);
	world_close(&world);
}

static void time_to_live_and_delays(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, 3);
	enqueue_op(&world, &request->ops[0], "q", "")->enqueue.ttl_ms = 5000;
	enqueue_op(&world, &request->ops[1], "q", "")->enqueue.delay_ms = 3000;
	enqueue_op(&world, &request->ops[2], "q", "")->enqueue.run_at_us = world.wall_us + 4000000;
	assert_ptr_equal(world_ask(&world, request), request);
	world_pass(&world, 5001);
	assert_int_equal(state_of(&world, request->ops[0].result.uid), JOB_EXPIRED);
	assert_int_equal(claim(&world, "q", 4, uids), 2);
	assert_true(uids[0] == request->ops[1].result.uid);
	assert_true(uids[1] == request->ops[2].result.uid);
	request_drop(request);
	world_close(&world);
}

static void large_payloads_are_staged(void **state)
{
	struct world world;
	uint64_t uids[1];
	(void)state;
	world_open(&world);
	size_t bytes = 10 * 1024 * 1024;
	struct request *request = request_new(&world, 1);
	char *payload = arena_alloc(&request->arena, bytes);
	memset(payload, 'x', bytes);
	payload[0] = payload[bytes - 1] = '"';
	enqueue_op(&world, &request->ops[0], "q", "")->enqueue.payload = (struct str){ payload, bytes };
	engine_push(world.engine, request);
	for (int i = 0; i < 10 && !world.replies; i++)
		world_step(&world);
	assert_ptr_equal(world.replies, request);
	world.replies = NULL;
	assert_int_equal(request->ops[0].result.err, E_OK);
	assert_int_equal(claim(&world, "q", 1, uids), 1);
	struct reader *reader;
	struct query query = { .kind = QUERY_DEFINITIONS, .uids = uids, .uid_count = 1 };
	struct arena arena = { 0 };
	struct answer answer;
	assert_int_equal(world.store->verbs->reader_open(world.store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &query, &arena, &answer), E_OK);
	assert_int_equal(answer.jobs[0].definition.payload.len, bytes);
	assert_memory_equal(answer.jobs[0].definition.payload.ptr, payload, bytes);
	arena_fini(&arena);
	reader_close(reader);
	request_drop(request);
	world_close(&world);
}

static void the_same_idempotency_key_gives_the_same_answer(void **state)
{
	struct world world;
	uint64_t first = 0;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 4; i++) {
		struct request *request = request_new(&world, 1);
		enqueue_op(&world, &request->ops[0], "q", "");
		request->idempotency_key = STR("1:abc");
		request->request_hash = i == 3 ? 8 : 7;
		assert_ptr_equal(world_ask(&world, request), request);
		if (i == 0)
			first = request->ops[0].result.uid;
		if (i == 3)
			assert_int_equal(request->err, E_IDEMPOTENCY);
		else
			assert_true(request->ops[0].result.uid == first);
		assert_int_equal(request->replayed, i == 1 || i == 2);
		request_drop(request);
		if (i == 1)
			world_crash(&world);
	}
	world_close(&world);
}

static void retention_keeps_the_newest(void **state)
{
	struct world world;
	uint64_t uids[16];
	(void)state;
	world_open(&world);
	settings(&world, "q", "{\"keep_completed\":{\"count\":3,\"age_ms\":60000,\"bytes\":0}}");
	for (int i = 0; i < 10; i++) {
		enqueue(&world, "q", "");
		assert_int_equal(claim(&world, "q", 1, &uids[i]), 1);
		assert_int_equal(lease(&world, OP_COMPLETE, uids[i], "token-1", VERDICT_POLICY, 0), E_OK);
		world_pass(&world, 1);
	}
	world_pass(&world, 2000);
	world_pass(&world, 2000);
	assert_int_equal(state_of(&world, uids[6]), JOB_STATE_COUNT);
	assert_int_equal(state_of(&world, uids[7]), JOB_COMPLETED);
	for (int i = 0; i < 4; i++)
		world_pass(&world, 40000);
	assert_int_equal(state_of(&world, uids[9]), JOB_STATE_COUNT);
	world_close(&world);
}

/* Every allocation of a whole life made to fail, one by one: refused or done, never half done. */
static void allocations_fail_one_by_one(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 400; n++) {
		struct world world;
		world_open(&world);
		enqueue(&world, "q", "a");
		struct request *request = request_new(&world, 2);
		enqueue_op(&world, &request->ops[0], "q", "b")->enqueue.id = STR("x");
		enqueue_op(&world, &request->ops[1], "new", "c")->enqueue.delay_ms = 5;
		engine_push(world.engine, request);
		mem_fail_after(n, MEM_FAIL_ONE);
		for (int i = 0; i < 10; i++)
			engine_step(world.engine, world.boot_us, world.wall_us);
		bool failed = mem_fail_disarm();
		world_pass(&world, 2000);
		assert_non_null(world.replies);
		struct request *reply = world.replies;
		world.replies = NULL;
		request_drop(reply);
		enqueue(&world, "q", "a");
		world_close(&world);
		if (!failed)
			return;
	}
	fail_msg("never came to an end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_lives_and_completes),
		cmocka_unit_test(jobs_go_first_in_first_out_by_priority),
		cmocka_unit_test(failures_back_off_and_end),
		cmocka_unit_test(a_lost_lease_stalls_once_then_fails),
		cmocka_unit_test(a_waiting_claim_gets_the_next_job),
		cmocka_unit_test(groups_take_turns_within_their_limits),
		cmocka_unit_test(rates_are_exact),
		cmocka_unit_test(ids_are_kept),
		cmocka_unit_test(an_atomic_request_is_all_or_nothing),
		cmocka_unit_test(a_restart_is_invisible_to_workers),
		cmocka_unit_test(a_refused_commit_changes_nothing),
		cmocka_unit_test(an_unknown_outcome_rebuilds),
		cmocka_unit_test(deliveries_leave_after_the_commit),
		cmocka_unit_test(time_to_live_and_delays),
		cmocka_unit_test(large_payloads_are_staged),
		cmocka_unit_test(the_same_idempotency_key_gives_the_same_answer),
		cmocka_unit_test(retention_keeps_the_newest),
		cmocka_unit_test(allocations_fail_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
