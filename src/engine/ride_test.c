/* src/engine/ride_test.c: several messages in one call: who goes along, what bounds it, what its end teaches, and all of it undone. */
#include "engine/test_world.h"

static enum err put(struct world *world, const char *batch, const char *more)
{
	char text[512];
	struct request *request = request_new(world, 1);
	snprintf(text, sizeof(text), "{\"url\":\"https://base.example/\",\"types\":[\"*\"],\"concurrency\":1,\"batch\":%s%s}", batch, more);
	request->ops[0].kind = OP_NAMED_PUT;
	request->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = STR("base"), .text = arena_str(&request->arena, str_of(text)),
		                                   .replace = true };
	return world_err(world, request);
}

static struct request *messages_request(struct world *world, uint32_t count)
{
	struct request *request = request_new(world, count);
	for (uint32_t i = 0; i < count; i++) {
		request->ops[i].kind = OP_MESSAGE;
		request->ops[i].message = (struct op_message){ .uid = uid_next(&world->maker, world->wall_us), .type = STR("a"), .payload = STR("{\"n\":1}") };
	}
	return request;
}

static void send(struct world *world, uint32_t count)
{
	struct request *request = messages_request(world, count);
	assert_ptr_equal(world_ask(world, request), request);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(request->ops[i].result.units, 1);
	request_drop(request);
}

static const struct effect *last_call(const struct world *world)
{
	const struct effect *last = NULL;
	for (const struct effect *effect = world->effects; effect; effect = effect->next)
		if (effect->kind == EFFECT_DELIVER)
			last = effect;
	assert_non_null(last);
	return last;
}

static uint32_t calls(const struct world *world)
{
	return world_effects(world, EFFECT_DELIVER);
}

static struct health *health(struct world *world)
{
	uint32_t slot = named_find(&world->engine->index, NAMED_ENDPOINT, (struct queue_name){ .name = STR("base") });
	assert_int_not_equal(slot, SLOT_NONE);
	return &named_at(&world->engine->index, slot)->health;
}

/* What became of the call of this effect, as the deliver room says it: last message first. */
static enum err end_call(struct world *world, const struct effect *effect, enum op_kind kind, struct op_hook hook)
{
	struct request *request = request_new(world, effect->rider_count + 1);
	hook.endpoint = effect->endpoint_number;
	hook.batch_size = effect->rider_count + 1;
	for (uint32_t i = 0; i <= effect->rider_count; i++) {
		struct op *op = &request->ops[effect->rider_count - i];
		const struct effect_rider *rider = i ? &effect->riders[i - 1] : NULL;
		op->kind = kind;
		op->lease = (struct op_lease){ .uid = rider ? rider->uid : effect->uid, .fence = rider ? rider->fence : effect->fence,
			                       .token = rider ? RIDER_TOKEN : DELIVERY_TOKEN, .verdict = kind == OP_FAIL ? VERDICT_FINAL : VERDICT_POLICY,
			                       .body = kind == OP_COMPLETE ? STR("1") : STR(""), .error = kind == OP_FAIL ? STR("{\"message\":\"no\"}") : STR("") };
		if (!rider)
			op->lease.hook = &hook;
	}
	assert_ptr_equal(world_ask(world, request), request);
	enum err err = request->err;
	for (uint32_t i = 0; i < request->op_count; i++)
		err = err ? err : request->ops[i].result.err;
	request_drop(request);
	return err;
}

#define WELL ((struct op_hook){ .blame = BLAME_WELL })
#define HALVES ((struct op_hook){ .bisect = true })

static void as_many_go_as_the_endpoint_takes(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "{\"max\":3}", ""), E_OK);
	send(&world, 5);
	const struct effect *effect = last_call(&world);
	assert_int_equal(calls(&world), 1);
	assert_int_equal(effect->rider_count, 2);
	assert_true(effect->uid < effect->riders[0].uid && effect->riders[0].uid < effect->riders[1].uid);
	assert_int_equal(effect->riders[1].attempt, 1);
	assert_int_equal(effect->riders[1].max_attempts, effect->max_attempts);
	const struct index *index = &world.engine->index;
	assert_int_equal(index->deliveries, 1); /* riders take no slot */
	assert_int_equal(queue_at(index, queue_find(index, (struct queue_name){ .name = STR("webhooks") }))->live[JOB_ACTIVE], 3);
	assert_int_equal(world_lease(&world, OP_COMPLETE, effect->riders[0].uid, "ruche-delivery", VERDICT_POLICY, 0), E_STALE); /* it is no rider's */
	assert_int_equal(end_call(&world, effect, OP_COMPLETE, WELL), E_OK);
	assert_int_equal(world_state(&world, effect->riders[1].uid), JOB_COMPLETED);
	assert_int_equal(calls(&world), 2);
	effect = last_call(&world);
	assert_int_equal(effect->rider_count, 1);
	assert_int_equal(end_call(&world, effect, OP_COMPLETE, WELL), E_OK);
	send(&world, 1);
	assert_int_equal(last_call(&world)->rider_count, 0);
	world_close(&world);
}

/* A limit of one call at a time, a rate of two: whoever rides takes nothing of either. */
static void riders_are_free(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "{\"max\":4}", ",\"rate\":{\"max\":2,\"per_ms\":1000}"), E_OK);
	send(&world, 12);
	assert_int_equal(end_call(&world, last_call(&world), OP_COMPLETE, WELL), E_OK);
	assert_int_equal(calls(&world), 2);
	assert_int_equal(end_call(&world, last_call(&world), OP_COMPLETE, WELL), E_OK);
	assert_int_equal(calls(&world), 2); /* the rate */
	world_pass(&world, 1000);
	assert_int_equal(calls(&world), 3);
	assert_int_equal(last_call(&world)->rider_count, 3);
	world_close(&world);
}

/* The third party refuses any call with this one in it. Answers how many calls it took until all had ended. */
static uint32_t bisect(struct world *world, uint32_t count, uint32_t bad_place)
{
	uint64_t bad = 0;
	uint32_t first = calls(world);
	send(world, count);
	const struct effect *effect = last_call(world), *last = NULL;
	bad = bad_place ? effect->riders[bad_place - 1].uid : effect->uid;
	for (; effect != last; effect = last_call(world)) {
		last = effect;
		bool has_bad = effect->uid == bad;
		for (uint32_t i = 0; i < effect->rider_count; i++)
			has_bad |= effect->riders[i].uid == bad;
		struct op_hook alone = { .blame = BLAME_RECORD };
		assert_int_equal(effect->attempts_made, 0);
		assert_int_equal(end_call(world, effect, !has_bad ? OP_COMPLETE : effect->rider_count ? OP_RELEASE : OP_FAIL,
		                          !has_bad ? WELL : effect->rider_count ? HALVES : alone), E_OK);
	}
	assert_int_equal(world_state(world, bad), JOB_FAILED);
	assert_int_equal(health(world)->batch_cap, 0);
	return calls(world) - first;
}

static void the_bad_one_stands_alone(void **state)
{
	(void)state;
	for (uint32_t place = 0; place < 8; place++) {
		struct world world;
		world_open(&world);
		assert_int_equal(put(&world, "{\"max\":8}", ""), E_OK);
		assert_true(bisect(&world, 8, place) <= 1 + 3 * 3);
		const struct index *index = &world.engine->index;
		assert_int_equal(queue_at(index, queue_find(index, (struct queue_name){ .name = STR("webhooks") }))->counts.final[JOB_COMPLETED], 7);
		world_close(&world);
	}
}

/* They go back to the head in their order, before those that came later; no attempt is spent. */
static void the_order_is_kept(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "{\"max\":4}", ""), E_OK);
	send(&world, 4);
	const struct effect *whole = last_call(&world);
	send(&world, 4);
	assert_int_equal(end_call(&world, whole, OP_RELEASE, HALVES), E_OK);
	const struct effect *half = last_call(&world);
	assert_int_equal(half->uid, whole->uid);
	assert_int_equal(half->rider_count, 1);
	assert_int_equal(half->riders[0].uid, whole->riders[0].uid);
	assert_int_equal(half->riders[0].attempts_made, 0);
	assert_int_equal(end_call(&world, half, OP_COMPLETE, WELL), E_OK);
	assert_int_equal(last_call(&world)->uid, whole->riders[1].uid);
	world_close(&world);
}

static void ten_that_go_well_double_the_size(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "{\"max\":8}", ""), E_OK);
	send(&world, 8);
	assert_int_equal(end_call(&world, last_call(&world), OP_RELEASE, HALVES), E_OK);
	assert_int_equal(end_call(&world, last_call(&world), OP_RELEASE, HALVES), E_OK);
	assert_int_equal(health(&world)->batch_cap, 2);
	send(&world, 40);
	for (int i = 0; i < 9; i++)
		assert_int_equal(end_call(&world, last_call(&world), OP_COMPLETE, WELL), E_OK);
	assert_int_equal(health(&world)->batch_cap, 2);
	assert_int_equal(end_call(&world, last_call(&world), OP_COMPLETE, WELL), E_OK);
	assert_int_equal(health(&world)->batch_cap, 4);
	assert_int_equal(last_call(&world)->rider_count, 3);
	assert_int_equal(end_call(&world, last_call(&world), OP_FAIL, (struct op_hook){ .blame = BLAME_ENDPOINT }), E_OK);
	assert_int_equal(health(&world)->batch_cap, 4); /* not the size's fault */
	assert_int_equal(health(&world)->batch_well, 0);
	assert_int_equal(put(&world, "{\"max\":6}", ""), E_OK);
	assert_int_equal(health(&world)->batch_cap, 0); /* said anew */
	world_close(&world);
}

static void what_the_other_side_takes_is_remembered(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "{\"max\":8}", ""), E_OK);
	send(&world, 8);
	assert_int_equal(end_call(&world, last_call(&world), OP_RELEASE, (struct op_hook){ .bisect = true, .batch_learnt = 5 }), E_OK);
	assert_int_equal(last_call(&world)->rider_count, 4);
	assert_int_equal(health(&world)->batch_cap, 0);
	assert_int_equal(end_call(&world, last_call(&world), OP_RELEASE, (struct op_hook){ .bisect = true, .batch_learnt = 6 }), E_OK);
	assert_int_equal(health(&world)->batch_max, 5);
	world_crash(&world);
	world_step(&world);
	assert_int_equal(health(&world)->batch_max, 5);
	assert_int_equal(last_call(&world)->rider_count, 4);
	assert_int_equal(put(&world, "{\"max\":8,\"wait_ms\":1}", ""), E_OK);
	assert_int_equal(health(&world)->batch_max, 5);
	assert_int_equal(put(&world, "{\"max\":9}", ""), E_OK);
	assert_int_equal(health(&world)->batch_max, 0);
	world_close(&world);
}

/* The same messages in the same order, so that the call has the id that it had. */
static void a_call_is_made_again_after_a_crash(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "{\"max\":3}", ""), E_OK);
	send(&world, 7);
	const struct effect *before = last_call(&world);
	uint64_t uids[] = { before->uid, before->riders[0].uid, before->riders[1].uid };
	uint64_t fence = before->riders[0].fence;
	world_crash(&world);
	world_step(&world);
	const struct effect *again = last_call(&world);
	assert_int_equal(again->uid, uids[0]);
	assert_int_equal(again->riders[0].uid, uids[1]);
	assert_int_equal(again->riders[1].uid, uids[2]);
	assert_true(again->riders[0].fence > fence);
	assert_int_equal(again->riders[0].attempts_made, 0);
	assert_int_equal(world.engine->index.deliveries, 1);
	assert_int_equal(end_call(&world, again, OP_COMPLETE, WELL), E_OK);
	world_close(&world);
}

/* After a crash; each step and each commit is the test's to make. */
static void restart(struct world *world)
{
	struct store *store;
	assert_int_equal(store_mem_share(store_mem_disk(world->store), &store), E_OK);
	world_close(world);
	store_mem_set_automatic(store, false);
	world->store = store;
	world->engine = engine_new(&world->config, store);
	assert_non_null(world->engine);
	assert_int_equal(engine_start(world->engine, world->boot_us, world->wall_us, NULL), E_OK);
}

/* As many as there are, a few in each change-set; none is called again before all are back, whichever change-set is refused. */
static void calls_are_handed_back_in_slices(void **state)
{
	struct world world;
	uint64_t uids[10];
	(void)state;
	world_open(&world);
	world.config.handed_back_max = 3;
	assert_int_equal(put(&world, "{\"max\":10,\"wait_ms\":1000}", ""), E_OK);
	send(&world, 10);
	const struct effect *before = last_call(&world);
	assert_int_equal(before->rider_count, 9);
	for (uint32_t i = 0; i < 10; i++)
		uids[i] = i ? before->riders[i - 1].uid : before->uid;
	restart(&world);
	struct store *store = world.store;
	const struct index *index = &world.engine->index;
	const struct queue *queue = queue_at(index, queue_find(index, (struct queue_name){ .name = ENDPOINT_QUEUE }));
	for (uint32_t left = 7; left < 10; left -= 3) {
		assert_true(engine_step(world.engine, world.boot_us, world.wall_us) <= world.boot_us);
		assert_int_equal(queue->live[JOB_ACTIVE], left);
		assert_int_equal(index->deliveries, 1); /* its first message is the last one to be handed back */
		engine_verify(world.engine);
	}
	assert_int_equal(store_mem_in_flight(store), 1);
	store_mem_settle(store, 1, SETTLE_REFUSE);
	engine_step(world.engine, world.boot_us, world.wall_us);
	assert_int_equal(queue->live[JOB_ACTIVE], 10);
	world_manual(&world, false);
	world_pass(&world, 2000);
	const struct effect *again = last_call(&world);
	assert_int_equal(calls(&world), 1);
	assert_int_equal(again->rider_count, 9);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(i ? again->riders[i - 1].uid : again->uid, uids[i]);
	assert_int_equal(again->riders[0].attempts_made, 0);
	assert_int_equal(end_call(&world, again, OP_COMPLETE, WELL), E_OK);
	world_close(&world);
}

/* Who is back already stands in line until the others are. */
static void no_call_begins_while_others_are_handed_back(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world.config.handed_back_max = 1;
	world_settings(&world, "web", "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"}}");
	for (int i = 0; i < 4; i++)
		world_enqueue(&world, "web", "");
	world_step(&world);
	assert_int_equal(calls(&world), 4);
	restart(&world);
	const struct index *index = &world.engine->index;
	for (uint32_t left = 3; left; left--) {
		engine_step(world.engine, world.boot_us, world.wall_us);
		assert_int_equal(index->deliveries, left);
	}
	world_manual(&world, false);
	world_pass(&world, 100);
	assert_int_equal(index->deliveries, 4);
	assert_int_equal(calls(&world), 4);
	world_close(&world);
}

static void few_wait_for_more(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "{\"max\":3,\"wait_ms\":500}", ""), E_OK);
	send(&world, 2);
	assert_int_equal(calls(&world), 0);
	struct request *why = job_request(&world, OP_EXPLAIN, job_at(&world.engine->index, 0)->uid);
	assert_ptr_equal(world_ask(&world, why), why);
	assert_int_equal(why->ops[0].result.explanation->code, EXPLAIN_GROUP_MIN);
	assert_true(why->ops[0].result.explanation->until_us > 0);
	request_drop(why);
	send(&world, 1);
	assert_int_equal(calls(&world), 1); /* enough */
	assert_int_equal(end_call(&world, last_call(&world), OP_COMPLETE, WELL), E_OK);
	send(&world, 1);
	world_pass(&world, 499);
	assert_int_equal(calls(&world), 1);
	world_pass(&world, 1);
	assert_int_equal(calls(&world), 2); /* long enough */
	assert_int_equal(end_call(&world, last_call(&world), OP_RELEASE, (struct op_hook){ 0 }), E_OK);
	assert_int_equal(calls(&world), 3); /* who has been called waits for nobody */
	world_close(&world);
}

/* However many ride, a change-set closes when it is large: others have their turn. */
static void a_step_starts_no_more_than_a_change_set_holds(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world.engine->config.deliveries_max = 0;
	assert_int_equal(put(&world, "{\"max\":1000}", ""), E_OK);
	for (int i = 0; i < 12; i++)
		assert_int_equal(world_err(&world, messages_request(&world, 1000)), E_OK);
	struct index *index = &world.engine->index;
	uint32_t queue = queue_find(index, (struct queue_name){ .name = STR("webhooks") });
	uint32_t group = named_at(index, named_find(index, NAMED_ENDPOINT, (struct queue_name){ .name = STR("base") }))->group;
	world.engine->config.deliveries_max = 16;
	health(&world)->allowed = group_at(index, group)->settings.concurrency = 16;
	health(&world)->answered = 1; /* it is not doubted */
	group_refresh(index, group);
	queue_flag(index, queue);
	struct request *step = lease_request(&world, OP_HEARTBEAT, 1);
	world_push(&world, step);
	assert_in_range(queue_at(index, queue)->live[JOB_ACTIVE], LIMIT_BATCH_ROWS, LIMIT_BATCH_ROWS + 1000);
	world_step(&world);
	assert_true(world_answered(&world, step));
	request_drop(step);
	assert_int_equal(queue_at(index, queue)->live[JOB_ACTIVE], 12000);
	world_close(&world);
}

static void send_about(struct world *world, const char *entity)
{
	struct request *request = messages_request(world, 1);
	request->ops[0].message.entity = str_of(entity);
	assert_int_equal(world_err(world, request), E_OK);
}

/* Each takes the place of the one before, which has waited for it. */
static void what_changes_all_the_time_is_told_all_the_same(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "{\"max\":3,\"wait_ms\":500}", ",\"order\":\"latest\""), E_OK);
	for (int i = 0; i < 4; i++) {
		send_about(&world, "e");
		assert_int_equal(calls(&world), 0);
		world_pass(&world, 120);
	}
	send_about(&world, "e");
	world_pass(&world, 19);
	assert_int_equal(calls(&world), 0);
	world_pass(&world, 1);
	assert_int_equal(calls(&world), 1);
	send_about(&world, "e");
	world_pass(&world, 100);
	assert_int_equal(end_call(&world, last_call(&world), OP_COMPLETE, WELL), E_OK);
	world_pass(&world, 499);
	assert_int_equal(calls(&world), 1); /* since it is its turn */
	world_pass(&world, 1);
	assert_int_equal(calls(&world), 2);
	world_close(&world);
}

static void who_is_stopped_leaves_the_call(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "{\"max\":3}", ""), E_OK);
	send(&world, 3);
	const struct effect *effect = last_call(&world);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, effect->riders[0].uid), E_OK);
	assert_int_equal(world_effects(&world, EFFECT_ABORT), 1);
	assert_int_equal(end_call(&world, effect, OP_COMPLETE, WELL), E_STALE); /* it; the others count */
	assert_int_equal(world_state(&world, effect->riders[0].uid), JOB_CANCELLED);
	assert_int_equal(world_state(&world, effect->riders[1].uid), JOB_COMPLETED);
	assert_int_equal(world_state(&world, effect->uid), JOB_COMPLETED);
	send(&world, 2);
	effect = last_call(&world);
	world_pass(&world, 200000); /* nobody tells: each stalls */
	assert_true(world_effects(&world, EFFECT_ABORT) >= 3);
	assert_int_equal(end_call(&world, effect, OP_COMPLETE, WELL), E_STALE);
	world_close(&world);
}

static void memory_runs_out(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct world world;
		world_open(&world);
		assert_int_equal(put(&world, "{\"max\":3}", ""), E_OK);
		struct request *request = messages_request(&world, 4);
		engine_push(world.engine, request);
		bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
		world_step(&world);
		world_pass(&world, 3000);
		assert_true(world_answered(&world, request));
		request_drop(request);
		world_close(&world);
		if (!starved)
			break;
	}
	for (uint64_t nth = 1;; nth++) {
		struct world world;
		world_open(&world);
		assert_int_equal(put(&world, "{\"max\":3}", ""), E_OK);
		send(&world, 3);
		const struct effect *effect = last_call(&world);
		const struct op_hook learns = { .endpoint = 1, .batch_size = 3, .batch_learnt = 2, .bisect = true };
		struct request *request = request_new(&world, 1);
		request->ops[0].kind = OP_RELEASE;
		request->ops[0].lease = (struct op_lease){ .uid = effect->uid, .token = DELIVERY_TOKEN, .hook = &learns };
		engine_push(world.engine, request);
		bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
		world_step(&world);
		assert_true(world_answered(&world, request));
		assert_int_equal(health(&world)->batch_max, request->err || request->ops[0].result.err ? 0 : 2);
		request_drop(request);
		world_close(&world);
		if (!starved)
			break;
	}
}

/* The store refuses the commit: everybody is back in line, and goes again. */
static void a_refused_commit_is_undone(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "{\"max\":4}", ""), E_OK);
	world_manual(&world, true);
	struct request *request = messages_request(&world, 6);
	world_push(&world, request);
	world_settle(&world, SETTLE_REFUSE);
	world_manual(&world, false);
	for (int i = 0; i < 4; i++)
		world_pass(&world, 3000);
	assert_true(world_answered(&world, request));
	bool kept = !request->err;
	request_drop(request);
	if (!kept)
		send(&world, 6);
	assert_int_equal(last_call(&world)->rider_count, 3);
	assert_int_equal(calls(&world), 1);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_go_as_the_endpoint_takes), cmocka_unit_test(riders_are_free), cmocka_unit_test(the_bad_one_stands_alone),
		cmocka_unit_test(the_order_is_kept), cmocka_unit_test(ten_that_go_well_double_the_size),
		cmocka_unit_test(what_the_other_side_takes_is_remembered), cmocka_unit_test(a_call_is_made_again_after_a_crash),
		cmocka_unit_test(calls_are_handed_back_in_slices),
		cmocka_unit_test(no_call_begins_while_others_are_handed_back),
		cmocka_unit_test(few_wait_for_more),
		cmocka_unit_test(a_step_starts_no_more_than_a_change_set_holds),
		cmocka_unit_test(what_changes_all_the_time_is_told_all_the_same), cmocka_unit_test(who_is_stopped_leaves_the_call), cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(a_refused_commit_is_undone),
	};
	return cmocka_run_group_tests_name("ride", tests, NULL, NULL);
}
