/* Large payloads beside small jobs: what the small ones feel of 10 MB that go in, out and away again, once a second. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/uid.h"
#include "cli/bench.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define LARGE_PAYLOAD_BYTES 10000000u
#define LARGE_PERIOD_US     INT64_C(1000000)
#define LARGE_TOKEN         "bee-1"

/* A large job each second, on a thread of its own, until told to stop. */
struct large_flow {
	struct bench bench; /* a copy: its own problem */
	_Atomic bool stop;
	uint64_t jobs;
	enum err err;
	pthread_t thread;
};

static enum err large_call(struct large_flow *flow, struct swarm *swarm, const char *path, struct str text, struct str *body)
{
	int status;
	enum err err = swarm_call(swarm, "POST", path, text, &status, body, &flow->bench.problem);
	return err || status / 100 == 2 ? err : bench_fail(&flow->bench, path, status, str_cut(*body, 400));
}

static enum err large_turn(struct large_flow *flow, struct swarm *swarm, struct str enqueue)
{
	char uid[UID_TEXT_BYTES];
	struct str body;
	struct buf complete;
	buf_init(&complete, 4096);
	enum err err = large_call(flow, swarm, "/v1/jobs", enqueue, &body);
	if (!err)
		err = large_call(flow, swarm, "/v1/claims", STR("{\"queues\":[\"large\"],\"token\":\"" LARGE_TOKEN "\"}"), &body);
	if (!err && (body.len < LARGE_PAYLOAD_BYTES || bench_granted(body, 1, uid) != 1))
		err = bench_fail(&flow->bench, "A claim of 10 MB", 200, str_cut(body, 400));
	if (!err) {
		bench_put_complete(&complete, uid, 1, 1, 0);
		err = large_call(flow, swarm, "/v1/leases/complete", buf_str(&complete), &body);
	}
	flow->jobs += !err;
	buf_fini(&complete);
	return err;
}

static void *large_main(void *argument)
{
	struct large_flow *flow = argument;
	struct swarm *swarm = NULL;
	struct buf enqueue;
	buf_init(&enqueue, LIMIT_BODY_MAX);
	buf_add_lit(&enqueue, "{\"queue\":\"large\",\"payload\":\"");
	for (uint32_t i = 0; i < LARGE_PAYLOAD_BYTES / 10; i++)
		buf_add_lit(&enqueue, "0123456789");
	buf_add_lit(&enqueue, "\"}");
	flow->err = buf_ok(&enqueue) ? bench_swarm(&flow->bench, 1, NULL, NULL, &swarm) : problem_set(&flow->bench.problem, E_NOMEM, "", "No memory.");
	for (int64_t next_us = clock_mono_us(); !flow->err && !atomic_load(&flow->stop);) {
		flow->err = large_turn(flow, swarm, buf_str(&enqueue));
		next_us += LARGE_PERIOD_US;
		int64_t left_us = next_us - clock_mono_us();
		if (left_us > 0)
			usleep((useconds_t)left_us);
	}
	swarm_close(swarm);
	buf_fini(&enqueue);
	return NULL;
}

/* The latency scenario, with the flow beside it. */
enum err bench_large(struct bench *bench)
{
	struct large_flow flow = { .bench = *bench };
	if (pthread_create(&flow.thread, NULL, large_main, &flow) != 0)
		return problem_set(&bench->problem, E_NOMEM, "", "Could not start a thread.");
	enum err err = bench_latency(bench);
	atomic_store(&flow.stop, true);
	pthread_join(flow.thread, NULL);
	if (!err && flow.err) {
		err = flow.err;
		bench->problem = flow.bench.problem;
	}
	if (!err && flow.jobs == 0)
		err = problem_set(&bench->problem, E_TIMEOUT, "", "Not one large job went through beside the small ones: take more jobs.");
	return err;
}
