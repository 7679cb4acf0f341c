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

/* The first commit after a restart hands back the calls of the process that died, and wakes bulk work. Refused, it is made again. */
static void a_restart_on_a_full_disk_forgets_no_delivery(void **state)
{
	struct world world;
	struct store *store;
	(void)state;
	world_open(&world);
	world_settings(&world, "web", "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"}}");
	uint64_t uid = world_enqueue(&world, "web", "");
	struct request *start = request_new(&world, 1);
	start->ops[0].kind = OP_OPERATION_START;
	start->ops[0].operation = (struct op_operation){ .number = uid_next(&world.maker, world.wall_us), .action = OP_RETRY };
	assert_int_equal(world_err(&world, start), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_ACTIVE);
	assert_int_equal(store_mem_share(store_mem_disk(world.store), &store), E_OK);
	world_close(&world);
	store_mem_set_automatic(store, false);
	world.store = store;
	world.engine = engine_new(&world.config, store);
	assert_non_null(world.engine);
	assert_int_equal(engine_start(world.engine, world.boot_us, world.wall_us, NULL), E_OK);
	for (int refused = 0; refused < 2; refused++) {
		world_pass(&world, 2000);
		assert_int_equal(store_mem_in_flight(world.store), 1);
		world_settle(&world, SETTLE_REFUSE);
		assert_int_equal(world_effects(&world, EFFECT_DELIVER), 0);
	}
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_int_equal(world_effects(&world, EFFECT_DELIVER), 1);
	assert_int_equal(world_effects(&world, EFFECT_OPERATION), 1);
	world_close(&world);
}

/* What falls due while new jobs find no room does not fall with them, however steadily they come. */
static void jobs_fall_due_while_new_ones_find_no_room(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *later = enqueue_request(&world, "q", "", "");
	later->ops[0].enqueue.delay_ms = 5;
	uint64_t uid = later->ops[0].enqueue.uid;
	assert_int_equal(world_err(&world, later), E_OK);
	world_manual(&world, true);
	for (uint32_t round = 0; round < 2; round++) {
		struct request *fresh = enqueue_request(&world, "q", "", "");
		world.boot_us += 2000000;
		world.wall_us += 2000000;
		world_push(&world, fresh);
		assert_int_equal(store_mem_in_flight(world.store), 1 + round);
		if (round)
			world_settle(&world, SETTLE_APPLY);
		world_settle(&world, SETTLE_REFUSE);
		assert_true(world_answered(&world, fresh));
		assert_int_equal(fresh->err, E_STORE_FULL);
		request_drop(fresh);
	}
	world_manual(&world, false);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
	world_pass(&world, 2000);
	world_enqueue(&world, "q", "");
	assert_false(world.engine->short_of_room);
	world_close(&world);
}

/* ---- what others were told, or wait for ---- */

static void a_repeat_goes_on_when_its_twin_is_refused(void **state)
{
	struct world world;
	struct request *twins[2];
	(void)state;
	world_open(&world);
	world_manual(&world, true);
	for (int i = 0; i < 2; i++) {
		twins[i] = enqueue_request(&world, "q", "", "");
		twins[i]->idempotency_key = STR("1:abc");
		world_push(&world, twins[i]);
	}
	assert_int_equal(store_mem_in_flight(world.store), 1);
	world_settle(&world, SETTLE_REFUSE);
	assert_true(world_answered(&world, twins[0]));
	assert_int_equal(twins[0]->err, E_STORE_FULL);
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_true(world_answered(&world, twins[1]));
	assert_int_equal(twins[1]->ops[0].result.err, E_STORE_FULL); /* the store has no room for it either */
	assert_false(twins[1]->replayed);
	request_drop(twins[0]);
	request_drop(twins[1]);
	world_close(&world);
}

static void a_repeat_survives_an_unknown_outcome(void **state)
{
	struct world world;
	struct request *twins[2];
	(void)state;
	world_open(&world);
	world_manual(&world, true);
	for (int i = 0; i < 2; i++) {
		twins[i] = enqueue_request(&world, "q", "", "");
		twins[i]->idempotency_key = STR("1:abc");
		world_push(&world, twins[i]);
	}
	world_settle(&world, SETTLE_APPLY_UNKNOWN);
	world_manual(&world, false);
	world_step(&world);
	assert_true(world_answered(&world, twins[0]));
	assert_int_equal(twins[0]->err, E_OUTCOME_UNKNOWN);
	assert_true(world_answered(&world, twins[1]));
	assert_true(twins[1]->replayed);
	request_drop(twins[0]);
	request_drop(twins[1]);
	world_close(&world);
}

static void nobody_hears_of_an_end_that_was_undone(void **state)
{
	struct world world;
	uint64_t uid, uids[1];
	(void)state;
	world_open(&world);
	uid = world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	struct request *waiting = job_request(&world, OP_WAIT, uid);
	waiting->ops[0].job.wait_ms = 60000;
	assert_null(world_ask(&world, waiting));
	struct request *request = request_new(&world, 2);
	request->atomic = true;
	request->ops[0].kind = OP_COMPLETE;
	request->ops[0].lease = (struct op_lease){ .uid = uid, .token = STR("token-1") };
	request->ops[1].kind = OP_CANCEL;
	request->ops[1].job.uid = 12345;
	assert_int_equal(world_err(&world, request), E_CANCELLED);
	assert_false(world_answered(&world, waiting));
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_true(world_answered(&world, waiting));
	assert_int_equal(waiting->ops[0].result.state, JOB_COMPLETED);
	request_drop(waiting);
	world_close(&world);
}

/* Three claims wait; a refused commit calls them back: they stand in the same order, and wait no longer than they asked. */
static void waiting_claims_keep_their_turn_and_their_time(void **state)
{
	struct world world;
	struct request *claims[3], *more;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 3; i++) { /* their places in memory are not in the order of their arrival */
		struct request *early = claim_request(&world, "q", 1, 1000 + i);
		assert_null(world_ask(&world, early));
		claims[i] = early;
	}
	world_pass(&world, 1010);
	for (int i = 0; i < 3; i++) {
		assert_true(world_answered(&world, claims[i]));
		request_drop(claims[i]);
	}
	for (int i = 0; i < 3; i++)
		assert_null(world_ask(&world, claims[i] = claim_request(&world, "q", 1, 10000)));
	world_pass(&world, 6000);
	world_manual(&world, true);
	more = enqueue_request(&world, "other", "", "");
	world_push(&world, more);
	world_settle(&world, SETTLE_REFUSE);
	assert_true(world_answered(&world, more));
	request_drop(more);
	world_manual(&world, false);
	world_pass(&world, 2000);
	world_enqueue(&world, "q", "");
	assert_true(world_answered(&world, claims[0]));
	world_pass(&world, 2000);
	assert_true(world_answered(&world, claims[1]));
	assert_true(world_answered(&world, claims[2]));
	assert_int_equal(claims[2]->ops[0].result.claim->count, 0);
	for (int i = 0; i < 3; i++)
		request_drop(claims[i]);
	world_close(&world);
}

/* ---- memory of what is gone ---- */

static void a_refused_retry_leaves_memory(void **state)
{
	struct world world;
	uint64_t uid, uids[1];
	(void)state;
	world_open(&world);
	uid = world_enqueue(&world, "q", "g");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world.engine->index.jobs.live, 0);
	world_manual(&world, true);
	struct request *retry = job_request(&world, OP_RETRY, uid);
	retry->ops[0].job.has_payload = true; /* with an edited payload it may not go in again by itself */
	retry->ops[0].job.payload = STR("[]");
	world_push(&world, retry);
	world_settle(&world, SETTLE_REFUSE);
	world_settle(&world, SETTLE_REFUSE); /* it was applied once more */
	assert_true(world_answered(&world, retry));
	request_drop(retry);
	assert_int_equal(world.engine->index.jobs.live, 0);
	assert_int_equal(world.engine->index.groups.live, 0);
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_int_equal(world_by_hand(&world, OP_RETRY, uid), E_OK);
	world_close(&world);
}

/* The end is on disk, the retry behind it is refused: the ended job has no place in memory any more. */
static void a_retry_refused_behind_its_end_leaves_memory(void **state)
{
	struct world world;
	uint64_t uid, uids[1];
	(void)state;
	world_open(&world);
	uid = world_enqueue(&world, "q", "g");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	world_manual(&world, true);
	struct request *done = lease_request(&world, OP_COMPLETE, uid), *retry = job_request(&world, OP_RETRY, uid);
	world_push(&world, done);
	world_push(&world, retry);
	world_settle(&world, SETTLE_APPLY);
	world_settle(&world, SETTLE_REFUSE);
	world_settle(&world, SETTLE_REFUSE);
	assert_true(world_answered(&world, done));
	assert_true(world_answered(&world, retry));
	assert_int_equal(retry->err, E_STORE_FULL);
	request_drop(done);
	request_drop(retry);
	assert_int_equal(world.engine->index.jobs.live, 0);
	assert_int_equal(world.engine->index.groups.live, 0);
	world_manual(&world, false);
	world_close(&world);
}

static struct request *operation_request(struct world *world, enum op_kind kind, uint64_t number)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].operation = (struct op_operation){ .number = number, .action = OP_CANCEL };
	return request;
}

/* A pause is on disk, the cancellation behind it is refused: the bulk work is still there, paused. */
static void bulk_work_whose_end_is_refused_goes_on(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t number = uid_next(&world.maker, world.wall_us);
	assert_int_equal(world_err(&world, operation_request(&world, OP_OPERATION_START, number)), E_OK);
	world_manual(&world, true);
	struct request *pause = operation_request(&world, OP_OPERATION_PAUSE, number), *cancel = operation_request(&world, OP_OPERATION_CANCEL, number);
	world_push(&world, pause);
	world_push(&world, cancel);
	world_settle(&world, SETTLE_APPLY);
	uint32_t slot = operation_find(&world.engine->index, number);
	assert_int_not_equal(slot, SLOT_NONE);
	world_settle(&world, SETTLE_REFUSE);
	world_settle(&world, SETTLE_REFUSE); /* it was applied once more */
	assert_true(world_answered(&world, pause));
	assert_true(world_answered(&world, cancel));
	assert_int_equal(cancel->err, E_STORE_FULL);
	request_drop(pause);
	request_drop(cancel);
	const struct operation_row *row = &((struct running *)pool_at(&world.engine->index.operations, slot))->row;
	assert_int_equal(row->state, OPERATION_PAUSED);
	assert_int_equal(row->finished_us, 0);
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_int_equal(world_err(&world, operation_request(&world, OP_OPERATION_CANCEL, number)), E_OK);
	assert_int_equal(world.engine->index.operations.live, 0);
	world_close(&world);
}

static void two_of_a_group_are_loaded_and_one_is_deleted(void **state)
{
	struct world world;
	uint64_t uids[2];
	(void)state;
	world_open(&world);
	world_enqueue(&world, "q", "g");
	world_enqueue(&world, "q", "g");
	assert_int_equal(world_claim(&world, "q", 2, uids), 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(world_lease(&world, OP_COMPLETE, uids[i], "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world.engine->index.groups.live, 0);
	world_manual(&world, true);
	struct request *request = request_new(&world, 2);
	request->ops[0].kind = OP_DELETE;
	request->ops[0].job.uid = uids[0];
	request->ops[1].kind = OP_EXPLAIN;
	request->ops[1].job.uid = uids[1];
	world_push(&world, request);
	struct request *other = enqueue_request(&world, "another", "h", ""); /* would take the freed place */
	world_push(&world, other);
	world_settle(&world, SETTLE_REFUSE);
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_true(world_answered(&world, request));
	assert_int_equal(request->ops[0].result.err, E_OK); /* applied once more */
	assert_true(world_answered(&world, other));
	request_drop(request);
	request_drop(other);
	assert_int_equal(world_by_hand(&world, OP_RETRY, uids[1]), E_OK);
	world_close(&world);
}

static void groups_that_nothing_needs_are_freed(void **state)
{
	struct world world;
	static const struct {
		enum op_kind kind;
		const char *settings;
		enum err err;
	} acts[] = {
		{ OP_GROUP_RESUME, "", E_OK },
		{ OP_GROUP_DELETE, "", E_OK },
		{ OP_GROUP_PUT, "{\"concurrency\":\"many\"}", E_INVALID },
	};
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{}");
	for (size_t i = 0; i < ARRAY_COUNT(acts); i++) {
		assert_int_equal(world_err(&world, queue_request(&world, acts[i].kind, "q", "nobody", acts[i].settings)), acts[i].err);
		world_enqueue(&world, "other", ""); /* the next commit at the latest */
		assert_int_equal(world.engine->index.groups.live, 1);
	}
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PUT, "q", "some", "{\"concurrency\":2}")), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PAUSE, "q", "other", "")), E_OK);
	world_crash(&world);
	assert_int_equal(world.engine->index.groups.live, 3);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_DELETE, "q", "some", "")), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_RESUME, "q", "other", "")), E_OK);
	assert_int_equal(world.engine->index.groups.live, 1);
	world_manual(&world, true);
	struct request *request = enqueue_request(&world, "q", "fresh", "");
	world_push(&world, request);
	world_settle(&world, SETTLE_REFUSE);
	assert_int_equal(world.engine->index.groups.live, 1);
	world_manual(&world, false);
	world_close(&world);
}

/* ---- memory runs out while a batch closes, and others are under way ---- */

/* One step of the second batch, with the n-th allocation failing and all after it. Answers whether that came to pass. */
static bool starve_second_batch(uint64_t n)
{
	struct world world;
	world_open(&world);
	world_manual(&world, true);
	struct request *first = enqueue_request(&world, "q", "", ""), *second = request_new(&world, 600);
	struct request *claim = claim_request(&world, "q2", 1, 5000);
	world_push(&world, first);
	for (int i = 0; i < 600; i++)
		enqueue_op(&world, &second->ops[i], "q", "");
	engine_push(world.engine, claim);
	engine_push(world.engine, second);
	bool starved = world_starve(&world, n, MEM_FAIL_ALL);
	while (store_mem_in_flight(world.store))
		world_settle(&world, SETTLE_APPLY);
	assert_true(world_answered(&world, first));
	assert_int_equal(first->err, E_OK);
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_int_equal(world_state(&world, first->ops[0].result.uid), JOB_WAITING);
	assert_true(world_answered(&world, second));
	if (!second->err && !second->ops[599].result.err)
		assert_int_equal(world_state(&world, second->ops[599].result.uid), JOB_WAITING);
	else
		assert_int_equal(world_state(&world, second->ops[599].enqueue.uid), JOB_STATE_COUNT);
	world_enqueue(&world, "q2", "");
	assert_true(world_answered(&world, claim));
	request_drop(claim);
	request_drop(first);
	request_drop(second);
	world_close(&world);
	return starved;
}

static void no_memory_to_close_spares_what_is_under_way(void **state)
{
	(void)state;
	for (uint64_t n = 1; starve_second_batch(n); n++)
		assert_true(n < 1000);
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
		cmocka_unit_test(a_restart_on_a_full_disk_forgets_no_delivery),
		cmocka_unit_test(jobs_fall_due_while_new_ones_find_no_room),
		cmocka_unit_test(a_repeat_goes_on_when_its_twin_is_refused),
		cmocka_unit_test(a_repeat_survives_an_unknown_outcome),
		cmocka_unit_test(nobody_hears_of_an_end_that_was_undone),
		cmocka_unit_test(waiting_claims_keep_their_turn_and_their_time),
		cmocka_unit_test(a_refused_retry_leaves_memory),
		cmocka_unit_test(a_retry_refused_behind_its_end_leaves_memory),
		cmocka_unit_test(bulk_work_whose_end_is_refused_goes_on),
		cmocka_unit_test(two_of_a_group_are_loaded_and_one_is_deleted),
		cmocka_unit_test(groups_that_nothing_needs_are_freed),
		cmocka_unit_test(no_memory_to_close_spares_what_is_under_way),
		cmocka_unit_test(allocations_fail_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
