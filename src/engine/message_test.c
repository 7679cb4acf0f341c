/* src/engine/message_test.c: messages: who gets them, keys, all or none, slices, restarts, and memory that runs out. */
#include "engine/test_world.h"

static void endpoint_put(struct world *world, const char *name, const char *text)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_NAMED_PUT;
	request->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = str_of(name), .text = str_of(text), .replace = true };
	assert_int_equal(world_err(world, request), E_OK);
}

static struct op *message_op(struct world *world, struct op *op, const char *type, const char *payload)
{
	op->kind = OP_MESSAGE;
	op->message = (struct op_message){ .uid = uid_next(&world->maker, world->wall_us), .type = str_of(type), .payload = str_of(payload) };
	return op;
}

static struct request *message_request(struct world *world, const char *type, const char *payload)
{
	struct request *request = request_new(world, 1);
	message_op(world, request->ops, type, payload);
	return request;
}

static struct op_result send(struct world *world, struct request *request)
{
	assert_ptr_equal(world_ask(world, request), request);
	struct op_result result = request->ops[0].result;
	request_drop(request);
	return result;
}

static uint64_t live_jobs(const struct world *world)
{
	struct engine_stats stats;
	engine_stats(world->engine, &stats);
	return stats.live_jobs;
}

/* ---- who gets it ---- */

static void types_channels_and_filters_decide(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "all", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	endpoint_put(&world, "fiches", "{\"url\":\"https://b/\",\"types\":[\"fiche.*\"]}");
	endpoint_put(&world, "paris", "{\"url\":\"https://c/\",\"types\":[\"*\"],\"channels\":[\"paris\"]}");
	endpoint_put(&world, "rich", "{\"url\":\"https://d/\",\"types\":[\"*\"],\"filter\":{\"budget\":{\"$gte\":1000}}}");
	endpoint_put(&world, "nothing", "{\"url\":\"https://e/\"}");
	struct op_result result = send(&world, message_request(&world, "note.made", "{\"budget\":5}"));
	assert_int_equal(result.err, E_OK);
	assert_int_equal(result.units, 2); /* all; paris: no channel is every channel */
	assert_int_equal(result.count, 2);
	assert_false(result.more);
	struct request *request = message_request(&world, "fiche.made", "{\"budget\":1000}");
	request->ops[0].message.channels = STR("[\"lyon\"]");
	result = send(&world, request);
	assert_int_equal(result.units, 3); /* all, fiches, rich */
	request = message_request(&world, "note", "{}");
	request->ops[0].message.only = STR("fiches");
	assert_int_equal(send(&world, request).units, 1);
	request = message_request(&world, "note", "{}");
	request->ops[0].message.only = STR("nobody");
	assert_int_equal(send(&world, request).err, E_ENDPOINT_NOT_FOUND);
	request = message_request(&world, "fiche.made", "{\"budget\":1000}");
	request->ops[0].message.namespace_name = STR("elsewhere");
	result = send(&world, request);
	assert_int_equal(result.err, E_OK);
	assert_int_equal(result.count, 0);
	assert_int_equal(live_jobs(&world), 6);
	world_close(&world);
}

static void a_message_that_nobody_wants_is_refused_if_asked(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = message_request(&world, "a", "1");
	request->ops[0].message.require_match = true;
	assert_int_equal(send(&world, request).err, E_NO_ENDPOINT);
	assert_int_equal(send(&world, message_request(&world, "endpoint.failing", "1")).err, E_INVALID);
	assert_int_equal(send(&world, message_request(&world, "a b", "1")).err, E_INVALID);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"a\"]}");
	request = message_request(&world, "a", "1");
	request->ops[0].message.require_match = true;
	assert_int_equal(send(&world, request).units, 1);
	world_close(&world);
}

static void an_endpoint_made_later_does_not_get_it(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	send(&world, message_request(&world, "a", "1"));
	endpoint_put(&world, "late", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	world_pass(&world, 1000);
	assert_int_equal(live_jobs(&world), 0);
	world_close(&world);
}

/* ---- keys, all or none ---- */

static void a_key_answers_the_first_message(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	struct request *request = request_new(&world, 3);
	for (uint32_t i = 0; i < 3; i++)
		message_op(&world, &request->ops[i], "a", "1")->message.key = i < 2 ? STR("k") : STR("other");
	assert_ptr_equal(world_ask(&world, request), request);
	uint64_t first = request->ops[0].result.uid;
	assert_false(request->ops[0].result.duplicate);
	assert_true(request->ops[1].result.duplicate); /* in flight */
	assert_int_equal(request->ops[1].result.uid, first);
	assert_false(request->ops[2].result.duplicate);
	request_drop(request);
	world_crash(&world);
	request = message_request(&world, "a", "1");
	request->ops[0].message.key = STR("k");
	struct op_result result = send(&world, request); /* on disk */
	assert_true(result.duplicate);
	assert_int_equal(result.uid, first);
	assert_int_equal(live_jobs(&world), 2);
	request = message_request(&world, "a", "1");
	request->ops[0].message.key = STR("k");
	request->ops[0].message.namespace_name = STR("elsewhere");
	assert_false(send(&world, request).duplicate);
	world_close(&world);
}

static void an_atomic_request_sends_all_or_none(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"a\"]}");
	struct request *request = request_new(&world, 2);
	request->atomic = true;
	message_op(&world, &request->ops[0], "a", "1")->message.key = STR("k");
	message_op(&world, &request->ops[1], "b", "1")->message.require_match = true;
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_CANCELLED);
	assert_int_equal(request->ops[1].result.err, E_NO_ENDPOINT);
	request_drop(request);
	assert_int_equal(live_jobs(&world), 0);
	request = message_request(&world, "a", "1");
	request->ops[0].message.key = STR("k");
	assert_false(send(&world, request).duplicate);
	world_close(&world);
}

static void a_repeat_with_the_same_idempotency_key_hears_the_same(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	struct op_result results[2];
	for (int i = 0; i < 2; i++) {
		struct request *request = message_request(&world, "a", "1");
		request->idempotency_key = STR("1:abc");
		results[i] = send(&world, request);
	}
	assert_int_equal(results[0].uid, results[1].uid);
	assert_int_equal(results[1].count, 1);
	assert_int_equal(results[1].units, 1);
	assert_int_equal(live_jobs(&world), 1);
	world_close(&world);
}

/* ---- many endpoints ---- */

#define MANY 900

static void many_endpoints(struct world *world)
{
	char names[MANY][16];
	world_open(world);
	struct request *request = request_new(world, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "e%u", i);
		request->ops[i].kind = OP_NAMED_PUT;
		request->ops[i].named = (struct op_named){
			.kind = NAMED_ENDPOINT, .named.name = arena_str(&request->arena, str_of(names[i])), .replace = true,
			.text = i % 2 ? STR("{\"url\":\"https://a/\",\"types\":[\"*\"],\"filter\":{\"n\":1}}") : STR("{\"url\":\"https://a/\",\"types\":[\"*\"]}"),
		};
	}
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[MANY - 1].result.err, E_OK);
	request_drop(request);
}

static void more_than_fits_at_once_is_made_in_slices(void **state)
{
	struct world world;
	(void)state;
	many_endpoints(&world);
	world_manual(&world, true);
	struct request *request = message_request(&world, "a", "{\"n\":1}");
	world_push(&world, request);
	world_settle(&world, SETTLE_APPLY);
	assert_true(world_answered(&world, request));
	const struct op_result *result = &request->ops[0].result;
	assert_int_equal(result->units, EXPAND_INLINE);
	assert_int_equal(result->count, MANY);
	assert_true(result->more);
	request_drop(request);
	world_settle(&world, SETTLE_REFUSE); /* a slice is lost, and made again */
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_int_equal(live_jobs(&world), MANY);
	assert_int_equal(world.engine->index.expansions.live, 0);
	assert_int_equal(send(&world, message_request(&world, "a", "{\"n\":2}")).count, EXPAND_INLINE + MANY - (2 * EXPAND_INLINE - 1)); /* behind the last one that it went to, filters aside */
	world_pass(&world, 2000);
	assert_int_equal(live_jobs(&world), MANY + MANY / 2);
	world_close(&world);
}

static void slices_go_on_after_a_crash(void **state)
{
	(void)state;
	for (int settled = 0; settled < 3; settled++) {
		struct world world;
		many_endpoints(&world);
		world_manual(&world, true);
		struct request *request = message_request(&world, "a", "{\"n\":1}");
		world_push(&world, request);
		for (int i = 0; i <= settled && store_mem_in_flight(world.store); i++)
			world_settle(&world, SETTLE_APPLY);
		assert_true(world_answered(&world, request));
		request_drop(request);
		world_crash(&world);
		world_manual(&world, false);
		world_pass(&world, 2000);
		assert_int_equal(live_jobs(&world), MANY);
		world_crash(&world);
		assert_int_equal(live_jobs(&world), MANY);
		assert_int_equal(world.engine->index.expansions.live, 0);
		world_close(&world);
	}
}

static void a_large_payload_is_looked_at_by_filters(void **state)
{
	struct world world;
	static char payload[LIMIT_PAYLOAD_INLINE + 1000];
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"],\"filter\":{\"n\":1}}");
	endpoint_put(&world, "y", "{\"url\":\"https://a/\",\"types\":[\"*\"],\"filter\":{\"n\":2}}");
	memset(payload, ' ', sizeof(payload) - 1);
	memcpy(payload, "{\"n\":1}", 7);
	struct op_result result = send(&world, message_request(&world, "a", payload));
	assert_int_equal(result.err, E_OK);
	assert_true(result.more);
	world_pass(&world, 1000);
	assert_int_equal(live_jobs(&world), 1);
	world_close(&world);
}

/* ---- kept, forgotten ---- */

static struct message_row stored(struct world *world, uint64_t uid) /* uid 0: it is not there. Of its texts only the length counts */
{
	struct load load = { .messages = &uid, .message_count = 1 };
	struct arena arena = { 0 };
	assert_int_equal(world->store->verbs->load(world->store, &load, &arena), E_OK);
	struct message_row row = load.message_rows[0];
	arena_fini(&arena);
	return row;
}

static void old_messages_go_unless_a_job_names_them(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world.engine->config.message_age_ms = 60000;
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"a\"]}");
	uint64_t wanted = send(&world, message_request(&world, "a", "1")).uid, unwanted = send(&world, message_request(&world, "b", "1")).uid;
	world_pass(&world, 50000);
	world.wall_us += INT64_C(90000000000); /* the wall clock jumps ahead */
	world_pass(&world, 5000);
	assert_int_equal(stored(&world, unwanted).uid, unwanted);
	for (int i = 0; i < 10; i++)
		world_pass(&world, 2000);
	assert_int_equal(stored(&world, unwanted).uid, 0);
	assert_int_equal(stored(&world, wanted).uid, wanted);
	struct request *request = request_new(&world, 1);
	request->ops[0].kind = OP_DELETE;
	for (const struct effect *effect = world.effects; effect; effect = effect->next)
		if (effect->kind == EFFECT_DELIVER)
			request->ops[0].job = (struct op_job){ .uid = effect->uid, .force = true };
	assert_int_equal(world_err(&world, request), E_OK);
	for (int i = 0; i < 10; i++)
		world_pass(&world, 2000);
	assert_int_equal(stored(&world, wanted).uid, 0);
	world_close(&world);
}

static enum err expunge(struct world *world, uint64_t uid)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_MESSAGE_EXPUNGE;
	request->ops[0].resend.message = uid;
	return world_err(world, request);
}

static void expunged_content_is_gone_and_goes_nowhere(void **state)
{
	struct world world;
	(void)state;
	many_endpoints(&world);
	world.engine->expand_pause_us = INT64_MAX; /* no slices before the restart */
	uint64_t uid = send(&world, message_request(&world, "a", "{\"n\":1}")).uid;
	assert_int_equal(expunge(&world, uid), E_OK);
	assert_int_equal(stored(&world, uid).payload.len, 0);
	assert_true(stored(&world, uid).flags & MESSAGE_EXPUNGED);
	uint64_t made = live_jobs(&world);
	assert_int_equal(made, EXPAND_INLINE);
	world_crash(&world);
	world_pass(&world, 3000);
	assert_int_equal(live_jobs(&world), made);
	assert_int_equal(stored(&world, uid).deliveries, made);
	assert_int_equal(expunge(&world, uid), E_OK);
	assert_int_equal(expunge(&world, 77), E_MESSAGE_NOT_FOUND);
	world_close(&world);
}

/* What an endpoint was told of an entity is remembered at its success, and forgotten with the endpoint. */
static void entities_come_with_successes_and_go_with_the_endpoint(void **state)
{
	struct world world;
	struct answer answer;
	struct arena arena = { 0 };
	struct reader *reader;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"a\"]}");
	send(&world, message_request(&world, "a", "1"));
	const struct effect *effect = world.effects;
	while (effect->kind != EFFECT_DELIVER)
		effect = effect->next;
	const struct op_hook hook = { .endpoint = 1, .blame = BLAME_WELL, .entity = STR("e"), .external_id = STR("17"), .message = 5 };
	struct request *request = request_new(&world, 1);
	request->ops[0].kind = OP_COMPLETE;
	request->ops[0].lease = (struct op_lease){ .uid = effect->uid, .token = DELIVERY_TOKEN, .body = STR("1"), .hook = &hook };
	assert_int_equal(world_err(&world, request), E_OK);
	const struct query query = { .kind = QUERY_ENTITIES, .endpoint = 1, .limit = 10 };
	assert_int_equal(world.store->verbs->reader_open(world.store, &reader), E_OK);
	answer = (struct answer){ 0 };
	assert_int_equal(reader_run(reader, &query, &arena, &answer), E_OK);
	assert_int_equal(answer.entity_count, 1);
	assert_true(str_eq(answer.entities[0].external_id, STR("17")));
	request = request_new(&world, 1);
	request->ops[0].kind = OP_NAMED_DELETE;
	request->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = STR("x") };
	assert_int_equal(world_err(&world, request), E_OK);
	for (int i = 0; i < 3; i++)
		world_pass(&world, 2000);
	answer = (struct answer){ 0 };
	assert_int_equal(reader_run(reader, &query, &arena, &answer), E_OK);
	assert_int_equal(answer.entity_count, 0);
	reader_close(reader);
	arena_fini(&arena);
	world_close(&world);
}

/* ---- undone ---- */

static void memory_runs_out(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct world world;
		world_open(&world);
		endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"],\"filter\":{\"n\":1}}");
		endpoint_put(&world, "y", "{\"url\":\"https://a/\",\"types\":[\"*\"],\"hold_max\":1}");
		struct request *request = message_request(&world, "a", "{\"n\":1}");
		request->ops[0].message.key = STR("k");
		request->ops[0].message.channels = STR("[\"c\"]");
		request->ops[0].message.entity = STR("e");
		engine_push(world.engine, request);
		bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
		world_step(&world);
		world_pass(&world, 3000);
		assert_true(world_answered(&world, request));
		bool done = !request->err && request->ops[0].result.err == E_OK;
		request_drop(request);
		assert_int_equal(live_jobs(&world), done ? 2 : 0);
		request = message_request(&world, "a", "{\"n\":1}");
		request->ops[0].message.key = STR("k");
		assert_int_equal(send(&world, request).duplicate, done);
		world_close(&world);
		if (!starved)
			break;
		assert_true(nth < 5000);
	}
}

static void memory_runs_out_in_a_slice(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth < 4000; nth += nth < 60 ? 1 : 97) {
		struct world world;
		many_endpoints(&world);
		world_manual(&world, true);
		struct request *request = message_request(&world, "a", "{\"n\":1}");
		world_push(&world, request);
		store_mem_settle(world.store, 1, SETTLE_APPLY);
		world_manual(&world, false);
		bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
		world_pass(&world, 3000);
		world_pass(&world, 3000);
		assert_true(world_answered(&world, request));
		request_drop(request);
		assert_int_equal(live_jobs(&world), MANY);
		world_close(&world);
		if (!starved)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_channels_and_filters_decide),
		cmocka_unit_test(a_message_that_nobody_wants_is_refused_if_asked),
		cmocka_unit_test(an_endpoint_made_later_does_not_get_it),
		cmocka_unit_test(a_key_answers_the_first_message),
		cmocka_unit_test(an_atomic_request_sends_all_or_none),
		cmocka_unit_test(a_repeat_with_the_same_idempotency_key_hears_the_same),
		cmocka_unit_test(more_than_fits_at_once_is_made_in_slices),
		cmocka_unit_test(slices_go_on_after_a_crash),
		cmocka_unit_test(a_large_payload_is_looked_at_by_filters),
		cmocka_unit_test(old_messages_go_unless_a_job_names_them),
		cmocka_unit_test(expunged_content_is_gone_and_goes_nowhere),
		cmocka_unit_test(entities_come_with_successes_and_go_with_the_endpoint),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(memory_runs_out_in_a_slice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
