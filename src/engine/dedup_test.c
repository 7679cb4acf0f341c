/* src/engine/dedup_test.c: one owner a key, whatever is undone, killed or late. */
#include "engine/test_world.h"

static const struct op_dedup simple = { .key = { "sheet-17", 8 } };
static const struct op_dedup throttle = { .key = { "sheet-17", 8 }, .ttl_ms = 1000 };
static const struct op_dedup extending = { .key = { "sheet-17", 8 }, .ttl_ms = 1000, .extend = true };
static const struct op_dedup debounce = { .key = { "sheet-17", 8 }, .ttl_ms = 1000, .extend = true, .replace = true };
static const struct op_dedup patient = { .key = { "sheet-17", 8 }, .replace = true, .max_wait_ms = 2500 };
static const struct op_dedup later = { .key = { "sheet-17", 8 }, .reschedule = true, .max_wait_ms = 2500 };
static const struct op_dedup last = { .key = { "sheet-17", 8 }, .keep_last = true };

struct enqueued {
	uint64_t uid;
	bool deduplicated;
	enum job_state state;
};

static struct enqueued enqueue(struct world *world, const struct op_dedup *dedup, const char *id, int64_t delay_ms)
{
	struct request *request = enqueue_request(world, "q", "", id);
	request->ops[0].enqueue.dedup = dedup;
	request->ops[0].enqueue.delay_ms = delay_ms;
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	struct enqueued answer = { request->ops[0].result.uid, request->ops[0].result.deduplicated, request->ops[0].result.state };
	request_drop(request);
	return answer;
}

static uint64_t owner(struct world *world)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_DEDUP_GET;
	request->ops[0].dedup_key = (struct op_dedup_key){ .queue.name = STR("q"), .key = STR("sheet-17") };
	assert_ptr_equal(world_ask(world, request), request);
	uint64_t uid = request->ops[0].result.count ? request->ops[0].result.uid : 0;
	request_drop(request);
	return uid;
}

static uint32_t release(struct world *world, uint64_t uid)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_DEDUP_RELEASE;
	request->ops[0].dedup_key = (struct op_dedup_key){ .queue.name = STR("q"), .key = STR("sheet-17"), .uid = uid };
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint32_t count = request->ops[0].result.count;
	request_drop(request);
	return count;
}

static void run_one(struct world *world, uint64_t expected)
{
	uint64_t uids[2];
	assert_int_equal(world_claim(world, "q", 1, uids), 1);
	assert_int_equal(uids[0], expected);
	assert_int_equal(world_lease(world, OP_COMPLETE, expected, "token-1", VERDICT_POLICY, 0), E_OK);
}

static void a_key_has_one_unfinished_job(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct enqueued first = enqueue(&world, &simple, "", 0), second = enqueue(&world, &simple, "", 0);
	assert_false(first.deduplicated);
	assert_true(second.deduplicated);
	assert_int_equal(second.uid, first.uid);
	assert_int_equal(second.state, JOB_WAITING);
	world_crash(&world);
	assert_int_equal(enqueue(&world, &simple, "", 0).uid, first.uid);
	run_one(&world, first.uid);
	assert_int_equal(owner(&world), 0);
	struct enqueued third = enqueue(&world, &simple, "", 0);
	assert_false(third.deduplicated);
	assert_int_equal(world_by_hand(&world, OP_DELETE, third.uid), E_OK);
	assert_int_equal(owner(&world), 0);
	world_step(&world);
	assert_int_equal(world.engine->index.dedups.live, 0);
	world_close(&world);
}

static void the_same_key_in_one_request(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, 3);
	for (int i = 0; i < 3; i++) {
		enqueue_op(&world, &request->ops[i], "q", "");
		request->ops[i].enqueue.dedup = &simple;
	}
	assert_ptr_equal(world_ask(&world, request), request);
	for (int i = 1; i < 3; i++) {
		assert_true(request->ops[i].result.deduplicated);
		assert_int_equal(request->ops[i].result.uid, request->ops[0].result.uid);
	}
	request_drop(request);
	world_close(&world);
}

static void a_throttle_outlives_its_owner(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct enqueued first = enqueue(&world, &throttle, "a", 0);
	run_one(&world, first.uid);
	world_crash(&world);
	struct enqueued second = enqueue(&world, &throttle, "b", 0);
	assert_true(second.deduplicated);
	assert_int_equal(second.uid, first.uid);
	assert_int_equal(second.state, JOB_COMPLETED); /* read from the store */
	world_pass(&world, 1001);
	assert_int_equal(owner(&world), 0);
	assert_false(enqueue(&world, &throttle, "c", 0).deduplicated);
	world_close(&world);
}

static void deleting_an_ended_owner_frees_its_throttle(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct enqueued first = enqueue(&world, &throttle, "", 0);
	run_one(&world, first.uid);
	world_step(&world);
	assert_int_equal(world_by_hand(&world, OP_DELETE, first.uid), E_OK);
	assert_int_equal(owner(&world), 0);
	world_close(&world);
}

static void ignored_enqueues_extend(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t uid = enqueue(&world, &extending, "", 0).uid;
	for (int i = 0; i < 3; i++) {
		world_pass(&world, 900);
		assert_int_equal(enqueue(&world, &extending, "", 0).uid, uid);
	}
	world_pass(&world, 1001);
	assert_int_equal(owner(&world), 0);
	world_close(&world);
}

static void only_the_last_of_a_debounce_survives(void **state)
{
	struct world world;
	uint64_t uids[4], uid = 0;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 4; i++) {
		struct enqueued answer = enqueue(&world, &debounce, "", 1000);
		assert_false(answer.deduplicated);
		assert_int_equal(uid ? world_state(&world, uid) : JOB_STATE_COUNT, JOB_STATE_COUNT); /* the one before is gone */
		uid = answer.uid;
		world_pass(&world, 500);
	}
	assert_int_equal(world_claim(&world, "q", 4, uids), 0);
	world_pass(&world, 501);
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	assert_int_equal(uids[0], uid);
	world_close(&world);
}

static void a_debounce_does_not_wait_for_ever(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	for (int i = 0; i < 5; i++) { /* at 0, 600, … 2400 ms: each would put it off by another second */
		assert_false(enqueue(&world, &patient, "", 1000).deduplicated);
		assert_int_equal(world_claim(&world, "q", 4, uids), 0);
		world_pass(&world, i < 4 ? 600 : 101);
	}
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	world_close(&world);
}

static void a_reschedule_keeps_its_job(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	uint64_t uid = enqueue(&world, &later, "", 1000).uid;
	for (int i = 0; i < 4; i++) {
		world_pass(&world, 600);
		assert_int_equal(enqueue(&world, &later, "", 1000).uid, uid);
		assert_int_equal(world_claim(&world, "q", 4, uids), 0);
	}
	world_pass(&world, 101); /* 2501 ms */
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	assert_int_equal(uids[0], uid);
	world_close(&world);
}

static void the_last_while_active_is_kept(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	uint64_t first = enqueue(&world, &last, "", 0).uid;
	assert_int_equal(enqueue(&world, &last, "", 0).uid, first); /* it waits: ignored */
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	uint64_t second = enqueue(&world, &last, "", 0).uid;
	assert_int_equal(world_state(&world, second), JOB_PARKED);
	uint64_t third = enqueue(&world, &last, "", 0).uid;
	assert_int_equal(world_state(&world, second), JOB_STATE_COUNT);
	assert_int_equal(world_claim(&world, "q", 4, uids + 1), 0);
	world_crash(&world);
	assert_int_equal(world_state(&world, third), JOB_PARKED);
	assert_int_equal(world_lease(&world, OP_FAIL, uids[0], "token-1", VERDICT_FINAL, 0), E_OK);
	assert_int_equal(world_state(&world, third), JOB_WAITING);
	assert_int_equal(owner(&world), third);
	run_one(&world, third);
	assert_int_equal(owner(&world), 0);
	world_close(&world);
}

static void a_successor_waits_its_own_delay(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	enqueue(&world, &last, "", 0);
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	uint64_t next = enqueue(&world, &last, "", 5000).uid;
	world_pass(&world, 6000);
	assert_int_equal(world_state(&world, next), JOB_PARKED);
	world_crash(&world);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uids[0], "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, next), JOB_DELAYED);
	world_pass(&world, 4999);
	assert_int_equal(world_claim(&world, "q", 4, uids), 0);
	world_pass(&world, 1);
	run_one(&world, next);
	world_close(&world);
}

static void who_deletes_the_owner_deletes_its_successor(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	uint64_t first = enqueue(&world, &last, "", 0).uid;
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	uint64_t second = enqueue(&world, &last, "", 0).uid;
	assert_int_equal(world_by_hand(&world, OP_DELETE, second), E_OK); /* the successor alone: forgotten */
	assert_int_equal(owner(&world), first);
	second = enqueue(&world, &last, "", 0).uid;
	assert_int_equal(world_lease(&world, OP_RELEASE, first, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_by_hand(&world, OP_DELETE, first), E_OK);
	assert_int_equal(world_state(&world, second), JOB_STATE_COUNT);
	assert_int_equal(owner(&world), 0);
	world_step(&world);
	assert_int_equal(world.engine->index.live_jobs, 0);
	world_close(&world);
}

static void a_released_key_is_free_at_once(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	uint64_t first = enqueue(&world, &last, "", 0).uid;
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	uint64_t next = enqueue(&world, &last, "", 0).uid;
	assert_int_equal(release(&world, first + 1), 0); /* another's: nothing happens */
	assert_int_equal(owner(&world), first);
	assert_int_equal(release(&world, first), 1);
	assert_int_equal(owner(&world), 0);
	assert_int_equal(world_state(&world, next), JOB_WAITING);
	assert_int_equal(release(&world, 0), 0);
	assert_false(enqueue(&world, &last, "", 0).deduplicated);
	world_close(&world);
}

static void no_successor_is_left_behind(void **state)
{
	static const struct op_dedup brief = { .key = { "sheet-17", 8 }, .ttl_ms = 1000 };
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	for (int late = 0; late < 2; late++) { /* the key ends by itself, with an enqueue that notices it or without */
		uint64_t first = enqueue(&world, &brief, "", 0).uid;
		assert_int_equal(world_claim(&world, "q", 1, uids), 1);
		uint64_t next = enqueue(&world, &last, "", 0).uid;
		assert_int_equal(world_state(&world, next), JOB_PARKED);
		if (late) {
			world.boot_us += 1000000;
			world.wall_us += 1000000;
			enqueue(&world, &brief, "", 60000);
		} else {
			world_pass(&world, 1000);
		}
		assert_int_equal(world_lease(&world, OP_COMPLETE, first, "token-1", VERDICT_POLICY, 0), E_OK);
		run_one(&world, next);
	}
	release(&world, 0);

	enqueue(&world, &last, "", 0); /* an owner that failed waits for its next attempt, and is replaced */
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	uint64_t next = enqueue(&world, &last, "", 0).uid;
	assert_int_equal(world_lease(&world, OP_FAIL, uids[0], "token-1", VERDICT_DELAY, 60000), E_OK);
	assert_int_equal(world_state(&world, uids[0]), JOB_DELAYED);
	uint64_t newest = enqueue(&world, &debounce, "", 0).uid;
	assert_int_equal(world_state(&world, next), JOB_STATE_COUNT);
	assert_int_equal(owner(&world), newest);
	run_one(&world, newest);
	world_close(&world);
}

static void a_taken_id_is_looked_at_first(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t first = enqueue(&world, &simple, "a", 0).uid;
	struct request *request = enqueue_request(&world, "q", "", "a");
	request->ops[0].enqueue.dedup = &debounce;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_true(request->ops[0].result.duplicate);
	assert_false(request->ops[0].result.deduplicated);
	assert_int_equal(request->ops[0].result.uid, first);
	request_drop(request);
	world_close(&world);
}

static void what_is_refused_leaves_the_key_as_it_was(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t first = enqueue(&world, &debounce, "", 5000).uid;
	struct request *request = request_new(&world, 2);
	request->atomic = true;
	enqueue_op(&world, &request->ops[0], "q", "");
	request->ops[0].enqueue.dedup = &debounce;
	request->ops[1].kind = OP_CANCEL;
	request->ops[1].job.uid = 12345;
	assert_ptr_equal(world_ask(&world, request), request);
	request_drop(request);
	assert_int_equal(owner(&world), first);
	assert_int_equal(world_state(&world, first), JOB_DELAYED);

	store_mem_set_automatic(world.store, false); /* a commit that the store refuses */
	request = request_new(&world, 1);
	enqueue_op(&world, &request->ops[0], "q", "");
	request->ops[0].enqueue.dedup = &debounce;
	assert_null(world_ask(&world, request));
	store_mem_settle(world.store, 1, SETTLE_REFUSE);
	world_step(&world);
	assert_true(world_answered(&world, request));
	assert_int_equal(request->err, E_STORE_FULL);
	request_drop(request);
	store_mem_set_automatic(world.store, true);
	assert_int_equal(owner(&world), first);
	world_close(&world);
}

static void memory_may_run_out_anywhere(void **state)
{
	const struct op_dedup *modes[] = { &simple, &debounce, &later, &last };
	(void)state;
	for (size_t mode = 0; mode < ARRAY_COUNT(modes); mode++) {
		for (uint64_t nth = 1;; nth++) {
			struct world world;
			uint64_t uids[2];
			world_open(&world);
			uint64_t first = enqueue(&world, modes[mode], "a", mode == 3 ? 0 : 1000).uid;
			if (mode == 3)
				assert_int_equal(world_claim(&world, "q", 1, uids), 1);
			struct request *request = enqueue_request(&world, "q", "", "b");
			request->ops[0].enqueue.dedup = modes[mode];
			request->ops[0].enqueue.delay_ms = 1000;
			engine_push(world.engine, request);
			bool failed = world_starve(&world, nth, MEM_FAIL_ONE);
			for (int i = 0; i < 3 && !world_answered(&world, request); i++)
				world_step(&world);
			if (request->err == E_NOMEM || request->ops[0].result.err == E_NOMEM)
				assert_int_equal(owner(&world), first);
			request_drop(request);
			world_close(&world);
			if (!failed)
				break;
		}
	}
}

static void an_empty_queue_takes_its_keys_along(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct enqueued first = enqueue(&world, &throttle, "", 0);
	run_one(&world, first.uid);
	world_settings(&world, "q", "{\"keep_completed\":\"none\"}");
	assert_int_equal(world_by_hand(&world, OP_DELETE, first.uid), E_OK);
	first = enqueue(&world, &throttle, "", 0);
	run_one(&world, first.uid); /* not kept: the key outlives it */
	assert_int_equal(owner(&world), first.uid);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, "q", "", "")), E_OK);
	world_step(&world);
	assert_int_equal(world.engine->index.dedups.live, 0);
	world_crash(&world);
	assert_false(enqueue(&world, &throttle, "", 0).deduplicated);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_has_one_unfinished_job),
		cmocka_unit_test(the_same_key_in_one_request),
		cmocka_unit_test(a_throttle_outlives_its_owner),
		cmocka_unit_test(deleting_an_ended_owner_frees_its_throttle),
		cmocka_unit_test(ignored_enqueues_extend),
		cmocka_unit_test(only_the_last_of_a_debounce_survives),
		cmocka_unit_test(a_debounce_does_not_wait_for_ever),
		cmocka_unit_test(a_reschedule_keeps_its_job),
		cmocka_unit_test(the_last_while_active_is_kept),
		cmocka_unit_test(a_successor_waits_its_own_delay),
		cmocka_unit_test(who_deletes_the_owner_deletes_its_successor),
		cmocka_unit_test(a_released_key_is_free_at_once),
		cmocka_unit_test(no_successor_is_left_behind),
		cmocka_unit_test(a_taken_id_is_looked_at_first),
		cmocka_unit_test(what_is_refused_leaves_the_key_as_it_was),
		cmocka_unit_test(memory_may_run_out_anywhere),
		cmocka_unit_test(an_empty_queue_takes_its_keys_along),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
