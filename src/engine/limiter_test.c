/* src/engine/limiter_test.c: the rate of a queue that keeps BullMQ's rules, and queues that begin anew. */
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

static void enqueue_many(int count)
{
	for (int i = 0; i < count; i++) {
		struct request *request = enqueue_request(&world, "q", "", "");
		request->ops[0].enqueue.compat = COMPAT_BULLMQ;
		assert_int_equal(world_err(&world, request), E_OK);
	}
}

static struct request *limited_claim(uint32_t max, int64_t per_ms, uint32_t count, int64_t wait_ms)
{
	struct request *request = claim_request(&world, "q", count, wait_ms);
	struct op_claim *claim = &request->ops[0].claim;
	claim->compat = COMPAT_BULLMQ;
	claim->token = STR("t");
	claim->limiter = (struct rate){ .max = max, .per_ms = per_ms };
	return request;
}

static int64_t ttl_told;
static uint64_t last_granted;
/* How many were granted to a worker that knows this rate; max 0: none. */
static uint32_t granted(uint32_t max, int64_t per_ms, uint32_t count)
{
	struct request *request = limited_claim(max, per_ms, count, 0);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	const struct claim_result *claim = request->ops[0].result.claim;
	uint32_t got = claim->count;
	ttl_told = claim->rate_ttl_ms;
	last_granted = got ? claim->grants[got - 1].uid : last_granted;
	request_drop(request);
	return got;
}

static int64_t ttl_of_queue(uint32_t rate_max)
{
	struct request *request = queue_request(&world, OP_QUEUE_GET, "q", NULL, NULL);
	request->ops[0].queue.rate_max = rate_max;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_true(request->ops[0].result.queues->has_rate_ttl);
	int64_t ttl_ms = request->ops[0].result.queues->rate_ttl_ms;
	request_drop(request);
	return ttl_ms;
}

static enum err back_off(int64_t delay_ms)
{
	struct request *request = request_new(&world, 1);
	request->ops[0] = (struct op){ .kind = OP_BACK_OFF, .back_off = { .queue = { .name = STR("q") }, .delay_ms = delay_ms } };
	return world_err(&world, request);
}

static void a_window_begins_with_its_first_start(void **state)
{
	(void)state;
	enqueue_many(9);
	assert_int_equal(ttl_of_queue(0), -2);
	assert_int_equal(granted(2, 1000, 1), 1);
	world_pass(&world, 900);
	assert_int_equal(granted(2, 1000, 5), 1);
	assert_int_equal(ttl_told, 0);
	assert_int_equal(granted(2, 1000, 5), 0);
	assert_int_equal(ttl_told, 100);
	assert_int_equal(ttl_of_queue(0), 100); /* so long it lasts */
	assert_int_equal(ttl_of_queue(2), 100);
	assert_int_equal(ttl_of_queue(3), 0);
	world_pass(&world, 100);
	assert_int_equal(ttl_of_queue(0), -2);
	assert_int_equal(granted(2, 1000, 5), 2); /* a new one, however late the starts of the last */
	assert_int_equal(granted(2, 1000, 5), 0);
	assert_int_equal(ttl_told, 1000);
}

static void each_worker_goes_by_what_it_knows(void **state)
{
	(void)state;
	enqueue_many(9);
	assert_int_equal(granted(0, 0, 1), 1); /* one that knows no rate is not counted, */
	assert_int_equal(granted(1, 1000, 5), 1);
	assert_int_equal(granted(0, 0, 2), 2);  /* nor held back */
	assert_int_equal(granted(3, 1000, 5), 2); /* another bound, the same window */
	assert_int_equal(granted(1, 1000, 5), 0);
	world_settings(&world, "q", "{\"rate\":{\"max\":4,\"per_ms\":60000}}"); /* how many goes before, how long behind */
	assert_int_equal(granted(1, 1000, 5), 1);
	assert_int_equal(granted(0, 0, 1), 0);
	world_pass(&world, 1000);
	assert_int_equal(granted(0, 0, 1), 1);
	assert_int_equal(ttl_of_queue(1), 60000);
}

static void a_penalty_holds_for_those_who_know_a_rate(void **state)
{
	(void)state;
	enqueue_many(9);
	assert_int_equal(back_off(5000), E_OK);
	assert_int_equal(ttl_of_queue(0), 5000);
	assert_int_equal(granted(0, 0, 1), 1);
	assert_int_equal(granted(3, 1000, 1), 0);
	assert_int_equal(ttl_told, 5000);
	assert_int_equal(world_lease(&world, OP_RELEASE, last_granted, "t", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(back_off(2000), E_OK); /* the last word counts */
	assert_int_equal(ttl_of_queue(0), 2000);
	world_crash(&world);
	assert_int_equal(ttl_of_queue(3), 2000);
	world_pass(&world, 2000);
	assert_int_equal(granted(3, 1000, 9), 3);
	assert_int_equal(back_off(0), E_OK); /* and what was started is forgotten */
	assert_int_equal(ttl_of_queue(0), -2);
	assert_int_equal(granted(3, 1000, 9), 3);
}

static void a_release_tells_how_long_the_rate_lasts(void **state)
{
	(void)state;
	enqueue_many(1);
	assert_int_equal(granted(3, 1000, 1), 1);
	world_pass(&world, 400);
	struct request *request = lease_request(&world, OP_RELEASE, last_granted);
	request->ops[0].lease.token = STR("t");
	request->idempotency_key = STR("k");
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.rate_ttl_ms, 600);
	request_drop(request);
}

static void who_waits_is_served_when_the_window_opens(void **state)
{
	(void)state;
	enqueue_many(3);
	assert_int_equal(granted(1, 1000, 1), 1);
	struct request *limited = limited_claim(1, 1000, 1, 60000);
	assert_null(world_ask(&world, limited));
	world_pass(&world, 999);
	assert_false(world_answered(&world, limited));
	world_pass(&world, 1);
	assert_true(world_answered(&world, limited));
	assert_int_equal(limited->ops[0].result.claim->count, 1);
	request_drop(limited);
	struct request *looks = limited_claim(1, 1000, 0, 60000); /* only wants to know when */
	assert_null(world_ask(&world, looks));
	assert_int_equal(granted(0, 0, 1), 1);
	enqueue_many(1);
	world_pass(&world, 1000);
	assert_true(world_answered(&world, looks));
	assert_int_equal(looks->ops[0].result.claim->ready, 1);
	request_drop(looks);
}

static void a_restart_shuts_the_window_for_one_span(void **state)
{
	(void)state;
	enqueue_many(3);
	assert_int_equal(granted(2, 1000, 1), 1);
	world_crash(&world);
	assert_int_equal(granted(2, 1000, 1), 0);
	assert_true(ttl_told > 0 && ttl_told <= 1000);
	world_pass(&world, 1000);
	assert_int_equal(granted(2, 1000, 3), 2);
}

/* ---- queues that begin anew ---- */

static struct request *reset_request(struct world *in)
{
	return queue_request(in, OP_QUEUE_RESET, "q", NULL, NULL);
}

static uint64_t number_of_next(void)
{
	struct request *request = enqueue_request(&world, "q", "", "");
	request->ops[0].enqueue.compat = COMPAT_BULLMQ;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint64_t number = request->ops[0].result.number;
	request_drop(request);
	return number;
}

static uint64_t events_of_queue(void)
{
	struct reader *reader;
	struct arena arena = { 0 };
	struct answer answer;
	uint64_t count = 0;
	assert_int_equal(world.store->verbs->reader_open(world.store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &(struct query){ .kind = QUERY_EVENTS, .limit = 1000 }, &arena, &answer), E_OK);
	for (uint32_t i = 0; i < answer.event_count; i++)
		count += answer.events[i].count;
	reader_close(reader);
	arena_fini(&arena);
	return count;
}

static void delete_all(void)
{
	for (uint32_t slot = 0; slot < world.engine->index.jobs.used; slot++) {
		const struct job *job = job_at(&world.engine->index, slot);
		if (job_find(&world.engine->index, job->uid) != slot)
			continue;
		enum err err = world_by_hand(&world, OP_DELETE, job->uid);
		assert_true(err == E_OK || err == E_CHAIN_OWNED);
	}
}

/* Something of all that a queue may have. */
static void live_a_little(void)
{
	struct request *request = enqueue_request(&world, "q", "", "");
	static const struct op_dedup dedup = { .key = STR("key"), .ttl_ms = 3600000 };
	static const struct keep none = { .none = true };
	request->ops[0].enqueue.compat = COMPAT_BULLMQ;
	request->ops[0].enqueue.dedup = &dedup;
	assert_int_equal(world_err(&world, request), E_OK);
	enqueue_many(2);
	assert_int_equal(granted(1, 60000, 1), 1);
	request = lease_request(&world, OP_COMPLETE, last_granted);
	request->ops[0].lease.token = STR("t");
	request->ops[0].lease.keep = &none; /* the key stays */
	assert_int_equal(world_err(&world, request), E_OK);
	request = request_new(&world, 1);
	request->ops[0].kind = OP_CHAIN_PUT;
	request->ops[0].chain = (struct op_chain){ .queue = { .name = STR("q") }, .key = STR("c"), .schedule = STR("{\"every_ms\":86400000}"),
		                                   .compat = COMPAT_BULLMQ };
	assert_int_equal(world_err(&world, request), E_OK);
	world_settings(&world, "q", "{\"concurrency\":7,\"metadata\":{\"a\":1}}");
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PUT, "q", "g", "{\"concurrency\":1}")), E_OK);
	assert_int_equal(back_off(3600000), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PAUSE, "q", NULL, NULL)), E_OK);
}

static void assert_as_new(void)
{
	const struct index *index = &world.engine->index;
	const struct queue *queue = queue_at(index, queue_find(index, (struct queue_name){ .name = STR("q") }));
	assert_false(queue->paused);
	assert_int_equal(queue->settings->compat, COMPAT_BULLMQ);
	assert_int_equal(queue->settings->concurrency, 0);
	assert_int_equal(queue->settings->metadata.len > 2, 0);
	assert_int_equal(queue->blocked_us, 0);
	assert_int_equal(queue->chains, 0);
	assert_int_equal(dedup_find(index, queue_find(index, (struct queue_name){ .name = STR("q") }), STR("key")), SLOT_NONE);
	uint32_t group = group_find(index, queue_find(index, (struct queue_name){ .name = STR("q") }), STR("g"));
	assert_true(group == SLOT_NONE || !group_at(index, group)->has_row);
}

static void a_queue_begins_anew(void **state)
{
	(void)state;
	live_a_little();
	assert_int_equal(world_err(&world, reset_request(&world)), E_CONFLICT); /* it has jobs */
	delete_all();
	struct request *request = reset_request(&world);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	assert_false(request->ops[0].result.more);
	request_drop(request);
	assert_as_new();
	assert_int_equal(events_of_queue(), 3); /* the chain is gone, its job too, and this */
	assert_int_equal(number_of_next(), 1);
	assert_int_equal(granted(1, 60000, 1), 1); /* what was started is forgotten */
	world_crash(&world);
	assert_as_new();
	assert_int_equal(number_of_next(), 2);
}

static void a_native_queue_begins_anew_too(void **state)
{
	(void)state;
	world_settings(&world, "q", "{\"concurrency\":7}");
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PAUSE, "q", NULL, NULL)), E_OK);
	assert_int_equal(world_err(&world, reset_request(&world)), E_OK);
	const struct index *index = &world.engine->index;
	const struct queue *queue = queue_at(index, queue_find(index, (struct queue_name){ .name = STR("q") }));
	assert_false(queue->paused);
	assert_int_equal(queue->settings->compat, COMPAT_NONE);
	assert_int_equal(queue->settings->concurrency, 0);
}

static void whoever_waits_goes_on_waiting(void **state)
{
	(void)state;
	struct request *waits = limited_claim(0, 0, 1, 60000);
	assert_null(world_ask(&world, waits));
	assert_int_equal(world_err(&world, reset_request(&world)), E_OK);
	assert_false(world_answered(&world, waits));
	enqueue_many(1);
	assert_true(world_answered(&world, waits));
	assert_int_equal(waits->ops[0].result.claim->count, 1);
	request_drop(waits);
}

static void a_reset_that_is_undone_changes_nothing(void **state)
{
	(void)state;
	live_a_little();
	delete_all();
	struct request *request = request_new(&world, 2);
	request->atomic = true;
	request->ops[0] = (struct op){ .kind = OP_QUEUE_RESET, .queue = { .queue = { .name = STR("q") } } };
	request->ops[1] = (struct op){ .kind = OP_DELETE, .job = { .uid = 1 } };
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[1].result.err, E_JOB_NOT_FOUND);
	request_drop(request);
	const struct index *index = &world.engine->index;
	uint32_t slot = queue_find(index, (struct queue_name){ .name = STR("q") });
	assert_true(queue_at(index, slot)->paused);
	assert_int_equal(queue_at(index, slot)->settings->concurrency, 7);
	assert_int_equal(queue_at(index, slot)->chains, 1);
	assert_int_equal(queue_at(index, slot)->counts.ids, 3);
	assert_int_not_equal(dedup_find(index, slot, STR("key")), SLOT_NONE);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_RESUME, "q", NULL, NULL)), E_OK);
	assert_int_equal(number_of_next(), 4);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_window_begins_with_its_first_start),
		TEST(each_worker_goes_by_what_it_knows),
		TEST(a_penalty_holds_for_those_who_know_a_rate),
		TEST(a_release_tells_how_long_the_rate_lasts),
		TEST(who_waits_is_served_when_the_window_opens),
		TEST(a_restart_shuts_the_window_for_one_span),
		TEST(a_queue_begins_anew),
		TEST(a_native_queue_begins_anew_too),
		TEST(whoever_waits_goes_on_waiting),
		TEST(a_reset_that_is_undone_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
