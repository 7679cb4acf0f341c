/* src/engine/event_test.c: a queue's event log: events of the caller's own, trimming; and its ends by the minute. */
#include "engine/test_world.h"

static void ask_store(struct world *world, const struct query *query, struct arena *arena, struct answer *out)
{
	struct reader *reader;
	assert_int_equal(world->store->verbs->reader_open(world->store, &reader), E_OK);
	assert_int_equal(reader_run(reader, query, arena, out), E_OK);
	reader_close(reader);
}

static uint64_t count_events(struct world *world, const char *queue)
{
	struct arena arena = { 0 };
	struct answer answer;
	uint64_t count = 0;
	ask_store(world, &(struct query){ .kind = QUERY_EVENTS, .queue = str_of(queue) }, &arena, &answer);
	for (uint32_t i = 0; i < answer.event_count; i++)
		count += answer.events[i].count;
	arena_fini(&arena);
	return count;
}

static struct request *event_request(struct world *world, const char *queue, const char *name, const char *details)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_EVENT;
	request->ops[0].event = (struct op_event){ .queue.name = str_of(queue), .name = str_of(name), .details = str_of(details) };
	return request;
}

static struct request *trim_request(struct world *world, const char *queue, uint64_t keep)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_EVENTS_TRIM;
	request->ops[0].event = (struct op_event){ .queue.name = str_of(queue), .keep = keep };
	return request;
}

/* How many went. */
static uint32_t trim(struct world *world, const char *queue, uint64_t keep)
{
	struct request *request = trim_request(world, queue, keep);
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	assert_false(request->ops[0].result.more);
	uint32_t count = request->ops[0].result.count;
	request_drop(request);
	return count;
}

/* ---- events of the caller's own ---- */

static void custom_events_are_told(void **state)
{
	struct world world;
	struct arena arena = { 0 };
	struct answer answer;
	(void)state;
	world_open(&world);
	assert_int_equal(world_err(&world, event_request(&world, "q", "cleaned", "")), E_QUEUE_NOT_FOUND);
	assert_int_equal(world_err(&world, trim_request(&world, "q", 0)), E_QUEUE_NOT_FOUND);
	world_settings(&world, "q", "{}");
	trim(&world, "q", 0);
	assert_int_equal(world_err(&world, event_request(&world, "q", "clea\"ned", "{\"count\":\n3}")), E_OK);
	assert_int_equal(world_err(&world, event_request(&world, "q", "x", "")), E_OK);
	world_crash(&world);
	ask_store(&world, &(struct query){ .kind = QUERY_EVENTS, .queue = STR("q") }, &arena, &answer);
	assert_int_equal(answer.event_count, 2);
	static const char *const lines[] = { "custom 0000000000000 {\"event\":\"clea\\\"ned\",\"details\":{\"count\": 3}}\n",
		                             "custom 0000000000000 {\"event\":\"x\",\"details\":{}}\n" };
	for (uint32_t i = 0; i < 2; i++)
		assert_true(str_eq(answer.events[i].lines, str_of(lines[i])));
	arena_fini(&arena);
	world_close(&world);
}

static void a_full_store_takes_no_custom_events(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{}");
	world_manual(&world, true);
	struct request *request = event_request(&world, "q", "x", "");
	world_push(&world, request);
	world_settle(&world, SETTLE_REFUSE);
	assert_true(world_answered(&world, request));
	assert_int_equal(request->err, E_STORE_FULL);
	request_drop(request);
	world_manual(&world, false);
	assert_int_equal(world_err(&world, event_request(&world, "q", "x", "")), E_STORE_FULL);
	world_pass(&world, 60000);
	assert_int_equal(world_err(&world, event_request(&world, "q", "x", "")), E_OK);
	world_close(&world);
}

/* ---- trimming ---- */

static void trimming_tells_how_many_went(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 10; i++) {
		world_enqueue(&world, "q", "");
		world_enqueue(&world, "other", "");
	}
	uint64_t all = count_events(&world, "q");
	assert_int_equal(trim(&world, "q", all), 0);
	assert_int_equal(trim(&world, "q", 4), all - 4);
	assert_int_equal(count_events(&world, "q"), 4);
	assert_int_equal(count_events(&world, "other"), all);
	assert_int_equal(trim(&world, "q", 0), 4);
	assert_int_equal(trim(&world, "q", 0), 0);
	world_close(&world);
}

static void a_refused_trim_changes_nothing(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 10; i++)
		world_enqueue(&world, "q", "");
	uint64_t all = count_events(&world, "q");
	struct request *request = request_new(&world, 2);
	request->atomic = true;
	request->ops[0].kind = OP_EVENTS_TRIM;
	request->ops[0].event = (struct op_event){ .queue.name = STR("q") };
	request->ops[1].kind = OP_CANCEL;
	request->ops[1].job.uid = 12345;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_CANCELLED);
	request_drop(request);
	assert_int_equal(count_events(&world, "q"), all);
	world_manual(&world, true); /* refused by the store: asked again, told once it is done */
	request = trim_request(&world, "q", 3);
	world_push(&world, request);
	world_settle(&world, SETTLE_REFUSE);
	assert_false(world_answered(&world, request));
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_true(world_answered(&world, request));
	assert_int_equal(request->ops[0].result.count, all - 3);
	request_drop(request);
	world_close(&world);
}

static void a_log_that_has_a_bound_is_trimmed_by_and_by(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"events_max\":100}");
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 300; i++)
			world_enqueue(&world, "q", "");
		world_enqueue(&world, "other", "");
		world_pass(&world, 2000);
		assert_in_range(count_events(&world, "q"), 100, 100 + 100 / 4 + 100);
		world_crash(&world); /* how many came since is forgotten with it */
	}
	world_settings(&world, "q", "{\"events_max\":50}");
	world_pass(&world, 2000);
	assert_in_range(count_events(&world, "q"), 50, 52);
	world_settings(&world, "q", "{\"events_max\":0}");
	for (int i = 0; i < 200; i++)
		world_enqueue(&world, "q", "");
	world_pass(&world, 2000);
	assert_in_range(count_events(&world, "q"), 250, 260);
	assert_in_range(count_events(&world, "other"), 2, 3);
	world_close(&world);
}

/* ---- ends by the minute ---- */

static void expect_metrics(struct world *world, const char *expected)
{
	struct arena arena = { 0 };
	struct answer answer;
	struct buf got;
	buf_init(&got, 1 << 16);
	ask_store(world, &(struct query){ .kind = QUERY_METRICS, .queue = STR("q") }, &arena, &answer);
	buf_addf(&got, "%u/%u:", (unsigned)answer.ended[JOB_COMPLETED], (unsigned)answer.ended[JOB_FAILED]);
	for (uint32_t i = 0; i < answer.metric_count; i++)
		buf_addf(&got, " %d=%u/%u", (int)(answer.metrics[i].minute - START_US / 60000000), (unsigned)answer.metrics[i].completed,
		         (unsigned)answer.metrics[i].failed);
	buf_add_byte(&got, 0);
	assert_string_equal(got.ptr, expected);
	buf_fini(&got);
	arena_fini(&arena);
}

static void end_one(struct world *world, enum op_kind how)
{
	uint64_t uids[1];
	world_enqueue(world, "q", "");
	assert_int_equal(world_claim(world, "q", 1, uids), 1);
	assert_int_equal(world_lease(world, how, uids[0], "token-1", how == OP_FAIL ? VERDICT_FINAL : VERDICT_POLICY, 0), E_OK);
}

static void ends_are_counted_by_the_minute(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"metric_minutes\":3,\"keep_completed\":\"none\"}");
	end_one(&world, OP_COMPLETE);
	end_one(&world, OP_COMPLETE);
	end_one(&world, OP_FAIL);
	expect_metrics(&world, "2/1: 0=2/1");
	world_crash(&world);
	end_one(&world, OP_COMPLETE);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, world_enqueue(&world, "q", "")), E_OK); /* neither */
	expect_metrics(&world, "3/1: 0=3/1");
	world_pass(&world, 120000);
	end_one(&world, OP_FAIL);
	expect_metrics(&world, "3/2: 0=3/1 2=0/1");
	world_pass(&world, 60000);
	end_one(&world, OP_COMPLETE);
	expect_metrics(&world, "4/2: 0=3/1 2=0/1 3=1/0");
	world_pass(&world, 60000);
	end_one(&world, OP_COMPLETE); /* three minutes beside the present one are kept */
	expect_metrics(&world, "5/2: 2=0/1 3=1/0 4=1/0");
	world_settings(&world, "q", "{\"metric_minutes\":0}");
	end_one(&world, OP_COMPLETE);
	expect_metrics(&world, "6/2: 2=0/1 3=1/0 4=1/0");
	world_close(&world);
}

static void a_refused_end_is_not_counted_twice(void **state)
{
	struct world world;
	uint64_t uids[1];
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{}");
	world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	world_manual(&world, true);
	struct request *done = lease_request(&world, OP_COMPLETE, uids[0]);
	world_push(&world, done);
	world_settle(&world, SETTLE_REFUSE);
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_true(world_answered(&world, done));
	assert_int_equal(done->ops[0].result.err, E_OK);
	request_drop(done);
	expect_metrics(&world, "1/0: 0=1/0");
	world_close(&world);
}

/* ---- memory runs out ---- */

/* A step with the n-th allocation failing: an end, an event and a trim are done or refused, never half done. */
static bool starve(uint64_t n)
{
	struct world world;
	uint64_t uids[1];
	world_open(&world);
	world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	uint64_t before = count_events(&world, "q");
	struct request *request = request_new(&world, 3);
	request->atomic = true;
	request->ops[0].kind = OP_COMPLETE;
	request->ops[0].lease = (struct op_lease){ .uid = uids[0], .token = STR("token-1"), .body = STR("1") };
	request->ops[1].kind = OP_EVENT;
	request->ops[1].event = (struct op_event){ .queue.name = STR("q"), .name = STR("x") };
	request->ops[2].kind = OP_EVENTS_TRIM;
	request->ops[2].event = (struct op_event){ .queue.name = STR("q") };
	engine_push(world.engine, request);
	bool starved = world_starve(&world, n, MEM_FAIL_ONE);
	world_pass(&world, 2000);
	assert_true(world_answered(&world, request));
	bool done = !request->err && !request->ops[2].result.err;
	expect_metrics(&world, done ? "1/0: 0=1/0" : "0/0:");
	if (done)
		assert_int_equal(request->ops[2].result.count, before);
	assert_int_equal(count_events(&world, "q"), done ? 2 : before);
	request_drop(request);
	world_close(&world);
	return starved;
}

static void allocations_fail_one_by_one(void **state)
{
	(void)state;
	for (uint64_t n = 1; starve(n); n++)
		assert_true(n < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(custom_events_are_told),
		cmocka_unit_test(a_full_store_takes_no_custom_events),
		cmocka_unit_test(trimming_tells_how_many_went),
		cmocka_unit_test(a_refused_trim_changes_nothing),
		cmocka_unit_test(a_log_that_has_a_bound_is_trimmed_by_and_by),
		cmocka_unit_test(ends_are_counted_by_the_minute),
		cmocka_unit_test(a_refused_end_is_not_counted_twice),
		cmocka_unit_test(allocations_fail_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
