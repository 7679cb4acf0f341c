/* src/engine/turns_test.c: weights of groups, batches of one group, and jobs that rise because they waited too long. */
#include "engine/test_world.h"

static void weigh(struct world *world, const char *queue, const char *group, const char *settings)
{
	assert_int_equal(world_err(world, queue_request(world, OP_GROUP_PUT, queue, group, settings)), E_OK);
}

static uint64_t enqueue_at(struct world *world, const char *queue, const char *group, int32_t priority)
{
	struct request *request = enqueue_request(world, queue, group, "");
	request->ops[0].enqueue.priority = priority;
	uint64_t uid = request->ops[0].enqueue.uid;
	assert_int_equal(world_err(world, request), E_OK);
	return uid;
}

static void enqueue_many(struct world *world, const char *queue, const char *group, int count)
{
	struct request *request = request_new(world, (uint32_t)count);
	for (int i = 0; i < count; i++)
		enqueue_op(world, &request->ops[i], queue, group);
	assert_int_equal(world_err(world, request), E_OK);
}

static char group_of(const struct world *world, uint64_t uid) /* the first letter of its group; '-': it has none */
{
	const struct index *index = &world->engine->index;
	uint32_t slot = job_find(index, uid);
	assert_true(slot != SLOT_NONE);
	struct str key = group_at(index, job_at(index, slot)->group)->key;
	return key.len ? key.ptr[0] : '-';
}

/* Claims so many, one by one, and writes whose they were. */
static const char *starts(struct world *world, const char *queue, int count)
{
	static char letters[256];
	uint64_t uid;
	assert_true(count < (int)sizeof(letters));
	for (int i = 0; i < count; i++)
		letters[i] = world_claim(world, queue, 1, &uid) ? group_of(world, uid) : '.';
	letters[count] = 0;
	return letters;
}

static int times(const char *letters, char letter)
{
	int count = 0;
	for (; *letters; letters++)
		count += *letters == letter;
	return count;
}

/* ---- weights ---- */

/* At each moment, of groups that wait all the time: starts by weight differ by no more than one start of each. */
static void groups_share_starts_by_their_weights(void **state)
{
	static const int weights[] = { 1, 3, 10, 1 };
	struct world world;
	int count[4] = { 0 };
	(void)state;
	world_open(&world);
	weigh(&world, "q", "b", "{\"weight\":3}");
	weigh(&world, "q", "c", "{\"weight\":10}");
	for (int i = 0; i < 4; i++)
		enqueue_many(&world, "q", (const char *[]){ "a", "b", "c", "d" }[i], 160);
	for (int i = 0; i < 150; i++) {
		count[starts(&world, "q", 1)[0] - 'a']++;
		for (int x = 0; x < 4; x++)
			for (int y = 0; y < 4; y++)
				assert_true((double)count[x] / weights[x] - (double)count[y] / weights[y] <= 1.0 / weights[x] + 1.0 / weights[y] + 0.001);
	}
	assert_int_equal(count[0] + count[1] + count[2] + count[3], 150);
	weigh(&world, "q", "c", "{\"weight\":null}"); /* from now on as the others */
	weigh(&world, "q", "b", "{\"weight\":1}");
	const char *letters = starts(&world, "q", 40);
	for (char letter = 'a'; letter <= 'd'; letter++)
		assert_in_range(times(letters, letter), 9, 11);
	world_close(&world);
}

static void equals_are_served_in_turn_and_who_comes_stands_behind(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 3; i++)
		enqueue_many(&world, "q", (const char *[]){ "a", "b", "c" }[i], 4);
	assert_string_equal(starts(&world, "q", 4), "abca");
	enqueue_many(&world, "q", "d", 4);
	assert_string_equal(starts(&world, "q", 8), "bcadbcad");
	world_close(&world);
}

/* Whoever had nothing to do, was paused or at its own limit is served as all others from then on: it has earned one turn at most. */
static void being_idle_earns_nothing(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	enqueue_many(&world, "q", "a", 100);
	enqueue_many(&world, "q", "b", 1);
	weigh(&world, "q", "b", "{\"weight\":1}"); /* so that it is remembered */
	weigh(&world, "q", "p", "{\"weight\":1}");
	enqueue_many(&world, "q", "p", 40);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PAUSE, "q", "p", "")), E_OK);
	assert_string_equal(starts(&world, "q", 30) + 2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	enqueue_many(&world, "q", "b", 40);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_RESUME, "q", "p", "")), E_OK);
	const char *letters = starts(&world, "q", 15);
	for (const char *letter = "abp"; *letter; letter++)
		assert_in_range(times(letters, *letter), 4, 6);
	world_close(&world);
}

/* Nor does it when others were served in between, whose turns are not compared with these. */
static void being_idle_earns_nothing_beside_urgent_jobs(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	weigh(&world, "q", "b", "{\"weight\":1}");
	enqueue_many(&world, "q", "a", 100);
	enqueue_many(&world, "q", "b", 1);
	assert_int_equal(times(starts(&world, "q", 40), 'b'), 1);
	enqueue_at(&world, "q", "u", -1);
	assert_string_equal(starts(&world, "q", 1), "u");
	enqueue_many(&world, "q", "b", 40);
	assert_in_range(times(starts(&world, "q", 20), 'b'), 9, 11);
	world_close(&world);
}

/* Starts of urgent jobs neither use up their group's share of the others, nor hold back who comes. */
static void priorities_have_turns_of_their_own(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 30; i++)
		enqueue_at(&world, "q", "u", -1);
	for (int i = 0; i < 20; i++) {
		enqueue_at(&world, "q", "u", 5);
		enqueue_at(&world, "q", "a", 5);
	}
	assert_int_equal(times(starts(&world, "q", 30), 'u'), 30);
	for (int i = 0; i < 20; i++)
		enqueue_at(&world, "q", "n", 5);
	const char *letters = starts(&world, "q", 15);
	for (const char *letter = "uan"; *letter; letter++)
		assert_in_range(times(letters, *letter), 4, 6);
	world_close(&world);
}

/* A limit stops two groups while a third goes on. In their lane weights hold all the while; when it opens nothing was saved up. */
static void weights_hold_within_lanes(void **state)
{
	struct world world;
	uint64_t uid = 0;
	char letters[64] = "";
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, 1);
	request->ops[0].kind = OP_LIMIT_PUT;
	request->ops[0].limit = (struct op_limit){ .limit.name = STR("crm"), .settings = STR("{\"concurrency\":1}") };
	assert_int_equal(world_err(&world, request), E_OK);
	weigh(&world, "q", "x", "{\"limits\":[\"crm\"],\"weight\":1}");
	weigh(&world, "q", "y", "{\"limits\":[\"crm\"],\"weight\":4}");
	enqueue_many(&world, "q", "x", 60);
	enqueue_many(&world, "q", "y", 60);
	enqueue_many(&world, "q", "f", 250);
	for (int i = 0; i < 20; i++) { /* one of the lane, then only others */
		while (!strchr("xy", group_of(&world, (assert_int_equal(world_claim(&world, "q", 1, &uid), 1), uid)))) { }
		letters[i] = group_of(&world, uid);
		assert_int_equal(times(starts(&world, "q", 7), 'f'), 7);
		assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	}
	assert_in_range(times(letters, 'x'), 3, 5);
	assert_in_range(times(letters, 'y'), 15, 17);
	request = request_new(&world, 1);
	request->ops[0].kind = OP_LIMIT_PUT;
	request->ops[0].limit = (struct op_limit){ .limit.name = STR("crm"), .settings = STR("{\"concurrency\":0}") };
	assert_int_equal(world_err(&world, request), E_OK);
	const char *open = starts(&world, "q", 30); /* 1, 4 and 1 of 6 */
	assert_in_range(times(open, 'x'), 4, 6);
	assert_in_range(times(open, 'y'), 18, 22);
	assert_in_range(times(open, 'f'), 4, 6);
	weigh(&world, "q", "x", "{\"limits\":null}"); /* it changes lanes, and still has its share */
	open = starts(&world, "q", 30);
	assert_in_range(times(open, 'x'), 4, 6);
	assert_in_range(times(open, 'f'), 4, 6);
	world_close(&world);
}

static void weights_are_kept_and_checked(void **state)
{
	static const char *const wrong[] = { "{\"weight\":0}", "{\"weight\":1001}", "{\"weight\":1.5}", "{\"weight\":\"3\"}" };
	struct world world;
	(void)state;
	world_open(&world);
	weigh(&world, "q", "b", "{\"weight\":3}");
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		struct request *request = queue_request(&world, OP_GROUP_PUT, "q", "b", wrong[i]);
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->ops[0].result.err, E_INVALID);
		assert_string_equal(request->ops[0].result.problem->field, "weight");
		request_drop(request);
	}
	world_crash(&world);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PAUSE, "q", "b", "")), E_OK);
	world_crash(&world);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_RESUME, "q", "b", "")), E_OK);
	world_crash(&world); /* nor has it gone with the pause */
	enqueue_many(&world, "q", "a", 20);
	enqueue_many(&world, "q", "b", 20);
	assert_int_equal(times(starts(&world, "q", 16), 'b'), 12);
	world_close(&world);
}

/* ---- batches ---- */

static struct request *batch_request(struct world *world, const char *queue, uint32_t max, uint32_t min, int64_t group_wait_ms, int64_t wait_ms)
{
	struct request *request = claim_request(world, queue, 1, wait_ms);
	struct op_claim *claim = &request->ops[0].claim;
	claim->group_max = max;
	claim->group_min = min;
	claim->group_wait_ms = group_wait_ms;
	return request;
}

/* Of which group the batch is and how many: "a3"; "-": nothing. */
static const char *batch_text(const struct world *world, const struct request *request)
{
	static char text[16];
	const struct claim_result *result = request->ops[0].result.claim;
	for (uint32_t i = 1; i < result->count; i++)
		assert_int_equal(group_of(world, result->grants[i].uid), group_of(world, result->grants[0].uid));
	snprintf(text, sizeof(text), "-");
	if (result->count)
		snprintf(text, sizeof(text), "%c%u", group_of(world, result->grants[0].uid), result->count);
	return text;
}

static const char *batch(struct world *world, const char *queue, uint32_t max, uint32_t min, int64_t group_wait_ms)
{
	struct request *request = batch_request(world, queue, max, min, group_wait_ms, 0);
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	const char *text = batch_text(world, request);
	request_drop(request);
	return text;
}

static void a_batch_is_of_one_group(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	enqueue_many(&world, "q", "a", 5);
	enqueue_many(&world, "q", "b", 2);
	enqueue_many(&world, "q", "", 4);
	assert_string_equal(batch(&world, "q", 3, 0, 0), "a3");
	assert_string_equal(batch(&world, "q", 3, 0, 0), "b2");
	assert_string_equal(batch(&world, "q", 10, 0, 0), "-4"); /* those without a group are one, too */
	assert_string_equal(batch(&world, "q", 3, 0, 0), "a2");
	assert_string_equal(batch(&world, "q", 3, 0, 0), "-");
	world_close(&world);
}

/* A batch costs as many turns as it has jobs. */
static void batches_share_by_jobs(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	enqueue_many(&world, "q", "a", 20);
	enqueue_many(&world, "q", "b", 20);
	assert_string_equal(batch(&world, "q", 5, 0, 0), "a5");
	assert_string_equal(starts(&world, "q", 6), "bbbbba");
	world_close(&world);
}

static void small_batches_are_left_until_they_have_waited(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	enqueue_many(&world, "q", "a", 2);
	world_pass(&world, 400);
	enqueue_many(&world, "q", "b", 1);
	struct request *none = batch_request(&world, "q", 5, 3, 1000, 0);
	assert_ptr_equal(world_ask(&world, none), none);
	assert_int_equal(none->ops[0].result.claim->count, 0);
	assert_string_equal(none->ops[0].result.claim->nothing, "group_min");
	assert_int_equal(none->ops[0].result.claim->next_due_ms, 600);
	request_drop(none);
	struct request *waiting = batch_request(&world, "q", 5, 3, 1000, 60000), *second = batch_request(&world, "q", 5, 4, 1000, 60000);
	assert_null(world_ask(&world, waiting));
	assert_null(world_ask(&world, second));
	enqueue_many(&world, "q", "b", 1);
	assert_false(world_answered(&world, waiting));
	enqueue_many(&world, "q", "b", 1); /* enough */
	assert_true(world_answered(&world, waiting));
	assert_string_equal(batch_text(&world, waiting), "b3");
	request_drop(waiting);
	world_pass(&world, 599);
	assert_false(world_answered(&world, second));
	world_pass(&world, 1); /* the oldest of a has waited for a second */
	assert_true(world_answered(&world, second));
	assert_string_equal(batch_text(&world, second), "a2");
	request_drop(second);
	world_close(&world);
}

/* Who waits for more leaves what there is to those who do not. */
static void others_take_what_a_batch_is_not_made_of(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *large = batch_request(&world, "q", 5, 5, 60000, 60000), *same = batch_request(&world, "q", 8, 5, 60000, 60000);
	struct request *small = batch_request(&world, "q", 5, 2, 60000, 60000), *plain = claim_request(&world, "q", 1, 60000);
	assert_null(world_ask(&world, large));
	assert_null(world_ask(&world, same));
	assert_null(world_ask(&world, small));
	assert_null(world_ask(&world, plain));
	enqueue_many(&world, "q", "a", 3);
	assert_true(world_answered(&world, small));
	assert_string_equal(batch_text(&world, small), "a3");
	assert_false(world_answered(&world, plain));
	enqueue_many(&world, "q", "a", 1);
	assert_true(world_answered(&world, plain));
	enqueue_many(&world, "q", "b", 4);
	assert_false(world_answered(&world, large));
	enqueue_many(&world, "q", "b", 7);
	assert_true(world_answered(&world, large));
	assert_string_equal(batch_text(&world, large), "b5");
	assert_true(world_answered(&world, same));
	assert_string_equal(batch_text(&world, same), "b6");
	request_drop(large), request_drop(same), request_drop(small), request_drop(plain);
	world_close(&world);
}

static void batches_keep_all_limits(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, 1);
	request->ops[0].kind = OP_LIMIT_PUT;
	request->ops[0].limit = (struct op_limit){ .limit.name = STR("crm"), .settings = STR("{\"concurrency\":4}") };
	assert_int_equal(world_err(&world, request), E_OK);
	weigh(&world, "q", "a", "{\"concurrency\":2}");
	weigh(&world, "q", "b", "{\"rate\":{\"max\":3,\"per_ms\":1000}}");
	weigh(&world, "q", "c", "{\"limits\":[\"crm\"]}");
	enqueue_many(&world, "q", "a", 9);
	enqueue_many(&world, "q", "b", 9);
	enqueue_many(&world, "q", "c", 9);
	enqueue_many(&world, "narrow", "d", 9);
	world_settings(&world, "narrow", "{\"concurrency\":5}");
	assert_string_equal(batch(&world, "q", 8, 8, 1000), "a2"); /* there are enough; limits let fewer start */
	assert_string_equal(batch(&world, "q", 8, 8, 1000), "b3");
	assert_string_equal(batch(&world, "q", 8, 8, 1000), "c4");
	assert_string_equal(batch(&world, "q", 8, 1, 0), "-");
	assert_string_equal(batch(&world, "narrow", 8, 8, 1000), "d5");
	world_pass(&world, 1000);
	assert_string_equal(batch(&world, "q", 8, 8, 1), "b3");
	world_close(&world);
}

static void jobs_that_are_too_late_are_not_in_a_batch(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	enqueue_many(&world, "q", "a", 1);
	struct request *request = enqueue_request(&world, "q", "a", "");
	request->ops[0].enqueue.ttl_ms = 100;
	uint64_t late = request->ops[0].enqueue.uid;
	assert_int_equal(world_err(&world, request), E_OK);
	enqueue_many(&world, "q", "a", 1);
	world.boot_us += 200000; /* no step in between: the claim finds it */
	world.wall_us += 200000;
	assert_string_equal(batch(&world, "q", 5, 0, 0), "a2");
	assert_int_equal(world_state(&world, late), JOB_EXPIRED);
	world_close(&world);
}

/* ---- jobs that rise ---- */

static uint64_t next_of(struct world *world, const char *queue)
{
	uint64_t uid = 0;
	world_claim(world, queue, 1, &uid);
	return uid;
}

static void whoever_waited_too_long_goes_first(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t first = enqueue_at(&world, "q", "a", 9), second = enqueue_at(&world, "q", "b", 9), third = enqueue_at(&world, "q", "a", 5);
	world_pass(&world, 1000);
	uint64_t urgent = enqueue_at(&world, "q", "a", 0), more = enqueue_at(&world, "q", "a", 0);
	assert_true(next_of(&world, "q") == urgent); /* off */
	world_settings(&world, "q", "{\"rise_after_ms\":1000}");
	assert_true(next_of(&world, "q") == first);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PAUSE, "q", "b", "")), E_OK);
	assert_true(next_of(&world, "q") == third); /* the group of the second may not start */
	assert_true(next_of(&world, "q") == more);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_RESUME, "q", "b", "")), E_OK);
	urgent = enqueue_at(&world, "q", "a", 0);
	assert_true(next_of(&world, "q") == second);
	assert_true(next_of(&world, "q") == urgent);
	world_close(&world);
}

static void sixteen_are_looked_at(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"rise_after_ms\":1000}");
	enqueue_many(&world, "q", "paused", 15);
	uint64_t sixteenth = enqueue_at(&world, "q", "a", 9), next = enqueue_at(&world, "q", "b", 9);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PAUSE, "q", "paused", "")), E_OK);
	world_pass(&world, 2000);
	uint64_t urgent = enqueue_at(&world, "q", "a", 0);
	assert_true(next_of(&world, "q") == sixteenth);
	assert_true(next_of(&world, "q") == next);
	enqueue_many(&world, "q", "paused", 1);
	uint64_t unseen = enqueue_at(&world, "q", "b", 9);
	world_pass(&world, 2000);
	assert_true(next_of(&world, "q") == urgent); /* it has waited too long as well, and is older than those */
	urgent = enqueue_at(&world, "q", "a", 0);
	assert_true(next_of(&world, "q") == urgent); /* the one that waits too long is the seventeenth */
	assert_true(next_of(&world, "q") == unseen);
	world_close(&world);
}

/* A batch that may have to wait for more does not hold up who has waited too long; and what rises costs its group a turn at most. */
static void rising_goes_before_batches_and_turns(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "q", "{\"rise_after_ms\":1000}");
	enqueue_many(&world, "q", "a", 10);
	world_pass(&world, 1000);
	enqueue_many(&world, "q", "b", 10);
	assert_string_equal(batch(&world, "q", 2, 2, 60000), "a2");
	assert_string_equal(starts(&world, "q", 4), "aaaa");
	enqueue_many(&world, "q", "c", 1);
	world_pass(&world, 100);
	assert_string_equal(starts(&world, "q", 4), "aaaa");
	assert_string_equal(starts(&world, "q", 2), "bc");
	enqueue_many(&world, "q", "a", 5);
	assert_int_equal(times(starts(&world, "q", 6), 'a'), 3);
	enqueue_many(&world, "q2", "few", 1);
	world_settings(&world, "q2", "{\"rise_after_ms\":1000}");
	assert_string_equal(batch(&world, "q2", 2, 2, 60000), "-");
	world_pass(&world, 1000);
	assert_string_equal(batch(&world, "q2", 2, 2, 60000), "f1");
	world_close(&world);
}

/* ---- undone ---- */

static void many_waiting(struct world *world)
{
	weigh(world, "q", "b", "{\"weight\":3}");
	for (int i = 0; i < 12; i++) {
		enqueue_at(world, "q", "a", i % 2);
		enqueue_many(world, "q", "b", 2);
		enqueue_many(world, "q", "c", 1);
	}
	starts(world, "q", 5);
}

/* Batches and single starts, then something that is refused. */
static struct request *undone_request(struct world *world)
{
	struct request *request = request_new(world, 5);
	request->atomic = true;
	for (int i = 0; i < 4; i++) {
		struct request *claim = i % 2 ? claim_request(world, "q", 3, 0) : batch_request(world, "q", 3, 2, 1000, 0);
		request->ops[i] = claim->ops[0];
		request->ops[i].claim.queues = ARENA_ARRAY(&request->arena, struct claim_queue, 1);
		request->ops[i].claim.queues[0].queue.name = STR("q");
		request_drop(claim);
	}
	request->ops[4].kind = OP_DELETE;
	request->ops[4].job.uid = 1;
	return request;
}

static void starts_that_are_undone_leave_turns_as_they_were(void **state)
{
	char expected[256];
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct world world;
		world_open(&world);
		many_waiting(&world);
		if (how == 1) { /* an atomic request that is refused */
			struct request *request = undone_request(&world);
			assert_ptr_equal(world_ask(&world, request), request);
			assert_int_equal(request->ops[4].result.err, E_JOB_NOT_FOUND);
			request_drop(request);
		} else if (how == 2) { /* a commit that is refused */
			struct request *request = undone_request(&world);
			request->ops[4] = (struct op){ 0 };
			enqueue_op(&world, &request->ops[4], "other", ""); /* what adds is refused then, what works goes in again */
			world_manual(&world, true);
			assert_null(world_ask(&world, request));
			world_settle(&world, SETTLE_REFUSE);
			world_manual(&world, false);
			world_step(&world);
			assert_true(world_answered(&world, request));
			assert_int_equal(request->err, E_STORE_FULL);
			request_drop(request);
			world_pass(&world, 3000);
		}
		const char *letters = starts(&world, "q", 30);
		if (how == 0)
			snprintf(expected, sizeof(expected), "%s", letters);
		assert_string_equal(letters, expected);
		world_close(&world);
	}
}

static void memory_runs_out(void **state)
{
	(void)state;
	for (uint64_t nth = 0;; nth++) {
		struct world world;
		world_open(&world);
		many_waiting(&world);
		world_settings(&world, "q", "{\"rise_after_ms\":60000}");
		struct request *request = undone_request(&world);
		request->op_count = 4;
		engine_push(world.engine, request);
		bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
		world_step(&world);
		world_pass(&world, 3000);
		assert_true(world_answered(&world, request));
		uint32_t started = 0;
		for (int i = 0; i < 4 && !request->err; i++) {
			bool all = request->ops[i].result.err == E_OK;
			assert_true(all || request->ops[i].result.err == E_NOMEM || request->ops[i].result.err == E_CANCELLED);
			started += all ? request->ops[i].result.claim->count : 0;
		}
		request_drop(request);
		assert_true(started == 0 || started == 12);
		assert_int_equal((int)strcspn(starts(&world, "q", 43), "."), 43 - (int)started); /* 48 less the first five */
		world_close(&world);
		if (!starved)
			break;
		assert_true(nth < 5000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_share_starts_by_their_weights),
		cmocka_unit_test(equals_are_served_in_turn_and_who_comes_stands_behind),
		cmocka_unit_test(being_idle_earns_nothing),
		cmocka_unit_test(being_idle_earns_nothing_beside_urgent_jobs),
		cmocka_unit_test(priorities_have_turns_of_their_own),
		cmocka_unit_test(weights_hold_within_lanes),
		cmocka_unit_test(weights_are_kept_and_checked),
		cmocka_unit_test(a_batch_is_of_one_group),
		cmocka_unit_test(batches_share_by_jobs),
		cmocka_unit_test(small_batches_are_left_until_they_have_waited),
		cmocka_unit_test(others_take_what_a_batch_is_not_made_of),
		cmocka_unit_test(batches_keep_all_limits),
		cmocka_unit_test(jobs_that_are_too_late_are_not_in_a_batch),
		cmocka_unit_test(whoever_waited_too_long_goes_first),
		cmocka_unit_test(sixteen_are_looked_at),
		cmocka_unit_test(rising_goes_before_batches_and_turns),
		cmocka_unit_test(starts_that_are_undone_leave_turns_as_they_were),
		cmocka_unit_test(memory_runs_out),
	};
	return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
