/* src/engine/body_test.c: large bodies on their way, and that none of them outlives its job. */
#include "engine/test_world.h"
#include "store/mem/disk.h"

static char large[LIMIT_PAYLOAD_INLINE * 6];

static uint32_t chunks(struct world *world)
{
	return store_mem_disk(world->store)->tables[MEM_CHUNKS].count;
}

static uint32_t staged(struct world *world)
{
	return store_mem_disk(world->store)->tables[MEM_STAGED].count;
}

static struct str large_json(size_t chunk_count)
{
	size_t len = chunk_count * LIMIT_BODY_CHUNK;
	memset(large, ' ', sizeof(large));
	large[0] = '1';
	return (struct str){ large, len };
}

static struct request *large_request(struct world *world, const char *queue, const char *id)
{
	struct request *request = enqueue_request(world, queue, "", id);
	request->ops[0].enqueue.payload = large_json(3);
	return request;
}

static void a_large_payload_of_a_repeat_is_dropped(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 3; i++) { /* done, replayed, and another request under the same key */
		struct request *request = large_request(&world, "q", "");
		request->idempotency_key = STR("1:abc");
		request->request_hash = i == 2;
		assert_int_equal(world_err(&world, request), i == 2 ? E_IDEMPOTENCY : E_OK);
		assert_int_equal(chunks(&world), 3);
		assert_int_equal(staged(&world), 0);
	}
	world_close(&world);
}

static void a_large_payload_of_a_duplicate_is_dropped(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(world_err(&world, large_request(&world, "q", "x")), E_OK);
		assert_int_equal(chunks(&world), 3);
		assert_int_equal(staged(&world), 0);
	}
	world_close(&world);
}

/* Made and deleted before either is on disk. */
static void a_large_payload_goes_with_its_job(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_manual(&world, true);
	struct request *first = enqueue_request(&world, "q", "", ""), *made = large_request(&world, "q", "x"), *gone = job_request(&world, OP_DELETE, 0);
	gone->ops[0].job.uid = made->ops[0].enqueue.uid;
	world_push(&world, first);
	world_push(&world, made); /* its chunks make a change-set of their own */
	world_push(&world, gone);
	world_manual(&world, false);
	world_step(&world);
	assert_true(world_answered(&world, first) && world_answered(&world, made) && world_answered(&world, gone));
	assert_int_equal(gone->ops[0].result.err, E_OK);
	request_drop(first);
	request_drop(made);
	request_drop(gone);
	assert_int_equal(chunks(&world), 0);
	assert_int_equal(staged(&world), 0);
	world_close(&world);
}

static void a_large_result_goes_with_its_job(void **state)
{
	struct world world;
	uint64_t uids[2];
	(void)state;
	world_open(&world);
	world_settings(&world, "none", "{\"keep_completed\":\"none\"}");
	for (int kept = 0; kept < 2; kept++) {
		const char *queue = kept ? "kept" : "none";
		world_enqueue(&world, queue, "");
		assert_int_equal(world_claim(&world, queue, 1, &uids[kept]), 1);
		struct request *request = lease_request(&world, OP_COMPLETE, uids[kept]);
		request->ops[0].lease.body = large_json(3);
		assert_int_equal(world_err(&world, request), E_OK);
		assert_int_equal(chunks(&world), kept ? 3 : 0);
	}
	assert_int_equal(world_by_hand(&world, OP_RETRY, uids[1]), E_OK);
	assert_int_equal(chunks(&world), 0);
	world_close(&world);
}

/* Ended with a large result and retried before that is on disk. */
static void end_and_retry(struct world *world, uint64_t uid, bool refused)
{
	uint64_t uids[1];
	struct request *request = request_new(world, 2);
	if (world_state(world, uid) == JOB_WAITING) {
		assert_int_equal(world_claim(world, "q", 1, uids), 1);
		assert_int_equal(world_lease(world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	}
	request->op_count = refused ? 2 : 1;
	request->atomic = true;
	request->ops[0].kind = OP_RETRY;
	request->ops[0].job = (struct op_job){ .uid = uid, .has_payload = true, .payload = STR("[2]") };
	request->ops[1].kind = OP_DELETE;
	request->ops[1].job.uid = 1;
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, refused ? E_CANCELLED : E_OK);
	request_drop(request);
}

/* An edited payload takes the place of an earlier one, unless the retry that brings it is undone. */
static void an_edited_payload_stays_when_its_heir_is_undone(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t uid = world_enqueue(&world, "q", "");
	for (int i = 0; i < 4; i++) {
		end_and_retry(&world, uid, i % 2);
		assert_int_equal(chunks(&world), 1);
	}
	world_close(&world);
}

static void a_large_result_goes_with_a_retry_at_once(void **state)
{
	struct world world;
	uint64_t uids[1];
	(void)state;
	world_open(&world);
	world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	struct request *request = request_new(&world, 3);
	request->ops[0].kind = OP_COMPLETE;
	request->ops[0].lease = (struct op_lease){ .uid = uids[0], .token = STR("token-1"), .body = large_json(3) };
	for (int i = 1; i < 3; i++) {
		request->ops[i].kind = i == 1 ? OP_RETRY : OP_CANCEL;
		request->ops[i].job.uid = uids[0];
	}
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(world_state(&world, uids[0]), JOB_CANCELLED);
	assert_int_equal(chunks(&world), 0);
	world_close(&world);
}

/* The disk is full before all of it is there: what there is of it goes. */
static void a_large_payload_that_finds_no_room_leaves_nothing(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_manual(&world, true);
	struct request *request = large_request(&world, "q", ""), *other = enqueue_request(&world, "q", "", "");
	struct request *more = large_request(&world, "q", "");
	more->ops[0].enqueue.payload = large_json(6); /* four of them in the first change-set */
	world_push(&world, more);
	world_push(&world, request);
	world_push(&world, other);
	world_settle(&world, SETTLE_APPLY);
	assert_true(chunks(&world) > 0);
	while (store_mem_in_flight(world.store))
		world_settle(&world, SETTLE_REFUSE);
	world_manual(&world, false);
	world_pass(&world, 2000);
	world_pass(&world, 2000);
	assert_true(world_answered(&world, request) && world_answered(&world, more) && world_answered(&world, other));
	assert_int_equal(more->err, E_STORE_FULL);
	assert_int_equal(chunks(&world), 0);
	assert_int_equal(staged(&world), 0);
	request_drop(request);
	request_drop(more);
	request_drop(other);
	world_close(&world);
}

/* Memory runs out while it is cut into chunks: it is given back only when no change-set in flight points into it. */
static void a_large_payload_outlives_its_chunks_under_way(void **state)
{
	(void)state;
	for (uint64_t n = 1;; n++) {
		struct world world;
		assert_true(n < 1000);
		world_open(&world);
		world_manual(&world, true);
		struct request *request = enqueue_request(&world, "q", "", "");
		size_t bytes = 600000;
		char *payload = mem_alloc(bytes);
		assert_non_null(payload);
		memset(payload, ' ', bytes);
		request->ops[0].enqueue.payload = (struct str){ payload, bytes };
		engine_push(world.engine, request);
		bool starved = world_starve(&world, n, MEM_FAIL_ONE), answered = false;
		for (int i = 0; i < 8; i++) {
			if (!answered && world_answered(&world, request)) {
				memset(payload, 'x', bytes);
				mem_free(payload); /* the sanitizer sees who still reads it */
				request_drop(request);
				answered = true;
			}
			if (store_mem_in_flight(world.store))
				world_settle(&world, SETTLE_APPLY);
			world_step(&world);
		}
		assert_true(answered);
		world_close(&world);
		if (!starved)
			break;
	}
}

/* A job that comes and goes in one change-set has no row; what it said meanwhile must have none either. */
static void a_job_that_came_and_went_leaves_nothing(void **state)
{
	static struct claim_queue queue = { .queue.name = STR("q") };
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"keep_completed\":\"none\"}");
	struct request *request = request_new(&world, 7);
	uint64_t uid = enqueue_op(&world, &request->ops[0], "q", "")->enqueue.uid;
	static const enum op_kind kinds[] = { OP_ENQUEUE, OP_CLAIM, OP_LOG, OP_FAIL, OP_CLAIM, OP_PROGRESS, OP_COMPLETE };
	for (size_t i = 1; i < ARRAY_COUNT(kinds); i++) {
		struct op *op = &request->ops[i];
		op->kind = kinds[i];
		if (op->kind == OP_CLAIM)
			op->claim = (struct op_claim){ .queues = &queue, .queue_count = 1, .max = 1, .token = STR("t") };
		else
			op->lease = (struct op_lease){ .uid = uid, .token = STR("t"), .body = STR("1"), .verdict = kinds[i] == OP_FAIL ? VERDICT_HEAD : VERDICT_POLICY };
	}
	assert_ptr_equal(world_ask(&world, request), request);
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		assert_int_equal(request->ops[i].result.err, E_OK);
	request_drop(request);
	assert_int_equal(world_state(&world, uid), JOB_STATE_COUNT);
	assert_int_equal(store_mem_disk(world.store)->tables[MEM_LOGS].count, 0);
	assert_int_equal(store_mem_disk(world.store)->tables[MEM_ATTEMPTS].count, 0);
	assert_int_equal(store_mem_disk(world.store)->tables[MEM_PROGRESS].count, 0);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_payload_of_a_repeat_is_dropped),
		cmocka_unit_test(a_large_payload_of_a_duplicate_is_dropped),
		cmocka_unit_test(a_large_payload_goes_with_its_job),
		cmocka_unit_test(a_large_result_goes_with_its_job),
		cmocka_unit_test(a_large_result_goes_with_a_retry_at_once),
		cmocka_unit_test(an_edited_payload_stays_when_its_heir_is_undone),
		cmocka_unit_test(a_job_that_came_and_went_leaves_nothing),
		cmocka_unit_test(a_large_payload_that_finds_no_room_leaves_nothing),
		cmocka_unit_test(a_large_payload_outlives_its_chunks_under_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
