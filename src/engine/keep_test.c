/* src/engine/keep_test.c: ends that say what is kept of their like. */
#include "engine/test_world.h"

static struct world world;

static int set_up(void **state)
{
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"keep_completed\":\"all\",\"keep_failed\":\"all\"}");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static uint64_t begin(void)
{
	uint64_t uids[1], uid = world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(uids[0], uid);
	return uid;
}

static struct request *end_request(enum op_kind kind, uint64_t uid, const struct keep *keep)
{
	struct request *request = lease_request(&world, kind, uid);
	request->ops[0].lease.verdict = kind == OP_FAIL ? VERDICT_FINAL : VERDICT_POLICY;
	request->ops[0].lease.keep = keep;
	return request;
}

static uint64_t end(enum op_kind kind, const struct keep *keep)
{
	uint64_t uid = begin();
	assert_int_equal(world_err(&world, end_request(kind, uid, keep)), E_OK);
	world.boot_us += 1000;
	world.wall_us += 1000; /* the next ends later */
	return uid;
}

static uint64_t told(enum job_state state)
{
	struct request *request = queue_request(&world, OP_QUEUE_GET, "q", "", "");
	assert_ptr_equal(world_ask(&world, request), request);
	uint64_t count = request->ops[0].result.queues->states[state];
	request_drop(request);
	return count;
}

static uint64_t on_disk(enum job_state state)
{
	struct reader *reader;
	struct arena arena = { 0 };
	struct answer answer;
	struct query query = { .kind = QUERY_COUNT, .filter = { .queue = STR("q"), .states = 1u << state } };
	assert_int_equal(world.store->verbs->reader_open(world.store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &query, &arena, &answer), E_OK);
	reader_close(reader);
	arena_fini(&arena);
	return answer.count;
}

static void nothing_is_kept(void **state)
{
	(void)state;
	const struct keep none = { .none = true };
	uint64_t uid = end(OP_COMPLETE, &none);
	assert_int_equal(world_state(&world, uid), JOB_STATE_COUNT);
	assert_int_equal(told(JOB_COMPLETED), 0);
	uid = end(OP_FAIL, &none);
	assert_int_equal(world_state(&world, uid), JOB_STATE_COUNT);
	uid = end(OP_COMPLETE, NULL);
	assert_int_equal(world_state(&world, uid), JOB_COMPLETED);
}

static void the_newest_are_kept(void **state)
{
	const struct keep three = { .count = 3 };
	uint64_t uids[8];
	(void)state;
	for (int i = 0; i < 8; i++) {
		uids[i] = end(OP_COMPLETE, &three);
		assert_int_equal(on_disk(JOB_COMPLETED), i < 3 ? i + 1 : 3); /* in the change-set of the end itself */
	}
	assert_int_equal(told(JOB_COMPLETED), 3);
	for (int i = 0; i < 8; i++)
		assert_int_equal(world_state(&world, uids[i]), i < 5 ? JOB_STATE_COUNT : JOB_COMPLETED);
}

static void each_state_has_its_own(void **state)
{
	const struct keep one = { .count = 1 }, two = { .count = 2 };
	(void)state;
	for (int i = 0; i < 4; i++) {
		end(OP_COMPLETE, &one);
		end(OP_FAIL, &two);
	}
	assert_int_equal(on_disk(JOB_COMPLETED), 1);
	assert_int_equal(on_disk(JOB_FAILED), 2);
	end(OP_COMPLETE, NULL); /* says nothing: all stay */
	assert_int_equal(on_disk(JOB_COMPLETED), 2);
	end(OP_COMPLETE, &one);
	assert_int_equal(on_disk(JOB_COMPLETED), 1);
}

/* More end at once than are to be kept: those that are not on disk yet go with the next change-set. */
static void many_end_at_once(void **state)
{
	const struct keep two = { .count = 2 };
	uint64_t uids[10];
	(void)state;
	for (int i = 0; i < 10; i++)
		uids[i] = begin();
	struct request *request = request_new(&world, 10);
	for (int i = 0; i < 10; i++) {
		request->ops[i].kind = OP_COMPLETE;
		request->ops[i].lease = (struct op_lease){ .uid = uids[i], .token = STR("token-1"), .keep = &two };
	}
	world_manual(&world, true);
	world_push(&world, request);
	struct request *get = queue_request(&world, OP_QUEUE_GET, "q", "", ""), *barrier = request_new(&world, 1);
	barrier->ops[0].kind = OP_BARRIER;
	world_push(&world, get);
	world_push(&world, barrier);
	world_settle(&world, SETTLE_APPLY);
	assert_true(world_answered(&world, request));
	request_drop(request);
	assert_true(world_answered(&world, get));
	assert_int_equal(get->ops[0].result.queues->states[JOB_COMPLETED], 2); /* told as it will be */
	request_drop(get);
	assert_int_equal(on_disk(JOB_COMPLETED), 10);
	assert_false(world_answered(&world, barrier)); /* who wants to see the disk waits for it */
	world_settle(&world, SETTLE_APPLY);
	assert_int_equal(on_disk(JOB_COMPLETED), 2);
	assert_true(world_answered(&world, barrier));
	request_drop(barrier);
	world_manual(&world, false);
	assert_int_equal(told(JOB_COMPLETED), 2);
}

/* One range of a queue and state is under way at a time; what comes meanwhile is not forgotten. */
static void ends_that_come_while_others_go(void **state)
{
	const struct keep one = { .count = 1 };
	uint64_t uids[4];
	struct request *ends[4];
	(void)state;
	end(OP_COMPLETE, &one);
	for (int i = 0; i < 4; i++)
		uids[i] = begin();
	world_manual(&world, true);
	for (int i = 0; i < 4; i++)
		world_push(&world, ends[i] = end_request(OP_COMPLETE, uids[i], &one));
	while (store_mem_in_flight(world.store))
		world_settle(&world, SETTLE_APPLY);
	world_manual(&world, false);
	world_step(&world);
	for (int i = 0; i < 4; i++) {
		assert_true(world_answered(&world, ends[i]));
		request_drop(ends[i]);
	}
	assert_int_equal(on_disk(JOB_COMPLETED), 1);
	assert_int_equal(told(JOB_COMPLETED), 1);
}

static void the_old_go(void **state)
{
	const struct keep young = { .age_ms = 5000 }, few = { .age_ms = 5000, .limit = 2 };
	(void)state;
	for (int i = 0; i < 6; i++)
		end(OP_COMPLETE, &young);
	assert_int_equal(on_disk(JOB_COMPLETED), 6);
	world_pass(&world, 6000);
	end(OP_COMPLETE, &few); /* two at a time */
	assert_int_equal(on_disk(JOB_COMPLETED), 5);
	end(OP_COMPLETE, &young);
	assert_int_equal(on_disk(JOB_COMPLETED), 2);
}

static void by_number_and_age(void **state)
{
	const struct keep both = { .count = 3, .age_ms = 5000 };
	(void)state;
	for (int i = 0; i < 6; i++)
		end(OP_COMPLETE, &both);
	assert_int_equal(on_disk(JOB_COMPLETED), 3);
	world_pass(&world, 6000);
	end(OP_COMPLETE, &both);
	assert_int_equal(on_disk(JOB_COMPLETED), 1);
}

/* The wall clock was put back: new ends look older than those that are kept. Not one too many goes all the same. */
static void a_clock_that_was_put_back(void **state)
{
	const struct keep three = { .count = 3 };
	(void)state;
	for (int i = 0; i < 3; i++)
		end(OP_COMPLETE, &three);
	world.wall_us -= 3600 * INT64_C(1000000);
	for (int i = 0; i < 6; i++) {
		end(OP_COMPLETE, &three);
		world_step(&world);
		assert_int_equal(on_disk(JOB_COMPLETED), 3);
	}
}

/* Said by an end that did not happen, it is not done. */
static void a_refused_end_removes_nothing(void **state)
{
	const struct keep one = { .count = 1 };
	(void)state;
	for (int i = 0; i < 3; i++)
		end(OP_COMPLETE, NULL);
	uint64_t uid = begin();
	struct request *request = request_new(&world, 2);
	request->atomic = true;
	request->ops[0].kind = OP_COMPLETE;
	request->ops[0].lease = (struct op_lease){ .uid = uid, .token = STR("token-1"), .keep = &one };
	request->ops[1].kind = OP_CANCEL;
	request->ops[1].job.uid = 12345;
	assert_int_equal(world_err(&world, request), E_CANCELLED);
	assert_int_equal(on_disk(JOB_COMPLETED), 3);
	world_manual(&world, true);
	request = end_request(OP_COMPLETE, uid, &one);
	world_push(&world, request);
	world_settle(&world, SETTLE_REFUSE);
	world_settle(&world, SETTLE_REFUSE);
	assert_true(world_answered(&world, request));
	request_drop(request);
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_int_equal(on_disk(JOB_COMPLETED), 3);
}

/* A queue's own bounds hold besides. */
static void retention_goes_on(void **state)
{
	const struct keep many = { .count = 100 };
	(void)state;
	world_settings(&world, "q", "{\"keep_completed\":{\"count\":2}}");
	for (int i = 0; i < 5; i++)
		end(OP_COMPLETE, &many);
	world_pass(&world, 3000);
	assert_int_equal(on_disk(JOB_COMPLETED), 2);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_kept),
		TEST(the_newest_are_kept),
		TEST(each_state_has_its_own),
		TEST(many_end_at_once),
		TEST(ends_that_come_while_others_go),
		TEST(the_old_go),
		TEST(by_number_and_age),
		TEST(a_clock_that_was_put_back),
		TEST(a_refused_end_removes_nothing),
		TEST(retention_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
