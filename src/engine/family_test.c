/* src/engine/family_test.c: parents and children: whoever waits is woken, whatever is undone, killed or removed. */
#include "engine/test_world.h"

#define CHILDREN_MAX 4

struct tree {
	uint64_t root, children[CHILDREN_MAX];
};

static struct op_parent *parents(struct request *request, uint32_t count)
{
	struct op_parent *all = ARENA_ARRAY(&request->arena, struct op_parent, count);
	assert_non_null(all);
	return all;
}

static struct request *tree_request(struct world *world, uint32_t count, enum on_failure on_failure)
{
	struct request *request = request_new(world, 1 + count);
	request->atomic = true;
	enqueue_op(world, &request->ops[0], "roots", "")->enqueue.waits = true;
	for (uint32_t i = 1; i <= count; i++) {
		struct op_enqueue *enqueue = &enqueue_op(world, &request->ops[i], "leaves", "")->enqueue;
		enqueue->parents = parents(request, 1);
		enqueue->parents[0] = (struct op_parent){ .ref = 1, .on_failure = on_failure };
		enqueue->parent_count = 1;
	}
	return request;
}

static struct tree tree(struct world *world, uint32_t count, enum on_failure on_failure)
{
	struct tree made = { 0 };
	struct request *request = tree_request(world, count, on_failure);
	assert_ptr_equal(world_ask(world, request), request);
	for (uint32_t i = 0; i <= count; i++)
		assert_int_equal(request->ops[i].result.err, E_OK);
	assert_int_equal(request->ops[0].result.state, JOB_WAITING_CHILDREN);
	made.root = request->ops[0].result.uid;
	for (uint32_t i = 0; i < count; i++)
		made.children[i] = request->ops[i + 1].result.uid;
	request_drop(request);
	assert_int_equal(world_state(world, made.root), count ? JOB_WAITING_CHILDREN : JOB_WAITING);
	return made;
}

static void run(struct world *world, const char *queue, uint64_t expected, enum op_kind end)
{
	uint64_t uids[1];
	assert_int_equal(world_claim(world, queue, 1, uids), 1);
	assert_int_equal(uids[0], expected);
	assert_int_equal(world_lease(world, end, expected, "token-1", end == OP_FAIL ? VERDICT_FINAL : VERDICT_POLICY, 0), E_OK);
}

/* What the store tells of a parent's children; one to each digit of the counts: pending, done, ignored, failed. */
static uint32_t edges(struct world *world, uint64_t parent, char *values)
{
	struct reader *reader;
	struct arena arena = { 0 };
	struct answer answer = { 0 };
	struct query query = { .kind = QUERY_CHILDREN, .uids = &parent, .uid_count = 1, .limit = 10 };
	world_step(world);
	assert_int_equal(world->store->verbs->reader_open(world->store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &query, &arena, &answer), E_OK);
	uint32_t counts = 0;
	for (int state = 0; state < EDGE_STATE_COUNT; state++)
		counts = counts * 10 + (uint32_t)answer.edge_counts[state];
	if (values) {
		*values = 0;
		for (uint32_t i = 0; i < answer.child_count; i++)
			sprintf(values + strlen(values), STR_FMT ";", STR_ARG(answer.children[i].edge.value));
	}
	reader_close(reader);
	arena_fini(&arena);
	return counts;
}

static void nothing_is_left_in_memory(struct world *world)
{
	world_step(world);
	assert_int_equal(world->engine->index.edges.live, 0);
	assert_int_equal(world->engine->index.kins.live, 0);
}

static void a_parent_waits_for_all_its_children(void **state)
{
	struct world world;
	char values[200];
	(void)state;
	world_open(&world);
	struct tree made = tree(&world, 2, ON_FAILURE_FAIL);
	run(&world, "leaves", made.children[0], OP_COMPLETE);
	assert_int_equal(world_state(&world, made.root), JOB_WAITING_CHILDREN);
	world_crash(&world);
	assert_int_equal(edges(&world, made.root, NULL), 1100);
	run(&world, "leaves", made.children[1], OP_COMPLETE);
	nothing_is_left_in_memory(&world);
	run(&world, "roots", made.root, OP_COMPLETE);
	assert_int_equal(edges(&world, made.root, values), 200);
	assert_string_equal(values, "true;true;");
	world_close(&world);
}

static void a_failure_means_what_the_edge_says(void **state)
{
	static const struct {
		enum on_failure on_failure;
		enum job_state parent;
		uint32_t edges;
	} cases[] = {
		{ ON_FAILURE_FAIL, JOB_FAILED, 1001 },
		{ ON_FAILURE_CONTINUE, JOB_WAITING, 1010 },
		{ ON_FAILURE_IGNORE, JOB_WAITING_CHILDREN, 1010 },
		{ ON_FAILURE_FORGET, JOB_WAITING_CHILDREN, 1000 },
		{ ON_FAILURE_HOLD, JOB_WAITING_CHILDREN, 2000 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct world world;
		world_open(&world);
		struct tree made = tree(&world, 2, cases[i].on_failure);
		run(&world, "leaves", made.children[0], OP_FAIL);
		assert_int_equal(world_state(&world, made.root), cases[i].parent);
		assert_int_equal(edges(&world, made.root, NULL), cases[i].edges);
		world_crash(&world);
		assert_int_equal(world_state(&world, made.root), cases[i].parent);
		run(&world, "leaves", made.children[1], OP_COMPLETE);
		bool waits = cases[i].on_failure == ON_FAILURE_HOLD;
		assert_int_equal(world_state(&world, made.root), waits                                       ? JOB_WAITING_CHILDREN
		                                                 : cases[i].on_failure == ON_FAILURE_FAIL ? JOB_FAILED
		                                                                                          : JOB_WAITING);
		if (!waits)
			nothing_is_left_in_memory(&world);
		world_close(&world);
	}
}

static void a_chain_of_parents_fails_to_its_top(void **state)
{
	enum { DEPTH = 5000 };
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, DEPTH);
	for (uint32_t i = 0; i < DEPTH; i++) {
		struct op_enqueue *enqueue = &enqueue_op(&world, &request->ops[i], "q", "")->enqueue;
		enqueue->waits = i + 1 < DEPTH;
		enqueue->parents = parents(request, 1);
		enqueue->parents[0] = (struct op_parent){ .ref = i };
		enqueue->parent_count = i > 0;
	}
	assert_ptr_equal(world_ask(&world, request), request);
	uint64_t top = request->ops[0].result.uid, bottom = request->ops[DEPTH - 1].result.uid;
	request_drop(request);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, bottom), E_OK);
	assert_int_equal(world_state(&world, top), JOB_FAILED);
	nothing_is_left_in_memory(&world);
	world_close(&world);
}

static void a_child_may_have_several_parents(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, 3);
	enqueue_op(&world, &request->ops[0], "roots", "")->enqueue.waits = true;
	enqueue_op(&world, &request->ops[1], "roots", "")->enqueue.waits = true;
	struct op_enqueue *enqueue = &enqueue_op(&world, &request->ops[2], "leaves", "")->enqueue;
	enqueue->parents = parents(request, 2);
	enqueue->parents[0].ref = 1;
	enqueue->parents[1] = (struct op_parent){ .ref = 2, .on_failure = ON_FAILURE_IGNORE };
	enqueue->parent_count = 2;
	assert_ptr_equal(world_ask(&world, request), request);
	uint64_t one = request->ops[0].result.uid, two = request->ops[1].result.uid, child = request->ops[2].result.uid;
	request_drop(request);
	run(&world, "leaves", child, OP_FAIL);
	assert_int_equal(world_state(&world, one), JOB_FAILED);
	assert_int_equal(world_state(&world, two), JOB_WAITING);
	world_close(&world);
}

static uint64_t add_child(struct world *world, uint64_t parent, const char *id, enum on_failure on_failure, enum err expected)
{
	struct request *request = enqueue_request(world, "leaves", "", id);
	request->ops[0].enqueue.parents = parents(request, 1);
	request->ops[0].enqueue.parents[0] = (struct op_parent){ .uid = parent, .on_failure = on_failure };
	request->ops[0].enqueue.parent_count = 1;
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, expected);
	uint64_t uid = request->ops[0].result.uid;
	request_drop(request);
	return uid;
}

static void a_running_job_adds_children_and_awaits_them(void **state)
{
	struct world world;
	uint64_t uids[1];
	(void)state;
	world_open(&world);
	uint64_t parent = world_enqueue(&world, "roots", "");
	add_child(&world, parent, "early", ON_FAILURE_FAIL, E_STATE); /* it would start without it */
	assert_int_equal(world_claim(&world, "roots", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_AWAIT_CHILDREN, parent, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, parent), JOB_ACTIVE); /* there are none */
	uint64_t child = add_child(&world, parent, "a", ON_FAILURE_FAIL, E_OK);
	assert_int_equal(add_child(&world, parent, "a", ON_FAILURE_FAIL, E_OK), child);
	assert_int_equal(world_lease(&world, OP_COMPLETE, parent, "token-1", VERDICT_POLICY, 0), E_CHILDREN);
	assert_int_equal(world_lease(&world, OP_AWAIT_CHILDREN, parent, "token-2", VERDICT_POLICY, 0), E_STALE);
	assert_int_equal(world_lease(&world, OP_AWAIT_CHILDREN, parent, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, parent), JOB_WAITING_CHILDREN);
	world_crash(&world);
	run(&world, "leaves", child, OP_COMPLETE);
	assert_int_equal(world_claim(&world, "roots", 1, uids), 1);
	assert_int_equal(add_child(&world, parent, "a", ON_FAILURE_FAIL, E_OK), child); /* completed: its result is there at once */
	assert_int_equal(world_lease(&world, OP_COMPLETE, parent, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(edges(&world, parent, NULL), 100);
	world_close(&world);
}

static void a_running_parent_hears_of_a_lost_child(void **state)
{
	struct world world;
	uint64_t uids[1];
	(void)state;
	world_open(&world);
	uint64_t parent = world_enqueue(&world, "roots", "");
	assert_int_equal(world_claim(&world, "roots", 1, uids), 1);
	uint64_t child = add_child(&world, parent, "a", ON_FAILURE_FAIL, E_OK);
	run(&world, "leaves", child, OP_FAIL);
	assert_int_equal(world_state(&world, parent), JOB_ACTIVE);
	world_crash(&world);
	struct request *request = lease_request(&world, OP_HEARTBEAT, parent);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_true(request->ops[0].result.cancel_requested);
	request_drop(request);
	assert_int_equal(world_lease(&world, OP_COMPLETE, parent, "token-1", VERDICT_POLICY, 0), E_CHILD_FAILED);
	assert_int_equal(world_lease(&world, OP_RELEASE, parent, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, parent), JOB_FAILED);
	world_close(&world);
}

static void a_retried_child_is_waited_for_again(void **state)
{
	struct world world;
	char values[200];
	(void)state;
	world_open(&world);
	struct tree made = tree(&world, 1, ON_FAILURE_FAIL);
	run(&world, "leaves", made.children[0], OP_FAIL);
	assert_int_equal(world_state(&world, made.root), JOB_FAILED);
	world_crash(&world);
	assert_int_equal(world_by_hand(&world, OP_RETRY, made.children[0]), E_OK);
	assert_int_equal(edges(&world, made.root, NULL), 1000);
	assert_int_equal(world_by_hand(&world, OP_RETRY, made.root), E_OK);
	assert_int_equal(world_state(&world, made.root), JOB_WAITING_CHILDREN);
	run(&world, "leaves", made.children[0], OP_COMPLETE);
	run(&world, "roots", made.root, OP_COMPLETE);
	assert_int_equal(edges(&world, made.root, values), 100);
	assert_string_equal(values, "true;");
	nothing_is_left_in_memory(&world);
	world_close(&world);
}

static void whoever_goes_is_not_waited_for(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct tree made = tree(&world, 2, ON_FAILURE_FAIL);
	assert_int_equal(world_by_hand(&world, OP_DELETE, made.children[0]), E_OK);
	assert_int_equal(world_state(&world, made.root), JOB_WAITING_CHILDREN);
	struct request *request = job_request(&world, OP_DETACH, made.children[1]);
	request->ops[0].job.parent.uid = made.root;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.count, 1);
	request_drop(request);
	assert_int_equal(world_state(&world, made.root), JOB_WAITING);
	assert_int_equal(edges(&world, made.root, NULL), 0);
	run(&world, "leaves", made.children[1], OP_COMPLETE);

	made = tree(&world, 1, ON_FAILURE_FAIL); /* the parent goes: the child stays */
	assert_int_equal(world_by_hand(&world, OP_DELETE, made.root), E_OK);
	nothing_is_left_in_memory(&world);
	run(&world, "leaves", made.children[0], OP_COMPLETE);
	world_close(&world);
}

static void a_held_child_that_retention_removes_is_let_go(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "leaves", "{\"keep_failed\":{\"age_ms\":1000}}");
	struct tree made = tree(&world, 1, ON_FAILURE_HOLD);
	run(&world, "leaves", made.children[0], OP_FAIL);
	for (int i = 0; i < 30 && world_state(&world, made.root) == JOB_WAITING_CHILDREN; i++)
		world_pass(&world, 1000);
	assert_int_equal(world_state(&world, made.root), JOB_WAITING);
	assert_int_equal(world_state(&world, made.children[0]), JOB_STATE_COUNT);
	world_close(&world);
}

static void a_child_that_is_not_kept_leaves_its_result(void **state)
{
	struct world world;
	char values[200];
	(void)state;
	world_open(&world);
	world_settings(&world, "leaves", "{\"keep_completed\":\"none\"}");
	struct tree made = tree(&world, 1, ON_FAILURE_FAIL);
	run(&world, "leaves", made.children[0], OP_COMPLETE);
	assert_int_equal(edges(&world, made.root, values), 100);
	assert_string_equal(values, "true;");
	run(&world, "roots", made.root, OP_COMPLETE);
	world_close(&world);
}

static void a_parents_delay_begins_when_it_wakes(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = tree_request(&world, 1, ON_FAILURE_FAIL);
	request->ops[0].enqueue.delay_ms = 5000;
	assert_ptr_equal(world_ask(&world, request), request);
	uint64_t root = request->ops[0].result.uid, child = request->ops[1].result.uid;
	request_drop(request);
	world_pass(&world, 10000);
	assert_int_equal(world_state(&world, root), JOB_WAITING_CHILDREN);
	world_crash(&world);
	run(&world, "leaves", child, OP_COMPLETE);
	assert_int_equal(world_state(&world, root), JOB_DELAYED);
	world_pass(&world, 5000);
	assert_int_equal(world_state(&world, root), JOB_WAITING);
	world_close(&world);
}

static void the_same_tree_twice_is_one(void **state)
{
	struct world world;
	uint64_t roots[2];
	(void)state;
	world_open(&world);
	for (int i = 0; i < 2; i++) {
		struct request *request = tree_request(&world, 1, ON_FAILURE_FAIL);
		request->ops[0].enqueue.id = STR("root");
		request->ops[1].enqueue.id = STR("leaf");
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->ops[0].result.err, E_OK);
		assert_int_equal(request->ops[1].result.duplicate, i == 1);
		roots[i] = request->ops[0].result.uid;
		if (i == 0)
			run(&world, "leaves", request->ops[1].result.uid, OP_COMPLETE);
		request_drop(request);
	}
	assert_int_equal(roots[0], roots[1]);
	run(&world, "roots", roots[0], OP_COMPLETE);
	world_close(&world);
}

static void what_is_refused_leaves_no_edges(void **state)
{
	struct world world;
	struct buf before, after;
	(void)state;
	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	world_open(&world);
	struct tree made = tree(&world, 2, ON_FAILURE_FAIL);
	engine_dump(world.engine, &before);
	struct request *request = tree_request(&world, 3, ON_FAILURE_FAIL);
	request->ops[3].enqueue.parents[0].ref = 9;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[3].result.err, E_INVALID);
	assert_int_equal(request->ops[1].result.err, E_CANCELLED);
	request_drop(request);
	world_manual(&world, true); /* commits that the store refuses */
	request = job_request(&world, OP_CANCEL, made.children[0]);
	assert_null(world_ask(&world, request));
	world_settle(&world, SETTLE_REFUSE);
	while (!world_answered(&world, request)) {
		world_settle(&world, SETTLE_REFUSE);
		world_step(&world);
	}
	assert_int_equal(request->err, E_STORE_FULL);
	request_drop(request);
	world_manual(&world, false);
	world_step(&world);
	engine_dump(world.engine, &after);
	buf_add_byte(&before, '\0');
	buf_add_byte(&after, '\0');
	const char *old = strstr(before.ptr, "edges "), *new = strstr(after.ptr, "edges ");
	assert_non_null(old);
	assert_non_null(new);
	assert_int_equal(strncmp(old, new, 60), 0);
	assert_int_equal(world_state(&world, made.root), JOB_WAITING_CHILDREN);
	buf_fini(&before);
	buf_fini(&after);
	world_close(&world);
}

static void memory_may_run_out_anywhere(void **state)
{
	(void)state;
	for (int what = 0; what < 3; what++) {
		for (uint64_t nth = 1;; nth++) {
			struct world world;
			world_open(&world);
			struct tree made = tree(&world, 2, what == 1 ? ON_FAILURE_FAIL : ON_FAILURE_IGNORE);
			struct request *request = what == 0 ? tree_request(&world, 2, ON_FAILURE_FAIL)
			                                    : job_request(&world, what == 1 ? OP_CANCEL : OP_DELETE, made.children[0]);
			engine_push(world.engine, request);
			bool failed = world_starve(&world, nth, MEM_FAIL_ONE);
			for (int i = 0; i < 3 && !world_answered(&world, request); i++)
				world_step(&world);
			enum err err = request->err ? request->err : request->ops[0].result.err;
			if (err == E_NOMEM)
				assert_int_equal(world_state(&world, made.root), JOB_WAITING_CHILDREN);
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
		cmocka_unit_test(a_parent_waits_for_all_its_children),
		cmocka_unit_test(a_failure_means_what_the_edge_says),
		cmocka_unit_test(a_chain_of_parents_fails_to_its_top),
		cmocka_unit_test(a_child_may_have_several_parents),
		cmocka_unit_test(a_running_job_adds_children_and_awaits_them),
		cmocka_unit_test(a_running_parent_hears_of_a_lost_child),
		cmocka_unit_test(a_retried_child_is_waited_for_again),
		cmocka_unit_test(whoever_goes_is_not_waited_for),
		cmocka_unit_test(a_held_child_that_retention_removes_is_let_go),
		cmocka_unit_test(a_child_that_is_not_kept_leaves_its_result),
		cmocka_unit_test(a_parents_delay_begins_when_it_wakes),
		cmocka_unit_test(the_same_tree_twice_is_one),
		cmocka_unit_test(what_is_refused_leaves_no_edges),
		cmocka_unit_test(memory_may_run_out_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
