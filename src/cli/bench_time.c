/* Latency: 100 jobs a second by the clock, whether the daemon keeps up or not, and one worker that waits by long poll. What counts
 * is the span from the enqueue's first byte to the moment the worker holds the payload. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/uid.h"
#include "cli/bench.h"
#include <stdlib.h>

#define TIME_PERIOD_US  INT64_C(10000)
#define TIME_PRODUCERS  16u
#define TIME_WORKERS    2u
#define TIME_WAIT_MS    5000
#define TIME_STALL_US   INT64_C(20000000)

enum time_step { TIME_ENQUEUE, TIME_CLAIM, TIME_COMPLETE };

struct timing {
	struct bench *bench;
	struct swarm *swarm;
	struct buf enqueue_head, claim_head, complete_head, text;
	int64_t *spans_us;
	uint64_t jobs, sent, seen;
	enum err err;
};

static int timing_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void timing_claim(struct timing *timing, struct bee *bee)
{
	buf_clear(&timing->text);
	bench_put_claim(&timing->text, 1, bee->index, TIME_WAIT_MS);
	bee->step = TIME_CLAIM;
	swarm_send(bee, buf_str(&timing->claim_head), buf_str(&timing->text));
}

/* The payload in a claim's answer carries the instant at which it was sent. */
static void timing_start(struct timing *timing, struct bee *bee, struct str body)
{
	int64_t now_us = clock_mono_us();
	char uid[UID_TEXT_BYTES];
	const char *stamp = memmem(body.ptr, body.len, "{\"t\":", 5);
	if (!stamp || bench_granted(body, 1, uid) == 0) {
		timing_claim(timing, bee);
		return;
	}
	timing->spans_us[timing->seen++] = now_us - strtoll(stamp + 5, NULL, 10);
	buf_clear(&timing->text);
	bench_put_complete(&timing->text, uid, 1, bee->index, 0);
	bee->step = TIME_COMPLETE;
	swarm_send(bee, buf_str(&timing->complete_head), buf_str(&timing->text));
}

static void timing_answer(void *context, struct bee *bee, int status, struct str body)
{
	static const char *const names[] = { "An enqueue", "A claim", "A completion" };
	struct timing *timing = context;
	if (status / 100 != 2) {
		timing->err = bench_fail(timing->bench, names[bee->step], status, body);
		swarm_stop(timing->swarm);
	} else if (bee->step == TIME_CLAIM) {
		timing_start(timing, bee, body);
	} else if (bee->step == TIME_COMPLETE) {
		if (timing->seen == timing->jobs)
			swarm_stop(timing->swarm);
		else
			timing_claim(timing, bee);
	}
}

static void timing_enqueue(struct timing *timing)
{
	for (uint32_t i = 0; i < TIME_PRODUCERS; i++) {
		struct bee *bee = swarm_bee(timing->swarm, TIME_WORKERS + i);
		if (bee->waiting)
			continue;
		buf_clear(&timing->text);
		buf_add_lit(&timing->text, "{\"queue\":\"" BENCH_QUEUE "\",\"payload\":");
		bench_put_payload(&timing->text, (uint64_t)clock_mono_us());
		buf_add_byte(&timing->text, '}');
		bee->step = TIME_ENQUEUE;
		swarm_send(bee, buf_str(&timing->enqueue_head), buf_str(&timing->text));
		timing->sent++;
		return;
	}
	timing->err = problem_set(&timing->bench->problem, E_TIMEOUT, "", "The daemon is %u enqueues behind at 100 a second.", TIME_PRODUCERS);
}

static enum err timing_open(struct timing *timing)
{
	struct bench *bench = timing->bench;
	buf_init(&timing->enqueue_head, 4096);
	buf_init(&timing->claim_head, 4096);
	buf_init(&timing->complete_head, 4096);
	buf_init(&timing->text, 65536);
	timing->spans_us = mem_zalloc_array(timing->jobs, sizeof(*timing->spans_us));
	enum err err = timing->spans_us ? E_OK : problem_set(&bench->problem, E_NOMEM, "", "No memory for the spans.");
	if (!err)
		err = bench_swarm(bench, TIME_WORKERS + TIME_PRODUCERS, timing_answer, timing, &timing->swarm);
	if (!err)
		err = swarm_head(timing->swarm, "POST", "/v1/jobs", &timing->enqueue_head);
	if (!err)
		err = swarm_head(timing->swarm, "POST", "/v1/claims", &timing->claim_head);
	if (!err)
		err = swarm_head(timing->swarm, "POST", "/v1/leases/complete", &timing->complete_head);
	return err;
}

static enum err timing_flow(struct timing *timing)
{
	struct bench *bench = timing->bench;
	for (uint32_t i = 0; i < TIME_WORKERS; i++)
		timing_claim(timing, swarm_bee(timing->swarm, i));
	int64_t begun_us = clock_mono_us();
	enum err err = E_OK;
	while (!err && !timing->err && timing->sent < timing->jobs) {
		err = swarm_run(timing->swarm, begun_us + (int64_t)timing->sent * TIME_PERIOD_US, &bench->problem);
		if (err == E_TIMEOUT || !err) { /* the next one's instant has come */
			err = E_OK;
			timing_enqueue(timing);
		}
	}
	if (!err && !timing->err && timing->seen < timing->jobs)
		err = swarm_run(timing->swarm, clock_mono_us() + TIME_STALL_US, &bench->problem);
	if (err == E_TIMEOUT)
		problem_set(&bench->problem, err, "", "%llu of %llu jobs reached the worker.", (unsigned long long)timing->seen,
			    (unsigned long long)timing->jobs);
	return err ? err : timing->err;
}

enum err bench_latency(struct bench *bench)
{
	struct timing timing = { .bench = bench, .jobs = bench->jobs ? bench->jobs : 1000 };
	enum err err = timing_open(&timing);
	if (!err)
		err = timing_flow(&timing);
	if (!err) {
		qsort(timing.spans_us, timing.jobs, sizeof(*timing.spans_us), timing_compare);
		size_t middle = timing.jobs / 2, late = timing.jobs * 99 / 100;
		bench->value[0] = (double)timing.spans_us[middle] / 1000;
		bench->value[1] = (double)timing.spans_us[late] / 1000;
	}
	swarm_close(timing.swarm);
	mem_free(timing.spans_us);
	buf_fini(&timing.enqueue_head);
	buf_fini(&timing.claim_head);
	buf_fini(&timing.complete_head);
	buf_fini(&timing.text);
	return err;
}
