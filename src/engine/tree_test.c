/* src/engine/tree_test.c: a job and all below it, cancelled, retried, deleted at once; whatever memory knows of it, and whatever only the disk does. */
#include "engine/test_world.h"

enum { ROOT, A, B, A1, A2, NODES }; /* root waits for a and b, a for a1 and a2; each in the queue of its name */

static const char *const queues[NODES] = { "root", "a", "b", "a1", "a2" };
static const uint32_t parent_of[NODES] = { [A] = ROOT, [B] = ROOT, [A1] = A, [A2] = A };

static void make(struct world *world, uint64_t uids[NODES])
{
	struct request *request = request_new(world, NODES);
	request->atomic = true;
	for (uint32_t i = 0; i < NODES; i++) {
		struct op_enqueue *enqueue = &enqueue_op(world, &request->ops[i], queues[i], "")->enqueue;
		enqueue->waits = i == ROOT || i == A;
		enqueue->parents = i == ROOT ? NULL : ARENA_NEW(&request->arena, struct op_parent);
		if (enqueue->parents)
			enqueue->parents[enqueue->parent_count++].ref = 1 + parent_of[i];
	}
	assert_ptr_equal(world_ask(world, request), request);
	for (uint32_t i = 0; i < NODES; i++)
		uids[i] = request->ops[i].result.uid;
	request_drop(request);
}

static struct request *tree_request(struct world *world, enum op_kind kind, uint64_t uid)
{
	struct request *request = job_request(world, kind, uid);
	request->ops[0].job.tree = kind != OP_CHILDREN_DELETE;
	return request;
}

static uint32_t all(struct world *world, enum op_kind kind, uint64_t uid, enum err expected)
{
	struct request *request = tree_request(world, kind, uid);
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, expected);
	uint32_t count = request->ops[0].result.count;
	request_drop(request);
	return count;
}

static void start(struct world *world, const char *queue, uint64_t expected)
{
	uint64_t uids[1];
	assert_int_equal(world_claim(world, queue, 1, uids), 1);
	assert_int_equal(uids[0], expected);
}

static void end(struct world *world, const char *queue, uint64_t expected, enum op_kind kind)
{
	start(world, queue, expected);
	assert_int_equal(world_lease(world, kind, expected, "token-1", kind == OP_FAIL ? VERDICT_FINAL : VERDICT_POLICY, 0), E_OK);
}

/* A letter a job: w waiting, c waiting_children, a active, + completed, - failed, x cancelled, . gone */
static void states_are(struct world *world, const uint64_t uids[NODES], const char *expected)
{
	static const char letters[JOB_STATE_COUNT + 1] = {
		[JOB_WAITING] = 'w', [JOB_DELAYED] = 'd', [JOB_ACTIVE] = 'a', [JOB_WAITING_CHILDREN] = 'c', [JOB_COMPLETED] = '+',
		[JOB_FAILED] = '-', [JOB_CANCELLED] = 'x', [JOB_STATE_COUNT] = '.',
	};
	char text[NODES + 1] = { 0 };
	for (uint32_t i = 0; i < NODES; i++)
		text[i] = letters[world_state(world, uids[i])];
	assert_string_equal(text, expected);
}

static void all_below_are_cancelled(void **state)
{
	struct world world;
	uint64_t uids[NODES];
	(void)state;
	world_open(&world);
	make(&world, uids);
	start(&world, "b", uids[B]);
	assert_int_equal(all(&world, OP_CANCEL, uids[ROOT], E_OK), 5);
	states_are(&world, uids, "xxaxx"); /* who runs is asked to stop */
	world_crash(&world);
	states_are(&world, uids, "xxaxx");
	assert_int_equal(world_lease(&world, OP_FAIL, uids[B], "token-1", VERDICT_POLICY, 0), E_OK);
	states_are(&world, uids, "xxxxx");
	assert_int_equal(all(&world, OP_CANCEL, uids[ROOT], E_STATE), 0);
	world_close(&world);
}

static void below_one_that_has_ended_others_go_on_and_are_cancelled(void **state)
{
	struct world world;
	uint64_t uids[NODES];
	(void)state;
	world_open(&world);
	make(&world, uids);
	end(&world, "a1", uids[A1], OP_FAIL); /* a fails with it, and root */
	states_are(&world, uids, "--w-w");
	world_crash(&world); /* who failed is known to the disk only */
	assert_int_equal(all(&world, OP_CANCEL, uids[ROOT], E_OK), 2);
	states_are(&world, uids, "--x-x");
	world_close(&world);
}

static void what_failed_below_runs_once_more_and_is_waited_for(void **state)
{
	struct world world;
	uint64_t uids[NODES];
	(void)state;
	world_open(&world);
	make(&world, uids);
	end(&world, "b", uids[B], OP_COMPLETE);
	end(&world, "a2", uids[A2], OP_COMPLETE);
	assert_int_equal(all(&world, OP_RETRY, uids[ROOT], E_STATE), 0); /* nothing has failed */
	end(&world, "a1", uids[A1], OP_FAIL);
	states_are(&world, uids, "--+-+");
	world_crash(&world);
	assert_int_equal(all(&world, OP_RETRY, uids[ROOT], E_OK), 3);
	states_are(&world, uids, "cc+w+");
	world_crash(&world);
	end(&world, "a1", uids[A1], OP_COMPLETE);
	end(&world, "a", uids[A], OP_COMPLETE);
	end(&world, "root", uids[ROOT], OP_COMPLETE);
	states_are(&world, uids, "+++++");
	world_close(&world);
}

static void a_parent_that_waits_may_have_its_failed_ones_retried(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, 2);
	enqueue_op(&world, &request->ops[0], "root", "")->enqueue.waits = true;
	struct op_enqueue *enqueue = &enqueue_op(&world, &request->ops[1], "a", "")->enqueue;
	enqueue->parents = ARENA_NEW(&request->arena, struct op_parent);
	enqueue->parents[0] = (struct op_parent){ .ref = 1, .on_failure = ON_FAILURE_HOLD };
	enqueue->parent_count = 1;
	assert_ptr_equal(world_ask(&world, request), request);
	uint64_t root = request->ops[0].result.uid, child = request->ops[1].result.uid;
	request_drop(request);
	end(&world, "a", child, OP_FAIL);
	world_crash(&world);
	assert_int_equal(all(&world, OP_RETRY, root, E_OK), 1);
	assert_int_equal(world_state(&world, root), JOB_WAITING_CHILDREN);
	end(&world, "a", child, OP_COMPLETE);
	assert_int_equal(world_state(&world, root), JOB_WAITING);
	world_close(&world);
}

static void all_below_are_deleted_unless_one_runs(void **state)
{
	struct world world;
	uint64_t uids[NODES];
	(void)state;
	world_open(&world);
	make(&world, uids);
	end(&world, "a1", uids[A1], OP_COMPLETE);
	start(&world, "b", uids[B]);
	world_crash(&world);
	assert_int_equal(all(&world, OP_DELETE, uids[ROOT], E_STATE), 0);
	states_are(&world, uids, "cca+w");
	assert_int_equal(world_lease(&world, OP_COMPLETE, uids[B], "token-1", VERDICT_POLICY, 0), E_OK);
	world_crash(&world);
	assert_int_equal(all(&world, OP_DELETE, uids[ROOT], E_OK), 5);
	states_are(&world, uids, ".....");
	assert_int_equal(world.engine->index.edges.live, 0);

	make(&world, uids);
	start(&world, "a2", uids[A2]);
	struct request *request = tree_request(&world, OP_DELETE, uids[A]);
	request->ops[0].job.force = true;
	assert_int_equal(world_err(&world, request), E_OK);
	states_are(&world, uids, "c.w..");
	assert_int_equal(world_lease(&world, OP_COMPLETE, uids[A2], "token-1", VERDICT_POLICY, 0), E_JOB_NOT_FOUND);
	end(&world, "b", uids[B], OP_COMPLETE);
	states_are(&world, uids, "w.+..");
	world_close(&world);
}

static void children_that_have_not_begun_are_deleted(void **state)
{
	struct world world;
	uint64_t uids[NODES];
	(void)state;
	world_open(&world);
	make(&world, uids);
	start(&world, "b", uids[B]);
	start(&world, "a1", uids[A1]);
	assert_int_equal(all(&world, OP_CHILDREN_DELETE, uids[ROOT], E_OK), 2); /* a and a2: a1 runs, and nobody waits for it any more */
	states_are(&world, uids, "c.aa.");
	assert_int_equal(all(&world, OP_CHILDREN_DELETE, uids[ROOT], E_OK), 0);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uids[B], "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uids[A1], "token-1", VERDICT_POLICY, 0), E_OK);
	states_are(&world, uids, "w.++.");

	make(&world, uids);
	assert_int_equal(all(&world, OP_CHILDREN_DELETE, uids[ROOT], E_OK), 4); /* nobody is left to wait for */
	states_are(&world, uids, "w....");
	assert_int_equal(all(&world, OP_CHILDREN_DELETE, 12345, E_JOB_NOT_FOUND), 0);
	world_close(&world);
}

static void a_job_that_is_reached_twice_is_taken_once(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, 4); /* a diamond */
	for (uint32_t i = 0; i < 4; i++) {
		struct op_enqueue *enqueue = &enqueue_op(&world, &request->ops[i], "q", "")->enqueue;
		enqueue->waits = i < 3;
		enqueue->parents = ARENA_ARRAY(&request->arena, struct op_parent, 2);
		enqueue->parent_count = i == 3 ? 2 : i > 0;
		for (uint32_t n = 0; n < enqueue->parent_count; n++)
			enqueue->parents[n].ref = i == 3 ? 2 + n : 1;
	}
	assert_ptr_equal(world_ask(&world, request), request);
	for (uint32_t i = 0; i < 4; i++)
		uids[i] = request->ops[i].result.uid;
	request_drop(request);
	assert_int_equal(all(&world, OP_CANCEL, uids[0], E_OK), 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(world_state(&world, uids[i]), JOB_CANCELLED);
	assert_int_equal(all(&world, OP_RETRY, uids[0], E_OK), 4);
	assert_int_equal(world_state(&world, uids[1]), JOB_WAITING_CHILDREN);
	assert_int_equal(all(&world, OP_DELETE, uids[0], E_OK), 4);
	world_close(&world);
}

/* A root, PARTS below it, and as many below each of these. */
static void a_tree_that_is_too_large_is_refused_whole(void **state)
{
	enum { PARTS = 100, ALL = 1 + PARTS + PARTS * PARTS };
	_Static_assert(ALL > LIMIT_TREE_JOBS && ALL - 1 - PARTS <= LIMIT_TREE_JOBS, "one part less is not too large");
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, ALL);
	for (uint32_t i = 0; i < ALL; i++) {
		struct op_enqueue *enqueue = &enqueue_op(&world, &request->ops[i], "q", "")->enqueue;
		enqueue->waits = i <= PARTS;
		enqueue->parents = ARENA_NEW(&request->arena, struct op_parent);
		enqueue->parents[0].ref = i <= PARTS ? 1 : 2 + (i - 1 - PARTS) / PARTS;
		enqueue->parent_count = i > 0;
	}
	assert_ptr_equal(world_ask(&world, request), request);
	uint64_t root = request->ops[0].result.uid, part = request->ops[1].result.uid;
	request_drop(request);
	assert_int_equal(all(&world, OP_CANCEL, root, E_TOO_LARGE), 0);
	assert_int_equal(world_state(&world, root), JOB_WAITING_CHILDREN);
	assert_int_equal(all(&world, OP_DELETE, part, E_OK), 1 + PARTS);
	assert_int_equal(all(&world, OP_CANCEL, root, E_OK), ALL - 1 - PARTS);
	world_close(&world);
}

static void memory_may_run_out_anywhere(void **state)
{
	static const enum op_kind kinds[] = { OP_CANCEL, OP_RETRY, OP_DELETE, OP_CHILDREN_DELETE };
	(void)state;
	for (size_t what = 0; what < ARRAY_COUNT(kinds); what++) {
		for (uint64_t nth = 1;; nth++) {
			struct world world;
			uint64_t uids[NODES];
			world_open(&world);
			make(&world, uids);
			if (kinds[what] == OP_RETRY)
				end(&world, "a1", uids[A1], OP_FAIL);
			const char *before = kinds[what] == OP_RETRY ? "--w-w" : "ccwww";
			world_step(&world);
			struct request *request = tree_request(&world, kinds[what], uids[ROOT]);
			engine_push(world.engine, request);
			bool failed = world_starve(&world, nth, MEM_FAIL_ONE);
			for (int i = 0; i < 3 && !world_answered(&world, request); i++)
				world_step(&world);
			enum err err = request->err ? request->err : request->ops[0].result.err;
			assert_true(err == E_OK || err == E_NOMEM);
			if (err == E_NOMEM)
				states_are(&world, uids, before);
			request_drop(request);
			world_close(&world);
			if (!failed)
				break;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_below_are_cancelled),
		cmocka_unit_test(below_one_that_has_ended_others_go_on_and_are_cancelled),
		cmocka_unit_test(what_failed_below_runs_once_more_and_is_waited_for),
		cmocka_unit_test(a_parent_that_waits_may_have_its_failed_ones_retried),
		cmocka_unit_test(all_below_are_deleted_unless_one_runs),
		cmocka_unit_test(children_that_have_not_begun_are_deleted),
		cmocka_unit_test(a_job_that_is_reached_twice_is_taken_once),
		cmocka_unit_test(a_tree_that_is_too_large_is_refused_whole),
		cmocka_unit_test(memory_may_run_out_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
