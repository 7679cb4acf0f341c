/* src/engine/recovery_test.c: what is sent again: one message to one endpoint, tests of endpoints, and what an endpoint missed. */
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
	uint64_t sent = send(&world, "a"), before = 0;
	assert_int_equal(end_calls(&world, OP_COMPLETE), 1);
	for (const struct effect *effect = world.effects; effect; effect = effect->next)
		before = effect->kind == EFFECT_DELIVER ? effect->uid : before;
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
	assert_int_not_equal(one.uid, before);
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

/* ---- replay ---- */

static struct op_operation replay_op(struct world *world, const char *endpoint, const struct replay *replay)
{
	return (struct op_operation){ .number = uid_next(&world->maker, world->wall_us), .action = OP_RESEND, .replay = replay,
		                      .endpoint.name = str_of(endpoint) };
}

static uint64_t replay_start(struct world *world, const char *endpoint, const struct replay *replay)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_OPERATION_START;
	request->ops[0].operation = replay_op(world, endpoint, replay);
	uint64_t number = request->ops[0].operation.number;
	assert_int_equal(world_err(world, request), E_OK);
	return number;
}

/* As the daemon's runner does, `limit` messages a slice. False: it has ended before. */
static bool replay_step(struct world *world, uint64_t number, const char *endpoint, uint32_t limit, enum err *out_err, struct operation_row *out)
{
	struct arena arena = { 0 };
	struct answer rows = { 0 }, page = { 0 };
	struct reader *reader;
	struct problem problem;
	struct json json;
	struct replay replay;
	assert_int_equal(world->store->verbs->reader_open(world->store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &(struct query){ .kind = QUERY_OPERATIONS, .limit = 100 }, &arena, &rows), E_OK);
	const struct operation_row *row = NULL;
	for (uint32_t i = 0; i < rows.operation_count; i++)
		if (!row && (!number || rows.operations[i].number == number)) /* the newest, unless it is named */
			row = &rows.operations[i];
	assert_non_null(row);
	bool runs = row->state == OPERATION_RUNNING;
	*out = *row;
	if (runs) {
		assert_true(str_eq(row->action, STR("replay")));
		json_init(&json, row->arguments, &arena, &problem);
		assert_true(replay_read(&json, true, &replay) && json_finish(&json));
		assert_int_equal(reader_run(reader, &(struct query){ .kind = QUERY_REPLAY, .id = str_of(endpoint), .replay = &replay, .as_of = row->as_of, .limit = limit,
		                                                      .cursor_uid = row->cursor_uid, .cursor_phase = row->cursor_phase }, &arena, &page), E_OK);
		uint64_t *uids = ARENA_ARRAY(&arena, uint64_t, page.match_count + 1);
		for (uint32_t i = 0; i < page.match_count; i++)
			uids[i] = page.matches[i].uid;
		struct request *request = request_new(world, 1);
		request->ops[0].kind = OP_SLICE;
		request->ops[0].operation = (struct op_operation){ .number = row->number, .action = OP_RESEND, .replay = &replay, .uids = uids, .count = page.match_count,
			                                           .next_uid = page.next_uid, .next_phase = page.next_phase, .last = page.next_phase == 2 };
		*out_err = world_err(world, request);
	}
	reader_close(reader);
	arena_fini(&arena);
	return runs;
}

static struct operation_row work_off(struct world *world, uint64_t number, const char *endpoint)
{
	struct operation_row row;
	enum err err = E_OK;
	while (replay_step(world, number, endpoint, 2, &err, &row))
		assert_int_equal(err, E_OK);
	assert_int_equal(row.state, OPERATION_DONE);
	return row;
}

static uint64_t replays(struct world *world, const char *endpoint, enum replay_only only)
{
	return work_off(world, replay_start(world, endpoint, &(struct replay){ .since_us = 1, .only = only }), endpoint).done;
}

/* Delivered, and not kept: nobody is told of it again unless that is asked for. */
static void what_is_not_kept_is_not_missing(void **state)
{
	struct world world;
	struct load load = { .uid_count = 1 };
	struct arena arena = { 0 };
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"a\"]}");
	world_settings(&world, "webhooks", "{\"keep_completed\":\"none\"}");
	send(&world, "a");
	send(&world, "b");
	assert_int_equal(end_calls(&world, OP_COMPLETE), 1);
	world_crash(&world);
	assert_int_equal(replays(&world, "x", REPLAY_MISSING), 0);
	endpoint_put(&world, "y", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	assert_int_equal(replays(&world, "y", REPLAY_MISSING), 2); /* it came later: nothing was made for it */
	uint64_t uid = job_at(&world.engine->index, 0)->uid;
	load.uids = &uid;
	assert_int_equal(world.store->verbs->load(world.store, &load, &arena), E_OK);
	assert_true(str_eq(load.definitions[0].tags, STR(DELIVERY_AGAIN_TAGS)));
	arena_fini(&arena);
	assert_int_equal(replays(&world, "x", REPLAY_MISSING), 0);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	assert_int_equal(replays(&world, "x", REPLAY_MISSING), 1); /* what it wants since then; of that none had been made */
	assert_int_equal(replays(&world, "x", REPLAY_MISSING_OR_UNKNOWN), 1);
	world_close(&world);
}

static void one_that_came_later_gets_the_past(void **state)
{
	struct world world;
	enum err err;
	struct operation_row row;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 5; i++)
		send(&world, i % 2 ? "b" : "a");
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"a\"]}");
	uint64_t number = replay_start(&world, "x", &(struct replay){ .since_us = 1 });
	assert_true(replay_step(&world, number, "x", 2, &err, &row));
	assert_int_equal(err, E_OK);
	assert_int_equal(live_jobs(&world), 2);
	world_crash(&world); /* in between: the cursor and the deliveries are one commit */
	row = work_off(&world, number, "x");
	assert_int_equal(row.done, 3);
	assert_int_equal(row.skipped, 0);
	assert_int_equal(live_jobs(&world), 3);
	row = work_off(&world, replay_start(&world, "x", &(struct replay){ .since_us = 1, .only = REPLAY_ALL }), "x");
	assert_int_equal(row.done, 0); /* all are on their way */
	uint32_t failed = 0;
	for (uint32_t count = 1; count; failed += count)
		count = end_calls(&world, OP_FAIL);
	assert_int_equal(failed, 3);
	assert_int_equal(work_off(&world, replay_start(&world, "x", &(struct replay){ .since_us = 1 }), "x").done, 0);
	assert_int_equal(work_off(&world, replay_start(&world, "x", &(struct replay){ .since_us = 1, .only = REPLAY_FAILED }), "x").done, 3);
	struct request *request = request_new(&world, 1);
	request->ops[0].kind = OP_OPERATION_START;
	request->ops[0].operation = replay_op(&world, "nobody", &(struct replay){ .since_us = 1 });
	assert_int_equal(world_err(&world, request), E_ENDPOINT_NOT_FOUND);
	world_close(&world);
}

static void what_was_held_back_is_sent_at_resume(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"],\"hold_max\":2}");
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_STATE, NAMED_PAUSED), E_OK);
	for (int i = 0; i < 6; i++)
		send(&world, "a");
	assert_int_equal(live_jobs(&world), 2);
	/* In one batch: one more that is only counted, then the resume, whose replay is to know of it. */
	struct request *request = request_new(&world, 3);
	request->ops[0].kind = OP_MESSAGE;
	request->ops[0].message = (struct op_message){ .uid = uid_next(&world.maker, world.wall_us), .type = STR("a"), .payload = STR("1") };
	request->ops[1].kind = OP_NAMED_STATE;
	request->ops[1].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = STR("x"), .state = NAMED_ENABLED };
	request->ops[2].kind = OP_NAMED_STATE; /* and once more, before it has begun */
	request->ops[2].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = STR("x"), .state = NAMED_PAUSED };
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[1].result.nameds->health.unsent, 0);
	request_drop(request);
	struct operation_row row = work_off(&world, 0, "x");
	assert_int_equal(row.done, 0);
	assert_int_equal(row.skipped, 5); /* it holds as many as it may: the next resume begins with these */
	world_crash(&world);
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_STATE, NAMED_ENABLED), E_OK);
	row = work_off(&world, 0, "x");
	assert_int_equal(row.done, 5);
	assert_int_equal(live_jobs(&world), 7);
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_STATE, NAMED_PAUSED), E_OK);
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_STATE, NAMED_ENABLED), E_OK);
	assert_int_equal(work_off(&world, 0, "x").done, 5); /* the same row: nothing was unsent */
	world_close(&world);
}

/* What others were sent of it is gone by then: that says nothing of the one that was held. */
static void a_resume_makes_up_for_what_is_no_longer_kept(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	endpoint_put(&world, "y", "{\"url\":\"https://a/\",\"types\":[\"*\"],\"hold_max\":1}");
	world_settings(&world, "webhooks", "{\"keep_completed\":\"none\"}");
	assert_int_equal(endpoint_op(&world, "y", OP_NAMED_STATE, NAMED_PAUSED), E_OK);
	for (int i = 0; i < 3; i++) {
		send(&world, "a");
		assert_int_equal(end_calls(&world, OP_COMPLETE), 1);
	}
	assert_int_equal(live_jobs(&world), 1); /* held */
	assert_int_equal(replays(&world, "y", REPLAY_MISSING), 0);
	assert_int_equal(endpoint_op(&world, "y", OP_NAMED_STATE, NAMED_ENABLED), E_OK);
	assert_int_equal(work_off(&world, 0, "y").done, 2);
	assert_int_equal(live_jobs(&world), 3);
	world_close(&world);
}

static void a_replay_waits_for_expansions(void **state)
{
	struct world world;
	enum err err = E_OK;
	struct operation_row row;
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"],\"hold_max\":0}");
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_STATE, NAMED_PAUSED), E_OK);
	world.engine->expand_pause_us = INT64_MAX;
	struct request *request = request_new(&world, EXPAND_INLINE + 3);
	for (uint32_t i = 0; i < EXPAND_INLINE + 3; i++) {
		request->ops[i].kind = OP_MESSAGE;
		request->ops[i].message = (struct op_message){ .uid = uid_next(&world.maker, world.wall_us), .type = STR("a"), .payload = STR("1") };
	}
	assert_ptr_equal(world_ask(&world, request), request);
	request_drop(request);
	uint64_t number = replay_start(&world, "x", &(struct replay){ .since_us = 1 });
	assert_true(replay_step(&world, number, "x", 10, &err, &row));
	assert_int_equal(err, E_UNAVAILABLE);
	assert_int_equal(live_jobs(&world), EXPAND_INLINE);
	world.engine->expand_pause_us = 0;
	world_pass(&world, 2000);
	assert_int_equal(work_off(&world, number, "x").done, 0);
	assert_int_equal(live_jobs(&world), EXPAND_INLINE + 3);
	world_close(&world);
}

#define LATEST "{\"url\":\"https://a/\",\"types\":[\"*\"],\"order\":\"latest\"}"

static uint64_t send_about(struct world *world, const char *entity)
{
	struct request *request = message_request(world, "a");
	request->ops[0].message.entity = str_of(entity);
	return answer(world, request).uid;
}

static uint64_t message_of(struct world *world, uint64_t job)
{
	struct arena arena = { 0 };
	struct load load = { .uids = &job, .uid_count = 1 };
	assert_int_equal(world->store->verbs->load(world->store, &load, &arena), E_OK);
	uint64_t message = load.definitions[0].message;
	arena_fini(&arena);
	return message;
}

/* With order `latest` an older message does not take the place of a newer one, and of several missed ones the newest goes. */
static void what_comes_too_late_is_left_out(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t older = send_about(&world, "e"), newer = send_about(&world, "e"), other = send_about(&world, "f");
	endpoint_put(&world, "x", LATEST);
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_STATE, NAMED_PAUSED), E_OK);
	uint64_t made = answer(&world, resend_request(&world, newer, "x")).uid;
	assert_int_equal(answer(&world, resend_request(&world, older, "x")).err, E_STATE);
	assert_int_equal(world_by_hand(&world, OP_DELETE, made), E_OK);
	world_crash(&world);
	struct operation_row row = work_off(&world, replay_start(&world, "x", &(struct replay){ .since_us = 1 }), "x");
	assert_int_equal(row.done, 3); /* the older one gave way */
	assert_int_equal(live_jobs(&world), 2);
	assert_int_equal(endpoint_op(&world, "x", OP_NAMED_STATE, NAMED_ENABLED), E_OK);
	uint64_t sum = 0;
	for (const struct effect *effect = world.effects; effect; effect = effect->next)
		if (effect->kind == EFFECT_DELIVER)
			sum += message_of(&world, effect->uid);
	assert_int_equal(sum, newer + other);
	end_calls(&world, OP_FAIL);
	world_close(&world);
}

static void memory_runs_out_in_a_slice(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct world world;
		struct operation_row row;
		world_open(&world);
		send_about(&world, "e");
		send_about(&world, "e");
		send(&world, "a");
		endpoint_put(&world, "x", LATEST);
		const struct replay replay = { .since_us = 1, .only = REPLAY_ALL };
		struct request *request = request_new(&world, 1);
		request->ops[0].kind = OP_OPERATION_START;
		request->ops[0].operation = replay_op(&world, "x", &replay);
		uint64_t number = request->ops[0].operation.number;
		engine_push(world.engine, request);
		bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
		world_pass(&world, 1000);
		assert_true(world_answered(&world, request));
		if (request->err || request->ops[0].result.err) {
			request_drop(request);
			world_close(&world);
			continue;
		}
		request_drop(request);
		struct replay kept = { .endpoint = 1, .since_us = 1, .only = REPLAY_ALL };
		uint64_t uids[3];
		uint32_t count = 0;
		struct arena arena = { 0 };
		struct answer page = { 0 };
		struct reader *reader;
		assert_int_equal(world.store->verbs->reader_open(world.store, &reader), E_OK);
		assert_int_equal(reader_run(reader, &(struct query){ .kind = QUERY_REPLAY, .id = STR("x"), .replay = &kept, .limit = 10 }, &arena, &page), E_OK);
		for (; count < page.match_count; count++)
			uids[count] = page.matches[count].uid;
		assert_int_equal(count, 3);
		reader_close(reader);
		arena_fini(&arena);
		request = request_new(&world, 1);
		request->ops[0].kind = OP_SLICE;
		request->ops[0].operation = (struct op_operation){ .number = number, .action = OP_RESEND, .replay = &kept, .uids = uids, .count = 3,
			                                           .next_uid = uids[2], .next_phase = 2 };
		engine_push(world.engine, request);
		bool again = world_starve(&world, nth, MEM_FAIL_ONE);
		world_pass(&world, 1000);
		assert_true(world_answered(&world, request));
		request_drop(request);
		row = work_off(&world, number, "x"); /* a slice that was not made is made now */
		assert_int_equal(row.done, 3);
		assert_int_equal(live_jobs(&world), 2);
		world_close(&world);
		if (!starved && !again)
			break;
		assert_true(nth < 5000);
	}
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
		cmocka_unit_test(one_that_came_later_gets_the_past),
		cmocka_unit_test(what_is_not_kept_is_not_missing),
		cmocka_unit_test(what_was_held_back_is_sent_at_resume),
		cmocka_unit_test(a_resume_makes_up_for_what_is_no_longer_kept),
		cmocka_unit_test(a_replay_waits_for_expansions),
		cmocka_unit_test(what_comes_too_late_is_left_out),
		cmocka_unit_test(memory_runs_out_in_a_slice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
