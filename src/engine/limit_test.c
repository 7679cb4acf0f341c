/* src/engine/limit_test.c: limits: who may start under them, who waits, permits, penalties, and all of it undone. */
#include "engine/test_world.h"

static struct request *limit_request(struct world *world, enum op_kind kind, const char *name, const char *settings)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].limit = (struct op_limit){ .limit.name = str_of(name), .settings = str_of(settings) };
	return request;
}

static void limit_set(struct world *world, const char *name, const char *settings)
{
	assert_int_equal(world_err(world, limit_request(world, OP_LIMIT_PUT, name, settings)), E_OK);
}

static struct request *back_off_request(struct world *world, const char *queue, const char *group, const char *limit, int64_t delay_ms)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_BACK_OFF;
	request->ops[0].back_off = (struct op_back_off){ .queue.name = str_of(queue), .group = str_of(group), .limit = str_of(limit), .delay_ms = delay_ms };
	return request;
}

static struct request *permit_request(struct world *world, enum op_kind kind, const char *limit, const char *token, uint32_t units)
{
	struct request *request = limit_request(world, kind, limit, "");
	request->ops[0].limit.token = str_of(token);
	request->ops[0].limit.units = units;
	request->ops[0].limit.lease_ms = 10000;
	return request;
}

/* Granted: 0; otherwise 1 + the wait that is told, or -1 when none is. */
static int64_t acquire(struct world *world, const char *limit, const char *token, uint32_t units)
{
	struct request *request = permit_request(world, OP_LIMIT_ACQUIRE, limit, token, units);
	assert_ptr_equal(world_ask(world, request), request);
	const struct op_result *result = &request->ops[0].result;
	assert_int_equal(result->err, E_OK);
	int64_t wait = result->granted ? 0 : result->retry_ms ? (int64_t)result->retry_ms : -1;
	request_drop(request);
	return wait;
}

static enum explain_code why(struct world *world, uint64_t uid)
{
	struct request *request = job_request(world, OP_EXPLAIN, uid);
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	enum explain_code code = request->ops[0].result.explanation->code;
	request_drop(request);
	return code;
}

static uint32_t claimed(struct world *world, const char *queue)
{
	uint64_t uids[16];
	return world_claim(world, queue, 16, uids);
}

static void complete_one(struct world *world, uint64_t uid)
{
	assert_int_equal(world_lease(world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
}

/* ---- concurrency ---- */

static void queues_share_what_a_limit_lets_run(void **state)
{
	struct world world;
	uint64_t uids[4], second;
	(void)state;
	world_open(&world);
	limit_set(&world, "crm", "{\"concurrency\":2}");
	world_settings(&world, "a", "{\"limits\":[\"crm\"]}");
	world_settings(&world, "b", "{\"limits\":[\"crm\"]}");
	world_enqueue(&world, "a", "");
	world_enqueue(&world, "a", "x");
	second = world_enqueue(&world, "b", "");
	assert_int_equal(world_claim(&world, "a", 1, uids), 1);
	assert_int_equal(claimed(&world, "b"), 1);
	assert_int_equal(claimed(&world, "a"), 0);
	uint64_t waits = world_enqueue(&world, "a", "y");
	assert_int_equal(why(&world, waits), EXPLAIN_LIMIT_CONCURRENCY);
	complete_one(&world, second);
	assert_int_equal(claimed(&world, "a"), 1);
	assert_int_equal(claimed(&world, "a"), 0);
	limit_set(&world, "crm", "{\"concurrency\":3}");
	assert_int_equal(claimed(&world, "a"), 1);
	world_close(&world);
}

static void a_waiting_claim_hears_of_room(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	limit_set(&world, "crm", "{\"concurrency\":1}");
	world_settings(&world, "a", "{\"limits\":[\"crm\"]}");
	world_settings(&world, "b", "{\"limits\":[\"crm\"]}");
	world_enqueue(&world, "a", "");
	assert_int_equal(world_claim(&world, "a", 1, uids), 1);
	world_enqueue(&world, "b", "");
	struct request *waiting = claim_request(&world, "b", 1, 60000);
	assert_null(world_ask(&world, waiting));
	complete_one(&world, uids[0]);
	assert_true(world_answered(&world, waiting));
	assert_int_equal(waiting->ops[0].result.claim->count, 1);
	request_drop(waiting);
	world_close(&world);
}

/* The line is first come first served: whoever was served goes behind. */
static void lines_are_served_in_turn(void **state)
{
	struct world world;
	static const char *const names[] = { "a", "b", "c" };
	uint64_t held[1];
	(void)state;
	world_open(&world);
	limit_set(&world, "crm", "{\"concurrency\":1}");
	for (int i = 0; i < 3; i++)
		world_settings(&world, names[i], "{\"limits\":[\"crm\"]}");
	for (int i = 0; i < 9; i++)
		world_enqueue(&world, names[i % 3], "");
	assert_int_equal(world_claim(&world, "a", 1, held), 1);
	struct request *waiting[3];
	for (int i = 0; i < 3; i++) {
		waiting[i] = claim_request(&world, names[(i + 1) % 3], 1, 60000); /* b, c, then a again */
		assert_null(world_ask(&world, waiting[i]));
	}
	for (int turn = 0; turn < 6; turn++) {
		complete_one(&world, held[0]);
		for (int i = 0; i < 3; i++)
			assert_int_equal(world_answered(&world, waiting[i]), i == turn % 3);
		struct request *served = waiting[turn % 3];
		held[0] = served->ops[0].result.claim->grants[0].uid;
		request_drop(served);
		waiting[turn % 3] = claim_request(&world, names[(turn + 1) % 3], 1, 60000);
		assert_null(world_ask(&world, waiting[turn % 3]));
	}
	world_close(&world);
}

static void a_start_takes_from_all_limits_named(void **state)
{
	struct world world;
	uint64_t uids[4], uid;
	(void)state;
	world_open(&world);
	limit_set(&world, "wide", "{\"concurrency\":5}");
	limit_set(&world, "narrow", "{\"concurrency\":1}");
	world_settings(&world, "a", "{\"limits\":[\"wide\",\"narrow\"]}");
	world_settings(&world, "b", "{\"limits\":[\"narrow\"]}");
	world_enqueue(&world, "b", "");
	uid = world_enqueue(&world, "a", "");
	assert_int_equal(world_claim(&world, "b", 1, uids), 1);
	assert_int_equal(claimed(&world, "a"), 0);
	assert_int_equal(why(&world, uid), EXPLAIN_LIMIT_CONCURRENCY);
	complete_one(&world, uids[0]);
	assert_int_equal(claimed(&world, "a"), 1);
	world_close(&world);
}

static void groups_have_limits_of_their_own(void **state)
{
	struct world world;
	uint64_t uids[8];
	(void)state;
	world_open(&world);
	limit_set(&world, "crm", "{\"concurrency\":1}");
	limit_set(&world, "slow", "{\"concurrency\":1}");
	world_settings(&world, "q", "{\"limits\":[\"crm\"]}");
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PUT, "q", "x", "{\"limits\":[\"slow\"]}")), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PUT, "q", "y", "{\"limits\":[\"slow\"]}")), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PUT, "q", "free", "{\"limits\":[]}")), E_OK);
	for (int i = 0; i < 2; i++) {
		world_enqueue(&world, "q", "usual");
		world_enqueue(&world, "q", "x");
		world_enqueue(&world, "q", "y");
		world_enqueue(&world, "q", "free");
	}
	assert_int_equal(world_claim(&world, "q", 8, uids), 4); /* one under each, both that are free */
	world_crash(&world);
	assert_int_equal(world_claim(&world, "q", 8, uids), 0);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_DELETE, "q", "y", "")), E_OK); /* as its queue again */
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PUT, "q", "x", "{\"limits\":[]}")), E_OK);
	assert_int_equal(world_claim(&world, "q", 8, uids), 1);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_DELETE, "q", "x", "")), E_OK);
	world_pass(&world, 2000); /* lanes that nobody needs leave memory */
	assert_int_equal(world.engine->index.lanes.live, 2);
	world_close(&world);
}

/* ---- rates ---- */

static void a_rate_is_shared(void **state)
{
	struct world world;
	uint64_t uid;
	(void)state;
	world_open(&world);
	limit_set(&world, "api", "{\"rate\":{\"max\":3,\"per_ms\":1000}}");
	world_settings(&world, "a", "{\"limits\":[\"api\"]}");
	world_settings(&world, "b", "{\"limits\":[\"api\"]}");
	for (int i = 0; i < 4; i++) {
		world_enqueue(&world, "a", "");
		uid = world_enqueue(&world, "b", "");
	}
	assert_int_equal(claimed(&world, "a"), 3);
	assert_int_equal(claimed(&world, "b"), 0);
	assert_int_equal(why(&world, uid), EXPLAIN_LIMIT_RATE);
	struct request *waiting = claim_request(&world, "b", 2, 60000);
	assert_null(world_ask(&world, waiting));
	world_pass(&world, 999);
	assert_false(world_answered(&world, waiting));
	world_pass(&world, 1);
	assert_true(world_answered(&world, waiting));
	assert_int_equal(waiting->ops[0].result.claim->count, 2);
	request_drop(waiting);
	assert_int_equal(claimed(&world, "a"), 1);
	world_crash(&world); /* what was started is forgotten: shut for one span */
	assert_int_equal(claimed(&world, "b"), 0);
	world_pass(&world, 1001);
	assert_int_equal(claimed(&world, "b"), 2);
	world_close(&world);
}

static void a_fixed_window_lets_its_number_through(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"rate\":{\"max\":2,\"per_ms\":1000,\"window\":\"fixed\"}}");
	for (int i = 0; i < 6; i++)
		world_enqueue(&world, "q", "");
	assert_int_equal(claimed(&world, "q"), 2);
	world_pass(&world, 999);
	assert_int_equal(claimed(&world, "q"), 0);
	world_pass(&world, 1);
	assert_int_equal(claimed(&world, "q"), 2);
	world_close(&world);
}

/* ---- permits ---- */

static void permits_take_from_the_same_budget(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	limit_set(&world, "crm", "{\"concurrency\":3}");
	world_settings(&world, "q", "{\"limits\":[\"crm\"]}");
	for (int i = 0; i < 4; i++)
		world_enqueue(&world, "q", "");
	assert_int_equal(acquire(&world, "crm", "one", 2), 0);
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	assert_int_equal(acquire(&world, "crm", "two", 1), -1); /* nobody knows when */
	assert_int_equal(acquire(&world, "crm", "one", 2), 0);  /* the same again renews */
	assert_int_equal(world_err(&world, permit_request(&world, OP_LIMIT_ACQUIRE, "crm", "one", 1)), E_CONFLICT);
	assert_int_equal(world_err(&world, permit_request(&world, OP_LIMIT_ACQUIRE, "crm", "big", 4)), E_INVALID);
	assert_int_equal(world_err(&world, permit_request(&world, OP_LIMIT_ACQUIRE, "none", "one", 1)), E_LIMIT_NOT_FOUND);
	struct request *waiting = claim_request(&world, "q", 1, 60000);
	assert_null(world_ask(&world, waiting));
	struct request *release = permit_request(&world, OP_LIMIT_RELEASE, "crm", "one", 0);
	assert_ptr_equal(world_ask(&world, release), release);
	assert_int_equal(release->ops[0].result.units, 2);
	request_drop(release);
	assert_true(world_answered(&world, waiting));
	request_drop(waiting);
	release = permit_request(&world, OP_LIMIT_RELEASE, "crm", "one", 0);
	assert_ptr_equal(world_ask(&world, release), release);
	assert_int_equal(release->ops[0].result.units, 0);
	request_drop(release);
	world_close(&world);
}

static void permits_run_out_unless_renewed_and_survive_restarts(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	limit_set(&world, "crm", "{\"concurrency\":1}");
	assert_int_equal(acquire(&world, "crm", "one", 1), 0);
	world_pass(&world, 9000);
	assert_int_equal(acquire(&world, "crm", "one", 1), 0);
	world_pass(&world, 9000);
	assert_int_equal(acquire(&world, "crm", "two", 1), -1);
	world_crash(&world);
	assert_int_equal(acquire(&world, "crm", "two", 1), -1);
	assert_int_equal(acquire(&world, "crm", "one", 1), 0);
	world_pass(&world, 10000);
	assert_int_equal(acquire(&world, "crm", "two", 1), 0);
	world_pass(&world, 2000);
	assert_int_equal(world.engine->index.permits.live, 1);
	world_close(&world);
}

static void units_of_a_rate_are_starts(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	limit_set(&world, "api", "{\"rate\":{\"max\":5,\"per_ms\":1000}}");
	assert_int_equal(acquire(&world, "api", "one", 3), 0);
	assert_int_equal(acquire(&world, "api", "two", 3), 1 + 1000);
	assert_int_equal(acquire(&world, "api", "two", 2), 0);
	world_pass(&world, 1000);
	assert_int_equal(acquire(&world, "api", "two", 5), 0);
	assert_int_equal(world.engine->index.permits.live, 0); /* nothing is held */
	world_close(&world);
}

/* ---- penalties ---- */

static void whatever_is_backed_off_starts_nothing_until_then(void **state)
{
	struct world world;
	uint64_t uids[8], in_group;
	(void)state;
	world_open(&world);
	limit_set(&world, "crm", "{\"penalty_ms_max\":5000}");
	world_settings(&world, "q", "{\"limits\":[\"crm\"]}");
	world_enqueue(&world, "q", "");
	in_group = world_enqueue(&world, "q", "g");
	assert_int_equal(world_err(&world, back_off_request(&world, "q", "g", "", 60000)), E_OK);
	assert_int_equal(why(&world, in_group), EXPLAIN_BACKED_OFF);
	assert_int_equal(world_claim(&world, "q", 8, uids), 1); /* the other group is free */
	complete_one(&world, uids[0]);
	assert_int_equal(world_err(&world, back_off_request(&world, "q", "g", "", 1000)), E_OK); /* a shorter one shortens nothing */
	world_crash(&world);
	world_pass(&world, 59000);
	assert_int_equal(world_claim(&world, "q", 8, uids), 0);
	world_pass(&world, 1000);
	assert_int_equal(world_claim(&world, "q", 8, uids), 1);
	assert_true(uids[0] == in_group);
	world_close(&world);
}

static void penalties_of_queues_and_limits_end_by_time_or_by_hand(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	limit_set(&world, "crm", "{\"penalty_ms_max\":5000}");
	world_settings(&world, "q", "{\"limits\":[\"crm\"]}");
	for (int i = 0; i < 8; i++)
		world_enqueue(&world, "q", "");
	assert_int_equal(world_err(&world, back_off_request(&world, "q", "", "", 2000)), E_OK);
	assert_int_equal(world_err(&world, back_off_request(&world, "", "", "crm", 3600000)), E_OK); /* cut to 5 s */
	struct request *waiting = claim_request(&world, "q", 1, 60000);
	assert_null(world_ask(&world, waiting));
	world_pass(&world, 2500);
	assert_false(world_answered(&world, waiting));
	world_crash(&world); /* answers who waits; penalties stay */
	world_pass(&world, 2400);
	assert_int_equal(claimed(&world, "q"), 0);
	world_pass(&world, 101);
	assert_int_equal(claimed(&world, "q"), 8);
	world_enqueue(&world, "q", "");
	assert_int_equal(world_err(&world, back_off_request(&world, "", "", "crm", 4000)), E_OK);
	assert_int_equal(claimed(&world, "q"), 0);
	assert_int_equal(world_err(&world, back_off_request(&world, "", "", "crm", 0)), E_OK);
	assert_int_equal(claimed(&world, "q"), 1);
	assert_int_equal(world_err(&world, back_off_request(&world, "", "", "none", 1)), E_LIMIT_NOT_FOUND);
	assert_int_equal(world_err(&world, back_off_request(&world, "none", "", "", 1)), E_QUEUE_NOT_FOUND);
	world_close(&world);
}

static void a_penalty_of_a_group_leaves_nothing_behind(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_enqueue(&world, "q", "h");
	assert_int_equal(world_err(&world, back_off_request(&world, "q", "g", "", 1000)), E_OK);
	assert_true(group_find(&world.engine->index, 0, STR("g")) != SLOT_NONE);
	world_pass(&world, 1001);
	world_pass(&world, 1001);
	assert_true(group_find(&world.engine->index, 0, STR("g")) == SLOT_NONE);
	world_crash(&world);
	assert_true(group_find(&world.engine->index, 0, STR("g")) == SLOT_NONE);
	world_close(&world);
}

static enum err fail_with(struct world *world, uint64_t uid, const char *scope, int64_t delay_ms)
{
	static struct back_off back_off;
	struct request *request = lease_request(world, OP_FAIL, uid);
	back_off = (struct back_off){ str_of(scope), delay_ms };
	request->ops[0].lease.back_off = &back_off;
	return world_err(world, request);
}

static void a_holder_says_whom_to_hold_back(void **state)
{
	struct world world;
	uint64_t uids[2];
	(void)state;
	world_open(&world);
	limit_set(&world, "crm", "{}");
	world_settings(&world, "q", "{\"limits\":[\"crm\"],\"retry\":{\"kind\":\"fixed\",\"delay_ms\":10,\"jitter\":\"none\"}}");
	world_settings(&world, "other", "{\"limits\":[\"crm\"]}");
	world_enqueue(&world, "q", "g");
	world_enqueue(&world, "q", "g");
	world_enqueue(&world, "q", "h");
	world_enqueue(&world, "other", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(fail_with(&world, uids[0], "nobody", 5000), E_INVALID);
	assert_int_equal(world_state(&world, uids[0]), JOB_ACTIVE); /* refused whole */
	assert_int_equal(fail_with(&world, uids[0], "group", 5000), E_OK);
	world_pass(&world, 100);
	assert_int_equal(world_claim(&world, "q", 2, uids), 1); /* h's */
	assert_int_equal(fail_with(&world, uids[0], "crm", 2000), E_OK);
	world_pass(&world, 100);
	assert_int_equal(claimed(&world, "other"), 0);
	world_pass(&world, 1900);
	assert_int_equal(world_claim(&world, "other", 1, uids), 1);
	assert_int_equal(claimed(&world, "q"), 1);
	world_pass(&world, 3000);
	assert_int_equal(claimed(&world, "q"), 2);
	world_close(&world);
}

static void an_answer_that_asks_to_wait_holds_back_whom_the_queue_says(void **state)
{
	static const struct { const char *retry_after; int64_t busy_ms; bool same_group, other_group; const char *jitter; } rows[] = {
		{ "job", 5000, true, true, "none" }, { "group", 5000, false, true, "none" }, { "queue", 5000, false, false, "none" }, { "crm", 5000, false, false, "none" },
		{ "group", 0, false, true, "none" }, /* as long as the policy lets the job wait */
		{ "group", 0, false, true, "partial" }, { "crm", 0, false, false, "full" }, /* and never less: jitter is for those who wait each for himself */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct world world;
		char settings[256];
		world_open(&world);
		limit_set(&world, "crm", "{}");
		snprintf(settings, sizeof(settings), "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"},\"group_concurrency\":1,\"limits\":[\"crm\"],"
		         "\"retry_after\":\"%s\",\"retry\":{\"kind\":\"fixed\",\"delay_ms\":5000,\"jitter\":\"%s\"}}", rows[i].retry_after, rows[i].jitter);
		world_settings(&world, "q", settings);
		uint64_t first = world_enqueue(&world, "q", "g");
		uint64_t second = world_enqueue(&world, "q", "g");
		assert_int_equal(world_state(&world, first), JOB_ACTIVE);
		struct request *request = lease_request(&world, OP_FAIL, first);
		struct op_lease *lease = &request->ops[0].lease;
		lease->token = DELIVERY_TOKEN;
		lease->busy = true;
		lease->busy_ms = rows[i].busy_ms;
		lease->verdict = rows[i].busy_ms ? VERDICT_DELAY : VERDICT_POLICY;
		lease->delay_ms = rows[i].busy_ms;
		assert_int_equal(world_err(&world, request), E_OK);
		uint64_t third = world_enqueue(&world, "q", "h");
		assert_int_equal(world_state(&world, second) == JOB_ACTIVE, rows[i].same_group);
		assert_int_equal(world_state(&world, third) == JOB_ACTIVE, rows[i].other_group);
		world_pass(&world, 4999);
		assert_int_equal(world_state(&world, second) == JOB_ACTIVE, rows[i].same_group);
		world_pass(&world, 2);
		assert_int_equal(world_state(&world, second) == JOB_ACTIVE || world_state(&world, first) == JOB_ACTIVE, true);
		world_close(&world);
	}
}

/* ---- settings ---- */

static void a_limit_is_made_before_it_is_named_and_named_no_more_before_it_goes(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PUT, "q", "", "{\"limits\":[\"crm\"]}")), E_INVALID);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PUT, "q", "", "{\"retry_after\":\"crm\"}")), E_INVALID);
	assert_int_equal(world_err(&world, limit_request(&world, OP_LIMIT_PUT, "queue", "{}")), E_INVALID);
	assert_int_equal(world_err(&world, limit_request(&world, OP_LIMIT_PUT, "crm", "{\"concurrency\":-1}")), E_INVALID);
	assert_int_equal(world_err(&world, limit_request(&world, OP_LIMIT_GET, "crm", "")), E_LIMIT_NOT_FOUND);
	limit_set(&world, "crm", "{\"concurrency\":1}");
	world_settings(&world, "q", "{\"limits\":[\"crm\"]}");
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PUT, "q", "g", "{\"limits\":[\"crm\"]}")), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PUT, "q", "g", "{\"limits\":[\"none\"]}")), E_INVALID);
	assert_int_equal(world_err(&world, limit_request(&world, OP_LIMIT_DELETE, "crm", "")), E_CONFLICT);
	world_settings(&world, "q", "{\"limits\":[],\"retry_after\":\"crm\"}");
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_DELETE, "q", "g", "")), E_OK);
	assert_int_equal(world_err(&world, limit_request(&world, OP_LIMIT_DELETE, "crm", "")), E_CONFLICT);
	world_settings(&world, "q", "{\"retry_after\":\"job\"}");
	assert_int_equal(acquire(&world, "crm", "one", 1), 0);
	assert_int_equal(world_err(&world, limit_request(&world, OP_LIMIT_DELETE, "crm", "")), E_OK);
	assert_int_equal(world_err(&world, limit_request(&world, OP_LIMIT_DELETE, "crm", "")), E_LIMIT_NOT_FOUND);
	world_pass(&world, 2000);
	assert_int_equal(world.engine->index.limits.live, 0);
	assert_int_equal(world.engine->index.permits.live, 0);
	limit_set(&world, "crm", "{\"concurrency\":1}");
	assert_int_equal(acquire(&world, "crm", "two", 1), 0);
	world_crash(&world);
	assert_int_equal(acquire(&world, "crm", "one", 1), -1);
	world_close(&world);
}

static void jobs_under_a_limit_that_goes_end_in_peace(void **state)
{
	struct world world;
	uint64_t uids[2];
	(void)state;
	world_open(&world);
	limit_set(&world, "crm", "{\"concurrency\":1}");
	world_settings(&world, "q", "{\"limits\":[\"crm\"]}");
	world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	world_settings(&world, "q", "{\"limits\":[]}");
	assert_int_equal(world_err(&world, limit_request(&world, OP_LIMIT_DELETE, "crm", "")), E_OK);
	world_pass(&world, 2000);
	assert_int_equal(world.engine->index.limits.live, 1); /* somebody counts in it */
	complete_one(&world, uids[0]);
	world_pass(&world, 2000);
	assert_int_equal(world.engine->index.limits.live, 0);
	world_close(&world);
}

static void limits_are_listed_by_name(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	limit_set(&world, "b", "{\"concurrency\":1}");
	limit_set(&world, "a", "{}");
	limit_set(&world, "c", "{}");
	assert_int_equal(acquire(&world, "b", "one", 1), 0);
	struct request *request = limit_request(&world, OP_LIMITS, "", "");
	request->ops[0].limit.page = 2;
	assert_ptr_equal(world_ask(&world, request), request);
	const struct op_result *result = &request->ops[0].result;
	assert_int_equal(result->count, 2);
	assert_true(result->more);
	assert_true(str_eq(result->limits[0].limit.name, STR("a")));
	assert_true(str_eq(result->limits[1].limit.name, STR("b")));
	assert_int_equal(result->limits[1].held, 1);
	assert_int_equal(result->limits[1].code, EXPLAIN_LIMIT_CONCURRENCY);
	request_drop(request);
	request = limit_request(&world, OP_LIMITS, "", "");
	request->ops[0].limit.after = STR("default/b");
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.count, 1);
	request_drop(request);
	world_close(&world);
}

/* ---- undone ---- */

static struct request *many_changes(struct world *world) /* of every kind; the last one is refused */
{
	struct request *request = request_new(world, 11);
	struct op *op = request->ops;
	request->atomic = true;
	*op++ = (struct op){ .kind = OP_LIMIT_PUT, .limit = { .limit.name = STR("new"), .settings = STR("{\"concurrency\":4}") } };
	*op++ = (struct op){ .kind = OP_LIMIT_PUT, .limit = { .limit.name = STR("crm"), .settings = STR("{\"concurrency\":9}") } };
	*op++ = (struct op){ .kind = OP_QUEUE_PUT, .queue = { .queue.name = STR("q"), .settings = STR("{\"limits\":[\"new\",\"crm\"]}") } };
	*op++ = (struct op){ .kind = OP_GROUP_PUT, .queue = { .queue.name = STR("q"), .group = STR("g"), .settings = STR("{\"limits\":[\"new\"]}") } };
	*op++ = (struct op){ .kind = OP_LIMIT_ACQUIRE, .limit = { .limit.name = STR("new"), .token = STR("t"), .units = 2 } };
	*op++ = (struct op){ .kind = OP_LIMIT_ACQUIRE, .limit = { .limit.name = STR("crm"), .token = STR("u"), .units = 1 } };
	*op++ = (struct op){ .kind = OP_LIMIT_RELEASE, .limit = { .limit.name = STR("crm"), .token = STR("held") } };
	*op++ = (struct op){ .kind = OP_BACK_OFF, .back_off = { .queue.name = STR("q"), .delay_ms = 9000 } };
	*op++ = (struct op){ .kind = OP_BACK_OFF, .back_off = { .queue.name = STR("q"), .group = STR("g"), .delay_ms = 9000 } };
	*op++ = (struct op){ .kind = OP_BACK_OFF, .back_off = { .limit = STR("crm"), .delay_ms = 9000 } };
	*op++ = (struct op){ .kind = OP_LIMIT_DELETE, .limit = { .limit.name = STR("none") } };
	return request;
}

static void undo_world(struct world *world, uint64_t *uid)
{
	uint64_t uids[1];
	world_open(world);
	limit_set(world, "crm", "{\"concurrency\":2}");
	world_settings(world, "q", "{\"limits\":[\"crm\"]}");
	for (int i = 0; i < 3; i++)
		world_enqueue(world, "q", i == 2 ? "g" : "");
	assert_int_equal(acquire(world, "crm", "held", 1), 0);
	assert_int_equal(world_claim(world, "q", 1, uids), 1);
	*uid = uids[0];
}

static void all_is_as_before(struct world *world, uint64_t uid)
{
	const struct index *index = &world->engine->index;
	uint32_t crm = limit_find(index, (struct queue_name){ .name = STR("crm") });
	uint32_t new = limit_find(index, (struct queue_name){ .name = STR("new") });
	assert_true(new == SLOT_NONE);
	assert_int_equal(limit_at(index, crm)->settings.concurrency, 2);
	assert_int_equal(limit_at(index, crm)->held, 1);
	assert_int_equal(limit_at(index, crm)->active, 1);
	assert_int_equal(limit_at(index, crm)->blocked_us, 0);
	assert_int_equal(queue_at(index, 0)->blocked_us, 0);
	assert_int_equal(claimed(world, "q"), 0);
	complete_one(world, uid);
	assert_int_equal(claimed(world, "q"), 1);
}

static void what_is_refused_is_undone(void **state)
{
	struct world world;
	uint64_t uid;
	(void)state;
	undo_world(&world, &uid);
	struct request *request = many_changes(&world);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[10].result.err, E_LIMIT_NOT_FOUND);
	assert_int_equal(request->ops[9].result.err, E_CANCELLED);
	request_drop(request);
	all_is_as_before(&world, uid);
	world_close(&world);
}

static void a_refused_commit_is_undone(void **state)
{
	struct world world;
	uint64_t uid;
	(void)state;
	undo_world(&world, &uid);
	world_manual(&world, true);
	struct request *request = many_changes(&world);
	request->op_count = 10; /* nothing refuses it but the disk */
	assert_null(world_ask(&world, request));
	world_settle(&world, SETTLE_REFUSE);
	world_manual(&world, false);
	world_pass(&world, 2000); /* the disk has room again */
	assert_true(world_answered(&world, request));
	assert_int_equal(request->err, E_STORE_FULL);
	request_drop(request);
	all_is_as_before(&world, uid);
	world_close(&world);
}

static void a_commit_keeps_all_of_it(void **state)
{
	struct world world;
	uint64_t uid;
	(void)state;
	undo_world(&world, &uid);
	struct request *request = many_changes(&world);
	request->op_count = 10;
	assert_ptr_equal(world_ask(&world, request), request);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(request->ops[i].result.err, E_OK);
	request_drop(request);
	world_crash(&world);
	const struct index *index = &world.engine->index;
	const struct limit *crm = limit_at(index, limit_find(index, (struct queue_name){ .name = STR("crm") }));
	const struct limit *new = limit_at(index, limit_find(index, (struct queue_name){ .name = STR("new") }));
	assert_int_equal(crm->settings.concurrency, 9);
	assert_int_equal(crm->held, 1);
	assert_int_equal(new->held, 2);
	assert_int_equal(crm->active, 1);
	assert_int_equal(new->active, 1); /* as its queue says now */
	assert_true(crm->blocked_us > index->now_us);
	assert_true(queue_at(index, 0)->blocked_us > index->now_us);
	world_pass(&world, 9000);
	assert_int_equal(claimed(&world, "q"), 1); /* new has 4: two held, one ran */
	world_close(&world);
}

/* Each allocation fails once: either all of it happened or nothing did. */
static void memory_runs_out(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct world world;
		uint64_t uid;
		undo_world(&world, &uid);
		struct request *request = many_changes(&world);
		request->op_count = 10;
		engine_push(world.engine, request);
		bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
		world_step(&world);
		world_pass(&world, 3000); /* a while for whom no memory was there */
		assert_true(world_answered(&world, request));
		bool done = !request->err && request->ops[0].result.err == E_OK;
		request_drop(request);
		uint32_t new = limit_find(&world.engine->index, (struct queue_name){ .name = STR("new") });
		assert_int_equal(new != SLOT_NONE, done);
		if (!done)
			all_is_as_before(&world, uid);
		world_close(&world);
		if (!starved)
			break;
		assert_true(nth < 5000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queues_share_what_a_limit_lets_run),
		cmocka_unit_test(a_waiting_claim_hears_of_room),
		cmocka_unit_test(lines_are_served_in_turn),
		cmocka_unit_test(a_start_takes_from_all_limits_named),
		cmocka_unit_test(groups_have_limits_of_their_own),
		cmocka_unit_test(a_rate_is_shared),
		cmocka_unit_test(a_fixed_window_lets_its_number_through),
		cmocka_unit_test(permits_take_from_the_same_budget),
		cmocka_unit_test(permits_run_out_unless_renewed_and_survive_restarts),
		cmocka_unit_test(units_of_a_rate_are_starts),
		cmocka_unit_test(whatever_is_backed_off_starts_nothing_until_then),
		cmocka_unit_test(penalties_of_queues_and_limits_end_by_time_or_by_hand),
		cmocka_unit_test(a_penalty_of_a_group_leaves_nothing_behind),
		cmocka_unit_test(a_holder_says_whom_to_hold_back),
		cmocka_unit_test(an_answer_that_asks_to_wait_holds_back_whom_the_queue_says),
		cmocka_unit_test(a_limit_is_made_before_it_is_named_and_named_no_more_before_it_goes),
		cmocka_unit_test(jobs_under_a_limit_that_goes_end_in_peace),
		cmocka_unit_test(limits_are_listed_by_name),
		cmocka_unit_test(what_is_refused_is_undone),
		cmocka_unit_test(a_refused_commit_is_undone),
		cmocka_unit_test(a_commit_keeps_all_of_it),
		cmocka_unit_test(memory_runs_out),
	};
	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
