/* src/engine/skew_test.c: queues whose programs live by a clock of their own. */
#include "engine/test_world.h"

#define HOUR_US INT64_C(3600000000)

static struct world world;
static int64_t ahead_us; /* their clock */

static int set_up(void **state)
{
	(void)state;
	world_open(&world);
	ahead_us = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static int64_t theirs_us(void)
{
	return world.wall_us + ahead_us;
}

static uint64_t enqueued(int64_t delay_ms, int64_t run_at_us)
{
	struct request *request = enqueue_request(&world, "q", "", "");
	request->asked_us = theirs_us();
	request->ops[0].enqueue.compat = COMPAT_BULLMQ;
	request->ops[0].enqueue.delay_ms = delay_ms;
	request->ops[0].enqueue.run_at_us = run_at_us;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint64_t uid = request->ops[0].result.uid;
	request_drop(request);
	return uid;
}

static struct request *claim_by_their_clock(int64_t wait_ms)
{
	struct request *request = claim_request(&world, "q", 1, wait_ms);
	request->asked_us = theirs_us();
	request->ops[0].claim.compat = COMPAT_BULLMQ;
	request->ops[0].claim.token = STR("t");
	return request;
}

static int64_t next_due_ms, started_us;
static uint64_t claimed(void)
{
	struct request *request = claim_by_their_clock(0);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	const struct claim_result *claim = request->ops[0].result.claim;
	uint64_t uid = claim->count ? claim->grants[0].uid : 0;
	next_due_ms = claim->next_due_ms;
	started_us = claim->count ? claim->grants[0].started_us : 0;
	request_drop(request);
	return uid;
}

static struct job_row row_of(uint64_t uid)
{
	struct load load = { .uids = &uid, .uid_count = 1 };
	struct arena arena = { 0 };
	assert_int_equal(world.store->verbs->load(world.store, &load, &arena), E_OK);
	struct job_row row = load.rows[0];
	row.worker = row.group = row.label = row.deferred = (struct str){ 0 };
	arena_fini(&arena);
	return row;
}

static void a_clock_that_is_nearly_ours_is_ours(void **state)
{
	(void)state;
	ahead_us = 50 * 1000000;
	uint64_t uid = enqueued(1000, 0);
	assert_false(row_of(uid).flags & ROW_DUE_WALL);
	world_pass(&world, 1000);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
	assert_int_equal(claimed(), uid);
	assert_int_equal(started_us, world.engine->index.now_us);
}

static void their_delays_pass_by_their_clock(void **state)
{
	(void)state;
	static const int64_t aheads_us[] = { 24 * HOUR_US, -10 * 365 * 24 * HOUR_US };
	for (size_t i = 0; i < ARRAY_COUNT(aheads_us); i++) {
		ahead_us = aheads_us[i];
		uint64_t uid = enqueued(1800000, 0), other = enqueued(0, theirs_us() + 7200 * INT64_C(1000000));
		int64_t due_us = theirs_us() + 1800 * INT64_C(1000000);
		assert_int_equal(row_of(uid).due_us, due_us);
		world_pass(&world, 7200000);
		ahead_us -= 7200 * INT64_C(1000000); /* it stands still */
		assert_int_equal(world_state(&world, uid), JOB_DELAYED);
		assert_int_equal(claimed(), 0);
		assert_int_equal(next_due_ms, 1800000);
		ahead_us += 1799 * INT64_C(1000000);
		assert_int_equal(claimed(), 0);
		assert_int_equal(next_due_ms, 1000);
		ahead_us += 1000000;
		assert_int_equal(claimed(), uid);
		assert_int_equal(started_us, theirs_us());
		world_pass(&world, 60000);
		struct request *request = lease_request(&world, OP_COMPLETE, uid);
		request->asked_us = theirs_us();
		request->ops[0].lease.token = STR("0");
		assert_int_equal(world_err(&world, request), E_OK);
		struct job_row row = row_of(uid);
		assert_int_equal(row.finished_us, theirs_us());
		assert_int_equal(row.finished_us - row.started_us, 60000000);
		assert_int_equal(world_state(&world, other), JOB_DELAYED);
		ahead_us += 7200 * INT64_C(1000000);
		assert_int_equal(claimed(), other);
		assert_int_equal(world_lease(&world, OP_COMPLETE, other, "0", VERDICT_POLICY, 0), E_OK);
	}
}

/* Programs that fake their clock from now on: what they had delayed before goes by it, too, be it in memory or on disk only. */
static void what_was_delayed_under_our_clock_goes_by_theirs(void **state)
{
	(void)state;
	for (int crashed = 0; crashed < 2; crashed++) {
		ahead_us = 0;
		uint64_t near = enqueued(1800000, 0), far = enqueued(2 * HOUR_US / 1000, 0), by_wall = enqueued(0, theirs_us() + 3 * HOUR_US);
		uint64_t last = enqueued(5 * HOUR_US / 1000, 0);
		world_pass(&world, 5000);
		if (crashed)
			world_crash(&world);
		assert_false(row_of(far).flags & ROW_DUE_WALL);
		ahead_us = HOUR_US / 2 - 5000000 - 1000;
		assert_int_equal(claimed(), 0);
		ahead_us += 1000;
		assert_int_equal(claimed(), near);
		ahead_us += HOUR_US;
		assert_int_equal(claimed(), 0);
		ahead_us += HOUR_US / 2;
		assert_int_equal(claimed(), far);
		ahead_us += HOUR_US;
		assert_int_equal(claimed(), by_wall);
		assert_int_equal(claimed(), 0);
		ahead_us += 24 * HOUR_US;
		assert_int_equal(claimed(), last);
		uint64_t uids[] = { near, far, by_wall, last };
		for (size_t i = 0; i < ARRAY_COUNT(uids); i++)
			assert_int_equal(world_lease(&world, OP_COMPLETE, uids[i], "t", VERDICT_POLICY, 0), E_OK);
	}
}

/* Whatever puts a job off. */
static void every_delay_is_by_their_clock(void **state)
{
	static const enum op_kind kinds[] = { OP_FAIL, OP_SNOOZE, OP_RESCHEDULE, OP_RETRY };
	(void)state;
	ahead_us = -24 * HOUR_US;
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		uint64_t uid = enqueued(kinds[i] == OP_RESCHEDULE ? 1 : 0, 0);
		struct request *request = job_request(&world, kinds[i], uid);
		if (kinds[i] != OP_RESCHEDULE)
			assert_int_equal(claimed(), uid);
		if (kinds[i] == OP_RETRY)
			assert_int_equal(world_lease(&world, OP_FAIL, uid, "t", VERDICT_FINAL, 0), E_OK);
		if (kinds[i] == OP_FAIL || kinds[i] == OP_SNOOZE)
			request->ops[0].lease = (struct op_lease){ .uid = uid, .token = STR("t"), .verdict = VERDICT_DELAY, .delay_ms = 5000 };
		else
			request->ops[0].job.delay_ms = 5000;
		assert_int_equal(world_err(&world, request), E_OK);
		assert_int_equal(world_state(&world, uid), JOB_DELAYED);
		assert_int_equal(row_of(uid).due_us, theirs_us() + 5000000);
		assert_true(row_of(uid).flags & ROW_DUE_WALL);
		assert_int_equal(claimed(), 0);
		ahead_us += 5000000;
		assert_int_equal(claimed(), uid);
		assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "t", VERDICT_POLICY, 0), E_OK);
	}
}

static void whoever_waits_asks_again_soon(void **state)
{
	(void)state;
	ahead_us = 24 * HOUR_US;
	enqueued(5000, 0);
	struct request *waits = claim_by_their_clock(60000);
	assert_null(world_ask(&world, waits));
	world_pass(&world, 1000);
	assert_true(world_answered(&world, waits));
	assert_int_equal(waits->ops[0].result.claim->count, 0);
	request_drop(waits);
}

static void a_clock_that_is_set_right_is_ours_again(void **state)
{
	(void)state;
	ahead_us = -24 * HOUR_US;
	uint64_t past = enqueued(60000, 0);
	ahead_us = 0;
	uint64_t now = enqueued(1000, 0);
	world_pass(&world, 1000);
	assert_int_equal(world_state(&world, past), JOB_WAITING); /* by our clock it was due long ago */
	assert_int_equal(world_state(&world, now), JOB_WAITING);
}

static void far_jobs_of_a_far_clock_stay(void **state)
{
	(void)state;
	ahead_us = 1000 * 24 * HOUR_US;
	uint64_t uid = enqueued(1000, 0);
	assert_false(engine_has_left(world.engine, uid));
	ahead_us += 1000000;
	assert_int_equal(claimed(), uid);
}

static void natives_do_not_listen(void **state)
{
	(void)state;
	struct request *request = enqueue_request(&world, "native", "", "");
	request->asked_us = world.wall_us + 24 * HOUR_US;
	request->ops[0].enqueue.delay_ms = 1000;
	assert_ptr_equal(world_ask(&world, request), request);
	uint64_t uid = request->ops[0].result.uid;
	request_drop(request);
	world_pass(&world, 1000);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_clock_that_is_nearly_ours_is_ours),
		TEST(what_was_delayed_under_our_clock_goes_by_theirs),
		TEST(their_delays_pass_by_their_clock),
		TEST(every_delay_is_by_their_clock),
		TEST(whoever_waits_asks_again_soon),
		TEST(a_clock_that_is_set_right_is_ours_again),
		TEST(far_jobs_of_a_far_clock_stay),
		TEST(natives_do_not_listen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
