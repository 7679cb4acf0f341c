/* src/engine/read_test.c: what memory tells of queues. */
#include "engine/test_world.h"

static void enqueue_with_priority(struct world *world, int32_t priority, int64_t delay_ms)
{
	struct request *request = enqueue_request(world, "q", "", "");
	request->ops[0].enqueue.priority = priority;
	request->ops[0].enqueue.delay_ms = delay_ms;
	assert_int_equal(world_err(world, request), E_OK);
}

static struct queue_info *look(struct world *world, struct request *request)
{
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	return request->ops[0].result.queues;
}

static void counts_by_priority_come_as_asked(void **state)
{
	static const int32_t asked[] = { 7, 0, 99, 7 };
	struct world world;
	uint64_t uids[1];
	(void)state;
	world_open(&world);
	enqueue_with_priority(&world, 0, 0);
	enqueue_with_priority(&world, 0, 0);
	enqueue_with_priority(&world, 0, 0);
	enqueue_with_priority(&world, 7, 0);
	enqueue_with_priority(&world, 3, 0);
	enqueue_with_priority(&world, 7, 5000);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	struct request *request = queue_request(&world, OP_QUEUE_GET, "q", "", "");
	request->ops[0].queue.priorities = asked;
	request->ops[0].queue.priority_count = ARRAY_COUNT(asked);
	const struct queue_info *info = look(&world, request);
	assert_int_equal(info->prioritised, 2); /* of those that wait */
	assert_int_equal(info->states[JOB_WAITING], 4);
	assert_int_equal(info->priority_count, 4);
	for (size_t i = 0; i < ARRAY_COUNT(asked); i++)
		assert_int_equal(info->priorities[i].priority, asked[i]);
	assert_int_equal(info->priorities[0].live[JOB_WAITING], 1);
	assert_int_equal(info->priorities[0].live[JOB_DELAYED], 1);
	assert_int_equal(info->priorities[1].live[JOB_WAITING], 2);
	assert_int_equal(info->priorities[1].live[JOB_ACTIVE], 1);
	assert_int_equal(info->priorities[2].live[JOB_WAITING], 0);
	assert_int_equal(info->priorities[3].live[JOB_WAITING], 1);
	request_drop(request);
	request = queue_request(&world, OP_QUEUE_GET, "q", "", ""); /* not asked for any: all that have jobs, lowest first */
	info = look(&world, request);
	assert_int_equal(info->priority_count, 3);
	assert_int_equal(info->priorities[1].priority, 3);
	request_drop(request);
	request = queue_request(&world, OP_QUEUES, "", "", "");
	info = look(&world, request);
	assert_int_equal(info->prioritised, 2);
	request_drop(request);
	world_crash(&world);
	request = queue_request(&world, OP_QUEUE_GET, "q", "", "");
	assert_int_equal(look(&world, request)->prioritised, 2);
	request_drop(request);
	world_close(&world);
}

static enum explain_code why(struct world *world, uint64_t uid)
{
	struct request *request = job_request(world, OP_EXPLAIN, uid);
	assert_ptr_equal(world_ask(world, request), request);
	enum explain_code code = request->ops[0].result.explanation->code;
	request_drop(request);
	return code;
}

/* A job that failed once and was put off by its worker since then waits for that, not for a retry; also after a restart. */
static void a_snooze_is_not_taken_for_a_back_off(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	uint64_t uid = world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "token-1", VERDICT_DELAY, 10), E_OK);
	assert_int_equal(why(&world, uid), EXPLAIN_RETRY_BACKOFF);
	world_pass(&world, 10);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_SNOOZE, uid, "token-1", VERDICT_POLICY, 60000), E_OK);
	assert_int_equal(why(&world, uid), EXPLAIN_DELAYED);
	world_crash(&world);
	assert_int_equal(why(&world, uid), EXPLAIN_DELAYED);
	world_pass(&world, 60000);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "token-1", VERDICT_DELAY, 10), E_OK);
	assert_int_equal(why(&world, uid), EXPLAIN_RETRY_BACKOFF);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(counts_by_priority_come_as_asked), cmocka_unit_test(a_snooze_is_not_taken_for_a_back_off) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
