/* src/engine/recovery_test.c: what is sent again: one message to one endpoint, and tests of endpoints. */
#include "engine/test_world.h"

static void endpoint_put(struct world *world, const char *name, const char *text)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_NAMED_PUT;
	request->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = str_of(name), .text = str_of(text), .replace = true };
	assert_int_equal(world_err(world, request), E_OK);
}

static enum err endpoint_op(struct world *world, const char *name, enum op_kind kind, enum named_state state)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = str_of(name), .state = state };
	return world_err(world, request);
}

static struct request *message_request(struct world *world, const char *type)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_MESSAGE;
	request->ops[0].message = (struct op_message){ .uid = uid_next(&world->maker, world->wall_us), .type = str_of(type), .payload = STR("1") };
	return request;
}

static struct op_result answer(struct world *world, struct request *request)
{
	assert_ptr_equal(world_ask(world, request), request);
	struct op_result result = request->ops[0].result;
	request_drop(request);
	return result;
}

static uint64_t send(struct world *world, const char *type)
{
	struct op_result result = answer(world, message_request(world, type));
	assert_int_equal(result.err, E_OK);
	return result.uid;
}

static struct request *resend_request(struct world *world, uint64_t message, const char *endpoint)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_RESEND;
	request->ops[0].resend = (struct op_resend){ .message = message, .endpoint = str_of(endpoint) };
	return request;
}

static uint64_t live_jobs(const struct world *world)
{
	struct engine_stats stats;
	engine_stats(world->engine, &stats);
	return stats.live_jobs;
}

/* Of all deliveries that are to be called now, the call fails or succeeds. */
static uint32_t end_calls(struct world *world, enum op_kind kind)
{
	uint32_t count = 0;
	for (const struct effect *effect = world->effects; effect; effect = effect->next) {
		if (effect->kind != EFFECT_DELIVER || world_state(world, effect->uid) != JOB_ACTIVE)
			continue;
		count++;
		assert_int_equal(world_lease(world, kind, effect->uid, "ruche-delivery", VERDICT_FINAL, 0), E_OK);
	}
	return count;
}

static void a_delivery_that_ended_goes_again(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	uint64_t message = send(&world, "a");
	assert_int_equal(answer(&world, resend_request(&world, message, "x")).err, E_STATE); /* it is on its way */
	assert_int_equal(end_calls(&world, OP_FAIL), 1);
	struct op_result first = answer(&world, resend_request(&world, message, "x"));
	assert_int_equal(first.err, E_OK);
	assert_int_equal(end_calls(&world, OP_COMPLETE), 1);
	world_crash(&world);
	struct op_result second = answer(&world, resend_request(&world, message, "x"));
	assert_int_equal(second.err, E_OK);
	assert_int_equal(second.uid, first.uid);
	assert_int_equal(live_jobs(&world), 1);
	assert_int_equal(answer(&world, resend_request(&world, message, "nobody")).err, E_ENDPOINT_NOT_FOUND);
	assert_int_equal(answer(&world, resend_request(&world, 77, "x")).err, E_MESSAGE_NOT_FOUND);
	world_close(&world);
}

static void two_that_ask_at_once_make_one(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t message = send(&world, "a");
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[]}");
	world_manual(&world, true);
	struct request *requests[3];
	for (int i = 0; i < 3; i++) { /* each in a change-set of its own, none of which is on disk */
		requests[i] = resend_request(&world, message, "x");
		world_push(&world, requests[i]);
	}
	world_manual(&world, false);
	world_pass(&world, 1000);
	uint32_t made = 0;
	for (int i = 0; i < 3; i++) {
		assert_true(world_answered(&world, requests[i]));
		made += requests[i]->ops[0].result.err == E_OK;
		assert_true(requests[i]->ops[0].result.err == E_OK || requests[i]->ops[0].result.err == E_STATE);
		request_drop(requests[i]);
	}
	assert_int_equal(made, 1);
	assert_int_equal(live_jobs(&world), 1);
	world_close(&world);
}

/* What was sent to one that is gone was not sent to the one that has its name now; what is still on its way goes there, though. */
static void a_new_endpoint_of_an_old_name_begins_from_nothing(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	uint64_t sent = send(&world, "a");
	assert_int_equal(end_calls(&world, OP_COMPLETE), 1);
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_STATE, NAMED_PAUSED), E_OK);
	uint64_t held = send(&world, "a");
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_DELETE, NAMED_ENABLED), E_OK);
	world_pass(&world, 1000);
	end_calls(&world, OP_FAIL); /* of the held one: there is nobody to call */
	uint64_t jobs = live_jobs(&world);
	assert_int_equal(jobs, 0);
	endpoint_put(&world, "x", "{\"url\":\"https://b/\",\"types\":[\"*\"]}");
	struct op_result one = answer(&world, resend_request(&world, sent, "x")), other = answer(&world, resend_request(&world, held, "x"));
	assert_int_equal(one.err, E_OK);
	assert_int_equal(other.err, E_OK);
	assert_int_equal(live_jobs(&world), 2);
	assert_int_equal(answer(&world, resend_request(&world, sent, "x")).err, E_STATE);
	assert_int_equal(end_calls(&world, OP_COMPLETE), 2);
	assert_int_equal(answer(&world, resend_request(&world, sent, "x")).uid, one.uid); /* its own, now */
	world_close(&world);
}

static void a_message_on_its_way_is_left_to_its_expansion(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"],\"hold_max\":0}");
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_STATE, NAMED_PAUSED), E_OK);
	world.engine->expand_pause_us = INT64_MAX; /* no slices for now */
	struct request *request = request_new(&world, EXPAND_INLINE + 1);
	uint64_t last = 0;
	for (uint32_t i = 0; i <= EXPAND_INLINE; i++) {
		request->ops[i].kind = OP_MESSAGE;
		last = uid_next(&world.maker, world.wall_us);
		request->ops[i].message = (struct op_message){ .uid = last, .type = STR("a"), .payload = STR("1") };
	}
	assert_ptr_equal(world_ask(&world, request), request);
	assert_true(request->ops[EXPAND_INLINE].result.more);
	request_drop(request);
	assert_int_equal(answer(&world, resend_request(&world, last, "x")).err, E_STATE);
	endpoint_put(&world, "late", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	assert_int_equal(answer(&world, resend_request(&world, last, "late")).err, E_OK); /* the expansion passes it over */
	world.engine->expand_pause_us = 0;
	world_pass(&world, 2000);
	assert_int_equal(live_jobs(&world), EXPAND_INLINE + 2);
	world_close(&world);
}

static void a_test_is_tried_once(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[]}");
	struct request *request = message_request(&world, "endpoint.test");
	request->ops[0].message.only = STR("x");
	request->ops[0].message.flags = MESSAGE_TEST;
	struct op_result result = answer(&world, request);
	assert_int_equal(result.err, E_OK);
	assert_int_equal(world_state(&world, result.next), JOB_ACTIVE);
	assert_int_equal(world_lease(&world, OP_FAIL, result.next, "ruche-delivery", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_state(&world, result.next), JOB_FAILED);
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_STATE, NAMED_DISABLED), E_OK);
	request = message_request(&world, "endpoint.test");
	request->ops[0].message.only = STR("x");
	request->ops[0].message.flags = MESSAGE_TEST;
	assert_int_equal(answer(&world, request).err, E_STATE); /* it would be held */
	world_close(&world);
}

static void memory_runs_out(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct world world;
		world_open(&world);
		uint64_t message = send(&world, "a");
		endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
		struct request *request = resend_request(&world, message, "x");
		engine_push(world.engine, request);
		bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
		world_pass(&world, 3000);
		assert_true(world_answered(&world, request));
		bool done = !request->err && request->ops[0].result.err == E_OK;
		request_drop(request);
		assert_int_equal(live_jobs(&world), done);
		assert_int_equal(answer(&world, resend_request(&world, message, "x")).err, done ? E_STATE : E_OK);
		world_close(&world);
		if (!starved)
			break;
		assert_true(nth < 5000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_delivery_that_ended_goes_again),
		cmocka_unit_test(two_that_ask_at_once_make_one),
		cmocka_unit_test(a_new_endpoint_of_an_old_name_begins_from_nothing),
		cmocka_unit_test(a_message_on_its_way_is_left_to_its_expansion),
		cmocka_unit_test(a_test_is_tried_once),
		cmocka_unit_test(memory_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
