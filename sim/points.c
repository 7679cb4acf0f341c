/* sim/points.c: a crash at every store call. One script of enqueue, claim, complete, fail, retry, cancel, delete, a bulk slice and a far delay is run
 * once for each call that it makes of the store, dying just before and just after that call; then another engine starts over the same disk, and each
 * job must be as it was last acknowledged, or as the one request in doubt would have made it. */
#include "base/check.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/uid.h"
#include "engine/engine.h"
#include "store/mem/mem.h"
#include <stdio.h>

#define WALL_US INT64_C(1800000000000000)
#define JOBS    6
#define HORIZON_MS 500

struct ledger { /* what is known of a job */
	uint64_t uid;
	int known;    /* enum job_state as last acknowledged; GONE: not there */
	int doubt;    /* what an unanswered request would have made of it; NO_DOUBT */
};
enum { GONE = -1, NO_DOUBT = -2 };

struct trial {
	struct store *inner;
	struct store seen;
	struct engine *engine;
	int64_t now_us;
	uint64_t calls, die_at, number;
	bool after, dead;
	struct uid_maker maker;
	struct ledger jobs[JOBS];
};

/* ---- a store that dies ---- */

static bool trial_call(struct trial *trial) /* true: the call happens */
{
	if (trial->dead)
		return false;
	if (++trial->calls != trial->die_at)
		return true;
	trial->dead = true;
	return trial->after;
}

static void dying_submit(struct store *store, struct changeset *cs)
{
	struct trial *trial = store->wake_context;
	if (trial_call(trial))
		trial->inner->verbs->submit(trial->inner, cs);
}

static uint32_t dying_poll(struct store *store, struct outcome *out, uint32_t max)
{
	struct trial *trial = store->wake_context;
	if (trial->dead) { /* what was submitted goes on to disk, but nobody is told */
		while (trial->inner->verbs->poll(trial->inner, out, max))
			;
		return 0;
	}
	return trial->inner->verbs->poll(trial->inner, out, max);
}

#define DYING(verb, parameters, arguments)                                                     \
	static enum err dying_##verb parameters                                                \
	{                                                                                      \
		struct trial *trial = store->wake_context;                                     \
		return trial_call(trial) ? trial->inner->verbs->verb arguments : E_UNAVAILABLE; \
	}
DYING(take, (struct store *store, struct store_meta *out), (trial->inner, out))
DYING(load, (struct store *store, struct load *load, struct arena *arena), (trial->inner, load, arena))
DYING(nth_final, (struct store *store, uint32_t queue, enum job_state state, uint32_t n, int64_t *us, uint64_t *uid, uint64_t *bytes),
      (trial->inner, queue, state, n, us, uid, bytes))
DYING(far, (struct store *store, struct far_page *page, struct arena *arena), (trial->inner, page, arena))
DYING(scan, (struct store *store, const struct scan_visitor *visitor), (trial->inner, visitor))
DYING(reopen, (struct store *store, struct problem *problem), (trial->inner, problem))
#undef DYING

static const struct store_verbs dying_verbs = {
	.take = dying_take,
	.submit = dying_submit,
	.poll = dying_poll,
	.load = dying_load,
	.nth_final = dying_nth_final,
	.far = dying_far,
	.scan = dying_scan,
	.reopen = dying_reopen,
};

/* ---- asking ---- */

static struct request *trial_request(struct trial *trial, enum op_kind kind)
{
	struct request *request = mem_zalloc(sizeof(*request));
	CHECK(request);
	request->number = ++trial->number;
	request->dice = trial->number;
	request->ops = ARENA_ARRAY(&request->arena, struct op, 1);
	CHECK(request->ops);
	request->op_count = 1;
	request->ops[0].kind = kind;
	return request;
}

static void request_drop(struct request *request)
{
	arena_fini(&request->arena);
	mem_free(request);
}

/* Pushes it and runs until it is answered, or until nothing more can come. */
static struct request *trial_ask(struct trial *trial, struct request *request)
{
	engine_push(trial->engine, request);
	for (int i = 0; i < 8; i++) {
		trial->now_us += 100;
		engine_step(trial->engine, trial->now_us, WALL_US + trial->now_us);
		for (struct effect *effect = engine_take_effects(trial->engine), *next; effect; effect = next) {
			next = effect->next;
			effect_free(effect);
		}
		struct request *reply = engine_take_replies(trial->engine);
		if (reply && !trial->dead)
			return reply;
		if (reply) { /* nobody hears it any more */
			request_drop(reply);
			return NULL;
		}
	}
	return NULL;
}

/* One step of the script on one job: what it is after, when it succeeds. */
static void trial_do(struct trial *trial, uint32_t job, struct request *request, int then)
{
	struct ledger *ledger = &trial->jobs[job];
	if (trial->dead) {
		request_drop(request);
		return;
	}
	ledger->doubt = then;
	struct request *reply = trial_ask(trial, request);
	if (reply && !reply->err && !reply->ops[0].result.err) {
		ledger->known = then;
		ledger->doubt = NO_DOUBT;
	} else if (reply) {
		CHECK(trial->die_at != 0);
		ledger->doubt = NO_DOUBT;
	}
	if (reply)
		request_drop(reply);
	CHECK(reply || trial->dead);
}

static void trial_enqueue(struct trial *trial, uint32_t job, const char *id)
{
	struct request *request = trial_request(trial, OP_ENQUEUE);
	struct op_enqueue *enqueue = &request->ops[0].enqueue;
	enqueue->queue.name = STR("q");
	enqueue->group = job % 2 ? STR("odd") : STR("even");
	enqueue->id = str_of(id);
	enqueue->payload = STR("[1]");
	enqueue->uid = trial->jobs[job].uid = uid_next(&trial->maker, WALL_US);
	trial_do(trial, job, request, JOB_WAITING);
}

static void trial_claim(struct trial *trial, uint32_t job) /* claims one: the script knows which it will be */
{
	static struct claim_queue queue = { .queue.name = STR("q") };
	struct request *request = trial_request(trial, OP_CLAIM);
	request->ops[0].claim = (struct op_claim){ .queues = &queue, .queue_count = 1, .max = 1, .worker = STR("w"), .token = STR("t") };
	trial_do(trial, job, request, JOB_ACTIVE);
}

static void trial_lease(struct trial *trial, uint32_t job, enum op_kind kind, enum verdict verdict, int then)
{
	struct request *request = trial_request(trial, kind);
	request->ops[0].lease = (struct op_lease){ .uid = trial->jobs[job].uid, .token = STR("t"), .verdict = verdict, .body = STR("1") };
	trial_do(trial, job, request, then);
}

static void trial_hand(struct trial *trial, uint32_t job, enum op_kind kind, int then)
{
	struct request *request = trial_request(trial, kind);
	request->ops[0].job.uid = trial->jobs[job].uid;
	trial_do(trial, job, request, then);
}

static void trial_slice(struct trial *trial, uint32_t job) /* a bulk retry of one failed job */
{
	struct request *request = trial_request(trial, OP_OPERATION_START);
	struct op_operation *operation = &request->ops[0].operation;
	uint64_t number = operation->number = uid_next(&trial->maker, WALL_US);
	operation->action = OP_RETRY;
	int before = trial->jobs[job].known;
	trial_do(trial, job, request, before);
	request = trial_request(trial, OP_SLICE);
	operation = &request->ops[0].operation;
	uint64_t *version = ARENA_NEW(&request->arena, uint64_t);
	CHECK(version);
	struct reader *reader;
	struct arena arena = { 0 };
	struct answer answer = { 0 };
	struct query query = { .kind = QUERY_JOB, .uids = &trial->jobs[job].uid, .uid_count = 1 };
	enum err err = trial->inner->verbs->reader_open(trial->inner, &reader);
	CHECK(!err);
	if (reader_run(reader, &query, &arena, &answer) == E_OK)
		*version = answer.jobs[0].row.version;
	reader_close(reader);
	arena_fini(&arena);
	*operation = (struct op_operation){ .number = number,
					    .action = OP_RETRY,
					    .uids = &trial->jobs[job].uid,
					    .versions = version,
					    .count = 1,
					    .last = true };
	trial_do(trial, job, request, JOB_WAITING);
}

/* A job that is far leaves memory, is changed there, and comes back as time passes; it is not due in all this. */
static void trial_far(struct trial *trial, uint32_t job)
{
	struct request *request = trial_request(trial, OP_ENQUEUE);
	request->ops[0].enqueue = (struct op_enqueue){ .queue.name = STR("q"), .payload = STR("1"), .delay_ms = 2 * HORIZON_MS,
		                                            .uid = uid_next(&trial->maker, WALL_US) };
	trial->jobs[job].uid = request->ops[0].enqueue.uid;
	trial_do(trial, job, request, JOB_DELAYED);
	trial_hand(trial, job, OP_REPRIORITISE, JOB_DELAYED);
	struct engine_stats stats;
	engine_stats(trial->engine, &stats);
	CHECK(trial->dead || stats.far_jobs == 1);
	trial->now_us += (HORIZON_MS + 100) * 1000;
	trial_hand(trial, job, OP_EXPLAIN, JOB_DELAYED);
	engine_stats(trial->engine, &stats);
	CHECK(trial->dead || stats.far_jobs == 0);
	trial_hand(trial, job, OP_PROMOTE, JOB_WAITING);
	trial_claim(trial, job);
	trial_lease(trial, job, OP_COMPLETE, VERDICT_POLICY, JOB_COMPLETED);
}

static void trial_script(struct trial *trial)
{
	trial_enqueue(trial, 0, "first");
	trial_enqueue(trial, 1, "");
	trial_claim(trial, 0);
	trial_lease(trial, 0, OP_COMPLETE, VERDICT_POLICY, JOB_COMPLETED);
	trial_claim(trial, 1);
	trial_lease(trial, 1, OP_FAIL, VERDICT_HEAD, JOB_WAITING);
	trial_claim(trial, 1);
	trial_lease(trial, 1, OP_FAIL, VERDICT_FINAL, JOB_FAILED);
	trial_hand(trial, 1, OP_RETRY, JOB_WAITING);
	trial_hand(trial, 1, OP_CANCEL, JOB_CANCELLED);
	trial_hand(trial, 0, OP_DELETE, GONE);
	trial_enqueue(trial, 2, "first");
	trial_claim(trial, 2);
	trial_lease(trial, 2, OP_RELEASE, VERDICT_POLICY, JOB_WAITING);
	trial_claim(trial, 2);
	trial_lease(trial, 2, OP_FAIL, VERDICT_FINAL, JOB_FAILED);
	trial_slice(trial, 2);
	trial_claim(trial, 2);
	trial_lease(trial, 2, OP_PROGRESS, VERDICT_POLICY, JOB_ACTIVE);
	trial_lease(trial, 2, OP_COMPLETE, VERDICT_FILTERED, JOB_COMPLETED);
	trial_far(trial, 3);
}

/* ---- a life and an afterlife ---- */

static void trial_begin(struct trial *trial, uint64_t die_at, bool after)
{
	struct engine_config config;
	*trial = (struct trial){ .die_at = die_at, .after = after, .now_us = 1 };
	for (uint32_t i = 0; i < JOBS; i++)
		trial->jobs[i] = (struct ledger){ .known = GONE, .doubt = NO_DOUBT };
	enum err err = store_mem_open(&trial->inner);
	CHECK(!err);
	trial->seen = (struct store){ .verbs = &dying_verbs, .in_flight_max = 2, .wake_context = trial };
	engine_config_default(&config);
	config.horizon_ms = HORIZON_MS;
	trial->engine = engine_new(&config, &trial->seen);
	CHECK(trial->engine);
	err = engine_start(trial->engine, trial->now_us, WALL_US, NULL);
	CHECK(!err || trial->dead);
}

static void trial_bury(struct trial *trial)
{
	struct outcome outcome;
	while (trial->inner->verbs->poll(trial->inner, &outcome, 1)) /* the disk goes on */
		;
	engine_abandon(trial->engine, E_CANCELLED);
	for (struct request *request = engine_take_replies(trial->engine), *next; request; request = next) {
		next = request->link;
		request_drop(request);
	}
	engine_free(trial->engine);
}

static int trial_state(struct engine *engine, struct trial *trial, uint64_t uid)
{
	struct request *request = trial_request(trial, OP_EXPLAIN);
	request->ops[0].job.uid = uid;
	engine_push(engine, request);
	struct request *reply = NULL;
	for (int i = 0; i < 8 && !reply; i++) {
		trial->now_us++;
		engine_step(engine, trial->now_us, WALL_US + trial->now_us);
		reply = engine_take_replies(engine);
	}
	CHECK(reply);
	int state = reply->ops[0].result.err ? GONE : (int)reply->ops[0].result.explanation->state;
	request_drop(reply);
	return state;
}

static void trial_judge(struct trial *trial)
{
	struct store *store;
	struct engine_config config;
	enum err err = store_mem_share(store_mem_disk(trial->inner), &store);
	CHECK(!err);
	engine_config_default(&config);
	config.horizon_ms = HORIZON_MS;
	struct engine *engine = engine_new(&config, store);
	CHECK(engine);
	err = engine_start(engine, trial->now_us, WALL_US, NULL);
	CHECK(!err);
	engine_verify(engine);
	for (uint32_t i = 0; i < JOBS; i++) {
		const struct ledger *job = &trial->jobs[i];
		int state = job->uid ? trial_state(engine, trial, job->uid) : GONE;
		if (state != job->known && state != job->doubt)
			fprintf(stderr, "call %llu %s: job %u is %d, known %d, in doubt %d\n",
				(unsigned long long)trial->die_at, trial->after ? "after" : "before", i, state,
				job->known, job->doubt);
		CHECK(state == job->known || state == job->doubt);
	}
	engine_abandon(engine, E_CANCELLED);
	CHECK(engine_take_replies(engine) == NULL);
	for (struct effect *effect = engine_take_effects(engine), *next; effect; effect = next) {
		next = effect->next;
		effect_free(effect);
	}
	engine_free(engine);
	store->verbs->close(store);
}

int main(void)
{
	struct trial trial;
	trial_begin(&trial, 0, false);
	trial_script(&trial);
	uint64_t calls = trial.calls;
	trial_bury(&trial);
	trial_judge(&trial);
	trial.inner->verbs->close(trial.inner);
	CHECK(calls > 20);
	for (uint64_t n = 1; n <= calls; n++)
		for (int after = 0; after < 2; after++) {
			trial_begin(&trial, n, after);
			if (!trial.dead)
				trial_script(&trial);
			CHECK(trial.dead);
			trial_bury(&trial);
			trial_judge(&trial);
			trial.inner->verbs->close(trial.inner);
		}
	printf("%llu store calls, a crash before and after each: nothing acknowledged was lost\n", (unsigned long long)calls);
	return 0;
}
