/* src/engine/chain_compat_test.c: chains in queues that keep BullMQ's rules: who claimed the newest job asks for the next one; ids say key and time. */
#include "engine/test_world.h"

#define START_MS (START_US / 1000) /* on a full hour */
#define MINUTELY "{\"every_ms\":60000}"
#define DAILY    "{\"pattern\":\"whatever the caller reads\",\"tz\":\"Nowhere/Here\",\"limit\":1}"

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

static struct request *put_request(const char *schedule, int64_t next_ms)
{
	struct request *request = request_new(&world, 1);
	request->ops[0].kind = OP_CHAIN_PUT;
	request->ops[0].chain = (struct op_chain){ .queue.name = STR("q"), .key = STR("k:1"), .schedule = str_of(schedule), .payload = STR("[1]"),
		                                   .metadata = STR("{\"opts\":{}}"), .next_us = next_ms * 1000, .compat = COMPAT_BULLMQ };
	return request;
}

static struct chain_info put(const char *schedule, int64_t next_ms)
{
	struct request *request = put_request(schedule, next_ms);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	struct chain_info info = *request->ops[0].result.chains;
	request_drop(request);
	return info;
}

static struct request *next_request(int64_t producer_ms, int64_t next_ms)
{
	struct request *request = request_new(&world, 1);
	char *producer = arena_printf(&request->arena, "repeat:k:1:%lld", (long long)producer_ms);
	request->ops[0].kind = OP_CHAIN_NEXT;
	request->ops[0].chain = (struct op_chain){ .queue.name = STR("q"), .key = STR("k:1"), .producer = str_of(producer), .next_us = next_ms * 1000,
		                                   .iteration = STR("{\"n\":2}") };
	return request;
}

static uint64_t next(int64_t producer_ms, int64_t next_ms) /* uid of the job that was made, or 0 */
{
	struct request *request = next_request(producer_ms, next_ms);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint64_t uid = request->ops[0].result.uid;
	request_drop(request);
	return uid;
}

static enum err chain_op(enum op_kind kind, struct chain_info *out)
{
	struct request *request = request_new(&world, 1);
	request->ops[0].kind = kind;
	request->ops[0].chain = (struct op_chain){ .queue.name = STR("q"), .key = STR("k:1") };
	assert_ptr_equal(world_ask(&world, request), request);
	enum err err = request->ops[0].result.err;
	if (out && !err)
		*out = *request->ops[0].result.chains;
	request_drop(request);
	return err;
}

static struct chain_info get(void)
{
	struct chain_info info;
	assert_int_equal(chain_op(OP_CHAIN_GET, &info), E_OK);
	return info;
}

static uint64_t claim_one(void)
{
	struct request *request = claim_request(&world, "q", 1, 0);
	request->ops[0].claim.compat = COMPAT_BULLMQ;
	request->ops[0].claim.token = STR("token-1");
	assert_ptr_equal(world_ask(&world, request), request);
	uint64_t uid = request->ops[0].result.claim->count ? request->ops[0].result.claim->grants[0].uid : 0;
	request_drop(request);
	return uid;
}

static uint64_t complete_one(void)
{
	uint64_t uid = claim_one();
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	return uid;
}

static struct str id_of(uint64_t uid)
{
	static char room[LABEL_ROOM];
	return label_of(&world.engine->index, job_at(&world.engine->index, job_find(&world.engine->index, uid)), room);
}

static void the_client_asks_for_the_next_one(void **state)
{
	(void)state;
	struct chain_info first = put(MINUTELY, 0);
	assert_int_equal(first.next_us, START_US);
	assert_int_equal(world_state(&world, first.pending), JOB_WAITING);
	assert_true(str_eq(id_of(first.pending), STR("repeat:k:1:1800000000000")));
	assert_int_equal(claim_one(), first.pending);
	assert_int_equal(get().pending, first.pending); /* a claim alone makes none */
	assert_int_equal(next(START_MS - 1, 0), 0);     /* nor does somebody else's */
	uint64_t second = next(START_MS, 0);
	assert_int_equal(get().pending, second);
	assert_int_equal(get().next_us, START_US + 60000000);
	assert_int_equal(get().count, 2);
	assert_int_equal(next(START_MS, 0), 0); /* once each */
	assert_int_equal(world_state(&world, second), JOB_DELAYED);
	assert_int_equal(world_lease(&world, OP_COMPLETE, first.pending, "token-1", VERDICT_POLICY, 0), E_OK);
	world_pass(&world, 10 * 60000 + 7000);
	assert_int_equal(claim_one(), second);
	assert_true(next(START_MS + 60000, 0) != 0); /* missed times are one late run */
	assert_int_equal(get().next_us, START_US + 11 * INT64_C(60000000));
}

static void a_pattern_is_the_clients_to_read(void **state)
{
	(void)state;
	assert_int_equal(world_err(&world, put_request(DAILY, 0)), E_INVALID);
	struct chain_info info = put(DAILY, START_MS + 5000);
	assert_int_equal(info.next_us, START_US + 5000000);
	world_pass(&world, 5000);
	assert_int_equal(claim_one(), info.pending);
	assert_int_equal(world_err(&world, next_request(START_MS + 5000, 0)), E_INVALID);
	assert_true(next(START_MS + 5000, START_MS + 9000) != 0); /* its limit too is the client's to keep */
	assert_int_equal(get().next_us, START_US + 9000000);
	world_crash(&world); /* nor does a restart read it */
	assert_int_equal(get().next_us, START_US + 9000000);
	struct request *request = request_new(&world, 1);
	request->ops[0] = (struct op){ .kind = OP_CHAIN_GET, .chain = { .queue.name = STR("q"), .key = STR("k:1") } };
	assert_ptr_equal(world_ask(&world, request), request);
	assert_true(str_eq(request->ops[0].result.chains->metadata, STR("{\"opts\":{}}")));
	assert_true(str_eq(request->ops[0].result.chains->next_id, STR("repeat:k:1:1800000009000")));
	request_drop(request);
}

static void only_who_keeps_the_rules_puts_one(void **state)
{
	(void)state;
	struct request *request = put_request(MINUTELY, 0);
	request->ops[0].chain.compat = COMPAT_NONE;
	assert_int_equal(world_err(&world, request), E_OK); /* it makes a queue of our own */
	assert_int_equal(world_err(&world, put_request(MINUTELY, 0)), E_COMPAT);
	assert_int_equal(world_err(&world, next_request(START_MS, 0)), E_COMPAT);
	request = put_request(MINUTELY, 5);
	request->ops[0].chain.compat = COMPAT_NONE;
	assert_int_equal(world_err(&world, request), E_INVALID);
	request = put_request(MINUTELY, 0);
	request->ops[0].chain.queue.name = STR("other");
	assert_int_equal(world_err(&world, request), E_OK);
	request = put_request(MINUTELY, 0);
	request->ops[0].chain.queue.name = STR("other");
	request->ops[0].chain.compat = COMPAT_NONE;
	assert_int_equal(world_err(&world, request), E_COMPAT);
	request = put_request(MINUTELY, 0);
	request->ops[0].chain.queue.name = STR("other");
	char *key = arena_alloc(&request->arena, LIMIT_ID_BYTES);
	memset(key, 'k', LIMIT_ID_BYTES);
	request->ops[0].chain.key = (struct str){ key, LIMIT_ID_BYTES }; /* its jobs' ids would be too long */
	assert_int_equal(world_err(&world, request), E_TOO_LARGE);
}

static void a_put_replaces_what_waits_and_keeps_its_time(void **state)
{
	(void)state;
	struct chain_info first = put(MINUTELY, 0);
	complete_one();
	uint64_t second = next(START_MS, 0);
	world_pass(&world, 20000);
	struct chain_info again = put(MINUTELY, 0); /* the same texts too: a new job under the same id */
	assert_true(again.pending != second);
	assert_int_equal(world_state(&world, second), JOB_STATE_COUNT);
	assert_int_equal(again.next_us, START_US + 60000000);
	assert_int_equal(again.count, 2);
	assert_int_equal(put("{\"every_ms\":30000}", 0).next_us, START_US + 20000000); /* begins anew */
	assert_int_equal(world_state(&world, first.pending), JOB_COMPLETED);
	complete_one();
	assert_int_equal(put("{\"every_ms\":30000}", 0).next_us, START_US + 50000000); /* the newest was claimed: the one after it */
	world_crash(&world);
	assert_int_equal(get().next_us, START_US + 50000000);
	world_pass(&world, 100000);
	assert_true(claim_one() != 0);
	assert_int_equal(put("{\"every_ms\":30000}", 0).next_us, START_US + 150000000); /* late: on its multiples, as BullMQ has it */
}

static void taken_ids_are_passed_over(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) { /* three that are kept, of three lives of the chain */
		put("{\"every_ms\":1000,\"start_at\":\"2027-01-15T08:00:00Z\"}", 0);
		complete_one();
		assert_int_equal(chain_op(OP_CHAIN_DELETE, NULL), E_OK);
		world_step(&world);
		if (i < 2)
			world_pass(&world, 1000);
	}
	world.wall_us = START_US; /* the clock goes back: all three lie ahead */
	assert_int_equal(put(MINUTELY, 0).next_us, START_US + 60000000);
	assert_int_equal(chain_op(OP_CHAIN_DELETE, NULL), E_OK);
	assert_int_equal(world_err(&world, put_request(DAILY, START_MS + 1000)), E_ID_TAKEN);
	assert_int_equal(chain_op(OP_CHAIN_GET, NULL), E_CHAIN_NOT_FOUND);
	world_crash(&world);
	assert_int_equal(put("{\"every_ms\":1000,\"start_at\":\"2027-01-15T08:00:00Z\"}", 0).next_us, START_US + 3000000);
}

static void too_many_are_an_error(void **state)
{
	(void)state;
	for (int i = 0; i <= REPEAT_STEPS_MAX; i++) {
		put(DAILY, START_MS + i);
		complete_one();
		assert_int_equal(chain_op(OP_CHAIN_DELETE, NULL), E_OK);
		world_pass(&world, 1);
	}
	world.wall_us = START_US;
	assert_int_equal(world_err(&world, put_request("{\"every_ms\":1}", 0)), E_SLOTS_BUSY);
	assert_int_equal(put("{\"every_ms\":2}", 0).next_us, START_US + (REPEAT_STEPS_MAX + 2) * 1000);
}

static void the_next_ones_id_may_be_taken(void **state)
{
	(void)state;
	put(DAILY, START_MS);
	complete_one();
	assert_true(next(START_MS, START_MS + 1) != 0);
	world_pass(&world, 1);
	complete_one();
	assert_int_equal(next(START_MS + 1, START_MS), 0); /* back again: that one is kept */
	assert_int_equal(get().count, 2);
}

static void its_newest_job_stays(void **state)
{
	(void)state;
	uint64_t uid = put(DAILY, START_MS + 86400000 * INT64_C(30)).pending; /* so far that it is on disk only */
	world_step(&world);
	assert_int_equal(job_find(&world.engine->index, uid), SLOT_NONE);
	assert_int_equal(world_by_hand(&world, OP_DELETE, uid), E_CHAIN_OWNED);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, uid), E_CHAIN_OWNED);
	assert_int_equal(world_by_hand(&world, OP_PROMOTE, uid), E_OK);
	assert_int_equal(world_by_hand(&world, OP_DELETE, uid), E_CHAIN_OWNED);
	assert_int_equal(complete_one(), uid);
	assert_int_equal(world_by_hand(&world, OP_DELETE, uid), E_OK); /* one that has ended is a job like others */
	put(MINUTELY, 0);
	struct request *request = job_request(&world, OP_DELETE, get().pending);
	request->ops[0].job.force = true;
	assert_int_equal(world_err(&world, request), E_OK); /* with all of its queue */
	assert_true(put(MINUTELY, 0).pending != 0);
	request = enqueue_request(&world, "q", "", "repeat:k:1"); /* names that only look like one */
	assert_int_equal(world_err(&world, request), E_OK);
	request = job_request(&world, OP_DELETE, 0);
	request->ops[0].job.queue.name = STR("q");
	request->ops[0].job.id = STR("repeat:k:1");
	assert_int_equal(world_err(&world, request), E_OK);
}

static void deleting_leaves_what_is_due(void **state)
{
	(void)state;
	uint64_t due = put(MINUTELY, 0).pending;
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PUT, "q", "", "{\"compat\":null}")), E_COMPAT);
	assert_int_equal(chain_op(OP_CHAIN_DELETE, NULL), E_OK);
	assert_int_equal(world_state(&world, due), JOB_WAITING);
	uint64_t far = put(DAILY, START_MS + 86400000 * INT64_C(30)).pending;
	world_step(&world);
	assert_int_equal(chain_op(OP_CHAIN_DELETE, NULL), E_OK);
	world_step(&world);
	assert_int_equal(world_state(&world, far), JOB_STATE_COUNT);
	assert_int_equal(complete_one(), due);
	assert_int_equal(world_err(&world, next_request(START_MS, 0)), E_CHAIN_NOT_FOUND);
}

static void in_one_request_ids_are_given_and_freed(void **state)
{
	(void)state;
	put(MINUTELY, 0);
	complete_one();
	for (int refused_commit = 0; refused_commit < 2; refused_commit++) {
		struct request *request = request_new(&world, 4);
		struct op_chain put_again = { .queue.name = STR("q"), .key = STR("k:1"), .schedule = STR(MINUTELY), .compat = COMPAT_BULLMQ };
		request->atomic = true;
		for (uint32_t i = 0; i < 3; i++)
			request->ops[i] = (struct op){ .kind = OP_CHAIN_PUT, .chain = put_again };
		request->ops[3] = (struct op){ .kind = OP_CANCEL, .job.uid = refused_commit ? 0 : 12345 };
		request->op_count = refused_commit ? 3 : 4;
		store_mem_set_automatic(world.store, !refused_commit);
		engine_push(world.engine, request);
		world_step(&world);
		if (refused_commit) {
			store_mem_settle(world.store, 1, SETTLE_REFUSE);
			store_mem_set_automatic(world.store, true);
			world_step(&world);
		}
		assert_true(world_answered(&world, request));
		request->op_count = 4;
		request_drop(request);
		world_pass(&world, 2000);
		assert_int_equal(get().count, 1);
		assert_int_equal(get().next_us, START_US);
	}
	assert_int_equal(put(MINUTELY, 0).next_us, START_US + 60000000);
	struct request *request = request_new(&world, 2); /* once more, and once more: the same time, the same id, another job */
	struct op_chain again = { .queue.name = STR("q"), .key = STR("k:1"), .schedule = STR(MINUTELY), .compat = COMPAT_BULLMQ };
	request->ops[0] = request->ops[1] = (struct op){ .kind = OP_CHAIN_PUT, .chain = again };
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[1].result.chains->next_us, START_US + 60000000);
	assert_true(request->ops[0].result.uid != request->ops[1].result.uid);
	request_drop(request);
	world_crash(&world);
	assert_int_equal(get().next_us, START_US + 60000000);
}

static void memory_may_run_out_anywhere(void **state)
{
	(void)state;
	for (int what = 0; what < 3; what++) {
		for (uint64_t nth = 1;; nth++) {
			world_close(&world);
			world_open(&world);
			put(MINUTELY, 0);
			claim_one();
			struct chain_info before = get();
			struct request *request = what == 1 ? put_request(MINUTELY, 0) : next_request(START_MS, 0);
			if (what == 2)
				request->ops[0].kind = OP_CHAIN_DELETE;
			engine_push(world.engine, request);
			bool failed = world_starve(&world, nth, MEM_FAIL_ONE);
			for (int i = 0; i < 3 && !world_answered(&world, request); i++)
				world_step(&world);
			bool refused = request->err == E_NOMEM || request->ops[0].result.err == E_NOMEM;
			assert_true(refused || (!request->err && !request->ops[0].result.err));
			request_drop(request);
			if (refused)
				assert_int_equal(get().pending, before.pending);
			else if (what < 2)
				assert_int_equal(get().next_us, before.next_us + 60000000);
			else
				assert_int_equal(chain_op(OP_CHAIN_GET, NULL), E_CHAIN_NOT_FOUND);
			if (!failed)
				break;
		}
	}
}

static void lists_go_by_next_time_too(void **state)
{
	static const char *const keys[] = { "b", "a", "c" };
	static const struct { enum chains_order order; int64_t from, to; const char *keys; } wanted[] = {
		{ CHAINS_BY_NEXT, 0, -1, "bac" }, { CHAINS_BY_NEXT_DOWN, 0, -1, "cab" }, { CHAINS_BY_NEXT, 1, 1, "a" },
		{ CHAINS_BY_NEXT_DOWN, 1, 9, "ab" }, { CHAINS_BY_NEXT, 3, -1, "" }, { CHAINS_BY_NEXT, 2, 0, "" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
		struct request *request = put_request(DAILY, START_MS + (int64_t)i);
		request->ops[0].chain.key = str_of(keys[i]);
		assert_int_equal(world_err(&world, request), E_OK);
	}
	for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
		struct request *request = request_new(&world, 1);
		request->ops[0] = (struct op){ .kind = OP_CHAINS, .chain = { .queue.name = STR("q"), .order = wanted[i].order, .from = wanted[i].from,
									     .to = wanted[i].to } };
		assert_ptr_equal(world_ask(&world, request), request);
		const struct op_result *result = &request->ops[0].result;
		assert_int_equal(result->number, 3);
		assert_int_equal(result->count, strlen(wanted[i].keys));
		for (uint32_t n = 0; n < result->count; n++)
			assert_int_equal(result->chains[n].key.ptr[0], wanted[i].keys[n]);
		request_drop(request);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_client_asks_for_the_next_one),
		CASE(a_pattern_is_the_clients_to_read),
		CASE(only_who_keeps_the_rules_puts_one),
		CASE(a_put_replaces_what_waits_and_keeps_its_time),
		CASE(taken_ids_are_passed_over),
		CASE(too_many_are_an_error),
		CASE(the_next_ones_id_may_be_taken),
		CASE(its_newest_job_stays),
		CASE(deleting_leaves_what_is_due),
		CASE(in_one_request_ids_are_given_and_freed),
		CASE(memory_may_run_out_anywhere),
		CASE(lists_go_by_next_time_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
