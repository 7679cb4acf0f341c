/* src/engine/chain_test.c: a chain has one job that nobody has claimed, whatever is undone, killed, late or out of memory. engine_verify, after
 * every step, looks. */
#include "engine/test_world.h"
#include "rules/zone_test.h"

#define START_MS (START_US / 1000) /* on a full hour */
#define MINUTELY "{\"every_ms\":60000}"

static struct request *put_request(struct world *world, const char *key, const char *schedule, const char *job)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_CHAIN_PUT;
	request->ops[0].chain = (struct op_chain){ .queue.name = STR("q"), .key = str_of(key), .schedule = str_of(schedule), .job = str_of(job),
		                                   .payload = STR("[1]") };
	return request;
}

static struct chain_info put(struct world *world, const char *key, const char *schedule, const char *job)
{
	struct request *request = put_request(world, key, schedule, job);
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	struct chain_info info = *request->ops[0].result.chains;
	request_drop(request);
	return info;
}

static enum err chain_op(struct world *world, enum op_kind kind, const char *key, struct chain_info *out)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].chain = (struct op_chain){ .queue.name = STR("q"), .key = str_of(key) };
	assert_ptr_equal(world_ask(world, request), request);
	enum err err = request->ops[0].result.err;
	if (out && !err)
		*out = *request->ops[0].result.chains;
	request_drop(request);
	return err;
}

static struct chain_info get(struct world *world, const char *key)
{
	struct chain_info info;
	assert_int_equal(chain_op(world, OP_CHAIN_GET, key, &info), E_OK);
	return info;
}

static void refused(struct world *world, const char *schedule, const char *job, const char *field)
{
	struct request *request = put_request(world, "k", schedule, job);
	assert_ptr_equal(world_ask(world, request), request);
	assert_true(request->ops[0].result.err != E_OK);
	assert_non_null(request->ops[0].result.problem);
	assert_string_equal(request->ops[0].result.problem->field, field);
	request_drop(request);
	assert_int_equal(chain_op(world, OP_CHAIN_GET, "k", NULL), E_QUEUE_NOT_FOUND); /* nothing was made */
}

static uint64_t claim_one(struct world *world)
{
	uint64_t uids[4];
	assert_int_equal(world_claim(world, "q", 4, uids), 1);
	return uids[0];
}

static uint64_t run_one(struct world *world)
{
	uint64_t uid = claim_one(world);
	assert_int_equal(world_lease(world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	return uid;
}

static void the_next_is_made_when_one_is_claimed(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	struct chain_info first = put(&world, "k", MINUTELY, "{}");
	assert_int_equal(first.next_us, START_US);
	assert_int_equal(world_state(&world, first.pending), JOB_WAITING);
	assert_int_equal(claim_one(&world), first.pending);
	struct chain_info second = get(&world, "k");
	assert_true(second.pending > first.pending);
	assert_int_equal(second.next_us, START_US + 60000000);
	assert_int_equal(second.count, 2);
	assert_int_equal(world_state(&world, second.pending), JOB_DELAYED);
	assert_int_equal(world_lease(&world, OP_FAIL, first.pending, "token-1", VERDICT_HEAD, 0), E_OK); /* its retry is its own affair */
	assert_int_equal(run_one(&world), first.pending);
	assert_int_equal(get(&world, "k").pending, second.pending);
	world_pass(&world, 59999);
	assert_int_equal(world_claim(&world, "q", 4, uids), 0);
	world_pass(&world, 1);
	assert_int_equal(claim_one(&world), second.pending);
	world_close(&world);
}

static void missed_times_are_one_late_run(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t first = put(&world, "k", MINUTELY, "{}").pending;
	world_pass(&world, 10 * 60000 + 7000);
	assert_int_equal(claim_one(&world), first);
	assert_int_equal(get(&world, "k").next_us, START_US + 11 * INT64_C(60000000));
	world_close(&world);
}

static void a_restart_goes_on(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	put(&world, "k", "{\"every_ms\":86400000}", "{\"group\":\"g\",\"priority\":3}"); /* farther than the horizon: it stays in memory */
	run_one(&world);
	struct chain_info before = get(&world, "k");
	world_crash(&world);
	struct chain_info after = get(&world, "k");
	assert_int_equal(after.pending, before.pending);
	assert_int_equal(after.next_us, before.next_us);
	assert_int_equal(after.count, 2);
	world_pass(&world, 86400000);
	assert_int_equal(claim_one(&world), before.pending);
	assert_int_equal(get(&world, "k").next_us, before.next_us + INT64_C(86400000000));
	world_close(&world);
}

static void the_pending_one_stays(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	put(&world, "k", MINUTELY, "{}");
	uint64_t running = claim_one(&world), pending = get(&world, "k").pending;
	assert_int_equal(world_by_hand(&world, OP_DELETE, pending), E_CHAIN_OWNED);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, pending), E_CHAIN_OWNED);
	struct request *move = job_request(&world, OP_MOVE, pending);
	move->ops[0].job.to.name = STR("other");
	assert_int_equal(world_err(&world, move), E_CHAIN_OWNED);
	assert_int_equal(world_by_hand(&world, OP_PROMOTE, pending), E_OK);
	assert_int_equal(claim_one(&world), pending); /* early: the next one is for the time after it */
	assert_int_equal(get(&world, "k").next_us, START_US + 2 * INT64_C(60000000));
	assert_int_equal(world_by_hand(&world, OP_CANCEL, running), E_OK); /* a claimed one is a job like others */
	world_close(&world);
}

static void a_limit_ends_it(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	put(&world, "k", "{\"every_ms\":1000,\"limit\":2}", "{}");
	claim_one(&world);
	world_pass(&world, 1000);
	claim_one(&world);
	world_crash(&world);
	struct chain_info info = get(&world, "k"); /* it stays listed */
	assert_int_equal(info.pending, 0);
	assert_int_equal(info.next_us, 0);
	assert_int_equal(info.count, 2);
	world_pass(&world, 10000);
	assert_int_equal(world_claim(&world, "q", 4, uids), 0);
	assert_int_equal(put(&world, "k", "{\"every_ms\":1000,\"limit\":2}", "{}").pending, 0); /* the same again: nothing */
	assert_true(put(&world, "k", "{\"every_ms\":1000,\"limit\":3}", "{}").pending != 0);
	world_close(&world);
}

static void an_end_ends_it(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	put(&world, "k", "{\"every_ms\":60000,\"end_at\":\"2027-01-15T08:01:30Z\"}", "{}");
	run_one(&world);
	world_pass(&world, 60000);
	run_one(&world);
	assert_int_equal(get(&world, "k").pending, 0);
	world_close(&world);
}

static void a_put_replaces_what_waits(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	put(&world, "k", MINUTELY, "{}");
	claim_one(&world);
	struct chain_info before = get(&world, "k");
	world_pass(&world, 20000);
	assert_int_equal(put(&world, "k", MINUTELY, "{}").pending, before.pending); /* the same again changes nothing */
	struct chain_info after = put(&world, "k", MINUTELY, "{\"priority\":1}");
	assert_true(after.pending != before.pending);
	assert_int_equal(world_state(&world, before.pending), JOB_STATE_COUNT);
	assert_int_equal(after.next_us, before.next_us); /* the same every_ms keeps its time */
	assert_int_equal(after.count, 1);
	after = put(&world, "k", "{\"every_ms\":30000}", "{}");
	assert_int_equal(after.next_us, START_US + INT64_C(20000000)); /* another one begins anew */
	world_crash(&world);
	assert_int_equal(get(&world, "k").pending, after.pending);
	assert_int_equal(claim_one(&world), after.pending);
	world_close(&world);
}

static void deleting_takes_the_pending_one_along(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	put(&world, "k", MINUTELY, "{}");
	uint64_t running = claim_one(&world), pending = get(&world, "k").pending;
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, "q", "", "")), E_CONFLICT);
	assert_int_equal(chain_op(&world, OP_CHAIN_DELETE, "k", NULL), E_OK);
	assert_int_equal(chain_op(&world, OP_CHAIN_DELETE, "k", NULL), E_CHAIN_NOT_FOUND);
	assert_int_equal(world_state(&world, pending), JOB_STATE_COUNT);
	assert_int_equal(world_state(&world, running), JOB_ACTIVE);
	world_step(&world);
	assert_int_equal(world.engine->index.chains.live, 0);
	world_crash(&world);
	assert_int_equal(chain_op(&world, OP_CHAIN_GET, "k", NULL), E_CHAIN_NOT_FOUND);
	assert_int_equal(world_lease(&world, OP_COMPLETE, running, "token-1", VERDICT_POLICY, 0), E_OK);
	world_close(&world);
}

static void one_that_expires_is_followed(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t first = put(&world, "k", MINUTELY, "{\"ttl_ms\":5000}").pending;
	world_pass(&world, 6000);
	assert_int_equal(world_state(&world, first), JOB_EXPIRED);
	struct chain_info info = get(&world, "k");
	assert_int_equal(info.count, 2);
	assert_int_equal(info.next_us, START_US + 60000000);
	world_close(&world);
}

/* An hour ahead of UTC, two from the 28th of March 2027, 01:00 UTC, on. */
static enum err find_zone(struct str name, const struct zone **out, struct problem *problem)
{
	static struct zone_drawn paris;
	if (!str_eq(name, STR("Europe/Paris")))
		return problem_set(problem, E_INVALID, "time_zone", "There is no such zone.");
	paris = zone_draw(3600);
	zone_draw_change(&paris, 1806195600, 7200);
	*out = &paris.zone;
	return E_OK;
}

static void a_pattern_goes_by_its_zone(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	refused(&world, "{\"pattern\":\"0 3 * * *\",\"tz\":\"Europe/Paris\"}", "{}", "schedule.tz"); /* this engine knows UTC only */
	world.config.zone_find = world.engine->config.zone_find = find_zone;
	refused(&world, "{\"pattern\":\"0 3 * * *\",\"tz\":\"Europe/Pari\"}", "{}", "schedule.tz");
	struct chain_info info = put(&world, "k", "{\"pattern\":\"0 3 * * *\",\"tz\":\"Europe/Paris\",\"start_at\":\"2027-03-26T12:00:00Z\"}", "{}");
	assert_int_equal(info.next_us, INT64_C(1806112800) * 1000000); /* 2027-03-27 02:00 UTC */
	world_pass(&world, (info.next_us - world.wall_us) / 1000);
	claim_one(&world);
	info = get(&world, "k");
	assert_int_equal(info.next_us, INT64_C(1806195600) * 1000000); /* 01:00 UTC: a day of 23 hours */
	world_crash(&world);
	assert_int_equal(get(&world, "k").pending, info.pending);

	struct problem problem = { 0 }; /* a machine without that zone does not guess */
	struct store *store;
	assert_int_equal(store_mem_share(store_mem_disk(world.store), &store), E_OK);
	world_close(&world);
	world.config.zone_find = NULL;
	struct engine *engine = engine_new(&world.config, store);
	assert_int_equal(engine_start(engine, world.boot_us, world.wall_us, &problem), E_CONFIG);
	assert_non_null(strstr(problem.detail, "Chain 'k' of queue 'q'"));
	engine_free(engine);
	store->verbs->close(store);
}

static void what_cannot_be_is_refused(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	refused(&world, "{}", "{}", "schedule.every_ms");
	refused(&world, "{\"pattern\":\"61 * * * *\"}", "{}", "schedule.pattern");
	refused(&world, "{\"every_ms\":1000,\"end_at\":\"2027-01-15T07:59:59Z\"}", "{}", "schedule.end_at");
	refused(&world, "{\"pattern\":\"0 3 * * *\",\"end_at\":\"2027-01-16T02:59:59Z\"}", "{}", "schedule.end_at");
	refused(&world, "{\"pattern\":\"* * * * *\",\"offset_ms\":5}", "{}", "schedule.offset_ms");
	refused(&world, MINUTELY, "{\"delay_ms\":5}", "job.delay_ms");
	refused(&world, MINUTELY, "{\"http\":{\"url\":\"http://127.0.0.1/\"}}", "job.http"); /* not an http queue */
	struct request *request = put_request(&world, "k", MINUTELY, "{}");
	char *large = arena_alloc(&request->arena, LIMIT_PAYLOAD_INLINE + 1);
	memset(large, '1', LIMIT_PAYLOAD_INLINE + 1);
	request->ops[0].chain.payload = (struct str){ large, LIMIT_PAYLOAD_INLINE + 1 };
	assert_int_equal(world_err(&world, request), E_TOO_LARGE);
	world_close(&world);
}

static void what_is_undone_leaves_the_chain_as_it_was(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	put(&world, "k", MINUTELY, "{}");
	claim_one(&world);
	struct chain_info before = get(&world, "k");
	for (int refused_commit = 0; refused_commit < 2; refused_commit++) {
		struct request *request = request_new(&world, 4);
		request->atomic = true;
		struct op_chain same = { .queue.name = STR("q"), .key = STR("k"), .schedule = STR("{\"every_ms\":5}") }, fresh = same, gone = same;
		fresh.key = STR("fresh");
		request->ops[0] = (struct op){ .kind = OP_CHAIN_PUT, .chain = same };
		request->ops[1] = (struct op){ .kind = OP_CHAIN_PUT, .chain = fresh };
		request->ops[2] = (struct op){ .kind = OP_CHAIN_DELETE, .chain = gone };
		request->ops[3] = (struct op){ .kind = refused_commit ? OP_CHAIN_DELETE : OP_CANCEL };
		if (refused_commit)
			request->ops[3].chain = fresh;
		else
			request->ops[3].job.uid = 12345;
		store_mem_set_automatic(world.store, !refused_commit);
		engine_push(world.engine, request);
		world_step(&world);
		if (refused_commit) {
			store_mem_settle(world.store, 1, SETTLE_REFUSE);
			store_mem_set_automatic(world.store, true);
			world_step(&world);
		}
		assert_true(world_answered(&world, request));
		assert_true(refused_commit ? request->err == E_STORE_FULL : request->ops[0].result.err == E_CANCELLED);
		request_drop(request);
		world_pass(&world, 2000);
		assert_int_equal(get(&world, "k").pending, before.pending);
		assert_int_equal(get(&world, "k").next_us, before.next_us);
		assert_int_equal(world_state(&world, before.pending), JOB_DELAYED);
		assert_int_equal(chain_op(&world, OP_CHAIN_GET, "fresh", NULL), E_CHAIN_NOT_FOUND);
	}
	world_crash(&world);
	assert_int_equal(get(&world, "k").pending, before.pending);
	world_close(&world);
}

static void memory_may_run_out_anywhere(void **state)
{
	const enum op_kind kinds[] = { OP_CHAIN_PUT, OP_CHAIN_PUT, OP_CLAIM, OP_CHAIN_DELETE };
	(void)state;
	for (size_t what = 0; what < ARRAY_COUNT(kinds); what++) {
		for (uint64_t nth = 1;; nth++) {
			struct world world;
			world_open(&world);
			struct chain_info before = put(&world, "k", MINUTELY, "{\"retry\":{\"delay_ms\":5}}");
			struct request *request = kinds[what] == OP_CLAIM ? claim_request(&world, "q", 1, 0)
								      : put_request(&world, what ? "k" : "other", "{\"every_ms\":5}", "{}");
			request->ops[0].kind = kinds[what];
			engine_push(world.engine, request);
			bool failed = world_starve(&world, nth, MEM_FAIL_ONE);
			for (int i = 0; i < 3 && !world_answered(&world, request); i++)
				world_step(&world);
			bool refused = request->err == E_NOMEM || request->ops[0].result.err == E_NOMEM;
			request_drop(request);
			if (refused)
				assert_int_equal(get(&world, "k").pending, before.pending);
			else
				assert_int_equal(chain_op(&world, OP_CHAIN_GET, "k", NULL), kinds[what] == OP_CHAIN_DELETE ? E_CHAIN_NOT_FOUND : E_OK);
			world_close(&world);
			if (!failed)
				break;
		}
	}
}

static void a_list_comes_in_pages(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	const char *keys[] = { "c", "a", "b" };
	for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
		put(&world, keys[i], MINUTELY, "{}");
	struct request *request = request_new(&world, 2);
	for (int i = 0; i < 2; i++)
		request->ops[i] = (struct op){ .kind = OP_CHAINS, .chain = { .queue.name = STR("q"), .limit = 2, .after = i ? STR("b") : STR("") } };
	assert_ptr_equal(world_ask(&world, request), request);
	const struct op_result *first = &request->ops[0].result, *second = &request->ops[1].result;
	assert_int_equal(first->count, 2);
	assert_true(first->more);
	assert_true(str_eq(first->chains[0].key, STR("a")) && str_eq(first->chains[1].key, STR("b")));
	assert_int_equal(second->count, 1);
	assert_false(second->more);
	assert_true(str_eq(second->chains[0].key, STR("c")));
	request_drop(request);
	world_close(&world);
}

/* A repeat changes nothing, and tells what was changed; what it looks at besides is looked at now. */
static void a_repeat_reads_anew(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	put(&world, "k", MINUTELY, "{}");
	for (int i = 0; i < 2; i++) {
		struct request *request = request_new(&world, 4);
		struct op_chain chain = { .queue.name = STR("q"), .key = STR("k") }, none = { .queue.name = STR("q"), .key = STR("none") };
		request->idempotency_key = STR("1:abc");
		request->request_hash = 7;
		enqueue_op(&world, &request->ops[0], "q", "");
		request->ops[1] = (struct op){ .kind = OP_CHAIN_GET, .chain = chain };
		request->ops[2] = (struct op){ .kind = OP_QUEUE_GET, .queue.queue.name = STR("q") };
		request->ops[3] = (struct op){ .kind = OP_CHAIN_GET, .chain = none };
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->replayed, i);
		assert_non_null(request->ops[1].result.chains);
		assert_int_equal(request->ops[1].result.chains->count, i + 1);
		assert_non_null(request->ops[2].result.queues);
		assert_int_equal(request->ops[3].result.err, E_CHAIN_NOT_FOUND);
		request_drop(request);
		uint64_t uids[2];
		if (i == 0)
			assert_int_equal(world_claim(&world, "q", 2, uids), 2);
	}
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_is_made_when_one_is_claimed),
		cmocka_unit_test(missed_times_are_one_late_run),
		cmocka_unit_test(a_restart_goes_on),
		cmocka_unit_test(the_pending_one_stays),
		cmocka_unit_test(a_limit_ends_it),
		cmocka_unit_test(an_end_ends_it),
		cmocka_unit_test(a_put_replaces_what_waits),
		cmocka_unit_test(deleting_takes_the_pending_one_along),
		cmocka_unit_test(one_that_expires_is_followed),
		cmocka_unit_test(a_pattern_goes_by_its_zone),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(what_is_undone_leaves_the_chain_as_it_was),
		cmocka_unit_test(memory_may_run_out_anywhere),
		cmocka_unit_test(a_list_comes_in_pages),
		cmocka_unit_test(a_repeat_reads_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
