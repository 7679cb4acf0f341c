/* src/engine/gap_test.c: which Idempotency-Keys are looked up on disk, and that none is forgotten for not being looked up. */
#include "engine/test_world.h"

#define MANY_KEYS 2048 /* as many as are noted at a time */

static enum err (*real_load)(struct store *store, struct load *load, struct arena *arena);
static struct store_verbs counting;
static uint32_t looks, asked_for_gaps; /* of keys */

static enum err counting_load(struct store *store, struct load *load, struct arena *arena)
{
	looks += load->idempotency_count;
	asked_for_gaps += load->gaps_wanted;
	return real_load(store, load, arena);
}

static void count_looks(struct world *world)
{
	counting = *world->store->verbs;
	real_load = counting.load;
	counting.load = counting_load;
	world->store->verbs = &counting;
	looks = asked_for_gaps = 0;
}

static struct request *keyed(struct world *world, const char *format, uint64_t number)
{
	struct request *request = enqueue_request(world, "q", "", "");
	request->idempotency_key = str_of(arena_printf(&request->arena, format, (unsigned long long)number));
	request->request_hash = 7;
	return request;
}

static uint64_t ask_keyed(struct world *world, const char *format, uint64_t number, bool replayed)
{
	struct request *request = keyed(world, format, number);
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->err, E_OK);
	assert_int_equal(request->replayed, replayed);
	uint64_t uid = request->ops[0].result.uid;
	request_drop(request);
	return uid;
}

static void ask_keyed_in_vain(struct world *world, const char *format, uint64_t number, enum settle how, enum err err)
{
	world_manual(world, true);
	struct request *request = keyed(world, format, number);
	world_push(world, request);
	world_settle(world, how);
	world_manual(world, false);
	world_step(world);
	assert_true(world_answered(world, request));
	assert_int_equal(request->err, err);
	request_drop(request);
}

static void keys_that_grow_are_looked_up_once(void **state)
{
	struct world world;
	uint64_t uids[20];
	(void)state;
	world_open(&world);
	ask_keyed(&world, "1:a-foreign-%llu", 1, false);
	ask_keyed(&world, "1:z-foreign-%llu", 1, false);
	world_crash(&world);
	count_looks(&world);
	for (uint64_t i = 0; i < 20; i++)
		uids[i] = ask_keyed(&world, "1:m%010llu", i, false);
	assert_int_equal(looks, 1);
	assert_true(ask_keyed(&world, "1:m%010llu", 5, true) == uids[5]);
	assert_true(ask_keyed(&world, "1:m%010llu", 19, true) == uids[19]);
	assert_int_equal(looks, 3);
	ask_keyed(&world, "1:z-foreign-%llu", 1, true);
	ask_keyed(&world, "2:m%010llu", 5, false); /* another token's key of the same words */
	world_crash(&world);
	assert_true(ask_keyed(&world, "1:m%010llu", 5, true) == uids[5]);
	world_close(&world);
}

/* A key that is in flight when the gap around it is read, and committed by the time of its repeat. */
static void keys_in_flight_are_in_no_gap(void **state)
{
	struct world world;
	struct request *requests[MANY_KEYS];
	(void)state;
	world_open(&world);
	for (uint64_t i = 0; i < MANY_KEYS; i++) {
		requests[i] = keyed(&world, "1:m%010llu", i);
		engine_push(world.engine, requests[i]);
	}
	world_step(&world);
	for (uint64_t i = 0; i < MANY_KEYS; i++) {
		assert_true(world_answered(&world, requests[i]));
		request_drop(requests[i]);
	}
	count_looks(&world);
	world_manual(&world, true);
	struct request *first = keyed(&world, "1:m%010llu", MANY_KEYS), *repeat = keyed(&world, "1:m%010llu", MANY_KEYS);
	world_push(&world, first); /* no room to note it: no gap is known any more */
	assert_int_equal(looks, 0);
	struct request *next = keyed(&world, "1:m%010llu", MANY_KEYS + 1);
	world_push(&world, next); /* a gap is learned, by what is committed */
	assert_int_equal(looks, 1);
	world_manual(&world, false);
	world_step(&world);
	assert_true(world_answered(&world, first));
	assert_true(world_answered(&world, next));
	assert_ptr_equal(world_ask(&world, repeat), repeat);
	assert_true(repeat->replayed);
	assert_true(repeat->ops[0].result.uid == first->ops[0].result.uid);
	assert_int_equal(looks, 2);
	ask_keyed(&world, "1:m%010llu", MANY_KEYS + 2, false);
	assert_int_equal(looks, 2);
	request_drop(first);
	request_drop(repeat);
	request_drop(next);
	world_close(&world);
}

static void a_refused_commit_leaves_its_key_free(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	ask_keyed(&world, "1:m%010llu", 1, false);
	ask_keyed_in_vain(&world, "1:m%010llu", 2, SETTLE_REFUSE, E_STORE_FULL);
	world_pass(&world, 2000);
	ask_keyed(&world, "1:m%010llu", 2, false);
	ask_keyed(&world, "1:m%010llu", 2, true);
	world_close(&world);
}

/* It may be on disk or not: the gaps that were known may hold it. */
static void after_an_unknown_outcome_no_gap_is_known(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	ask_keyed(&world, "1:m%010llu", 1, false);
	ask_keyed_in_vain(&world, "1:m%010llu", 2, SETTLE_APPLY_UNKNOWN, E_OUTCOME_UNKNOWN);
	count_looks(&world);
	ask_keyed(&world, "1:m%010llu", 2, true);
	ask_keyed(&world, "1:m%010llu", 3, false);
	ask_keyed(&world, "1:m%010llu", 4, false);
	assert_int_equal(looks, 2);
	world_close(&world);
}

static void an_expired_key_is_new(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t uid = ask_keyed(&world, "1:m%010llu", 1, false);
	world_pass(&world, world.config.idempotency_age_ms + 2000);
	world_enqueue(&world, "q", ""); /* a commit, which takes it along */
	world_pass(&world, 2000);
	assert_true(ask_keyed(&world, "1:m%010llu", 1, false) != uid);
	ask_keyed(&world, "1:m%010llu", 1, true);
	world_close(&world);
}

/* Gaps between keys in no order are narrow: they are not asked for again and again. */
static void keys_in_no_order_ask_for_few_gaps(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	for (uint64_t i = 0; i < 500; i++)
		ask_keyed(&world, "1:%016llx", map_mix(i + 1), false);
	world_crash(&world);
	count_looks(&world);
	for (uint64_t i = 500; i < 700; i++)
		ask_keyed(&world, "1:%016llx", map_mix(i + 1), false);
	assert_in_range(looks, 180, 200);
	assert_in_range(asked_for_gaps, 1, 60);
	for (uint64_t i = 0; i < 700; i += 50)
		ask_keyed(&world, "1:%016llx", map_mix(i + 1), true);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_that_grow_are_looked_up_once),
		cmocka_unit_test(keys_in_flight_are_in_no_gap),
		cmocka_unit_test(a_refused_commit_leaves_its_key_free),
		cmocka_unit_test(after_an_unknown_outcome_no_gap_is_known),
		cmocka_unit_test(an_expired_key_is_new),
		cmocka_unit_test(keys_in_no_order_ask_for_few_gaps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
