/* src/engine/engine_test.c: a job's life, as those who ask see it. */
#include "engine/test_world.h"

static void a_job_lives_and_completes(void **state)
{
	struct world world;
	uint64_t uids[4], uid;
	(void)state;
	world_open(&world);
	uid = world_enqueue(&world, "mail", "");
	assert_int_equal(world_claim(&world, "mail", 4, uids), 1);
	assert_true(uids[0] == uid);
	assert_int_equal(world_state(&world, uid), JOB_ACTIVE);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "wrong", VERDICT_POLICY, 0), E_STALE);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_STALE);
	assert_int_equal(world_state(&world, uid), JOB_COMPLETED);
	assert_int_equal(world_by_hand(&world, OP_RETRY, uid), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
	assert_int_equal(world_by_hand(&world, OP_DELETE, uid), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_STATE_COUNT);
	world_close(&world);
}

static uint32_t attempts_made(struct world *world, uint64_t uid) /* as committed */
{
	struct load load = { .uids = &uid, .uid_count = 1 };
	struct arena arena = { 0 };
	assert_int_equal(world->store->verbs->load(world->store, &load, &arena), E_OK);
	uint32_t made = load.rows[0].attempts_made;
	arena_fini(&arena);
	return made;
}

/* Ended, well or not. What is handed back, put off or lost did not end. */
static void attempts_made_are_those_that_ended(void **state)
{
	struct world world;
	uint64_t uids[4], uid;
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"max_stalls\":5,\"lease_ms\":1000,\"retry\":{\"kind\":\"fixed\",\"max_attempts\":2,\"delay_ms\":0,\"jitter\":\"none\"}}");
	uid = world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_RELEASE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_SNOOZE, uid, "token-1", VERDICT_POLICY, 10), E_OK);
	world_pass(&world, 10);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	world_pass(&world, 1001); /* lost */
	assert_int_equal(attempts_made(&world, uid), 0);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(attempts_made(&world, uid), 1);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(attempts_made(&world, uid), 2);
	assert_int_equal(world_by_hand(&world, OP_RETRY, uid), E_OK);
	assert_int_equal(attempts_made(&world, uid), 0);
	for (int i = 0; i < 2; i++) { /* as many failures as ever */
		assert_int_equal(world_claim(&world, "q", 1, uids), 1);
		assert_int_equal(world_lease(&world, OP_FAIL, uid, "token-1", VERDICT_TAIL, 0), E_OK);
	}
	assert_int_equal(world_state(&world, uid), JOB_FAILED);
	assert_int_equal(attempts_made(&world, uid), 2);
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
	assert_int_equal(world_claim(&world, "q", 8, uids), 6);
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
	world_settings(&world, "q", "{\"retry\":{\"kind\":\"fixed\",\"max_attempts\":2,\"delay_ms\":1000,\"jitter\":\"none\"}}");
	uid = world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_DELAYED);
	world_pass(&world, 999);
	assert_int_equal(world_claim(&world, "q", 1, uids), 0);
	world_pass(&world, 2);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_FAILED);
	world_close(&world);
}

static void a_lost_lease_stalls_once_then_fails(void **state)
{
	struct world world;
	uint64_t uids[4], uid;
	(void)state;
	world_open(&world);
	uid = world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	world_pass(&world, 20000);
	assert_int_equal(world_lease(&world, OP_HEARTBEAT, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	world_pass(&world, 20000);
	assert_int_equal(world_state(&world, uid), JOB_ACTIVE);
	world_pass(&world, 11000);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_STALE);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	world_pass(&world, 31000);
	assert_int_equal(world_state(&world, uid), JOB_FAILED);
	world_close(&world);
}

/* The same worker, the same token, but an earlier lease: what it says of that one comes too late. */
static void an_earlier_lease_under_the_same_token_is_stale(void **state)
{
	struct world world;
	uint64_t uids[1], uid;
	(void)state;
	world_open(&world);
	uid = world_enqueue(&world, "q", "");
	for (uint64_t fence = 1; fence <= 2; fence++) {
		assert_int_equal(world_claim(&world, "q", 1, uids), 1);
		struct request *late = lease_request(&world, OP_HEARTBEAT, uid), *own = lease_request(&world, OP_HEARTBEAT, uid);
		late->ops[0].lease.fence = 3 - fence;
		own->ops[0].lease.fence = fence;
		assert_int_equal(world_err(&world, late), E_STALE);
		assert_int_equal(world_err(&world, own), E_OK);
		assert_int_equal(world_lease(&world, OP_RELEASE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	}
	world_close(&world);
}

/* Where a job stands that comes back: before all who wait, or behind them. */
static void a_verdict_says_head_or_tail(void **state)
{
	struct world world;
	uint64_t uids[3], first, second, third;
	(void)state;
	world_open(&world);
	first = world_enqueue(&world, "q", "");
	second = world_enqueue(&world, "q", "");
	third = world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_FAIL, first, "token-1", VERDICT_HEAD, 0), E_OK);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_true(uids[0] == first);
	assert_int_equal(world_lease(&world, OP_FAIL, first, "token-1", VERDICT_TAIL, 0), E_OK);
	assert_int_equal(world_claim(&world, "q", 3, uids), 3);
	assert_memory_equal(uids, ((uint64_t[]){ second, third, first }), sizeof(uids));
	world_close(&world);
}

static void a_resumed_queue_serves_who_waits(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_enqueue(&world, "q", "");
	for (int group = 0; group < 2; group++) {
		const char *key = group ? "g" : "";
		if (group)
			world_enqueue(&world, "q", key);
		assert_int_equal(world_err(&world, queue_request(&world, group ? OP_GROUP_PAUSE : OP_QUEUE_PAUSE, "q", key, "")), E_OK);
		struct request *waiter = claim_request(&world, "q", 1, 10000);
		assert_null(world_ask(&world, waiter));
		assert_int_equal(world_err(&world, queue_request(&world, group ? OP_GROUP_RESUME : OP_QUEUE_RESUME, "q", key, "")), E_OK);
		assert_true(world_answered(&world, waiter));
		assert_int_equal(waiter->ops[0].result.claim->count, 1);
		request_drop(waiter);
	}
	world_close(&world);
}

static void a_waiting_claim_gets_the_next_job(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *waiting = claim_request(&world, "q", 5, 10000);
	assert_null(world_ask(&world, waiting));
	uint64_t uid = world_enqueue(&world, "q", "");
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

/* It promises nothing: who then claims is given what is on disk by then. */
static void who_only_looks_is_answered_before_the_commit(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *looks = claim_request(&world, "q", 0, 10000);
	assert_null(world_ask(&world, looks));
	world_manual(&world, true);
	struct request *enqueue = enqueue_request(&world, "q", "", "");
	world_push(&world, enqueue);
	assert_true(world_answered(&world, looks));
	assert_int_equal(looks->err, E_OK);
	assert_int_equal(looks->ops[0].result.claim->ready, 1);
	assert_false(world_answered(&world, enqueue));
	world_settle(&world, SETTLE_APPLY);
	assert_true(world_answered(&world, enqueue));
	request_drop(looks);
	request_drop(enqueue);
	world_manual(&world, false);
	world_close(&world);
}

static void groups_take_turns_within_their_limits(void **state)
{
	struct world world;
	uint64_t uids[16], a[3], b[3];
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"group_concurrency\":2}");
	for (int i = 0; i < 3; i++)
		a[i] = world_enqueue(&world, "q", "a");
	for (int i = 0; i < 3; i++)
		b[i] = world_enqueue(&world, "q", "b");
	assert_int_equal(world_claim(&world, "q", 16, uids), 4);
	uint64_t expected[] = { a[0], b[0], a[1], b[1] };
	assert_memory_equal(uids, expected, sizeof(expected));
	assert_int_equal(world_lease(&world, OP_COMPLETE, b[0], "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_claim(&world, "q", 16, uids), 1);
	assert_true(uids[0] == b[2]);
	world_close(&world);
}

/* The queue's only place is given back by a group that has nothing more to do: the next one is another group's. */
static void a_place_in_the_queue_goes_to_another_group(void **state)
{
	struct world world;
	uint64_t uids[2], first, other;
	(void)state;
	world_open(&world);
	world_settings(&world, "web", "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"},\"concurrency\":1}");
	first = world_enqueue(&world, "web", "a");
	world_enqueue(&world, "web", "b");
	assert_int_equal(world_effects(&world, EFFECT_DELIVER), 1);
	assert_int_equal(world_lease(&world, OP_COMPLETE, first, "ruche-delivery", VERDICT_POLICY, 0), E_OK);
	world_step(&world);
	assert_int_equal(world_effects(&world, EFFECT_DELIVER), 2);

	world_settings(&world, "q", "{\"concurrency\":1}");
	first = world_enqueue(&world, "q", "a");
	other = world_enqueue(&world, "q", "b");
	assert_int_equal(world_claim(&world, "q", 2, uids), 1);
	struct request *waiter = claim_request(&world, "q", 1, 10000);
	assert_null(world_ask(&world, waiter));
	assert_int_equal(world_lease(&world, OP_COMPLETE, first, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_true(world_answered(&world, waiter));
	assert_int_equal(waiter->ops[0].result.claim->count, 1);
	assert_true(waiter->ops[0].result.claim->grants[0].uid == other);
	request_drop(waiter);
	world_close(&world);
}

static void rates_are_exact(void **state)
{
	struct world world;
	uint64_t uids[16];
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"rate\":{\"max\":2,\"per_ms\":1000}}");
	world_pass(&world, 2000);
	for (int i = 0; i < 5; i++)
		world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 16, uids), 2);
	assert_int_equal(world_claim(&world, "q", 16, uids), 0);
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
			assert_int_equal(world_claim(&world, "q", 1, uids), 1);
			assert_int_equal(world_lease(&world, OP_COMPLETE, first, "token-1", VERDICT_POLICY, 0), E_OK);
		}
		if (i == 2)
			world_crash(&world);
	}
	assert_int_equal(world_by_hand(&world, OP_DELETE, first), E_OK);
	struct request *request = request_new(&world, 1);
	enqueue_op(&world, &request->ops[0], "q", "")->enqueue.id = STR("fiche-12");
	assert_ptr_equal(world_ask(&world, request), request);
	assert_false(request->ops[0].result.duplicate);
	request_drop(request);
	world_close(&world);
}

static void a_restart_is_invisible_to_workers(void **state)
{
	struct world world;
	uint64_t uids[4], uid;
	(void)state;
	world_open(&world);
	world_settings(&world, "web", "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"}}");
	uint64_t web = world_enqueue(&world, "web", "");
	assert_int_equal(world_state(&world, web), JOB_ACTIVE);
	uid = world_enqueue(&world, "q", "g");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	struct buf before, after;
	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	engine_quiesce(world.engine);
	engine_dump(world.engine, &before);
	world_crash(&world);
	assert_int_equal(world_state(&world, web), JOB_ACTIVE); /* let go of, and begun anew */
	engine_dump(world.engine, &after);
	assert_true(buf_ok(&before) && buf_ok(&after));
	world_pass(&world, 29000);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	buf_fini(&before);
	buf_fini(&after);
	world_close(&world);
}

static void deliveries_leave_after_the_commit(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(
		&world, "web",
		"{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"},\"retry\":{\"kind\":\"fixed\",\"delay_ms\":10,\"jitter\":\"none\",\"max_attempts\":3}}");
	for (int i = 0; i < 6; i++)
		world_enqueue(&world, "web", "");
	uint32_t count = 0;
	uint64_t first = 0;
	for (struct effect *effect = world.effects; effect; effect = effect->next)
		if (effect->kind == EFFECT_DELIVER) {
			first = first ? first : effect->uid;
			count++;
		}
	assert_int_equal(count, 4); /* as many as there are slots */
	assert_int_equal(world_lease(&world, OP_FAIL, first, "ruche-delivery", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, first), JOB_DELAYED);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, first), E_OK);
	assert_int_equal(world_state(&world, first), JOB_CANCELLED);
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
	assert_int_equal(world_state(&world, request->ops[0].result.uid), JOB_EXPIRED);
	assert_int_equal(world_claim(&world, "q", 4, uids), 2);
	assert_true(uids[0] == request->ops[1].result.uid);
	assert_true(uids[1] == request->ops[2].result.uid);
	request_drop(request);
	world_close(&world);
}

/* What is due by the wall clock is looked at each second: nobody tells when that clock is set. */
static void a_jump_of_the_wall_clock_is_noticed(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = enqueue_request(&world, "q", "", "");
	request->ops[0].enqueue.run_at_us = world.wall_us + INT64_C(3600000000);
	uint64_t uid = request->ops[0].enqueue.uid;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_DELAYED);
	world.boot_us += 5000000;
	world.wall_us += 5000000;
	int64_t next_us = 0;
	for (int i = 0; i < 20 && next_us <= world.boot_us; i++) /* until nothing is left to be done at once */
		next_us = engine_step(world.engine, world.boot_us, world.wall_us);
	assert_true(next_us <= world.boot_us + 1000000);
	world.boot_us = next_us;
	world.wall_us += INT64_C(7200000000);
	world_step(&world);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
	world_close(&world);
}

/* Events and moved jobs name queues by number. */
static void a_queues_number_is_never_given_twice(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "first", "{}");
	world_settings(&world, "second", "{}");
	uint32_t second = queue_at(&world.engine->index, queue_find(&world.engine->index, (struct queue_name){ .name = STR("second") }))->number;
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, "second", "", "")), E_OK);
	world_crash(&world);
	world_settings(&world, "third", "{}");
	uint32_t third = queue_at(&world.engine->index, queue_find(&world.engine->index, (struct queue_name){ .name = STR("third") }))->number;
	assert_true(third > second);
	world_close(&world);
}

static void a_wait_hears_of_a_deletion(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t uid = world_enqueue(&world, "q", "");
	struct request *wait = job_request(&world, OP_WAIT, uid);
	wait->ops[0].job.wait_ms = 10000;
	assert_null(world_ask(&world, wait));
	assert_int_equal(world_by_hand(&world, OP_DELETE, uid), E_OK);
	assert_true(world_answered(&world, wait));
	request_drop(wait);
	world_close(&world);
}

/* A job's own retry policy is a row that it points to. */
static void a_policy_of_its_own_survives_a_restart(void **state)
{
	static const struct retry_policy own = { .kind = BACKOFF_FIXED, .max_attempts = 2, .delay_ms = 7 };
	struct world world;
	uint64_t uids[1];
	(void)state;
	world_open(&world);
	struct request *request = enqueue_request(&world, "q", "", "");
	request->ops[0].enqueue.retry = &own;
	uint64_t uid = request->ops[0].enqueue.uid;
	assert_int_equal(world_err(&world, request), E_OK);
	world_crash(&world);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_DELAYED);
	world_crash(&world);
	world_pass(&world, 8);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_FAILED);
	world_close(&world);
}

static struct request *slice_request(struct world *world, uint64_t number, const uint64_t *uids, const uint64_t *versions, uint32_t count)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_SLICE;
	request->ops[0].operation = (struct op_operation){ .number = number, .action = OP_CANCEL, .uids = uids, .versions = versions,
		                                           .count = count, .next_uid = 77, .next_phase = 1 };
	return request;
}

/* What has ended is not paused and goes on no more, also while its end is not on disk yet. */
static void bulk_work_that_has_ended_is_not_paused(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_enqueue(&world, "q", "");
	struct request *start = request_new(&world, 1);
	start->ops[0].kind = OP_OPERATION_START;
	start->ops[0].operation = (struct op_operation){ .number = uid_next(&world.maker, world.wall_us), .action = OP_CANCEL };
	uint64_t number = start->ops[0].operation.number;
	assert_int_equal(world_err(&world, start), E_OK);
	struct request *request = request_new(&world, 2);
	request->ops[0].kind = OP_SLICE;
	request->ops[0].operation = (struct op_operation){ .number = number, .action = OP_CANCEL, .last = true };
	request->ops[1].kind = OP_OPERATION_PAUSE;
	request->ops[1].operation.number = number;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	assert_int_equal(request->ops[1].result.err, E_NOT_FOUND);
	request_drop(request);
	world_crash(&world);
	assert_int_equal(world.engine->index.operations.live, 0);
	world_close(&world);
}

/* Bulk work touches what was there when it began, as it was: what came or changed since is skipped and counted. Its cursor is on disk. */
static void bulk_work_leaves_alone_what_changed_since(void **state)
{
	struct world world;
	uint64_t uids[3], versions[3];
	(void)state;
	world_open(&world);
	for (int i = 0; i < 2; i++)
		uids[i] = world_enqueue(&world, "q", "");
	struct request *start = request_new(&world, 1);
	start->ops[0].kind = OP_OPERATION_START;
	start->ops[0].operation = (struct op_operation){ .number = uid_next(&world.maker, world.wall_us), .action = OP_CANCEL };
	uint64_t number = start->ops[0].operation.number;
	assert_int_equal(world_err(&world, start), E_OK);
	assert_int_equal(world_by_hand(&world, OP_REPRIORITISE, uids[0]), E_OK);
	uids[2] = world_enqueue(&world, "q", "");
	for (int i = 0; i < 3; i++)
		versions[i] = job_at(&world.engine->index, job_find(&world.engine->index, uids[i]))->version;
	struct request *slice = slice_request(&world, number, uids, versions, 3);
	assert_ptr_equal(world_ask(&world, slice), slice);
	assert_int_equal(slice->ops[0].result.err, E_OK);
	assert_int_equal(slice->ops[0].result.operation->done, 1);
	assert_int_equal(slice->ops[0].result.operation->skipped, 2);
	request_drop(slice);
	assert_int_equal(world_state(&world, uids[0]), JOB_WAITING);
	assert_int_equal(world_state(&world, uids[1]), JOB_CANCELLED);
	assert_int_equal(world_state(&world, uids[2]), JOB_WAITING);
	world_crash(&world);
	slice = slice_request(&world, number, NULL, NULL, 0);
	uint32_t slot = operation_find(&world.engine->index, number);
	assert_int_not_equal(slot, SLOT_NONE);
	const struct operation_row *row = &((struct running *)pool_at(&world.engine->index.operations, slot))->row;
	assert_int_equal(row->cursor_uid, 77);
	assert_int_equal(row->cursor_phase, 1);
	slice->ops[0].operation.last = true;
	assert_int_equal(world_err(&world, slice), E_OK);
	assert_int_equal(operation_find(&world.engine->index, number), SLOT_NONE);
	world_close(&world);
}

static void an_attempt_writes_only_so_many_lines(void **state)
{
	struct world world;
	uint64_t uids[1], uid;
	(void)state;
	world_open(&world);
	uid = world_enqueue(&world, "q", "");
	for (int attempt = 0; attempt < 2; attempt++) { /* each as many */
		assert_int_equal(world_claim(&world, "q", 1, uids), 1);
		struct request *request = request_new(&world, LIMIT_LOG_LINES + 1);
		for (uint32_t i = 0; i <= LIMIT_LOG_LINES; i++) {
			request->ops[i].kind = OP_LOG;
			request->ops[i].lease = (struct op_lease){ .uid = uid, .token = STR("token-1"), .body = STR("so far") };
		}
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->ops[LIMIT_LOG_LINES - 1].result.err, E_OK);
		assert_int_equal(request->ops[LIMIT_LOG_LINES].result.err, E_TOO_LARGE);
		request_drop(request);
		assert_int_equal(world_lease(&world, OP_FAIL, uid, "token-1", VERDICT_HEAD, 0), E_OK);
	}
	world_close(&world);
}

static uint64_t moved_job(struct world *world, int64_t delay_ms, int64_t run_in_ms, int64_t move_delay_ms) /* into queue "there" */
{
	struct request *request = enqueue_request(world, "here", "", "");
	struct op_enqueue *enqueue = &request->ops[0].enqueue;
	uint64_t uid = enqueue->uid;
	enqueue->ttl_ms = 1000;
	enqueue->delay_ms = delay_ms;
	enqueue->run_at_us = run_in_ms ? world->wall_us + run_in_ms * 1000 : 0;
	assert_int_equal(world_err(world, request), E_OK);
	request = job_request(world, OP_MOVE, uid);
	request->ops[0].job.to.name = STR("there");
	request->ops[0].job.delay_ms = move_delay_ms;
	assert_int_equal(world_err(world, request), E_OK);
	return uid;
}

static void a_moved_job_may_be_put_off(void **state)
{
	struct world world;
	uint64_t uids[8];
	(void)state;
	world_open(&world);
	uint64_t waited = moved_job(&world, 0, 0, 5000), delayed = moved_job(&world, 60000, 0, 5000), timed = moved_job(&world, 0, 60000, 5000);
	uint64_t kept = moved_job(&world, 3000, 0, 0);
	world_pass(&world, 3000);
	assert_int_equal(world_claim(&world, "there", 8, uids), 1);
	assert_true(uids[0] == kept);
	world_pass(&world, 1999);
	assert_int_equal(world_claim(&world, "there", 8, uids), 0);
	world_pass(&world, 1);
	assert_int_equal(world_claim(&world, "there", 2, uids), 2);
	assert_true(uids[0] == waited);
	assert_true(uids[1] == delayed);
	world_pass(&world, 999); /* a second to live from then on */
	assert_int_equal(world_state(&world, timed), JOB_WAITING);
	world_pass(&world, 1);
	assert_int_equal(world_state(&world, timed), JOB_EXPIRED);
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
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
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

/* ---- what a repeat hears ---- */

#define KEPT_OPS 7

/* Jobs with ids and without, one twice, one that a dedup key holds back, one refused, one cancelled while it runs. */
static struct request *kept_request(struct world *world, uint64_t running)
{
	static const struct op_dedup dedup = { .key = { "sheet-17", 8 }, .ttl_ms = 60000 };
	struct request *request = request_new(world, KEPT_OPS);
	for (int i = 0; i < 5; i++)
		enqueue_op(world, &request->ops[i], "q", "");
	request->ops[0].enqueue.dedup = request->ops[3].enqueue.dedup = &dedup;
	request->ops[0].enqueue.id = request->ops[1].enqueue.id = request->ops[2].enqueue.id = STR("the first of them");
	request->ops[5].kind = OP_CANCEL;
	request->ops[5].job.uid = 1;
	request->ops[6].kind = OP_CANCEL;
	request->ops[6].job.uid = running;
	request->idempotency_key = STR("1:abc");
	request->request_hash = 7;
	return request;
}

static void a_repeat_hears_every_word_of_the_first_answer(void **state)
{
	struct world world;
	struct request *first = NULL;
	uint64_t running;
	(void)state;
	world_open(&world);
	world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, &running), 1);
	for (int i = 0; i < 3; i++) {
		struct request *request = kept_request(&world, running);
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->replayed, i > 0);
		for (int n = 0; n < KEPT_OPS && first; n++) {
			const struct op_result *was = &first->ops[n].result, *is = &request->ops[n].result;
			assert_int_equal(is->err, was->err);
			assert_true(is->uid == was->uid && is->fence == was->fence && is->next == was->next && is->until_us == was->until_us);
			assert_int_equal(is->state, was->state);
			assert_int_equal(is->count, n < 5 ? 0 : was->count);
			assert_int_equal(is->duplicate, was->duplicate);
			assert_int_equal(is->deduplicated, was->deduplicated);
			assert_int_equal(is->cancel_requested, was->cancel_requested);
			assert_true(str_eq(is->id, was->id));
		}
		if (first)
			request_drop(request);
		else
			first = request;
		for (int n = 0; n < KEPT_OPS && !i; n++) /* the owner's id is the engine's */
			first->ops[n].result.id = arena_str(&first->arena, first->ops[n].result.id);
		world_crash(&world);
	}
	assert_true(first->ops[1].result.duplicate && first->ops[3].result.deduplicated && first->ops[3].result.id.len);
	assert_int_equal(first->ops[5].result.err, E_JOB_NOT_FOUND);
	assert_int_equal(first->ops[6].result.err, E_OK);
	request_drop(first);
	world_close(&world);
}

/* A record that outgrows a quarter of a page is kept on pages of its own, and each search past it reads them. */
static void the_answer_to_fifty_jobs_is_a_small_record(void **state)
{
	struct world world;
	struct arena arena = { 0 };
	struct str key = STR("1:abc");
	struct load load = { .idempotency = &key, .idempotency_count = 1 };
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, 50);
	for (int i = 0; i < 50; i++)
		enqueue_op(&world, &request->ops[i], "q", "");
	request->idempotency_key = key;
	assert_ptr_equal(world_ask(&world, request), request);
	request_drop(request);
	assert_int_equal(world.store->verbs->load(world.store, &load, &arena), E_OK);
	assert_in_range(load.records[0].answer.len, 50 * 3, 50 * 10);
	arena_fini(&arena);
	world_close(&world);
}

static void a_record_of_another_form_is_refused(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	const struct str forms[] = { STR("\1\0\2\0"), STR(""), STR("\2\0\2\0"), STR("\1"), STR("\1\0"), STR("\1\0\2"), STR("\1\20\2\0"), STR("\1\100\2\0\5abc") };
	for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
		struct request *request = enqueue_request(&world, "q", "", "");
		request->request_hash = 7;
		const struct idempotency_row record = { .key = STR("1:abc"), .request_hash = 7, .answer = forms[i] };
		idempotency_found(request, &record);
		assert_int_equal(request->err, i ? E_IDEMPOTENCY : E_OK);
		request_drop(request);
	}
	world_close(&world);
}

static void retention_keeps_the_newest(void **state)
{
	struct world world;
	uint64_t uids[16];
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"keep_completed\":{\"count\":3,\"age_ms\":60000,\"bytes\":0}}");
	for (int i = 0; i < 10; i++) {
		world_enqueue(&world, "q", "");
		assert_int_equal(world_claim(&world, "q", 1, &uids[i]), 1);
		assert_int_equal(world_lease(&world, OP_COMPLETE, uids[i], "token-1", VERDICT_POLICY, 0), E_OK);
		world_pass(&world, 1);
	}
	world_pass(&world, 2000);
	world_pass(&world, 2000);
	assert_int_equal(world_state(&world, uids[6]), JOB_STATE_COUNT);
	assert_int_equal(world_state(&world, uids[7]), JOB_COMPLETED);
	for (int i = 0; i < 4; i++)
		world_pass(&world, 40000);
	assert_int_equal(world_state(&world, uids[9]), JOB_STATE_COUNT);
	world_close(&world);
}

/* Who ended last is kept, also when the wall clock was put back in between. */
static void retention_goes_by_the_order_of_ends(void **state)
{
	struct world world;
	uint64_t uids[6];
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"keep_completed\":{\"count\":2,\"age_ms\":0,\"bytes\":0}}");
	for (int i = 0; i < 6; i++) {
		if (i == 4)
			world.wall_us -= INT64_C(3600000000);
		world_enqueue(&world, "q", "");
		assert_int_equal(world_claim(&world, "q", 1, &uids[i]), 1);
		assert_int_equal(world_lease(&world, OP_COMPLETE, uids[i], "token-1", VERDICT_POLICY, 0), E_OK);
		world_pass(&world, 1);
	}
	world_pass(&world, 3000);
	assert_int_equal(world_state(&world, uids[3]), JOB_STATE_COUNT);
	assert_int_equal(world_state(&world, uids[4]), JOB_COMPLETED);
	assert_int_equal(world_state(&world, uids[5]), JOB_COMPLETED);
	world_close(&world);
}

/* The id of a job that retention takes in one change-set is given again: never in the same one, where the old row still stands. */
static void retention_and_the_same_id_do_not_meet(void **state)
{
	struct world world;
	uint64_t uids[2];
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"keep_completed\":{\"count\":1,\"age_ms\":0,\"bytes\":0}}");
	for (int i = 0; i < 2; i++) {
		struct request *request = enqueue_request(&world, "q", "", i ? "" : "x");
		assert_int_equal(world_err(&world, request), E_OK);
		assert_int_equal(world_claim(&world, "q", 1, &uids[i]), 1);
		assert_int_equal(world_lease(&world, OP_COMPLETE, uids[i], "token-1", VERDICT_POLICY, 0), E_OK);
	}
	world_manual(&world, true);
	struct request *before = enqueue_request(&world, "q", "", ""), *again = enqueue_request(&world, "q", "", "x");
	world_push(&world, before);
	world_pass(&world, 1100);
	world_push(&world, again);
	for (int i = 0; i < 6 && store_mem_in_flight(world.store); i++)
		world_settle(&world, SETTLE_APPLY);
	assert_true(world_answered(&world, before));
	assert_true(world_answered(&world, again));
	assert_int_equal(again->err, E_OK);
	assert_int_equal(again->ops[0].result.err, E_OK);
	request_drop(before);
	request_drop(again);
	world_manual(&world, false);
	world_close(&world);
}

static void an_id_is_free_once_its_job_is_deleted_and_only_once(void **state)
{
	struct world world;
	struct request *requests[4];
	(void)state;
	world_open(&world);
	world_manual(&world, true); /* all of it before the first commit is told */
	world_push(&world, requests[0] = enqueue_request(&world, "q", "", "x"));
	world_push(&world, requests[1] = job_request(&world, OP_DELETE, requests[0]->ops[0].enqueue.uid));
	world_push(&world, requests[2] = enqueue_request(&world, "q", "", "x"));
	world_push(&world, requests[3] = enqueue_request(&world, "q", "", "x"));
	world_manual(&world, false);
	world_step(&world);
	for (int i = 0; i < 4; i++) {
		assert_true(world_answered(&world, requests[i]));
		assert_int_equal(requests[i]->err, E_OK);
		assert_int_equal(requests[i]->ops[0].result.err, E_OK);
		assert_int_equal(requests[i]->ops[0].result.duplicate, i == 3);
	}
	assert_true(requests[3]->ops[0].result.uid == requests[2]->ops[0].result.uid);
	for (int i = 0; i < 4; i++)
		request_drop(requests[i]);
	world_close(&world);
}

/* A queue that waits for a free delivery slot is emptied and deleted. */
static void a_deleted_queue_waits_for_no_delivery(void **state)
{
	struct world world;
	uint64_t uid;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 2; i++)
		world_settings(&world, i ? "second" : "first", "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"},\"rate\":{\"max\":5,\"per_ms\":1000}}");
	for (int i = 0; i < 4; i++)
		world_enqueue(&world, "first", "");
	uid = world_enqueue(&world, "second", "");
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
	assert_int_equal(world_by_hand(&world, OP_DELETE, uid), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, "second", "", "")), E_OK);
	struct effect *first = world.effects;
	while (first->kind != EFFECT_DELIVER)
		first = first->next;
	assert_int_equal(world_lease(&world, OP_COMPLETE, first->uid, "ruche-delivery", VERDICT_POLICY, 0), E_OK);
	world_pass(&world, 2000);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, "second", "", "")), E_QUEUE_NOT_FOUND);
	world_close(&world);
}

static void a_queue_that_pulls_again_delivers_no_more(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "web", "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"}}");
	for (int i = 0; i < 6; i++)
		world_enqueue(&world, "web", "");
	assert_int_equal(world_effects(&world, EFFECT_DELIVER), 4);
	world_settings(&world, "web", "{\"target\":\"pull\"}");
	for (struct effect *effect = world.effects; effect; effect = effect->next)
		if (effect->kind == EFFECT_DELIVER)
			assert_int_equal(world_lease(&world, OP_COMPLETE, effect->uid, "ruche-delivery", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_effects(&world, EFFECT_DELIVER), 4);
	world_close(&world);
}

/* Texts of settings are told apart by their version, for whoever keeps what he read from them. */
static void different_settings_have_different_versions(void **state)
{
	struct world world;
	uint64_t versions[2] = { 0 };
	uint32_t count = 0;
	(void)state;
	world_open(&world);
	world_manual(&world, true);
	struct request *requests[5] = {
		enqueue_request(&world, "other", "", ""), /* in flight, so that all others share a change-set */
		queue_request(&world, OP_QUEUE_PUT, "web", "", "{\"target\":\"http\",\"http\":{\"url\":\"http://one/\"}}"),
		enqueue_request(&world, "web", "", ""),
		queue_request(&world, OP_QUEUE_PUT, "web", "", "{\"http\":{\"url\":\"http://two/\"}}"),
		enqueue_request(&world, "web", "", ""),
	};
	for (int i = 0; i < 5; i++)
		world_push(&world, requests[i]);
	world_manual(&world, false);
	world_step(&world);
	for (struct effect *effect = world.effects; effect; effect = effect->next)
		if (effect->kind == EFFECT_DELIVER)
			versions[count++] = effect->settings->version;
	assert_int_equal(count, 2);
	assert_true(versions[0] != versions[1]);
	for (int i = 0; i < 5; i++) {
		assert_true(world_answered(&world, requests[i]));
		request_drop(requests[i]);
	}
	world_close(&world);
}

/* ---- events ---- */

static struct str world_events(struct world *world, struct arena *arena)
{
	struct reader *reader;
	struct answer answer;
	struct buf buf;
	buf_init(&buf, 1 << 20);
	assert_int_equal(world->store->verbs->reader_open(world->store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &(struct query){ .kind = QUERY_EVENTS, .limit = LIMIT_PAGE }, arena, &answer), E_OK);
	for (uint32_t i = 0; i < answer.event_count; i++)
		buf_add(&buf, answer.events[i].lines);
	reader_close(reader);
	assert_true(buf_ok(&buf));
	struct str text = arena_str(arena, buf_str(&buf));
	buf_fini(&buf);
	return text;
}

static void events_are_one_line_each(void **state)
{
	struct world world;
	struct arena arena = { 0 };
	uint64_t uids[2];
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{}");
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PAUSE, "q", "", "")), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_RESUME, "q", "", "")), E_OK);
	world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	struct request *request = lease_request(&world, OP_PROGRESS, uids[0]);
	request->ops[0].lease.body = STR("{\r\n\t\"done\": 3\n}");
	assert_int_equal(world_err(&world, request), E_OK);
	struct str text = world_events(&world, &arena);
	char uid[UID_TEXT_BYTES];
	uid_text(uids[0], uid);
	char *expected = arena_printf(&arena, "queue_changed 0000000000000\nqueue_paused 0000000000000\nqueue_resumed 0000000000000\nenqueued %s\nactive %s\n"
	                                      "progress %s {\"progress\":{  \t\"done\": 3 }}\n", uid, uid, uid);
	assert_string_equal(text.ptr, expected);
	arena_fini(&arena);
	world_close(&world);
}

/* ---- the age of the oldest ---- */

static int64_t oldest_waiting_us(struct world *world, const char *queue)
{
	struct request *request = queue_request(world, OP_QUEUE_GET, queue, "", "");
	assert_ptr_equal(world_ask(world, request), request);
	int64_t oldest_us = request->ops[0].result.queues->oldest_waiting_us;
	request_drop(request);
	return oldest_us;
}

/* engine_verify, after each step, sees that the list by age is in order. */
static void the_oldest_is_known_whatever_happens(void **state)
{
	struct world world;
	uint64_t in[8], uids[8];
	int64_t begun_us;
	(void)state;
	world_open(&world);
	begun_us = world.wall_us;
	for (int i = 0; i < 8; i++) {
		in[i] = world_enqueue(&world, "q", i % 2 ? "odd" : "even");
		world_pass(&world, 1000);
	}
	assert_true(oldest_waiting_us(&world, "q") == begun_us);
	assert_int_equal(world_by_hand(&world, OP_REPRIORITISE, in[3]), E_OK);
	assert_int_equal(world_claim(&world, "q", 2, uids), 2);
	assert_true(oldest_waiting_us(&world, "q") == begun_us + 2000000);
	assert_int_equal(world_lease(&world, OP_RELEASE, uids[0], "token-1", VERDICT_POLICY, 0), E_OK); /* it waits anew */
	world_crash(&world); /* its uid is the first, its wait the shortest */
	assert_true(oldest_waiting_us(&world, "q") == begun_us + 2000000);
	world_manual(&world, true);
	struct request *claim = claim_request(&world, "q", 3, 0);
	world_push(&world, claim);
	world_settle(&world, SETTLE_LOSE_UNKNOWN);
	world_manual(&world, false);
	world_step(&world);
	assert_true(world_answered(&world, claim));
	request_drop(claim);
	assert_true(oldest_waiting_us(&world, "q") == begun_us + 2000000);
	struct request *move = job_request(&world, OP_MOVE, in[2]);
	move->ops[0].job.to.name = STR("other");
	assert_int_equal(world_err(&world, move), E_OK);
	assert_true(oldest_waiting_us(&world, "other") == world.wall_us);
	world_close(&world);
}

/* Each job has a group of its own: none of them is overtaken, though groups come and go. */
static void new_groups_stand_behind_those_who_wait(void **state)
{
	struct world world;
	uint64_t in[40], uids[1];
	char key[24];
	(void)state;
	world_open(&world);
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "g%d", i);
		in[i] = world_enqueue(&world, "q", key);
		if (i < 20)
			continue;
		assert_int_equal(world_claim(&world, "q", 1, uids), 1);
		assert_true(uids[0] == in[i - 20]);
		assert_int_equal(world_lease(&world, OP_COMPLETE, uids[0], "token-1", VERDICT_POLICY, 0), E_OK);
	}
	world_close(&world);
}

/* Made in no order, told in that of their keys, page by page, each once. */
static void groups_are_told_in_pages(void **state)
{
	enum { GROUPS = 700, PAGE = 33 };
	struct world world;
	char key[24], after[24] = "";
	uint32_t seen = 0;
	bool more = true;
	(void)state;
	world_open(&world);
	for (uint32_t i = 0; i < GROUPS; i++) {
		snprintf(key, sizeof(key), "g%03u", i * 317 % GROUPS);
		world_enqueue(&world, "q", key);
	}
	while (more) {
		struct request *request = queue_request(&world, OP_GROUPS, "q", "", "");
		request->ops[0].queue.after = str_of(after);
		request->ops[0].queue.limit = PAGE;
		assert_ptr_equal(world_ask(&world, request), request);
		const struct op_result *result = &request->ops[0].result;
		more = result->more;
		assert_int_equal(result->count, more ? PAGE : GROUPS % PAGE);
		for (uint32_t i = 0; i < result->count; i++) {
			snprintf(key, sizeof(key), "g%03u", seen++);
			assert_true(str_eq(result->groups[i].key, str_of(key)));
			assert_int_equal(result->groups[i].waiting, 1);
		}
		snprintf(after, sizeof(after), "%s", key);
		request_drop(request);
	}
	assert_int_equal(seen, GROUPS);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_lives_and_completes),
		cmocka_unit_test(attempts_made_are_those_that_ended),
		cmocka_unit_test(jobs_go_first_in_first_out_by_priority),
		cmocka_unit_test(failures_back_off_and_end),
		cmocka_unit_test(a_lost_lease_stalls_once_then_fails),
		cmocka_unit_test(an_earlier_lease_under_the_same_token_is_stale),
		cmocka_unit_test(a_verdict_says_head_or_tail),
		cmocka_unit_test(a_resumed_queue_serves_who_waits),
		cmocka_unit_test(a_waiting_claim_gets_the_next_job),
		cmocka_unit_test(who_only_looks_is_answered_before_the_commit),
		cmocka_unit_test(groups_take_turns_within_their_limits),
		cmocka_unit_test(a_place_in_the_queue_goes_to_another_group),
		cmocka_unit_test(rates_are_exact),
		cmocka_unit_test(ids_are_kept),
		cmocka_unit_test(a_restart_is_invisible_to_workers),
		cmocka_unit_test(deliveries_leave_after_the_commit),
		cmocka_unit_test(time_to_live_and_delays),
		cmocka_unit_test(a_jump_of_the_wall_clock_is_noticed),
		cmocka_unit_test(a_queues_number_is_never_given_twice),
		cmocka_unit_test(a_wait_hears_of_a_deletion),
		cmocka_unit_test(a_policy_of_its_own_survives_a_restart),
		cmocka_unit_test(bulk_work_leaves_alone_what_changed_since), cmocka_unit_test(bulk_work_that_has_ended_is_not_paused),
		cmocka_unit_test(an_attempt_writes_only_so_many_lines),
		cmocka_unit_test(a_moved_job_may_be_put_off),
		cmocka_unit_test(large_payloads_are_staged),
		cmocka_unit_test(the_same_idempotency_key_gives_the_same_answer),
		cmocka_unit_test(a_repeat_hears_every_word_of_the_first_answer),
		cmocka_unit_test(the_answer_to_fifty_jobs_is_a_small_record),
		cmocka_unit_test(a_record_of_another_form_is_refused),
		cmocka_unit_test(retention_keeps_the_newest),
		cmocka_unit_test(retention_goes_by_the_order_of_ends),
		cmocka_unit_test(retention_and_the_same_id_do_not_meet),
		cmocka_unit_test(an_id_is_free_once_its_job_is_deleted_and_only_once),
		cmocka_unit_test(a_deleted_queue_waits_for_no_delivery),
		cmocka_unit_test(a_queue_that_pulls_again_delivers_no_more),
		cmocka_unit_test(different_settings_have_different_versions),
		cmocka_unit_test(events_are_one_line_each),
		cmocka_unit_test(the_oldest_is_known_whatever_happens),
		cmocka_unit_test(new_groups_stand_behind_those_who_wait),
		cmocka_unit_test(groups_are_told_in_pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
