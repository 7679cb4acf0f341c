/* src/engine/parent_test.c: who may become a parent or a child, also where BullMQ's rules are kept; and parents that are called over HTTP. */
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

static struct request *compat_request(const char *queue, const char *id, uint64_t parent, enum on_failure on_failure)
{
	struct request *request = enqueue_request(&world, queue, "", id);
	struct op_enqueue *enqueue = &request->ops[0].enqueue;
	enqueue->compat = COMPAT_BULLMQ;
	if (!parent)
		return request;
	enqueue->parents = ARENA_NEW(&request->arena, struct op_parent);
	enqueue->parents[enqueue->parent_count++] = (struct op_parent){ .uid = parent, .on_failure = on_failure };
	return request;
}

static uint64_t enqueued(struct request *request, enum err expected)
{
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, expected);
	uint64_t uid = request->ops[0].result.uid;
	request_drop(request);
	return uid;
}

static uint64_t waiting_parent(const char *id)
{
	struct request *request = request_new(&world, 2);
	for (uint32_t i = 0; i < 2; i++) {
		struct op_enqueue *enqueue = &enqueue_op(&world, &request->ops[i], i ? "leaf" : "root", "")->enqueue;
		enqueue->compat = COMPAT_BULLMQ;
		enqueue->waits = i == 0;
		enqueue->id = i ? STR("") : str_of(id);
		enqueue->parents = i ? ARENA_NEW(&request->arena, struct op_parent) : NULL;
		if (i)
			enqueue->parents[enqueue->parent_count++] = (struct op_parent){ .ref = 1, .on_failure = ON_FAILURE_COUNT };
	}
	return enqueued(request, E_OK);
}

static uint64_t take(const char *queue, struct str *deferred, char *room)
{
	struct request *request = claim_request(&world, queue, 1, 0);
	request->ops[0].claim.compat = COMPAT_BULLMQ;
	request->ops[0].claim.token = STR("token-1");
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.claim->count, 1);
	const struct grant *grant = &request->ops[0].result.claim->grants[0];
	uint64_t uid = grant->uid;
	if (deferred) {
		memcpy(room, grant->deferred.len ? grant->deferred.ptr : "", grant->deferred.len);
		*deferred = (struct str){ room, grant->deferred.len };
	}
	request_drop(request);
	return uid;
}

static enum err say(enum op_kind kind, uint64_t uid)
{
	return world_lease(&world, kind, uid, "token-1", kind == OP_FAIL ? VERDICT_FINAL : VERDICT_POLICY, 0);
}

static void without_a_word_a_compat_parent_waits_for_one_that_failed(void **state)
{
	(void)state;
	uint64_t root = waiting_parent("root"), leaf = take("leaf", NULL, NULL);
	assert_int_equal(say(OP_FAIL, leaf), E_OK);
	assert_int_equal(world_state(&world, root), JOB_WAITING_CHILDREN);
	world_crash(&world);
	assert_int_equal(world_by_hand(&world, OP_RETRY, leaf), E_OK);
	assert_int_equal(take("leaf", NULL, NULL), leaf);
	assert_int_equal(say(OP_COMPLETE, leaf), E_OK);
	assert_int_equal(world_state(&world, root), JOB_WAITING);
}

static void a_compat_parent_is_told_of_a_failure_when_it_is_claimed(void **state)
{
	char room[200];
	struct str deferred;
	(void)state;
	uint64_t root = waiting_parent("root");
	uint64_t other = enqueued(compat_request("other", "child-7", root, ON_FAILURE_FAIL), E_OK);
	assert_int_equal(take("other", NULL, NULL), other);
	assert_int_equal(say(OP_FAIL, other), E_OK);
	assert_int_equal(world_state(&world, root), JOB_WAITING); /* its other child is still pending */
	world_crash(&world);
	assert_int_equal(take("root", &deferred, room), root);
	assert_true(str_eq(deferred, STR("child default:other:child-7 failed")));
	assert_int_equal(say(OP_COMPLETE, root), E_CHILD_FAILED);
	assert_int_equal(say(OP_AWAIT_CHILDREN, root), E_CHILD_FAILED);
	assert_int_equal(say(OP_FAIL, root), E_OK);
	world_crash(&world);
	assert_int_equal(world_by_hand(&world, OP_RETRY, root), E_OK); /* the child's failure stands */
	assert_int_equal(take("root", &deferred, room), root);
	assert_int_equal(deferred.len, 0);
	assert_int_equal(say(OP_COMPLETE, root), E_CHILD_FAILED);
	assert_int_equal(world_by_hand(&world, OP_RETRY, other), E_OK);
	assert_int_equal(say(OP_COMPLETE, root), E_CHILDREN);
}

static void a_compat_job_has_one_parent_as_long_as_that_is_there(void **state)
{
	(void)state;
	uint64_t one = enqueued(compat_request("root", "one", 0, 0), E_OK), two = enqueued(compat_request("root", "two", 0, 0), E_OK);
	uint64_t child = enqueued(compat_request("leaf", "c", one, ON_FAILURE_COUNT), E_OK);
	assert_int_equal(enqueued(compat_request("leaf", "c", one, ON_FAILURE_COUNT), E_OK), child);
	enqueued(compat_request("leaf", "c", two, ON_FAILURE_COUNT), E_PARENT_TAKEN);
	assert_int_equal(take("leaf", NULL, NULL), child);
	assert_int_equal(say(OP_COMPLETE, child), E_OK);
	assert_int_equal(take("root", NULL, NULL), one);
	assert_int_equal(say(OP_COMPLETE, one), E_OK);
	world_crash(&world); /* parent, child and edge are on disk only */
	enqueued(compat_request("leaf", "c", two, ON_FAILURE_COUNT), E_PARENT_TAKEN);
	assert_int_equal(world_by_hand(&world, OP_DELETE, one), E_OK);
	assert_int_equal(enqueued(compat_request("leaf", "c", two, ON_FAILURE_COUNT), E_OK), child);
	assert_int_equal(take("root", NULL, NULL), two);
	assert_int_equal(say(OP_COMPLETE, two), E_OK); /* that one had completed */
	struct request *request = compat_request("leaf", "d", one, ON_FAILURE_COUNT);
	request->ops[0].enqueue.parents = ARENA_ARRAY(&request->arena, struct op_parent, 2);
	request->ops[0].enqueue.parents[0].uid = one;
	request->ops[0].enqueue.parents[1].uid = two;
	request->ops[0].enqueue.parent_count = 2;
	enqueued(request, E_INVALID);
}

static void a_compat_parent_that_is_gone_is_replaced_while_the_child_waits(void **state)
{
	(void)state;
	uint64_t one = enqueued(compat_request("root", "one", 0, 0), E_OK), two = enqueued(compat_request("root", "two", 0, 0), E_OK);
	uint64_t child = enqueued(compat_request("leaf", "c", one, ON_FAILURE_COUNT), E_OK);
	assert_int_equal(take("root", NULL, NULL), one);
	assert_int_equal(say(OP_FAIL, one), E_OK);
	world_crash(&world);
	enqueued(compat_request("leaf", "c", two, ON_FAILURE_COUNT), E_PARENT_TAKEN);
	assert_int_equal(world_by_hand(&world, OP_DELETE, one), E_OK);
	enqueued(compat_request("leaf", "c", two, ON_FAILURE_COUNT), E_OK);
	assert_int_equal(take("root", NULL, NULL), two);
	assert_int_equal(say(OP_COMPLETE, two), E_CHILDREN);
	assert_int_equal(take("leaf", NULL, NULL), child);
	assert_int_equal(say(OP_COMPLETE, child), E_OK);
	assert_int_equal(say(OP_COMPLETE, two), E_OK);
}

static void natives_keep_their_own_rules_for_compat_children(void **state)
{
	uint64_t uids[1];
	(void)state;
	uint64_t parent = world_enqueue(&world, "native", "");
	enqueued(compat_request("leaf", "c", parent, ON_FAILURE_FAIL), E_STATE); /* it would start without it */
	assert_int_equal(world_claim(&world, "native", 1, uids), 1);
	uint64_t child = enqueued(compat_request("leaf", "c", parent, ON_FAILURE_COUNT), E_OK);
	assert_int_equal(take("leaf", NULL, NULL), child);
	assert_int_equal(say(OP_FAIL, child), E_OK);
	assert_int_equal(say(OP_COMPLETE, parent), E_CHILD_FAILED);
	assert_int_equal(say(OP_RELEASE, parent), E_OK);
	assert_int_equal(world_state(&world, parent), JOB_FAILED);
}

static void a_held_child_that_is_not_kept_is_let_go(void **state)
{
	(void)state;
	world_settings(&world, "leaf", "{\"compat\":\"bullmq\",\"keep_failed\":\"none\"}");
	uint64_t root = waiting_parent("root"), leaf = take("leaf", NULL, NULL);
	assert_int_equal(say(OP_FAIL, leaf), E_OK);
	assert_int_equal(world_state(&world, root), JOB_WAITING);
}

/* A delivery's job as its third party answers it. */
static enum err answered(uint64_t uid)
{
	struct request *request = lease_request(&world, OP_COMPLETE, uid);
	request->ops[0].lease.token = DELIVERY_TOKEN;
	request->ops[0].lease.exchange = STR("{\"status\":200}");
	return world_err(&world, request);
}

static void who_is_called_and_makes_children_is_called_again_after_them(void **state)
{
	uint64_t uids[1];
	(void)state;
	world_settings(&world, "web", "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"}}");
	uint64_t parent = world_enqueue(&world, "web", "");
	assert_int_equal(world_effects(&world, EFFECT_DELIVER), 1);
	struct request *request = enqueue_request(&world, "leaf", "", "c");
	request->ops[0].enqueue.parents = ARENA_NEW(&request->arena, struct op_parent);
	request->ops[0].enqueue.parents[0].uid = parent;
	request->ops[0].enqueue.parent_count = 1;
	uint64_t child = enqueued(request, E_OK);
	assert_int_equal(answered(parent), E_OK);
	assert_int_equal(world_state(&world, parent), JOB_WAITING_CHILDREN); /* and not until its lease has run out */
	assert_int_equal(answered(parent), E_STALE);
	world_crash(&world);
	assert_int_equal(world_claim(&world, "leaf", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_COMPLETE, child, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, parent), JOB_ACTIVE);
	assert_int_equal(answered(parent), E_OK);
	assert_int_equal(world_state(&world, parent), JOB_COMPLETED);
}

static void memory_may_run_out_anywhere(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct world own = world;
		world_open(&world);
		uint64_t one = enqueued(compat_request("root", "one", 0, 0), E_OK);
		enqueued(compat_request("leaf", "c", 0, 0), E_OK);
		uint64_t child = take("leaf", NULL, NULL);
		assert_int_equal(say(OP_COMPLETE, child), E_OK);
		world_step(&world);
		struct request *request = compat_request("leaf", "c", one, ON_FAILURE_COUNT);
		engine_push(world.engine, request);
		bool failed = world_starve(&world, nth, MEM_FAIL_ONE);
		for (int i = 0; i < 3 && !world_answered(&world, request); i++)
			world_step(&world);
		enum err err = request->err ? request->err : request->ops[0].result.err;
		assert_true(err == E_OK || err == E_NOMEM);
		request_drop(request);
		world_pass(&world, 5000); /* without memory nothing is added for a while */
		enqueued(compat_request("leaf", "c", one, ON_FAILURE_COUNT), E_OK);
		world_close(&world);
		world = own;
		if (!failed)
			break;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_word_a_compat_parent_waits_for_one_that_failed),
		TEST(a_compat_parent_is_told_of_a_failure_when_it_is_claimed),
		TEST(a_compat_job_has_one_parent_as_long_as_that_is_there),
		TEST(a_compat_parent_that_is_gone_is_replaced_while_the_child_waits),
		TEST(natives_keep_their_own_rules_for_compat_children),
		TEST(a_held_child_that_is_not_kept_is_let_go),
		TEST(who_is_called_and_makes_children_is_called_again_after_them),
		TEST(memory_may_run_out_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
