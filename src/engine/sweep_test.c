/* src/engine/sweep_test.c: leases that only two sweeps end, and failures that the next claim tells. */
#include "engine/test_world.h"

static struct world world;

static int set_up(void **state)
{
	(void)state;
	world_open(&world);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static uint64_t enqueued_in(struct world *in, const char *id)
{
	struct request *request = enqueue_request(in, "q", "", id);
	request->ops[0].enqueue.compat = COMPAT_BULLMQ;
	assert_ptr_equal(world_ask(in, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint64_t uid = request->ops[0].result.uid;
	request_drop(request);
	return uid;
}

static uint64_t enqueued(const char *id)
{
	return enqueued_in(&world, id);
}

static char deferred_told[128];
/* The uid that was granted, or 0; deferred_told: what the grant says of it. */
static uint64_t claimed_in(struct world *in, int64_t lease_ms)
{
	struct request *request = claim_request(in, "q", 1, 0);
	request->ops[0].claim.compat = COMPAT_BULLMQ;
	request->ops[0].claim.token = STR("t");
	request->ops[0].claim.lease_ms = lease_ms;
	assert_ptr_equal(world_ask(in, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	const struct claim_result *claim = request->ops[0].result.claim;
	uint64_t uid = claim->count ? claim->grants[0].uid : 0;
	snprintf(deferred_told, sizeof(deferred_told), STR_FMT, STR_ARG(claim->count ? claim->grants[0].deferred : STR("")));
	request_drop(request);
	return uid;
}

static uint64_t claimed(int64_t lease_ms)
{
	return claimed_in(&world, lease_ms);
}

static struct request *sweep_request(struct world *in, const char *queue, int64_t interval_ms, uint32_t max_stalls)
{
	struct request *request = queue_request(in, OP_SWEEP, queue, NULL, NULL);
	request->ops[0].queue.interval_ms = interval_ms;
	request->ops[0].queue.max_stalls = max_stalls;
	return request;
}

static char swept_ids[256];
static const char *swept(int64_t interval_ms, uint32_t max_stalls)
{
	struct request *request = sweep_request(&world, "q", interval_ms, max_stalls);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	snprintf(swept_ids, sizeof(swept_ids), STR_FMT, STR_ARG(request->ops[0].result.id));
	request_drop(request);
	return swept_ids;
}

static const struct job *job_of(uint64_t uid)
{
	return job_at(&world.engine->index, job_find(&world.engine->index, uid));
}

static void time_alone_ends_no_lease(void **state)
{
	(void)state;
	uint64_t uid = enqueued("");
	assert_int_equal(claimed(100), uid);
	world_pass(&world, 3600000);
	assert_int_equal(world_state(&world, uid), JOB_ACTIVE);
	assert_int_equal(world_lease(&world, OP_HEARTBEAT, uid, "t", VERDICT_POLICY, 0), E_NO_LEASE); /* but its holder has lost it */
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "t", VERDICT_POLICY, 0), E_NO_LEASE);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "other", VERDICT_POLICY, 0), E_NO_LEASE);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "0", VERDICT_POLICY, 0), E_OK); /* who holds nothing loses nothing */
}

static void a_native_lease_runs_out_by_itself(void **state)
{
	(void)state;
	uint64_t uid = world_enqueue(&world, "native", ""), claim;
	assert_int_equal(world_claim(&world, "native", 1, &claim), 1);
	assert_int_equal(world_err(&world, sweep_request(&world, "native", 0, 1)), E_COMPAT);
	assert_int_equal(world_err(&world, sweep_request(&world, "nowhere", 0, 1)), E_OK); /* nobody has worked there yet */
	world_pass(&world, 60000);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
}

static void two_sweeps_take_back(void **state)
{
	(void)state;
	uint64_t first = enqueued("first"), second = enqueued("second"), last = enqueued("last");
	assert_int_equal(claimed(100), first);
	assert_int_equal(claimed(5000), second);
	world_pass(&world, 200);
	assert_string_equal(swept(1000, 9), "[]"); /* it is marked: this is the first that saw it */
	world_pass(&world, 999);
	assert_string_equal(swept(1000, 9), "[]"); /* too early */
	assert_int_equal(world_state(&world, first), JOB_ACTIVE);
	world_pass(&world, 1);
	assert_string_equal(swept(1000, 9), "[\"first\"]"); /* the second one's lease is not over */
	assert_int_equal(world_state(&world, first), JOB_WAITING);
	assert_int_equal(world_state(&world, second), JOB_ACTIVE);
	assert_int_equal(job_of(first)->stalls, 1);
	assert_int_equal(job_of(first)->attempts_made, 0);
	assert_int_equal(world_lease(&world, OP_COMPLETE, first, "t", VERDICT_POLICY, 0), E_NO_LEASE);
	assert_int_equal(claimed(100), first); /* before those who wait */
	assert_string_equal(deferred_told, "");
	assert_int_equal(claimed(100), last);
}

static void a_heartbeat_takes_the_mark_away(void **state)
{
	(void)state;
	uint64_t uid = enqueued("a");
	assert_int_equal(claimed(1000), uid);
	world_pass(&world, 500);
	assert_string_equal(swept(0, 1), "[]");
	world_pass(&world, 1);
	assert_int_equal(world_lease(&world, OP_HEARTBEAT, uid, "t", VERDICT_POLICY, 0), E_OK);
	world_pass(&world, 1500);
	assert_string_equal(swept(0, 1), "[]"); /* over, but no sweep has seen it since */
	world_pass(&world, 1);
	assert_string_equal(swept(0, 1), "[\"a\"]");
}

static void the_ids_of_a_sweep_are_said_again(void **state)
{
	(void)state;
	uint64_t uid = enqueued("a");
	assert_int_equal(claimed(1), uid);
	world_pass(&world, 10);
	swept(0, 1);
	world_pass(&world, 10);
	for (int round = 0; round < 2; round++) {
		struct request *request = sweep_request(&world, "q", 0, 1);
		request->idempotency_key = STR("k");
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->replayed, round);
		assert_true(str_eq(request->ops[0].result.id, STR("[\"a\"]")));
		request_drop(request);
	}
}

/* Claims it, loses it, and lets two sweeps take it back. */
static void stall(uint64_t uid, uint32_t max_stalls)
{
	assert_int_equal(claimed(1), uid);
	world_pass(&world, 10);
	swept(0, max_stalls);
	world_pass(&world, 10);
	swept(0, max_stalls);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
}

static void too_many_stalls_are_told_by_the_next_claim(void **state)
{
	(void)state;
	uint64_t uid = enqueued("a");
	stall(uid, 1);
	assert_int_equal(claimed(1000), uid);
	assert_string_equal(deferred_told, "");
	assert_int_equal(world_lease(&world, OP_RELEASE, uid, "t", VERDICT_POLICY, 0), E_OK);
	stall(uid, 1);
	world_crash(&world); /* it is written */
	assert_int_equal(claimed(1000), uid);
	assert_string_equal(deferred_told, "job stalled more than allowable limit");
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "t", VERDICT_FINAL, 0), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_FAILED);
	assert_int_equal(world_by_hand(&world, OP_RETRY, uid), E_OK);
	assert_int_equal(claimed(1000), uid);
	assert_string_equal(deferred_told, ""); /* it was told */
}

static void a_retry_in_the_commit_of_the_end_forgets_the_reason(void **state)
{
	(void)state;
	uint64_t uid = enqueued("a");
	stall(uid, 0);
	assert_int_equal(claimed(1000), uid);
	struct request *request = request_new(&world, 2);
	request->ops[0] = (struct op){ .kind = OP_FAIL, .lease = { .uid = uid, .token = STR("t"), .verdict = VERDICT_FINAL } };
	request->ops[1] = (struct op){ .kind = OP_RETRY, .job = { .uid = uid } };
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(claimed(1000), uid);
	assert_string_equal(deferred_told, "");
}

static void what_has_failed_takes_nothing_from_a_rate(void **state)
{
	(void)state;
	uint64_t uid = enqueued("a"), other = enqueued("b");
	stall(uid, 0);
	world_settings(&world, "q", "{\"rate\":{\"max\":1,\"per_ms\":60000}}");
	world_pass(&world, 60000);
	assert_int_equal(claimed(1000), uid);
	assert_string_equal(deferred_told, "job stalled more than allowable limit");
	assert_int_equal(claimed(1000), other);
	enqueued("c");
	assert_int_equal(claimed(1000), 0);
}

static void a_chain_goes_on_whatever_stalls(void **state)
{
	(void)state;
	uint64_t uid = enqueued("repeat:daily:1800000000000"), alone = enqueued("repeat:weekly:1800000000000");
	struct request *request = request_new(&world, 1);
	request->ops[0].kind = OP_CHAIN_PUT;
	request->ops[0].chain = (struct op_chain){ .queue = { .name = STR("q") }, .key = STR("daily"), .schedule = STR("{\"every_ms\":86400000}"),
		                                   .compat = COMPAT_BULLMQ };
	assert_int_equal(world_err(&world, request), E_OK);
	stall(uid, 0);
	assert_int_equal(claimed(1000), uid);
	assert_string_equal(deferred_told, "");
	stall(alone, 0); /* its chain is no more */
	assert_int_equal(claimed(1000), alone);
	assert_string_equal(deferred_told, "job stalled more than allowable limit");
}

static void a_restart_gives_a_full_term_and_two_sweeps(void **state)
{
	(void)state;
	uint64_t uid = enqueued("a");
	assert_int_equal(claimed(1000), uid);
	world_pass(&world, 2000);
	swept(0, 1);
	world_crash(&world);
	assert_string_equal(swept(0, 1), "[]");
	assert_int_equal(world_lease(&world, OP_HEARTBEAT, uid, "t", VERDICT_POLICY, 0), E_OK);
	world_pass(&world, 2000);
	assert_string_equal(swept(0, 1), "[]");
	world_pass(&world, 1);
	assert_string_equal(swept(0, 1), "[\"a\"]");
}

static void a_refused_commit_gives_the_lease_back(void **state)
{
	(void)state;
	uint64_t uid = enqueued("a");
	assert_int_equal(claimed(1), uid);
	world_pass(&world, 10);
	swept(0, 0);
	world_pass(&world, 10);
	world_manual(&world, true);
	struct request *request = sweep_request(&world, "q", 0, 0);
	world_push(&world, request);
	assert_int_equal(job_of(uid)->state, JOB_WAITING);
	world_settle(&world, SETTLE_REFUSE); /* and it is done once more: who gives back gets by with the space that is kept */
	assert_int_equal(job_of(uid)->stalls, 1);
	world_settle(&world, SETTLE_APPLY);
	assert_true(world_answered(&world, request));
	assert_int_equal(request->err, E_OK);
	assert_true(str_eq(request->ops[0].result.id, STR("[\"a\"]")));
	request_drop(request);
	world_manual(&world, false);
	assert_int_equal(claimed(1000), uid);
	assert_string_equal(deferred_told, "job stalled more than allowable limit");
}

static void a_job_that_was_asked_to_stop_ends(void **state)
{
	(void)state;
	uint64_t uid = enqueued("a");
	assert_int_equal(claimed(1), uid);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, uid), E_OK);
	world_pass(&world, 10);
	swept(0, 0);
	world_pass(&world, 10);
	assert_string_equal(swept(0, 0), "[\"a\"]");
	assert_int_equal(world_state(&world, uid), JOB_CANCELLED);
}

static void allocations_fail_one_by_one(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 400; n++) {
		struct world own;
		world_open(&own);
		uint64_t uid = enqueued_in(&own, "a");
		assert_int_equal(claimed_in(&own, 1), uid);
		world_pass(&own, 10);
		assert_int_equal(world_err(&own, sweep_request(&own, "q", 0, 0)), E_OK);
		world_pass(&own, 10);
		struct request *request = sweep_request(&own, "q", 0, 0);
		engine_push(own.engine, request);
		bool failed = world_starve(&own, n, MEM_FAIL_ONE);
		world_pass(&own, 2000);
		assert_true(world_answered(&own, request));
		request_drop(request);
		if (world_state(&own, uid) == JOB_WAITING) {
			assert_int_equal(claimed_in(&own, 1), uid);
			assert_string_equal(deferred_told, "job stalled more than allowable limit");
		}
		world_close(&own);
		if (!failed)
			return;
	}
	fail_msg("never came to an end");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(time_alone_ends_no_lease),
		TEST(a_native_lease_runs_out_by_itself),
		TEST(two_sweeps_take_back),
		TEST(a_heartbeat_takes_the_mark_away),
		TEST(the_ids_of_a_sweep_are_said_again),
		TEST(too_many_stalls_are_told_by_the_next_claim),
		TEST(a_retry_in_the_commit_of_the_end_forgets_the_reason),
		TEST(what_has_failed_takes_nothing_from_a_rate),
		TEST(a_chain_goes_on_whatever_stalls),
		TEST(a_restart_gives_a_full_term_and_two_sweeps),
		TEST(a_refused_commit_gives_the_lease_back),
		TEST(a_job_that_was_asked_to_stop_ends),
		cmocka_unit_test(allocations_fail_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
