/* src/engine/undo_test.c: what is refused leaves nothing behind: operations, atomic requests, commits, and memory that runs out. */
#include "engine/test_world.h"

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
	assert_int_equal(world_claim(&world, "q", 4, uids), 0);
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
		uid = world_enqueue(&world, "q", "g");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
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
	assert_int_equal(world_state(&world, uids[0]), JOB_COMPLETED);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
	world_pass(&world, 2000);
	world_enqueue(&world, "q", "g");
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
	world_enqueue(&world, "q", "");
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
		assert_int_equal(world_state(&world, uid), applied ? JOB_WAITING : JOB_STATE_COUNT);
	}
	world_close(&world);
}

/* Every allocation of a whole life made to fail, one by one: refused or done, never half done. */
static void allocations_fail_one_by_one(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 400; n++) {
		struct world world;
		world_open(&world);
		world_enqueue(&world, "q", "a");
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
		world_enqueue(&world, "q", "a");
		world_close(&world);
		if (!failed)
			return;
	}
	fail_msg("never came to an end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_atomic_request_is_all_or_nothing),
		cmocka_unit_test(a_refused_commit_changes_nothing),
		cmocka_unit_test(an_unknown_outcome_rebuilds),
		cmocka_unit_test(allocations_fail_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
