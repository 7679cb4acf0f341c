/* src/engine/order_test.c: the order of jobs under one key of dedup: `latest` and `fifo`, of jobs and of deliveries about one entity. */
#include "engine/test_world.h"

static const struct op_dedup latest = { .key = { "sheet-17", 8 }, .latest = true };
static const struct op_dedup fifo = { .key = { "sheet-17", 8 }, .fifo = true };
static const struct op_dedup last = { .key = { "sheet-17", 8 }, .keep_last = true };
static const struct op_dedup throttle = { .key = { "sheet-17", 8 }, .ttl_ms = 1000 };

static uint64_t enqueue(struct world *world, const struct op_dedup *dedup, int64_t delay_ms)
{
	struct request *request = enqueue_request(world, "q", "", "");
	uint64_t uid = request->ops[0].enqueue.uid;
	request->ops[0].enqueue.dedup = dedup;
	request->ops[0].enqueue.delay_ms = delay_ms;
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	assert_false(request->ops[0].result.deduplicated);
	assert_int_equal(request->ops[0].result.uid, uid);
	request_drop(request);
	return uid;
}

static uint64_t owner(struct world *world, uint64_t *next)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_DEDUP_GET;
	request->ops[0].dedup_key = (struct op_dedup_key){ .queue.name = STR("q"), .key = STR("sheet-17") };
	assert_ptr_equal(world_ask(world, request), request);
	uint64_t uid = request->ops[0].result.count ? request->ops[0].result.uid : 0;
	*next = uid ? request->ops[0].result.next : 0;
	request_drop(request);
	return uid;
}

static void assert_owned(struct world *world, uint64_t uid, uint64_t successor)
{
	uint64_t next;
	assert_int_equal(owner(world, &next), uid);
	assert_int_equal(next, successor);
}

static void claim_one(struct world *world, uint64_t expected)
{
	uint64_t uids[4];
	assert_int_equal(world_claim(world, "q", 4, uids), 1);
	assert_int_equal(uids[0], expected);
}

static void claim_next(struct world *world, uint64_t expected) /* whoever comes after it */
{
	uint64_t uid;
	assert_int_equal(world_claim(world, "q", 1, &uid), 1);
	assert_int_equal(uid, expected);
}

static enum err end(struct world *world, enum op_kind kind, uint64_t uid, enum verdict verdict)
{
	return world_lease(world, kind, uid, "token-1", verdict, 1000);
}

/* What its row says, and that its event names the newer one. */
static void assert_superseded(struct world *world, const char *queue, uint64_t uid, uint64_t by)
{
	struct load load = { .uids = &uid, .uid_count = 1 };
	struct query query = { .kind = QUERY_EVENTS, .queue = str_of(queue), .limit = 100 };
	struct arena arena = { 0 };
	struct answer answer = { 0 };
	struct reader *reader;
	char text[UID_TEXT_BYTES], newer[UID_TEXT_BYTES], line[128];
	uint32_t told = 0;
	assert_int_equal(world->store->verbs->load(world->store, &load, &arena), E_OK);
	assert_int_equal(load.rows[0].state, JOB_CANCELLED);
	assert_int_equal(load.rows[0].outcome, OUTCOME_SUPERSEDED);
	uid_text(uid, text);
	uid_text(by, newer);
	snprintf(line, sizeof(line), "superseded %s {\"by\":\"%s\"}\n", text, newer);
	assert_int_equal(world->store->verbs->reader_open(world->store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &query, &arena, &answer), E_OK);
	for (uint32_t i = 0; i < answer.event_count; i++)
		told += memmem(answer.events[i].lines.ptr, answer.events[i].lines.len, line, strlen(line)) != NULL;
	assert_int_equal(told, 1);
	reader_close(reader);
	arena_fini(&arena);
}

/* ---- jobs ---- */

static void the_newest_takes_the_place_of_one_that_waits(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t first = enqueue(&world, &latest, 0), second = enqueue(&world, &latest, 60000), third = enqueue(&world, &latest, 0);
	assert_superseded(&world, "q", first, second);
	assert_superseded(&world, "q", second, third);
	world_crash(&world);
	uint64_t fourth = enqueue(&world, &latest, 0);
	assert_superseded(&world, "q", third, fourth);
	assert_owned(&world, fourth, 0);
	claim_one(&world, fourth);
	assert_int_equal(end(&world, OP_COMPLETE, fourth, VERDICT_POLICY), E_OK);
	assert_owned(&world, 0, 0);
	world_close(&world);
}

/* The line gets no shorter, and the newest changes all the time: it goes all the same, when the first one would have gone. */
static void the_newest_stands_where_the_first_one_stood(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	enqueue(&world, &latest, 0);
	uint64_t second = world_enqueue(&world, "q", "");
	enqueue(&world, &latest, 0);
	world_crash(&world);
	uint64_t third = world_enqueue(&world, "q", "");
	uint64_t newest = enqueue(&world, &latest, 0);
	claim_next(&world, newest);
	enqueue(&world, &latest, 0); /* it stands in line from here on, behind the one that runs */
	uint64_t fourth = world_enqueue(&world, "q", "");
	enqueue(&world, &latest, 0);
	world_crash(&world);
	uint64_t follows = enqueue(&world, &latest, 0);
	assert_int_equal(end(&world, OP_FAIL, newest, VERDICT_DELAY), E_OK);
	claim_next(&world, second);
	newest = enqueue(&world, &latest, 0);
	assert_superseded(&world, "q", follows, newest);
	claim_next(&world, third);
	claim_next(&world, newest);
	claim_next(&world, fourth);
	world_close(&world);
}

/* Who is delayed stands nowhere, whether by wish or before its next attempt; lifo is asked for anew. */
static void the_newest_of_one_that_stands_nowhere_comes_last(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	enqueue(&world, &latest, 60000);
	uint64_t other = world_enqueue(&world, "q", ""), newest = enqueue(&world, &latest, 0);
	claim_next(&world, other);
	claim_next(&world, newest);
	assert_int_equal(end(&world, OP_FAIL, newest, VERDICT_DELAY), E_OK);
	other = world_enqueue(&world, "q", "");
	newest = enqueue(&world, &latest, 0);
	claim_next(&world, other);
	claim_next(&world, newest);
	enqueue(&world, &latest, 0);
	other = world_enqueue(&world, "q", "");
	struct request *request = enqueue_request(&world, "q", "", "");
	uint64_t first = request->ops[0].enqueue.uid;
	request->ops[0].enqueue.dedup = &latest;
	request->ops[0].enqueue.lifo = true;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(world_state(&world, first), JOB_PARKED);
	world_enqueue(&world, "q", "");
	assert_int_equal(end(&world, OP_COMPLETE, newest, VERDICT_POLICY), E_OK);
	claim_next(&world, first);
	claim_next(&world, other);
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	world_close(&world);
}

/* Where it stood in another queue means nothing in its own. */
static void who_was_moved_leaves_no_place(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t first = enqueue(&world, &latest, 0), other = world_enqueue(&world, "q", "");
	struct request *request = job_request(&world, OP_MOVE, first);
	request->ops[0].job.to.name = STR("elsewhere");
	assert_int_equal(world_err(&world, request), E_OK);
	uint64_t newest = enqueue(&world, &latest, 0);
	assert_superseded(&world, "elsewhere", first, newest);
	claim_next(&world, other);
	claim_next(&world, newest);
	world_close(&world);
}

static void the_newest_follows_one_that_runs(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t first = enqueue(&world, &latest, 0);
	claim_one(&world, first);
	uint64_t second = enqueue(&world, &latest, 0), third = enqueue(&world, &latest, 0);
	assert_superseded(&world, "q", second, third);
	assert_int_equal(world_state(&world, third), JOB_PARKED);
	assert_owned(&world, first, third);
	world_crash(&world);
	assert_owned(&world, first, third);
	assert_int_equal(end(&world, OP_COMPLETE, first, VERDICT_POLICY), E_OK);
	assert_int_equal(world_state(&world, first), JOB_COMPLETED);
	assert_owned(&world, third, 0);
	claim_one(&world, third);
	uint64_t fourth = enqueue(&world, &latest, 0);
	assert_int_equal(end(&world, OP_FAIL, third, VERDICT_FINAL), E_OK); /* for good */
	assert_int_equal(world_state(&world, third), JOB_FAILED);
	claim_one(&world, fourth);
	world_close(&world);
}

/* Whatever brings it back: it would be sent again, and there is something newer. */
static void one_that_would_run_again_gives_way(void **state)
{
	static const struct {
		enum op_kind kind;
		enum verdict verdict;
	} ends[] = { { OP_FAIL, VERDICT_POLICY }, { OP_FAIL, VERDICT_DELAY }, { OP_FAIL, VERDICT_HEAD }, { OP_RELEASE, VERDICT_POLICY },
		     { OP_SNOOZE, VERDICT_POLICY }, { OP_HEARTBEAT, VERDICT_POLICY } };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		struct world world;
		world_open(&world);
		uint64_t first = enqueue(&world, &latest, 0);
		claim_one(&world, first);
		uint64_t second = enqueue(&world, &latest, 0);
		assert_int_equal(end(&world, ends[i].kind, first, ends[i].verdict), E_OK);
		if (ends[i].kind == OP_HEARTBEAT)
			world_pass(&world, 3600000); /* its lease runs out */
		assert_superseded(&world, "q", first, second);
		assert_owned(&world, second, 0);
		claim_one(&world, second);
		world_crash(&world);
		assert_int_equal(end(&world, OP_COMPLETE, second, VERDICT_POLICY), E_OK);
		world_close(&world);
	}
}

static void the_owner_is_cancelled_or_deleted_by_hand(void **state)
{
	(void)state;
	for (int deletes = 0; deletes < 2; deletes++) {
		struct world world;
		world_open(&world);
		uint64_t first = enqueue(&world, &latest, 0);
		assert_int_equal(world_by_hand(&world, deletes ? OP_DELETE : OP_CANCEL, first), E_OK);
		assert_owned(&world, 0, 0);
		uint64_t second = enqueue(&world, &latest, 0);
		claim_one(&world, second);
		uint64_t third = enqueue(&world, &latest, 0);
		assert_int_equal(world_by_hand(&world, deletes ? OP_DELETE : OP_CANCEL, third), E_OK);
		assert_owned(&world, second, 0);
		assert_int_equal(end(&world, OP_FAIL, second, VERDICT_POLICY), E_OK); /* nothing newer is left */
		assert_int_equal(world_state(&world, second), JOB_DELAYED);
		world_close(&world);
	}
}

/* A key that another mode holds. */
static void modes_meet(void **state)
{
	struct world world;
	uint64_t uids[2];
	(void)state;
	world_open(&world);
	struct request *request = enqueue_request(&world, "q", "", "");
	request->ops[0].enqueue.dedup = &throttle;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(end(&world, OP_COMPLETE, uids[0], VERDICT_POLICY), E_OK); /* it has ended, and holds the key */
	uint64_t first = enqueue(&world, &latest, 0);
	world_pass(&world, 2000); /* its time does not end this one's */
	assert_owned(&world, first, 0);
	claim_one(&world, first);
	uint64_t kept = enqueue(&world, &last, 0);
	assert_owned(&world, first, kept);
	assert_int_equal(end(&world, OP_FAIL, first, VERDICT_DELAY), E_OK);
	assert_int_equal(world_state(&world, first), JOB_DELAYED);
	uint64_t newest = enqueue(&world, &latest, 0);
	assert_superseded(&world, "q", first, newest);
	assert_superseded(&world, "q", kept, newest);
	assert_owned(&world, newest, 0);
	claim_one(&world, newest);
	world_close(&world);
}

static void what_cannot_be_is_refused(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	world_settings(&world, "c", "{\"compat\":\"bullmq\"}");
	for (int i = 0; i < 2; i++) {
		struct request *request = enqueue_request(&world, "q", "", "");
		request->ops[0].enqueue.dedup = i ? &latest : &fifo;
		request->ops[0].enqueue.waits = true;
		assert_int_equal(world_err(&world, request), E_INVALID);
		request = enqueue_request(&world, "c", "", "");
		request->ops[0].enqueue.compat = COMPAT_BULLMQ;
		request->ops[0].enqueue.dedup = i ? &latest : &fifo;
		assert_int_equal(world_err(&world, request), E_INVALID);
	}
	assert_int_equal(world.engine->index.live_jobs, 0);
	world_close(&world);
}

static void what_is_refused_supersedes_nobody(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t first = enqueue(&world, &latest, 0);
	claim_one(&world, first);
	uint64_t second = enqueue(&world, &latest, 0);
	struct request *request = request_new(&world, 3);
	request->atomic = true;
	for (int i = 0; i < 2; i++) {
		enqueue_op(&world, &request->ops[i], "q", "");
		request->ops[i].enqueue.dedup = &latest;
	}
	request->ops[2].kind = OP_CANCEL;
	request->ops[2].job.uid = 12345;
	assert_ptr_equal(world_ask(&world, request), request);
	request_drop(request);
	assert_owned(&world, first, second);
	assert_int_equal(world_state(&world, second), JOB_PARKED);
	world_manual(&world, true); /* a commit that the store refuses */
	request = request_new(&world, 1);
	enqueue_op(&world, &request->ops[0], "q", "");
	request->ops[0].enqueue.dedup = &latest;
	assert_null(world_ask(&world, request));
	world_settle(&world, SETTLE_REFUSE);
	assert_true(world_answered(&world, request));
	request_drop(request);
	world_manual(&world, false);
	assert_owned(&world, first, second);
	world_close(&world);
}

static void memory_may_run_out_anywhere(void **state)
{
	(void)state;
	for (int runs = 0; runs < 3; runs++) {
		for (uint64_t nth = 1;; nth++) {
			struct world world;
			uint64_t next = 0, newest = 0;
			world_open(&world);
			uint64_t first = enqueue(&world, &latest, 0);
			if (runs)
				claim_one(&world, first);
			if (runs)
				next = enqueue(&world, &latest, 0);
			struct request *request = runs < 2 ? enqueue_request(&world, "q", "", "") : lease_request(&world, OP_FAIL, first);
			if (runs < 2) {
				newest = request->ops[0].enqueue.uid;
				request->ops[0].enqueue.dedup = &latest;
			}
			engine_push(world.engine, request);
			bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
			for (int i = 0; i < 3 && !world_answered(&world, request); i++)
				world_step(&world);
			bool done = !request->err && !request->ops[0].result.err;
			request_drop(request);
			if (!done)
				assert_owned(&world, first, next);
			else if (runs == 2)
				assert_owned(&world, next, 0);
			else
				assert_owned(&world, runs ? first : newest, runs ? newest : 0);
			world_close(&world);
			if (!starved)
				break;
		}
	}
}

/* ---- fifo ---- */

static void line_of(struct world *world, uint64_t *uids, int count)
{
	for (int i = 0; i < count; i++) {
		uids[i] = enqueue(world, &fifo, 0);
		assert_int_equal(world_state(world, uids[i]), i ? JOB_WAITING_CHILDREN : JOB_WAITING);
		assert_owned(world, uids[i], 0);
	}
}

static void jobs_go_one_after_the_other(void **state)
{
	struct world world;
	uint64_t line[5], uids[4];
	(void)state;
	world_open(&world);
	line_of(&world, line, 5);
	world_crash(&world);
	for (int i = 0; i < 5; i++) {
		claim_one(&world, line[i]);
		assert_int_equal(world_claim(&world, "q", 4, uids), 0);
		assert_int_equal(world_lease(&world, OP_FAIL, line[i], "token-1", VERDICT_DELAY, 1000), E_OK); /* a failure lets nobody pass */
		assert_int_equal(world_claim(&world, "q", 4, uids), 0);
		world_crash(&world);
		world_pass(&world, 1000);
		claim_one(&world, line[i]);
		assert_int_equal(end(&world, i % 2 ? OP_FAIL : OP_COMPLETE, line[i], i % 2 ? VERDICT_FINAL : VERDICT_POLICY), E_OK);
	}
	assert_owned(&world, 0, 0);
	world_step(&world);
	assert_int_equal(world.engine->index.edges.live, 0);
	assert_int_equal(world.engine->index.dedups.live, 0);
	line_of(&world, line, 2);
	world_close(&world);
}

/* Whoever goes, those behind wait for the one before; and the last place is the one before's again. */
static void who_leaves_the_line_closes_it(void **state)
{
	(void)state;
	for (int deletes = 0; deletes < 2; deletes++) {
		struct world world;
		uint64_t line[5], uids[4];
		enum op_kind leave = deletes ? OP_DELETE : OP_CANCEL;
		world_open(&world);
		line_of(&world, line, 5);
		claim_one(&world, line[0]);
		assert_int_equal(world_by_hand(&world, leave, line[2]), E_OK);
		assert_int_equal(world_by_hand(&world, leave, line[1]), E_OK);
		assert_int_equal(world_by_hand(&world, leave, line[4]), E_OK);
		assert_owned(&world, line[3], 0);
		world_crash(&world);
		assert_int_equal(world_claim(&world, "q", 4, uids), 0);
		assert_int_equal(world_by_hand(&world, leave, line[3]), E_OK);
		assert_owned(&world, line[0], 0);
		line[1] = enqueue(&world, &fifo, 0);
		assert_int_equal(world_state(&world, line[1]), JOB_WAITING_CHILDREN);
		assert_int_equal(end(&world, OP_COMPLETE, line[0], VERDICT_POLICY), E_OK);
		claim_one(&world, line[1]);
		line[2] = enqueue(&world, &fifo, 5000);
		assert_int_equal(end(&world, OP_COMPLETE, line[1], VERDICT_POLICY), E_OK);
		assert_int_equal(world_state(&world, line[2]), JOB_DELAYED); /* its own delay begins with its turn */
		world_pass(&world, 5000);
		claim_one(&world, line[2]);
		world_close(&world);
	}
}

/* Who was put back by hand, or looks at all below a job, does not touch the line. */
static void a_line_is_no_tree(void **state)
{
	struct world world;
	uint64_t line[4], uids[4];
	(void)state;
	world_open(&world);
	line_of(&world, line, 4);
	claim_one(&world, line[0]);
	struct request *request = job_request(&world, OP_CANCEL, line[3]);
	request->ops[0].job.tree = true;
	assert_int_equal(world_err(&world, request), E_OK);
	request = job_request(&world, OP_DELETE, line[1]);
	request->ops[0].job.tree = true;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(world_state(&world, line[0]), JOB_ACTIVE);
	line[1] = line[2];
	assert_int_equal(world_state(&world, line[1]), JOB_WAITING_CHILDREN);
	assert_int_equal(end(&world, OP_FAIL, line[0], VERDICT_FINAL), E_OK);
	claim_one(&world, line[1]);
	assert_int_equal(world_by_hand(&world, OP_RETRY, line[0]), E_OK); /* it is sent again: the line is not behind it */
	assert_int_equal(end(&world, OP_COMPLETE, line[1], VERDICT_POLICY), E_OK);
	assert_int_equal(world_state(&world, line[1]), JOB_COMPLETED);
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	assert_int_equal(uids[0], line[0]);
	world_close(&world);
}

static void a_job_stands_where_it_stood(void **state)
{
	struct world world;
	uint64_t line[2], uids[2];
	(void)state;
	world_open(&world);
	line_of(&world, line, 2);
	claim_one(&world, line[0]);
	world_enqueue(&world, "q", ""); /* later than the line's second one */
	assert_int_equal(end(&world, OP_COMPLETE, line[0], VERDICT_POLICY), E_OK);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(uids[0], line[1]);
	world_close(&world);
}

static void latest_and_fifo_meet(void **state)
{
	struct world world;
	uint64_t line[2], uids[4];
	(void)state;
	world_open(&world);
	line_of(&world, line, 2);
	claim_one(&world, line[0]);
	uint64_t newest = enqueue(&world, &latest, 0);
	assert_owned(&world, line[1], newest);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, line[1]), E_OK);
	assert_owned(&world, line[0], newest); /* it comes after the one that runs all the same */
	uint64_t after = enqueue(&world, &fifo, 0);
	assert_superseded(&world, "q", newest, after);
	assert_int_equal(world_claim(&world, "q", 4, uids), 0);
	assert_int_equal(end(&world, OP_COMPLETE, line[0], VERDICT_POLICY), E_OK);
	claim_one(&world, after);
	world_close(&world);
}

/* It gave way to the newest, too, had the one behind it not been there. */
static void who_waits_gives_way_when_the_one_behind_it_leaves(void **state)
{
	(void)state;
	for (int deletes = 0; deletes < 2; deletes++) {
		struct world world;
		uint64_t line[2];
		world_open(&world);
		line_of(&world, line, 2);
		claim_one(&world, line[0]);
		assert_int_equal(end(&world, OP_FAIL, line[0], VERDICT_DELAY), E_OK);
		uint64_t newest = enqueue(&world, &latest, 0);
		assert_owned(&world, line[1], newest);
		assert_int_equal(world_by_hand(&world, deletes ? OP_DELETE : OP_CANCEL, line[1]), E_OK);
		assert_superseded(&world, "q", line[0], newest);
		assert_owned(&world, newest, 0);
		claim_one(&world, newest);
		world_close(&world);
	}
}

/* It would start when they have ended, whoever is before it. */
static void who_stands_in_line_takes_no_children(void **state)
{
	struct world world;
	struct op_parent parent = { .on_failure = ON_FAILURE_CONTINUE };
	uint64_t line[2];
	(void)state;
	world_open(&world);
	line_of(&world, line, 2);
	claim_one(&world, line[0]);
	parent.uid = line[1];
	struct request *request = enqueue_request(&world, "q", "", "");
	request->ops[0].enqueue.parents = &parent;
	request->ops[0].enqueue.parent_count = 1;
	assert_int_equal(world_err(&world, request), E_STATE);
	assert_int_equal(end(&world, OP_COMPLETE, line[0], VERDICT_POLICY), E_OK);
	claim_one(&world, line[1]);
	uint64_t child = uid_next(&world.maker, world.wall_us);
	request = enqueue_request(&world, "q", "", "");
	request->ops[0].enqueue.uid = child;
	request->ops[0].enqueue.parents = &parent;
	request->ops[0].enqueue.parent_count = 1;
	assert_int_equal(world_err(&world, request), E_OK);
	world_close(&world);
}

static void memory_may_run_out_anywhere_in_a_line(void **state)
{
	(void)state;
	for (int what = 0; what < 4; what++) {
		for (uint64_t nth = 1;; nth++) {
			struct world world;
			uint64_t line[3], uids[4];
			world_open(&world);
			line_of(&world, line, 3);
			claim_one(&world, line[0]);
			struct request *request = what == 0   ? enqueue_request(&world, "q", "", "")
			                          : what == 1 ? job_request(&world, OP_CANCEL, line[1])
			                          : what == 2 ? job_request(&world, OP_DELETE, line[2])
						      : lease_request(&world, OP_COMPLETE, line[0]);
			if (what == 0)
				request->ops[0].enqueue.dedup = &fifo;
			uint64_t fresh = what == 0 ? request->ops[0].enqueue.uid : 0;
			engine_push(world.engine, request);
			bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
			for (int i = 0; i < 3 && !world_answered(&world, request); i++)
				world_step(&world);
			bool done = !request->err && !request->ops[0].result.err;
			request_drop(request);
			assert_owned(&world, done && what == 0 ? fresh : done && what == 2 ? line[1] : line[2], 0);
			assert_int_equal(world_claim(&world, "q", 4, uids), done && what == 3);
			world_close(&world);
			if (!starved)
				break;
		}
	}
}

/* ---- deliveries ---- */

static void endpoint_put(struct world *world, const char *name, const char *text)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_NAMED_PUT;
	request->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = str_of(name), .text = str_of(text), .replace = true };
	assert_int_equal(world_err(world, request), E_OK);
}

static void endpoint_state(struct world *world, const char *name, enum named_state wanted)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_NAMED_STATE;
	request->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = str_of(name), .state = wanted };
	assert_int_equal(world_err(world, request), E_OK);
}

static void message_op(struct world *world, struct op *op, const char *entity)
{
	op->kind = OP_MESSAGE;
	op->message = (struct op_message){ .uid = uid_next(&world->maker, world->wall_us), .type = STR("a"), .entity = str_of(entity), .payload = STR("1") };
}

static uint64_t send(struct world *world, const char *entity)
{
	struct request *request = request_new(world, 1);
	message_op(world, request->ops, entity);
	uint64_t uid = request->ops[0].message.uid;
	assert_int_equal(world_err(world, request), E_OK);
	return uid;
}

static uint64_t message_of(struct world *world, uint64_t job)
{
	struct load load = { .uids = &job, .uid_count = 1 };
	struct arena arena = { 0 };
	assert_int_equal(world->store->verbs->load(world->store, &load, &arena), E_OK);
	uint64_t message = load.definitions[0].message;
	arena_fini(&arena);
	return message;
}

/* Live deliveries in a state; their messages. */
static uint32_t deliveries(struct world *world, enum job_state wanted, uint64_t *messages, uint32_t max)
{
	const struct index *index = &world->engine->index;
	uint32_t count = 0;
	for (uint32_t slot = 0; slot < index->jobs.used; slot++) {
		const struct job *job = job_at(index, slot);
		if (job_find(index, job->uid) != slot || job->flags & JOB_DELETED || job->state != wanted)
			continue;
		if (count < max)
			messages[count] = message_of(world, job->uid);
		count++;
	}
	return count;
}

static const struct effect *last_call(const struct world *world)
{
	const struct effect *last_one = NULL;
	for (const struct effect *effect = world->effects; effect; effect = effect->next)
		last_one = effect->kind == EFFECT_DELIVER ? effect : last_one;
	return last_one;
}

static enum err answer(struct world *world, const struct effect *call, enum op_kind kind)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].lease = (struct op_lease){ .uid = call->uid, .fence = call->fence, .token = DELIVERY_TOKEN, .body = STR("1"),
		                                   .error = kind == OP_FAIL ? STR("{\"message\":\"no\"}") : STR("") };
	return world_err(world, request);
}

#define LATEST "{\"url\":\"https://a/\",\"types\":[\"*\"],\"order\":\"latest\",\"retry\":{\"kind\":\"fixed\",\"delay_ms\":14400000,\"max_attempts\":5}}"

static void only_the_newest_delivery_of_an_entity_waits(void **state)
{
	struct world world;
	uint64_t messages[8];
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", LATEST);
	endpoint_put(&world, "y", "{\"url\":\"https://a/\",\"types\":[\"*\"]}");
	endpoint_state(&world, "x", NAMED_PAUSED);
	endpoint_state(&world, "y", NAMED_PAUSED);
	send(&world, "e");
	uint64_t other = send(&world, "f");
	send(&world, "e");
	world_crash(&world);
	uint64_t newest = send(&world, "e");
	assert_int_equal(deliveries(&world, JOB_WAITING, messages, 0), 2 + 4);
	endpoint_state(&world, "x", NAMED_ENABLED);
	assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 8), 2);
	assert_int_equal(messages[0] + messages[1], other + newest);
	for (int i = 0; i < 3; i++)
		send(&world, ""); /* about nothing: each of them is sent */
	assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 8), 2); /* slow start */
	assert_int_equal(deliveries(&world, JOB_WAITING, messages, 8), 3 + 4 + 3);
	world_close(&world);
}

/* Its owner waits for hours and stays at hand; a daemon that dies under a call sends what is newer. */
static void a_failed_delivery_gives_way_to_a_newer_one(void **state)
{
	struct world world;
	uint64_t messages[8];
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", LATEST);
	send(&world, "e");
	assert_int_equal(answer(&world, last_call(&world), OP_FAIL), E_OK);
	assert_int_equal(deliveries(&world, JOB_DELAYED, messages, 0), 1);
	world_pass(&world, 60000);
	world_crash(&world);
	world_pass(&world, 60000);
	uint64_t second = send(&world, "e");
	assert_int_equal(world.engine->index.live_jobs + world.engine->index.far_jobs, 1);
	assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 1), 1);
	assert_int_equal(messages[0], second);
	uint64_t third = send(&world, "e");
	assert_int_equal(deliveries(&world, JOB_PARKED, messages, 1), 1);
	assert_int_equal(messages[0], third);
	world_crash(&world);
	assert_int_equal(world.engine->index.live_jobs, 1);
	assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 1), 1);
	assert_int_equal(messages[0], third);
	assert_int_equal(answer(&world, last_call(&world), OP_COMPLETE), E_OK);
	assert_int_equal(world.engine->index.live_jobs, 0);
	world_close(&world);
}

#define FIFO(more) "{\"url\":\"https://a/\",\"types\":[\"*\"],\"order\":\"fifo\",\"retry\":{\"kind\":\"fixed\",\"delay_ms\":14400000,\"max_attempts\":1}" more "}"

static void deliveries_of_an_entity_go_in_order(void **state)
{
	struct world world;
	uint64_t sent[4], messages[8];
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", FIFO(""));
	for (int i = 0; i < 4; i++)
		sent[i] = send(&world, i == 3 ? "f" : "e");
	assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 8), 2);
	assert_int_equal(messages[0] + messages[1], sent[0] + sent[3]);
	assert_int_equal(answer(&world, last_call(&world), OP_COMPLETE), E_OK); /* of the other entity */
	for (int i = 0; i < 3; i++) {
		world_crash(&world);
		assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 8), 1);
		assert_int_equal(messages[0], sent[i]);
		assert_int_equal(answer(&world, last_call(&world), i ? OP_COMPLETE : OP_FAIL), E_OK);
	}
	assert_int_equal(world.engine->index.live_jobs, 0);
	world_close(&world);
}

/* One failed: whatever is about its entity waits, also what comes later, until somebody does something about it. */
static void a_failure_holds_those_behind(void **state)
{
	enum { RETRY, DELETE, GO_ON, ENDPOINT_GONE, WAYS };
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct world world;
		uint64_t messages[8];
		world_open(&world);
		endpoint_put(&world, "x", FIFO(",\"fifo_on_failure\":\"hold\""));
		send(&world, "e");
		uint64_t first = last_call(&world)->uid;
		uint64_t second = way == DELETE ? 0 : send(&world, "e");
		assert_int_equal(answer(&world, last_call(&world), OP_FAIL), E_OK);
		assert_int_equal(world_state(&world, first), JOB_FAILED);
		world_crash(&world);
		world_pass(&world, 5000);
		uint64_t third = send(&world, "e"), other = send(&world, "f");
		assert_int_equal(deliveries(&world, JOB_WAITING_CHILDREN, messages, 8), second ? 2 : 1);
		assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 8), 1);
		assert_int_equal(messages[0], other);
		assert_int_equal(answer(&world, last_call(&world), OP_COMPLETE), E_OK);
		world_pass(&world, 5000);
		assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 8), 0);
		if (way == RETRY) {
			assert_int_equal(world_by_hand(&world, OP_RETRY, first), E_OK);
			assert_int_equal(answer(&world, last_call(&world), OP_FAIL), E_OK); /* once more in vain */
			assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 8), 0);
			assert_int_equal(world_by_hand(&world, OP_RETRY, first), E_OK);
			assert_int_equal(answer(&world, last_call(&world), OP_COMPLETE), E_OK);
		} else if (way == DELETE) {
			assert_int_equal(world_by_hand(&world, OP_DELETE, first), E_OK);
		} else if (way == GO_ON) {
			endpoint_put(&world, "x", FIFO(""));
		} else {
			struct request *request = request_new(&world, 1);
			request->ops[0].kind = OP_NAMED_DELETE;
			request->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = STR("x") };
			assert_int_equal(world_err(&world, request), E_OK);
		}
		world_pass(&world, 3000);
		assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 8), 1);
		assert_int_equal(messages[0], second ? second : third);
		assert_int_equal(answer(&world, last_call(&world), OP_COMPLETE), E_OK);
		if (second)
			assert_int_equal(answer(&world, last_call(&world), OP_COMPLETE), E_OK);
		world_pass(&world, 3000);
		assert_int_equal(world.engine->index.live_jobs, 0);
		assert_int_equal(world.engine->index.dedups.live, 0);
		assert_int_equal(world.engine->index.edges.live, 0);
		world_close(&world);
	}
}

/* Retention takes the one that failed: nobody could retry it any more. */
/* Who failed has the key again, and holds nobody any more: the newest follows nobody. */
static void the_newest_does_not_follow_one_that_failed(void **state)
{
	struct world world;
	uint64_t messages[8];
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", FIFO(",\"fifo_on_failure\":\"hold\""));
	send(&world, "e");
	send(&world, "e");
	uint64_t behind = job_at(&world.engine->index, 1)->uid;
	assert_int_equal(answer(&world, last_call(&world), OP_FAIL), E_OK);
	assert_int_equal(world_state(&world, behind), JOB_WAITING_CHILDREN);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"],\"order\":\"latest\"}");
	uint64_t third = send(&world, "e");
	assert_int_equal(deliveries(&world, JOB_PARKED, messages, 1), 1);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, behind), E_OK);
	assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 1), 1);
	assert_int_equal(messages[0], third);
	world_close(&world);
}

/* Who was about to leave memory when he was looked for is looked for again, however many others come after him. */
static void nobody_is_passed_over_among_many(void **state)
{
	enum { LINES = 502 };
	struct world world;
	char entities[LINES][16];
	(void)state;
	world_open(&world);
	world.engine->config.deliveries_max = LINES;
	endpoint_put(&world, "x", FIFO(",\"fifo_on_failure\":\"hold\",\"concurrency\":1000"));
	struct named *named = named_at(&world.engine->index, named_find(&world.engine->index, NAMED_ENDPOINT, (struct queue_name){ .name = STR("x") }));
	named->health.allowed = LINES;
	named->health.answered = 1; /* it is not doubted */
	struct request *messages = request_new(&world, 2 * LINES), *fails = request_new(&world, LINES - 1), *fail = request_new(&world, 1);
	for (uint32_t i = 0; i < 2 * LINES; i++) {
		snprintf(entities[i / 2], sizeof(entities[i / 2]), "e%u", i / 2);
		message_op(&world, &messages->ops[i], entities[i / 2]);
	}
	assert_int_equal(world_err(&world, messages), E_OK);
	while (world.engine->index.follow_edges < LINES)
		world_pass(&world, 100);
	world_pass(&world, 100);
	uint32_t count = 0;
	for (const struct effect *effect = world.effects; effect; effect = effect->next) {
		if (effect->kind != EFFECT_DELIVER)
			continue;
		struct op *op = count ? &fails->ops[count - 1] : &fail->ops[0];
		assert_true(count++ < LINES);
		op->kind = OP_FAIL;
		op->lease = (struct op_lease){ .uid = effect->uid, .fence = effect->fence, .token = DELIVERY_TOKEN, .error = STR("{\"message\":\"no\"}") };
	}
	assert_int_equal(count, LINES);
	uint64_t behind = edge_parent(&world.engine->index, 0);
	assert_int_equal(edge_child(&world.engine->index, 0), fail->ops[0].lease.uid);
	assert_int_equal(world_err(&world, fails), E_OK);
	assert_int_equal(world_state(&world, behind), JOB_WAITING_CHILDREN);
	struct request *put = request_new(&world, 1);
	put->ops[0].kind = OP_NAMED_PUT;
	put->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = STR("x"), .text = STR("{\"fifo_on_failure\":\"go_on\"}") };
	world.boot_us += 2000000;
	world.wall_us += 2000000;
	engine_push(world.engine, fail);
	engine_push(world.engine, put);
	world_step(&world);
	assert_true(world_answered(&world, fail) && world_answered(&world, put));
	request_drop(fail);
	request_drop(put);
	world_pass(&world, 5000);
	world_pass(&world, 5000);
	assert_int_not_equal(world_state(&world, behind), JOB_WAITING_CHILDREN);
	world_close(&world);
}

static void what_held_is_not_kept(void **state)
{
	struct world world;
	uint64_t messages[2];
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", FIFO(",\"fifo_on_failure\":\"hold\""));
	world_settings(&world, "webhooks", "{\"keep_failed\":{\"age_ms\":1000}}");
	send(&world, "e");
	assert_int_equal(answer(&world, last_call(&world), OP_FAIL), E_OK);
	uint64_t second = send(&world, "e");
	assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 2), 0);
	for (int i = 0; i < 120 && !deliveries(&world, JOB_ACTIVE, messages, 2); i++)
		world_pass(&world, 1000);
	assert_int_equal(deliveries(&world, JOB_ACTIVE, messages, 2), 1);
	assert_int_equal(messages[0], second);
	world_close(&world);
}

#define MANY 700

/* One message is on its way to many endpoints, the next one about the same entity comes: it overtakes it nowhere. */
static void no_message_overtakes_another_about_its_entity(void **state)
{
	struct world world;
	static uint64_t messages[2 * MANY];
	char names[MANY][16];
	(void)state;
	world_open(&world);
	world.engine->config.deliveries_max = 0;
	struct request *request = request_new(&world, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "e%u", i);
		request->ops[i].kind = OP_NAMED_PUT;
		request->ops[i].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = arena_str(&request->arena, str_of(names[i])), .replace = true,
			                                   .text = STR(LATEST) };
	}
	assert_ptr_equal(world_ask(&world, request), request);
	request_drop(request);
	request = request_new(&world, 2);
	message_op(&world, &request->ops[0], "other");
	message_op(&world, &request->ops[1], "e"); /* whose deliveries the first leaves no room for */
	struct request *next = request_new(&world, 1);
	message_op(&world, &next->ops[0], "e");
	uint64_t newest = next->ops[0].message.uid;
	engine_push(world.engine, request);
	engine_push(world.engine, next);
	world_pass(&world, 3000);
	world_pass(&world, 3000);
	assert_true(world_answered(&world, request));
	assert_true(world_answered(&world, next));
	assert_true(next->ops[0].result.more);
	assert_int_equal(next->ops[0].result.units, 0);
	assert_int_equal(next->ops[0].result.count, MANY);
	request_drop(request);
	request_drop(next);
	assert_int_equal(deliveries(&world, JOB_WAITING, messages, 2 * MANY), 2 * MANY);
	uint32_t newer = 0;
	for (uint32_t i = 0; i < 2 * MANY; i++)
		newer += messages[i] == newest;
	assert_int_equal(newer, MANY);
	world_close(&world);
}

static enum err resend(struct world *world, uint64_t message, const char *endpoint)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_RESEND;
	request->ops[0].resend = (struct op_resend){ .message = message, .endpoint = str_of(endpoint) };
	return world_err(world, request);
}

/* An endpoint that came later is sent what it missed, but nothing older after something newer. */
static void an_old_message_is_sent_again_before_a_newer_one_only(void **state)
{
	struct world world;
	uint64_t messages[4];
	(void)state;
	world_open(&world);
	uint64_t first = send(&world, "e"), second = send(&world, "e"), other = send(&world, "f");
	endpoint_put(&world, "x", LATEST);
	endpoint_state(&world, "x", NAMED_PAUSED);
	assert_int_equal(resend(&world, first, "x"), E_OK);
	assert_int_equal(resend(&world, other, "x"), E_OK);
	uint64_t newest = send(&world, "e");
	assert_int_equal(resend(&world, second, "x"), E_STATE);
	assert_int_equal(deliveries(&world, JOB_WAITING, messages, 4), 2);
	assert_int_equal(messages[0] + messages[1], other + newest);
	world_close(&world);
}

/* So many are held that no more are made; but the newest state of what is held is. */
static void what_is_held_stays_the_newest(void **state)
{
	struct world world;
	uint64_t messages[4];
	(void)state;
	world_open(&world);
	endpoint_put(&world, "x", "{\"url\":\"https://a/\",\"types\":[\"*\"],\"order\":\"latest\",\"hold_max\":2}");
	endpoint_state(&world, "x", NAMED_PAUSED);
	send(&world, "e");
	uint64_t other = send(&world, "f");
	send(&world, "g"); /* counted, not made */
	uint64_t newest = send(&world, "e");
	assert_int_equal(deliveries(&world, JOB_WAITING, messages, 4), 2);
	assert_int_equal(messages[0] + messages[1], other + newest);
	world_close(&world);
}

static void memory_runs_out_under_a_message(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct world world;
		uint64_t messages[4];
		world_open(&world);
		endpoint_put(&world, "x", LATEST);
		endpoint_state(&world, "x", NAMED_PAUSED);
		uint64_t first = send(&world, "e");
		struct request *request = request_new(&world, 1);
		message_op(&world, request->ops, "e");
		uint64_t second = request->ops[0].message.uid;
		engine_push(world.engine, request);
		bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
		world_step(&world);
		world_pass(&world, 3000);
		assert_true(world_answered(&world, request));
		bool done = !request->err && !request->ops[0].result.err;
		request_drop(request);
		assert_int_equal(deliveries(&world, JOB_WAITING, messages, 4), 1);
		assert_int_equal(messages[0], done ? second : first);
		world_close(&world);
		if (!starved)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_takes_the_place_of_one_that_waits),
		cmocka_unit_test(the_newest_stands_where_the_first_one_stood),
		cmocka_unit_test(the_newest_of_one_that_stands_nowhere_comes_last),
		cmocka_unit_test(who_was_moved_leaves_no_place),
		cmocka_unit_test(the_newest_follows_one_that_runs),
		cmocka_unit_test(one_that_would_run_again_gives_way),
		cmocka_unit_test(the_owner_is_cancelled_or_deleted_by_hand),
		cmocka_unit_test(modes_meet),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(what_is_refused_supersedes_nobody),
		cmocka_unit_test(memory_may_run_out_anywhere),
		cmocka_unit_test(jobs_go_one_after_the_other),
		cmocka_unit_test(who_leaves_the_line_closes_it),
		cmocka_unit_test(a_line_is_no_tree),
		cmocka_unit_test(a_job_stands_where_it_stood),
		cmocka_unit_test(latest_and_fifo_meet),
		cmocka_unit_test(who_waits_gives_way_when_the_one_behind_it_leaves),
		cmocka_unit_test(who_stands_in_line_takes_no_children),
		cmocka_unit_test(memory_may_run_out_anywhere_in_a_line),
		cmocka_unit_test(deliveries_of_an_entity_go_in_order),
		cmocka_unit_test(a_failure_holds_those_behind),
		cmocka_unit_test(the_newest_does_not_follow_one_that_failed),
		cmocka_unit_test(nobody_is_passed_over_among_many), cmocka_unit_test(what_held_is_not_kept),
		cmocka_unit_test(only_the_newest_delivery_of_an_entity_waits),
		cmocka_unit_test(a_failed_delivery_gives_way_to_a_newer_one),
		cmocka_unit_test(no_message_overtakes_another_about_its_entity),
		cmocka_unit_test(an_old_message_is_sent_again_before_a_newer_one_only),
		cmocka_unit_test(what_is_held_stays_the_newest),
		cmocka_unit_test(memory_runs_out_under_a_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
