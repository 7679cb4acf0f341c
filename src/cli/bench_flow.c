/* Throughput: producers, workers, and both together. Every connection is a loop of requests; the clock runs from the first byte
 * sent to the last answer, and the daemon's own counts must agree afterwards. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/uid.h"
#include "cli/bench.h"
#include <stdlib.h>

#define FLOW_WAIT_MS   1000
#define FLOW_STALL_US  INT64_C(300000000)
#define FLOW_CLAIM_MAX 100u

struct flow {
	struct bench *bench;
	struct swarm *swarm;
	uint32_t batch;                  /* jobs of one request */
	uint32_t producers;              /* the first bees; the others are workers */
	bool chained;                    /* a worker completes and claims in one call */
	uint64_t jobs, enqueue_left, completed, enqueued;
	struct buf enqueue_head, claim_head, complete_head;
	struct buf enqueue_body, text;
	char uids[FLOW_CLAIM_MAX * (UID_TEXT_BYTES - 1)];
	int64_t ended_us;
	enum err err;
};

enum flow_step { FLOW_ENQUEUE, FLOW_CLAIM, FLOW_COMPLETE };

static void flow_enqueue(struct flow *flow, struct bee *bee)
{
	if (!flow->enqueue_left)
		return;
	flow->enqueue_left -= flow->batch;
	bee->step = FLOW_ENQUEUE;
	swarm_send(bee, buf_str(&flow->enqueue_head), buf_str(&flow->enqueue_body));
}

static void flow_claim(struct flow *flow, struct bee *bee)
{
	buf_clear(&flow->text);
	bench_put_claim(&flow->text, flow->batch, bee->index, FLOW_WAIT_MS);
	bee->step = FLOW_CLAIM;
	bee->tag = 0;
	swarm_send(bee, buf_str(&flow->claim_head), buf_str(&flow->text));
}

static void flow_complete(struct flow *flow, struct bee *bee, uint32_t count)
{
	buf_clear(&flow->text);
	bench_put_complete(&flow->text, flow->uids, count, bee->index, flow->chained ? flow->batch : 0);
	bee->step = FLOW_COMPLETE;
	bee->tag = count;
	swarm_send(bee, buf_str(&flow->complete_head), buf_str(&flow->text));
}

static void flow_work(struct flow *flow, struct bee *bee, struct str body)
{
	bool is_over = flow->completed >= flow->jobs;
	uint32_t count = is_over ? 0 : bench_granted(body, flow->batch, flow->uids);
	if (is_over)
		swarm_stop(flow->swarm);
	else if (count)
		flow_complete(flow, bee, count);
	else
		flow_claim(flow, bee);
}

static void flow_answer(void *context, struct bee *bee, int status, struct str body)
{
	static const char *const names[] = { "An enqueue", "A claim", "A completion" };
	struct flow *flow = context;
	if (status / 100 != 2) {
		flow->err = bench_fail(flow->bench, names[bee->step], status, body);
		swarm_stop(flow->swarm);
		return;
	}
	flow->ended_us = clock_mono_us();
	if (bee->step == FLOW_ENQUEUE) {
		flow->enqueued += flow->batch;
		flow_enqueue(flow, bee);
		return;
	}
	flow->completed += bee->step == FLOW_COMPLETE ? bee->tag : 0;
	flow_work(flow, bee, body);
}

static enum err flow_open(struct flow *flow, uint32_t bees)
{
	struct bench *bench = flow->bench;
	buf_init(&flow->enqueue_head, 4096);
	buf_init(&flow->claim_head, 4096);
	buf_init(&flow->complete_head, 4096);
	buf_init(&flow->enqueue_body, LIMIT_BODY_MAX);
	buf_init(&flow->text, LIMIT_BODY_MAX);
	if (flow->batch == 1) {
		buf_add_lit(&flow->enqueue_body, "{\"queue\":\"" BENCH_QUEUE "\",\"payload\":");
		bench_put_payload(&flow->enqueue_body, 0);
		buf_add_byte(&flow->enqueue_body, '}');
	} else {
		bench_put_jobs(&flow->enqueue_body, flow->batch);
	}
	enum err err = bench_swarm(bench, bees, flow_answer, flow, &flow->swarm);
	if (!err)
		err = swarm_head(flow->swarm, "POST", "/v1/jobs", &flow->enqueue_head);
	if (!err)
		err = swarm_head(flow->swarm, "POST", "/v1/claims", &flow->claim_head);
	if (!err)
		err = swarm_head(flow->swarm, "POST", "/v1/leases/complete", &flow->complete_head);
	return err;
}

static void flow_close(struct flow *flow)
{
	swarm_close(flow->swarm);
	buf_fini(&flow->enqueue_head);
	buf_fini(&flow->claim_head);
	buf_fini(&flow->complete_head);
	buf_fini(&flow->enqueue_body);
	buf_fini(&flow->text);
}

/* Runs producers and workers to the end, checks the outcome and sets the value to jobs a second. */
static enum err flow_run(struct flow *flow, uint32_t producers, uint32_t workers, const char *end_count)
{
	struct bench *bench = flow->bench;
	struct swarm *checker = NULL;
	flow->producers = producers;
	flow->enqueue_left = producers ? flow->jobs : 0;
	enum err err = flow_open(flow, producers + workers);
	int64_t begun_us = clock_mono_us();
	for (uint32_t i = 0; !err && i < producers + workers; i++) {
		if (i < producers)
			flow_enqueue(flow, swarm_bee(flow->swarm, i));
		else
			flow_claim(flow, swarm_bee(flow->swarm, i));
	}
	if (!err)
		err = swarm_run(flow->swarm, begun_us + FLOW_STALL_US, &bench->problem);
	if (err == E_TIMEOUT)
		problem_set(&bench->problem, err, "", "%llu of %llu jobs were done after five minutes.", (unsigned long long)flow->completed,
			    (unsigned long long)flow->jobs);
	if (!err)
		err = flow->err;
	if (!err)
		err = bench_swarm(bench, 1, NULL, NULL, &checker);
	if (!err && !bench->url)
		err = bench_expect(bench, checker, end_count, flow->jobs);
	if (!err)
		bench->value[0] = (double)flow->jobs * 1e6 / (double)(flow->ended_us - begun_us);
	swarm_close(checker);
	return err;
}

static uint64_t flow_size(const struct bench *bench, uint64_t own, uint32_t batch)
{
	uint64_t jobs = bench->jobs ? bench->jobs : own;
	return (jobs + batch - 1) / batch * batch;
}

static uint32_t flow_bees(const struct bench *bench, uint32_t own)
{
	return bench->connections ? bench->connections : own;
}

enum err bench_enqueue_single(struct bench *bench)
{
	struct flow flow = { .bench = bench, .batch = 1, .jobs = flow_size(bench, 200000, 1) };
	enum err err = flow_run(&flow, flow_bees(bench, 64), 0, "states.waiting");
	flow_close(&flow);
	return err;
}

enum err bench_enqueue_bulk(struct bench *bench)
{
	struct flow flow = { .bench = bench, .batch = 1000, .jobs = flow_size(bench, 1000000, 1000) };
	enum err err = flow_run(&flow, flow_bees(bench, 8), 0, "states.waiting");
	flow_close(&flow);
	return err;
}

enum err bench_drain_batch(struct bench *bench)
{
	struct flow flow = { .bench = bench, .batch = FLOW_CLAIM_MAX, .chained = true, .jobs = flow_size(bench, 500000, 1000) };
	enum err err = bench_fill(bench, flow.jobs);
	if (!err)
		err = flow_run(&flow, 0, flow_bees(bench, 16), "ended.completed");
	flow_close(&flow);
	return err;
}

enum err bench_end_to_end_batch(struct bench *bench)
{
	struct flow flow = { .bench = bench, .batch = FLOW_CLAIM_MAX, .chained = true, .jobs = flow_size(bench, 500000, FLOW_CLAIM_MAX) };
	uint32_t bees = flow_bees(bench, 16);
	enum err err = flow_run(&flow, (bees + 1) / 2, bees - bees / 2, "ended.completed");
	flow_close(&flow);
	return err;
}

enum err bench_end_to_end_single(struct bench *bench)
{
	struct flow flow = { .bench = bench, .batch = 1, .jobs = flow_size(bench, 50000, 1) };
	uint32_t bees = flow_bees(bench, 64);
	enum err err = flow_run(&flow, (bees + 1) / 2, bees - bees / 2, "ended.completed");
	flow_close(&flow);
	return err;
}
