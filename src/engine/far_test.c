/* Delayed jobs that are far from their due time: on disk only, counted exactly, back when they are named and before they are due. */
#include "engine/test_world.h"

#define HOUR_MS INT64_C(3600000)

static uint64_t far_delay(struct world *world, const char *queue, int32_t priority, int64_t delay_ms)
{
	struct request *request = enqueue_request(world, queue, "g", "");
	uint64_t uid = request->ops[0].enqueue.uid;
	request->ops[0].enqueue.delay_ms = delay_ms;
	request->ops[0].enqueue.priority = priority;
	assert_int_equal(world_err(world, request), E_OK);
	return uid;
}

static uint64_t far_run_at(struct world *world, const char *queue, int64_t in_ms)
{
	struct request *request = enqueue_request(world, queue, "", "");
	uint64_t uid = request->ops[0].enqueue.uid;
	request->ops[0].enqueue.run_at_us = world->wall_us + in_ms * 1000;
	assert_int_equal(world_err(world, request), E_OK);
	return uid;
}

static void far_are(const struct world *world, uint64_t far, uint64_t near)
{
	struct engine_stats stats;
	engine_stats(world->engine, &stats);
	assert_int_equal(stats.far_jobs, far);
	assert_int_equal(stats.live_jobs, far + near);
	assert_int_equal(world->engine->index.jobs.live, near);
}

static bool far_in_memory(const struct world *world, uint64_t uid)
{
	return job_find(&world->engine->index, uid) != SLOT_NONE;
}

struct far_told {
	uint64_t delayed, waiting;
	int64_t next_due_ms; /* from now; -1: none */
	uint32_t groups;
};

static struct far_told far_ask(struct world *world, const char *queue)
{
	struct request *request = queue_request(world, OP_QUEUE_GET, queue, "", "");
	assert_ptr_equal(world_ask(world, request), request);
	const struct queue_info *info = request->ops[0].result.queues;
	uint64_t by_priority = 0;
	for (uint32_t i = 0; i < info->priority_count; i++)
		by_priority += info->priorities[i].live[JOB_DELAYED];
	assert_int_equal(by_priority, info->states[JOB_DELAYED]);
	struct far_told told = { info->states[JOB_DELAYED], info->states[JOB_WAITING],
		                 info->next_due_us ? (info->next_due_us - world->wall_us) / 1000 : -1, info->groups };
	request_drop(request);
	return told;
}

static void far_jobs_are_on_disk_only(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	uint64_t near = far_delay(&world, "q", 0, HOUR_MS);
	far_delay(&world, "q", 2, 3 * HOUR_MS);
	uint64_t first = far_delay(&world, "q", 1, 2 * HOUR_MS);
	far_run_at(&world, "q", 150 * 60000);
	far_are(&world, 3, 1);
	struct far_told told = far_ask(&world, "q");
	assert_int_equal(told.delayed, 4);
	assert_int_equal(told.next_due_ms, HOUR_MS);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, "q", "", "")), E_CONFLICT);
	assert_int_equal(world_by_hand(&world, OP_DELETE, near), E_OK);
	told = far_ask(&world, "q");
	assert_int_equal(told.delayed, 3);
	assert_int_equal(told.next_due_ms, 2 * HOUR_MS);
	assert_int_equal(told.groups, 0); /* a group whose jobs are all far is not in memory */
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, "q", "", "")), E_CONFLICT);
	struct request *claim = claim_request(&world, "q", 1, 0);
	assert_ptr_equal(world_ask(&world, claim), claim);
	assert_int_equal(claim->ops[0].result.claim->count, 0);
	assert_int_equal(claim->ops[0].result.claim->next_due_ms, 2 * HOUR_MS);
	request_drop(claim);

	world_pass(&world, HOUR_MS + 240000); /* the first is well within the horizon */
	far_are(&world, 2, 1);
	assert_true(far_in_memory(&world, first));
	assert_int_equal(far_ask(&world, "q").delayed, 3);
	world_pass(&world, HOUR_MS - 240001);
	assert_int_equal(world_claim(&world, "q", 4, uids), 0);
	world_pass(&world, 1);
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	assert_true(uids[0] == first);
	world_close(&world);
}

/* Each command by hand finds the job and lets it go again. */
static void commands_find_far_jobs(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	uint64_t uid = far_delay(&world, "q", 5, 2 * HOUR_MS), other = far_delay(&world, "q", 5, 3 * HOUR_MS);
	assert_int_equal(world_state(&world, uid), JOB_DELAYED);
	far_are(&world, 2, 0);
	assert_int_equal(world_by_hand(&world, OP_RETRY, uid), E_STATE);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_STALE);
	far_are(&world, 2, 0);
	struct request *request = job_request(&world, OP_REPRIORITISE, uid);
	request->ops[0].job.priority = 1;
	assert_int_equal(world_err(&world, request), E_OK);
	far_are(&world, 2, 0);
	request = job_request(&world, OP_MOVE, uid);
	request->ops[0].job.to.name = STR("there");
	assert_int_equal(world_err(&world, request), E_OK);
	far_are(&world, 2, 0);
	assert_int_equal(far_ask(&world, "q").next_due_ms, 3 * HOUR_MS);
	assert_int_equal(far_ask(&world, "there").next_due_ms, 2 * HOUR_MS);
	assert_int_equal(far_ask(&world, "there").delayed, 1);
	assert_int_equal(world_by_hand(&world, OP_PROMOTE, uid), E_OK);
	far_are(&world, 1, 1);
	assert_int_equal(world_claim(&world, "there", 4, uids), 1);
	assert_true(uids[0] == uid);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, other), E_OK);
	assert_int_equal(far_ask(&world, "q").delayed, 0);
	assert_int_equal(far_ask(&world, "q").next_due_ms, -1);
	request = job_request(&world, OP_RETRY, other);
	request->ops[0].job.delay_ms = 5 * HOUR_MS;
	assert_int_equal(world_err(&world, request), E_OK);
	far_are(&world, 1, 1);
	assert_int_equal(far_ask(&world, "q").next_due_ms, 5 * HOUR_MS);
	assert_int_equal(world_by_hand(&world, OP_DELETE, other), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, "q", "", "")), E_OK);
	far_are(&world, 0, 1);
	world_close(&world);
}

static void ids_waits_and_slices_find_far_jobs(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t uids[2] = { 0 }, versions[2];
	for (int i = 0; i < 2; i++) { /* the second is a repeat */
		struct request *request = enqueue_request(&world, "q", "", "order-1");
		request->ops[0].enqueue.delay_ms = 2 * HOUR_MS;
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->ops[0].result.duplicate, i == 1);
		assert_int_equal(request->ops[0].result.state, JOB_DELAYED);
		assert_true(i == 0 || request->ops[0].result.uid == uids[0]);
		uids[0] = request->ops[0].result.uid;
		request_drop(request);
	}
	struct request *explain = job_request(&world, OP_EXPLAIN, 0);
	explain->ops[0].job.queue.name = STR("q");
	explain->ops[0].job.id = STR("order-1");
	assert_ptr_equal(world_ask(&world, explain), explain);
	assert_int_equal(explain->ops[0].result.explanation->code, EXPLAIN_DELAYED);
	assert_true(explain->ops[0].result.explanation->until_us == world.wall_us + 2 * HOUR_MS * 1000);
	request_drop(explain);
	struct request *wait = job_request(&world, OP_WAIT, uids[0]);
	wait->ops[0].job.wait_ms = 1000;
	assert_null(world_ask(&world, wait));
	far_are(&world, 1, 0);
	world_pass(&world, 1001);
	assert_true(world_answered(&world, wait));
	assert_int_equal(wait->ops[0].result.state, JOB_DELAYED);
	request_drop(wait);
	wait = job_request(&world, OP_WAIT, uids[0]);
	wait->ops[0].job.wait_ms = 1000;
	assert_null(world_ask(&world, wait));

	uids[1] = far_delay(&world, "q", 0, 2 * HOUR_MS);
	struct request *start = request_new(&world, 1);
	start->ops[0].kind = OP_OPERATION_START;
	uint64_t number = start->ops[0].operation.number = uid_next(&world.maker, world.wall_us);
	start->ops[0].operation.action = OP_CANCEL;
	assert_int_equal(world_err(&world, start), E_OK);
	versions[0] = 1;
	versions[1] = world.engine->index.committed_seq + 1; /* another one's */
	struct request *slice = request_new(&world, 1);
	slice->ops[0].kind = OP_SLICE;
	slice->ops[0].operation = (struct op_operation){ .number = number, .action = OP_CANCEL, .uids = uids, .versions = versions, .count = 2, .last = true };
	assert_ptr_equal(world_ask(&world, slice), slice);
	assert_int_equal(slice->ops[0].result.operation->done, 1);
	assert_int_equal(slice->ops[0].result.operation->skipped, 1);
	request_drop(slice);
	assert_true(world_answered(&world, wait));
	assert_int_equal(wait->ops[0].result.state, JOB_CANCELLED);
	request_drop(wait);
	far_are(&world, 1, 0);
	world_close(&world);
}

static void what_is_refused_leaves_far_jobs_far(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t uid = far_delay(&world, "q", 0, 2 * HOUR_MS);
	for (int outcome = SETTLE_REFUSE; outcome <= SETTLE_LOSE_UNKNOWN; outcome++) {
		world_manual(&world, true);
		struct request *request = request_new(&world, 2);
		request->ops[0].kind = OP_REPRIORITISE;
		request->ops[0].job.uid = uid;
		request->ops[0].job.priority = outcome;
		enqueue_op(&world, &request->ops[1], "q", "")->enqueue.delay_ms = 9 * HOUR_MS;
		uint64_t other = request->ops[1].enqueue.uid;
		world_push(&world, request);
		far_are(&world, 0, 2);
		world_settle(&world, (enum settle)outcome);
		assert_true(world_answered(&world, request));
		assert_int_equal(request->err, outcome == SETTLE_REFUSE ? E_STORE_FULL : E_OUTCOME_UNKNOWN);
		request_drop(request);
		world_manual(&world, false);
		far_are(&world, outcome == SETTLE_APPLY_UNKNOWN ? 2 : 1, 0);
		world_pass(&world, 2000);
		assert_int_equal(world_by_hand(&world, OP_DELETE, other), outcome == SETTLE_APPLY_UNKNOWN ? E_OK : E_JOB_NOT_FOUND);
	}
	struct request *atomic = request_new(&world, 2);
	atomic->atomic = true;
	atomic->ops[0].kind = OP_PROMOTE;
	atomic->ops[0].job.uid = uid;
	atomic->ops[1].kind = OP_CANCEL;
	atomic->ops[1].job.uid = 12345;
	assert_ptr_equal(world_ask(&world, atomic), atomic);
	assert_int_equal(atomic->ops[0].result.err, E_CANCELLED);
	request_drop(atomic);
	far_are(&world, 1, 0);
	assert_int_equal(world_state(&world, uid), JOB_DELAYED);
	world_close(&world);
}

/* What memory let go of while a job was on its way must find room again when that is undone, even if a job from disk came between. */
static void undoing_needs_no_memory(void **state)
{
	struct world world;
	uint64_t near[4];
	(void)state;
	world_open(&world);
	uint64_t far = far_delay(&world, "q", 0, HOUR_MS + 60000);
	for (int i = 0; i < 4; i++) /* as many as there is room for without asking for more */
		near[i] = far_delay(&world, "q", 0, HOUR_MS / 2);
	assert_int_equal(world.engine->index.queues.live, 1);
	assert_int_equal(queue_at(&world.engine->index, 0)->delayed.capacity, 4);
	far_are(&world, 1, 4);
	world_manual(&world, true);
	struct request *request = job_request(&world, OP_PROMOTE, near[0]);
	world_push(&world, request);
	world.boot_us += 10 * 60000000;
	world.wall_us += 10 * 60000000;
	world_step(&world); /* the far one comes into the place that was left */
	assert_true(far_in_memory(&world, far));
	store_mem_settle(world.store, 1, SETTLE_REFUSE);
	world_starve(&world, 1, MEM_FAIL_ALL);
	world_manual(&world, false);
	world_pass(&world, 3000);
	assert_true(world_answered(&world, request));
	request_drop(request);
	world_close(&world);
}

static void a_wall_clock_that_jumps_brings_them_in(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	uint64_t first = far_run_at(&world, "q", 48 * HOUR_MS), second = far_run_at(&world, "q", 72 * HOUR_MS);
	far_are(&world, 2, 0);
	world.wall_us += 60 * HOUR_MS * 1000;
	world.boot_us += 1000000; /* within a second */
	assert_true(engine_step(world.engine, world.boot_us, world.wall_us) <= world.boot_us + 1000000);
	world_step(&world);
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	assert_true(uids[0] == first);
	world.wall_us -= 120 * HOUR_MS * 1000; /* back before it all began: what came in stays in, new ones are judged by the new time */
	world_step(&world);
	uint64_t third = far_run_at(&world, "q", 2 * HOUR_MS);
	far_are(&world, 1, 2);
	assert_true(far_in_memory(&world, third)); /* rows up to there were read before: it would not be found again */
	world.wall_us += 3 * HOUR_MS * 1000;
	world_step(&world);
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	assert_true(uids[0] == third);
	world.wall_us += 200 * HOUR_MS * 1000;
	world_step(&world);
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	assert_true(uids[0] == second);
	world_close(&world);
}

/* Whatever the horizon: the engine asks to be called before they are due. */
static void the_engine_wakes_for_them(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	for (int wall = 0; wall < 2; wall++) {
		world_open(&world);
		world.config.horizon_ms = 16;
		world_crash(&world);
		uint64_t uid = wall ? far_run_at(&world, "q", 500) : far_delay(&world, "q", 0, 500);
		far_are(&world, 1, 0);
		int64_t next_us = engine_step(world.engine, world.boot_us, world.wall_us);
		assert_int_equal(next_us, world.boot_us + 485000);
		world_pass(&world, 485);
		far_are(&world, 0, 1);
		next_us = engine_step(world.engine, world.boot_us, world.wall_us);
		assert_int_equal(next_us, world.boot_us + 15000);
		world_pass(&world, 15);
		assert_int_equal(world_claim(&world, "q", 4, uids), 1);
		assert_true(uids[0] == uid);
		world_close(&world);
	}
}

static void a_restart_counts_them(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	far_delay(&world, "q", 3, 5 * HOUR_MS);
	uint64_t first = far_delay(&world, "q", 2, 2 * HOUR_MS);
	far_run_at(&world, "q", 4 * HOUR_MS);
	world_enqueue(&world, "q", "g");
	world_crash(&world);
	far_are(&world, 3, 1);
	struct far_told told = far_ask(&world, "q");
	assert_int_equal(told.delayed, 3);
	assert_int_equal(told.waiting, 1);
	assert_int_equal(told.next_due_ms, 2 * HOUR_MS);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	world.wall_us += 2 * HOUR_MS * 1000; /* while it is down */
	world_crash(&world);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_true(uids[0] == first);
	far_are(&world, 2, 2);
	world_close(&world);
}

static void a_burst_comes_in_slices(void **state)
{
	enum { JOBS = 3000 };
	struct world world;
	struct engine_stats stats;
	uint64_t uids[1], left = JOBS;
	(void)state;
	world_open(&world);
	for (int i = 0; i < JOBS / 1000; i++) {
		struct request *request = request_new(&world, 1000);
		for (int k = 0; k < 1000; k++) {
			struct op_enqueue *enqueue = &enqueue_op(&world, &request->ops[k], "q", k % 2 ? "a" : "b")->enqueue;
			enqueue->delay_ms = 2 * HOUR_MS;
			enqueue->priority = k % 7 ? 1 : 0;
		}
		assert_ptr_equal(world_ask(&world, request), request);
		request_drop(request);
	}
	far_are(&world, JOBS, 0);
	world.boot_us += (HOUR_MS + 600000) * 1000;
	world.wall_us += (HOUR_MS + 600000) * 1000;
	while (left) {
		assert_true(engine_step(world.engine, world.boot_us, world.wall_us) <= world.boot_us || left <= 200);
		engine_stats(world.engine, &stats);
		assert_true(left - stats.far_jobs > 0 && left - stats.far_jobs <= 200);
		left = stats.far_jobs;
		engine_verify(world.engine);
	}
	world_pass(&world, HOUR_MS);
	struct request *claim = claim_request(&world, "q", JOBS / 7, 0);
	assert_ptr_equal(world_ask(&world, claim), claim);
	assert_int_equal(claim->ops[0].result.claim->count, JOBS / 7);
	for (uint32_t i = 0; i < JOBS / 7; i++)
		assert_int_equal(claim->ops[0].result.claim->grants[i].priority, 0);
	request_drop(claim);
	assert_int_equal(far_ask(&world, "q").delayed, 0);
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	world_close(&world);
}

static void the_next_one_is_known_whoever_goes(void **state)
{
	struct world world;
	uint64_t uids[5];
	(void)state;
	world_open(&world);
	for (int i = 0; i < 5; i++)
		uids[i] = far_delay(&world, "q", 0, (2 + i) * HOUR_MS);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, uids[1]), E_OK);
	assert_int_equal(far_ask(&world, "q").next_due_ms, 2 * HOUR_MS);
	assert_int_equal(world_by_hand(&world, OP_CANCEL, uids[0]), E_OK);
	assert_int_equal(far_ask(&world, "q").next_due_ms, 4 * HOUR_MS);
	world_manual(&world, true); /* on its way: passed over, and found again when it is refused */
	struct request *cancel = job_request(&world, OP_CANCEL, uids[2]);
	world_push(&world, cancel);
	assert_int_equal(queue_next_due_us(world.engine, 0, false) - world.engine->index.now_us, 5 * HOUR_MS * 1000);
	world_settle(&world, SETTLE_LOSE_UNKNOWN);
	world_manual(&world, false);
	world_step(&world);
	assert_true(world_answered(&world, cancel));
	request_drop(cancel);
	assert_int_equal(far_ask(&world, "q").next_due_ms, 4 * HOUR_MS);
	world_close(&world);
}

static void time_to_live_begins_when_they_are_due(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = request_new(&world, 2);
	for (int i = 0; i < 2; i++)
		enqueue_op(&world, &request->ops[i], "q", "")->enqueue.ttl_ms = 5000;
	request->ops[0].enqueue.delay_ms = 2 * HOUR_MS;
	request->ops[1].enqueue.run_at_us = world.wall_us + 2 * HOUR_MS * 1000;
	assert_ptr_equal(world_ask(&world, request), request);
	uint64_t uids[2] = { request->ops[0].result.uid, request->ops[1].result.uid };
	request_drop(request);
	far_are(&world, 2, 0);
	world_pass(&world, 2 * HOUR_MS + 4999);
	for (int i = 0; i < 2; i++)
		assert_int_equal(world_state(&world, uids[i]), JOB_WAITING);
	world_pass(&world, 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(world_state(&world, uids[i]), JOB_EXPIRED);
	world_close(&world);
}

/* Every allocation of leaving and of coming back fails once; nobody is forgotten. */
static void nobody_is_forgotten_when_memory_runs_out(void **state)
{
	(void)state;
	bool starved = true;
	for (uint64_t nth = 1; starved; nth++) {
		struct world world;
		uint64_t uids[8];
		starved = false;
		world_open(&world);
		for (int i = 0; i < 6; i++)
			far_delay(&world, i % 2 ? "q" : "r", i, 2 * HOUR_MS + i * 1000);
		world.boot_us += (HOUR_MS + 600000) * 1000;
		world.wall_us += (HOUR_MS + 600000) * 1000;
		starved |= world_starve(&world, nth, MEM_FAIL_ONE);
		world_pass(&world, HOUR_MS);
		assert_int_equal(world_claim(&world, "q", 8, uids), 3);
		assert_int_equal(world_claim(&world, "r", 8, uids), 3);
		far_are(&world, 0, 6);
		world_close(&world);
	}
}

static void a_job_with_something_aside_stays(void **state)
{
	struct world world;
	struct aside wanted = ASIDE_NOTHING;
	(void)state;
	wanted.first_parent = 3;
	world_open(&world);
	uint64_t uid = far_delay(&world, "q", 0, 2 * HOUR_MS);
	struct request *request = job_request(&world, OP_PROMOTE, uid); /* into memory */
	assert_int_equal(world_err(&world, request), E_OK);
	struct engine *engine = world.engine;
	for (uint64_t round = 0; round < 2; round++) { /* delayed again: at first with something aside, then without */
		uint32_t slot = job_find(&engine->index, uid);
		assert_int_equal(job_touch(engine->open, &engine->index, slot), E_OK);
		struct job *job = job_at(&engine->index, slot);
		job->state = JOB_DELAYED;
		job->due_us = engine->index.now_us + 2 * HOUR_MS * 1000;
		assert_int_equal(aside_change(engine->open, &engine->index, slot, &wanted), E_OK);
		assert_int_equal(job_place(&engine->index, slot), E_OK);
		world_step(&world);
		far_are(&world, round, 1 - round);
		wanted.first_parent = SLOT_NONE;
	}
	world_close(&world);
}

static enum err broken_far(struct store *store, struct far_page *page, struct arena *arena)
{
	(void)store, (void)page, (void)arena;
	return E_IO;
}

static void a_store_that_cannot_be_read_is_asked_again(void **state)
{
	struct world world;
	uint64_t uids[4];
	(void)state;
	world_open(&world);
	uint64_t uid = far_delay(&world, "q", 0, 2 * HOUR_MS);
	const struct store_verbs *whole = world.store->verbs;
	struct store_verbs broken = *whole;
	broken.far = broken_far;
	world.store->verbs = &broken;
	world_pass(&world, HOUR_MS + 600000);
	far_are(&world, 1, 0);
	assert_true(engine_step(world.engine, world.boot_us, world.wall_us) > world.boot_us);
	world.store->verbs = whole;
	world_pass(&world, 1000);
	far_are(&world, 0, 1);
	world_pass(&world, HOUR_MS);
	assert_int_equal(world_claim(&world, "q", 4, uids), 1);
	assert_true(uids[0] == uid);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(far_jobs_are_on_disk_only),
		cmocka_unit_test(commands_find_far_jobs),
		cmocka_unit_test(ids_waits_and_slices_find_far_jobs),
		cmocka_unit_test(what_is_refused_leaves_far_jobs_far),
		cmocka_unit_test(undoing_needs_no_memory),
		cmocka_unit_test(a_wall_clock_that_jumps_brings_them_in),
		cmocka_unit_test(the_engine_wakes_for_them),
		cmocka_unit_test(a_restart_counts_them),
		cmocka_unit_test(a_burst_comes_in_slices),
		cmocka_unit_test(the_next_one_is_known_whoever_goes),
		cmocka_unit_test(time_to_live_begins_when_they_are_due),
		cmocka_unit_test(a_job_with_something_aside_stays),
		cmocka_unit_test(a_store_that_cannot_be_read_is_asked_again),
		cmocka_unit_test(nobody_is_forgotten_when_memory_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
