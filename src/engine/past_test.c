/* src/engine/past_test.c: jobs that come from another queue with what they went through there. */
#include "base/mem.h"
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

static struct request *past_request(const char *id, const struct op_past *past)
{
	struct request *request = enqueue_request(&world, "q", "", id);
	request->ops[0].enqueue.compat = COMPAT_BULLMQ;
	request->ops[0].enqueue.past = past;
	return request;
}

static uint64_t moved(const char *id, const struct op_past *past)
{
	struct request *request = past_request(id, past);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->err, E_OK);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint64_t uid = request->ops[0].result.uid;
	request_drop(request);
	return uid;
}

static uint64_t next_number(void)
{
	struct request *request = past_request("", NULL);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint64_t number = request->ops[0].result.number;
	request_drop(request);
	return number;
}

/* What is asked, in the world's arena until the next question. */
static struct arena asked_arena;
static struct answer ask(const struct query *query)
{
	struct reader *reader;
	struct answer answer = { 0 };
	arena_reset(&asked_arena);
	assert_int_equal(world.store->verbs->reader_open(world.store, &reader), E_OK);
	assert_int_equal(reader_run(reader, query, &asked_arena, &answer), E_OK);
	reader_close(reader);
	return answer;
}

static const struct op_past_text second_error = { .text = { "{\"message\":\"second\"}", 20 } };
static const struct op_past_text first_error = { .text = { "{\"message\":\"first\"}", 19 }, .next = &second_error };
static const struct op_past_text line = { .text = { "it began", 8 } };

static struct op_past failed_past(void)
{
	return (struct op_past){
		.ended = true, .state = JOB_FAILED, .attempts_started = 3, .attempts_made = 2, .stalls = 1, .started_us = 1000000, .finished_us = 2000000,
		.worker = STR("theirs"), .errors = &first_error, .last_error = &second_error, .error_count = 2, .lines = &line, .line_count = 1,
		.progress = STR("50"),
	};
}

static void an_ended_job_is_there_as_it_ended(void **state)
{
	(void)state;
	struct op_past past = failed_past();
	uint64_t uid = moved("17", &past);
	for (int crashed = 0; crashed < 2; crashed++) {
		assert_int_equal(world_state(&world, uid), JOB_FAILED);
		struct answer answer = ask(&(struct query){ .kind = QUERY_JOB, .uids = &uid, .uid_count = 1, .with_history = true });
		assert_int_equal(answer.job_count, 1);
		const struct job_view *view = &answer.jobs[0];
		assert_int_equal(view->row.attempts_started, 3);
		assert_int_equal(view->row.attempts_made, 2);
		assert_int_equal(view->row.stalls, 1);
		assert_int_equal(view->row.started_us, 1000000);
		assert_int_equal(view->row.finished_us, 2000000);
		assert_true(str_eq(view->row.worker, STR("theirs")));
		assert_true(str_eq(view->definition.id, STR("17")));
		answer = ask(&(struct query){ .kind = QUERY_ATTEMPTS, .uids = &uid, .uid_count = 1, .limit = 10 });
		assert_int_equal(answer.attempt_count, 2);
		assert_int_equal(answer.attempts[0].number, 2);
		assert_true(str_eq(answer.attempts[0].error, first_error.text));
		assert_int_equal(answer.attempts[1].number, 3);
		assert_int_equal(answer.attempts[1].next, JOB_FAILED);
		answer = ask(&(struct query){ .kind = QUERY_LOGS, .uids = &uid, .uid_count = 1, .limit = 10 });
		assert_int_equal(answer.log_count, 1);
		world_crash(&world);
	}
	uint64_t none[1];
	assert_int_equal(world_claim(&world, "native", 1, none), 0);
	struct request *retry = request_new(&world, 1);
	retry->ops[0].kind = OP_RETRY;
	retry->ops[0].job.uid = uid;
	assert_int_equal(world_err(&world, retry), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
}

static void ids_go_on_behind_the_highest(void **state)
{
	(void)state;
	struct op_past past = { .attempts_started = 1, .attempts_made = 1 };
	moved("41", &past);
	assert_int_equal(next_number(), 42);
	past.ids = 100;
	moved("mine", &past);
	assert_int_equal(next_number(), 101);
	moved("50", &past);
	world_crash(&world);
	assert_int_equal(next_number(), 102);
	struct request *again = past_request("41", &past);
	assert_ptr_equal(world_ask(&world, again), again);
	assert_true(again->ops[0].result.duplicate);
	request_drop(again);
	assert_int_equal(world_err(&world, past_request("9", NULL)), E_INVALID);
}

static void a_time_to_live_is_over_with_the_first_start(void **state)
{
	(void)state;
	struct op_past past = { .attempts_started = 0 };
	for (past.attempts_started = 0; past.attempts_started < 2; past.attempts_started++) {
		struct request *request = past_request("", &past);
		request->ops[0].enqueue.ttl_ms = 1000;
		assert_ptr_equal(world_ask(&world, request), request);
		uint64_t uid = request->ops[0].result.uid;
		request_drop(request);
		world_pass(&world, 2000);
		assert_int_equal(world_state(&world, uid), past.attempts_started ? JOB_WAITING : JOB_EXPIRED);
	}
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	struct op_past past = failed_past();
	struct request *native = enqueue_request(&world, "native", "", "1");
	native->ops[0].enqueue.past = &past;
	assert_int_equal(world_err(&world, native), E_COMPAT);
	struct request *late = past_request("1", &past);
	late->ops[0].enqueue.delay_ms = 1000;
	assert_int_equal(world_err(&world, late), E_INVALID);
	struct request *waits = past_request("1", &past);
	waits->ops[0].enqueue.waits = true;
	assert_int_equal(world_err(&world, waits), E_INVALID);
}

static uint64_t take(const char *says)
{
	struct request *request = claim_request(&world, "q", 1, 0);
	request->ops[0].claim.compat = COMPAT_BULLMQ;
	request->ops[0].claim.token = STR("t");
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.claim->count, 1);
	assert_true(str_eq(request->ops[0].result.claim->grants[0].deferred, str_of(says)));
	uint64_t uid = request->ops[0].result.claim->grants[0].uid;
	request_drop(request);
	return uid;
}

static void who_had_failed_there_is_told_when_he_is_claimed(void **state)
{
	(void)state;
	struct op_past past = { .attempts_started = 1, .deferred = STR("child theirs:q:7 failed") };
	for (int crashes = 0; crashes < 2; crashes++) {
		uint64_t uid = moved("", &past);
		assert_int_equal(world_state(&world, uid), JOB_WAITING);
		if (crashes)
			world_crash(&world);
		assert_int_equal(take("child theirs:q:7 failed"), uid);
		assert_int_equal(world_lease(&world, OP_FAIL, uid, "t", VERDICT_FINAL, 0), E_OK);
		assert_int_equal(world_state(&world, uid), JOB_FAILED);
		moved("", &(struct op_past){ .attempts_started = 1 });
		uid = take(""); /* others are not */
		assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "t", VERDICT_POLICY, 0), E_OK);
	}
	struct request *waits = past_request("1", &past);
	waits->ops[0].enqueue.waits = true;
	assert_int_equal(world_err(&world, waits), E_INVALID);
	past.ended = true;
	past.state = JOB_FAILED;
	assert_int_equal(world_err(&world, past_request("1", &past)), E_INVALID);
}

static void a_parent_keeps_what_its_ended_children_left(void **state)
{
	(void)state;
	struct op_past_child second = { .queue.name = STR("parts"), .id = STR("b"), .state = EDGE_IGNORED, .value = STR("{\"message\":\"no\"}") };
	struct op_past_child first = { .next = &second, .queue.name = STR("parts"), .id = STR("a"), .state = EDGE_DONE, .value = STR("7") };
	struct op_past past = { .children = &first, .child_count = 2 };
	struct request *request = request_new(&world, 2);
	for (int i = 0; i < 2; i++)
		enqueue_op(&world, &request->ops[i], i ? "parts" : "q", "")->enqueue.compat = COMPAT_BULLMQ;
	request->ops[0].enqueue.past = &past;
	request->ops[0].enqueue.waits = true;
	request->ops[1].enqueue.parents = &(struct op_parent){ .ref = 1, .on_failure = ON_FAILURE_HOLD };
	request->ops[1].enqueue.parent_count = 1;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	assert_int_equal(request->ops[1].result.err, E_OK);
	uint64_t parent = request->ops[0].result.uid;
	request_drop(request);
	for (int crashed = 0; crashed < 2; crashed++) {
		assert_int_equal(world_state(&world, parent), JOB_WAITING_CHILDREN);
		struct answer answer = ask(&(struct query){ .kind = QUERY_CHILDREN, .uids = &parent, .uid_count = 1, .limit = 10 });
		assert_int_equal(answer.edge_counts[EDGE_DONE], 1);
		assert_int_equal(answer.edge_counts[EDGE_IGNORED], 1);
		assert_int_equal(answer.edge_counts[EDGE_PENDING], 1);
		world_crash(&world);
	}
}

/* Whatever allocation fails: all of it is there, or nothing. */
static void every_allocation_fails(const struct op_past *past)
{
	for (uint64_t n = 1;; n++) {
		world_open(&world);
		next_number();
		struct request *request = past_request("2", past);
		engine_push(world.engine, request);
		mem_fail_after(n, MEM_FAIL_ONE);
		for (int i = 0; i < 10; i++)
			engine_step(world.engine, world.boot_us, world.wall_us);
		bool failed = mem_fail_disarm();
		world_pass(&world, 2000);
		assert_ptr_equal(world.replies, request);
		enum err err = request->err ? request->err : request->ops[0].result.err;
		world.replies = NULL;
		request_drop(request);
		assert_int_equal(next_number(), err ? 2 : 10);
		world_close(&world);
		if (!failed)
			return;
	}
}

static void memory_that_runs_out_leaves_nothing_behind(void **state)
{
	struct op_past_child child = { .queue.name = STR("q"), .id = STR("a"), .state = EDGE_DONE, .value = STR("7") };
	struct op_past past = failed_past();
	(void)state;
	past.children = &child;
	past.child_count = 1;
	past.ids = 9;
	every_allocation_fails(&past);
	every_allocation_fails(&(struct op_past){ .deferred = STR("child theirs:q:7 failed"), .ids = 9 });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_ended_job_is_there_as_it_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ids_go_on_behind_the_highest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_time_to_live_is_over_with_the_first_start, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_had_failed_there_is_told_when_he_is_claimed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_parent_keeps_what_its_ended_children_left, set_up, tear_down),
		cmocka_unit_test(memory_that_runs_out_leaves_nothing_behind),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&asked_arena);
	return failed;
}
