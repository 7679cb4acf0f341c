/* Scale: what a job costs in memory, how long a restart takes, and whether lists stay quick at a million jobs under load. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/uid.h"
#include "cli/bench.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define SCALE_JOBS       1000000u
#define SCALE_MEMORY_MIN 200000u /* what is measured is the growth from here, not the buffers that any load makes */

/* ---- memory ---- */

enum err bench_memory(struct bench *bench)
{
	if (bench->url)
		return problem_set(&bench->problem, E_INVALID, "--url", "Memory can only be read of a daemon that the benchmark starts itself.");
	uint64_t jobs = bench->jobs ? bench->jobs : SCALE_JOBS;
	struct swarm *swarm = NULL;
	bench->value[1] = (double)bench_daemon_rss_bytes(bench) / (1024 * 1024);
	enum err err = bench_fill(bench, SCALE_MEMORY_MIN);
	uint64_t before_bytes = bench_daemon_rss_bytes(bench);
	if (!err)
		err = bench_fill(bench, jobs);
	uint64_t after_bytes = bench_daemon_rss_bytes(bench);
	if (!err)
		err = bench_swarm(bench, 1, NULL, NULL, &swarm);
	if (!err)
		err = bench_expect(bench, swarm, "states.waiting", SCALE_MEMORY_MIN + (jobs + 999) / 1000 * 1000);
	if (!err)
		bench->value[0] = (double)(after_bytes - before_bytes) / (double)jobs;
	swarm_close(swarm);
	return err;
}

/* ---- idle long polls ---- */

#define POLLS_BEES     10000u
#define POLLS_PAUSE_US 500000
#define POLLS_BODY     "{\"queues\":[\"idle\"],\"wait_ms\":300000}" /* where no job ever comes */

/* All of them wait; the daemon says so. */
static enum err polls_begin(struct bench *bench, struct swarm *swarm, uint32_t bees)
{
	struct swarm *other = NULL;
	struct buf head;
	uint64_t waiters = 0;
	buf_init(&head, 4096);
	enum err err = swarm_head(swarm, "POST", "/v1/claims", &head);
	for (uint32_t i = 0; !err && i < bees; i++)
		swarm_send(swarm_bee(swarm, i), buf_str(&head), STR(POLLS_BODY));
	if (!err && swarm_run(swarm, clock_mono_us() + POLLS_PAUSE_US, &bench->problem) != E_TIMEOUT)
		err = bench_fail(bench, "A long poll", swarm_bee(swarm, 0)->status, STR("too early"));
	if (!err)
		err = bench_swarm(bench, 1, NULL, NULL, &other);
	if (!err)
		err = bench_count(bench, other, "/v1/queues/idle", "waiters", &waiters);
	if (!err && waiters != bees)
		err = problem_set(&bench->problem, E_INTERNAL, "", "%u should wait, and %llu do: the figure means nothing.", bees, (unsigned long long)waiters);
	swarm_close(other);
	buf_fini(&head);
	return err;
}

/* What ten thousand waiting workers cost in memory; and, while they wait, how long jobs take to reach a worker of another queue. */
enum err bench_polls(struct bench *bench)
{
	if (bench->url)
		return problem_set(&bench->problem, E_INVALID, "--url", "Memory can only be read of a daemon that the benchmark starts itself.");
	uint32_t bees = bench->connections ? bench->connections : POLLS_BEES;
	struct rlimit files = { 0 };
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	struct swarm *swarm = NULL;
	uint64_t before_bytes = bench_daemon_rss_bytes(bench);
	enum err err = bench_swarm(bench, bees, NULL, NULL, &swarm);
	if (!err)
		err = polls_begin(bench, swarm, bees);
	double bytes = (double)(bench_daemon_rss_bytes(bench) - before_bytes) / bees;
	if (!err)
		err = bench_latency(bench);
	bench->value[0] = bytes; /* and the 99th percentile stays in [1] */
	swarm_close(swarm);
	return err;
}

/* ---- restart ---- */

enum err bench_restart(struct bench *bench)
{
	if (bench->url)
		return problem_set(&bench->problem, E_INVALID, "--url", "Only a daemon that the benchmark starts itself can be restarted.");
	uint64_t jobs = ((bench->jobs ? bench->jobs : SCALE_JOBS) + 999) / 1000 * 1000;
	struct swarm *swarm = NULL;
	enum err err = bench_fill(bench, jobs);
	int64_t begun_us = clock_mono_us();
	if (!err)
		err = bench_daemon_restart(bench);
	int64_t ended_us = clock_mono_us();
	if (!err)
		err = bench_swarm(bench, 1, NULL, NULL, &swarm);
	if (!err)
		err = bench_expect(bench, swarm, "states.waiting", jobs);
	if (!err)
		bench->value[0] = (double)(ended_us - begun_us) / 1e6;
	swarm_close(swarm);
	return err;
}

/* ---- lists under load ---- */

#define LIST_QUERIES      600u
#define LIST_NAMES        100u
#define LIST_BULK         1000u
#define LIST_FLOW_QUEUE   "flow"
#define LIST_FLOW_BATCH   100u
#define LIST_FLOWS          4
#define LIST_FLOW_PERIOD_US INT64_C(40000) /* 4 × 100 jobs each 40 ms: 10,000 a second */

/* Jobs with a name, an id and a tag of their own, as people look for them. */
static void list_put_jobs(struct buf *buf, uint64_t first)
{
	buf_clear(buf);
	buf_add_lit(buf, "{\"jobs\":[");
	for (uint64_t i = first; i < first + LIST_BULK; i++) {
		if (i > first)
			buf_add_byte(buf, ',');
		buf_addf(buf, "{\"queue\":\"" BENCH_QUEUE "\",\"id\":\"sheet-%llu\",\"name\":\"name-%llu\",\"tags\":[\"site-%llu\"],\"payload\":",
			 (unsigned long long)i, (unsigned long long)(i % LIST_NAMES), (unsigned long long)(i % 7));
		bench_put_payload(buf, i);
		buf_add_byte(buf, '}');
	}
	buf_add_lit(buf, "]}");
}

static enum err list_call(struct bench *bench, struct swarm *swarm, const char *method, const char *path, struct str text, struct str *body)
{
	int status;
	enum err err = swarm_call(swarm, method, path, text, &status, body, &bench->problem);
	return err || status / 100 == 2 ? err : bench_fail(bench, path, status, *body);
}

/* Ends the jobs of one claim: completed, or failed for good. */
static enum err list_finish(struct bench *bench, struct swarm *swarm, const char *uids, uint32_t count, bool fails)
{
	struct buf text;
	struct str body;
	buf_init(&text, LIMIT_BODY_MAX);
	if (fails) {
		buf_add_lit(&text, "{\"token\":\"bee-0\",\"leases\":[");
		for (uint32_t i = 0; i < count; i++) {
			buf_addf(&text, "%s{\"uid\":\"%.13s\",\"verdict\":\"final\",", i ? "," : "", uids + (size_t)i * (UID_TEXT_BYTES - 1));
			buf_add_lit(&text, "\"error\":{\"type\":\"Roof\",\"message\":\"it still rains\"}}");
		}
		buf_add_lit(&text, "]}");
	} else {
		bench_put_complete(&text, uids, count, 0, 0);
	}
	enum err err = list_call(bench, swarm, "POST", fails ? "/v1/leases/fail" : "/v1/leases/complete", buf_str(&text), &body);
	buf_fini(&text);
	return err;
}

/* Fills the queue, then completes a tenth and fails a hundredth, so that lists have every state to look through. */
static enum err list_fill(struct bench *bench, struct swarm *swarm, uint64_t jobs)
{
	struct buf text;
	struct str body;
	char uids[LIMIT_CLAIM * (UID_TEXT_BYTES - 1)];
	buf_init(&text, LIMIT_BODY_MAX);
	enum err err = E_OK;
	for (uint64_t at = 0; !err && at < jobs; at += LIST_BULK) {
		list_put_jobs(&text, at);
		err = list_call(bench, swarm, "POST", "/v1/jobs", buf_str(&text), &body);
	}
	for (uint64_t at = 0; !err && at < jobs / 10; at += LIMIT_CLAIM) {
		buf_clear(&text);
		bench_put_claim(&text, LIMIT_CLAIM, 0, 0);
		err = list_call(bench, swarm, "POST", "/v1/claims", buf_str(&text), &body);
		uint32_t count = err ? 0 : bench_granted(body, LIMIT_CLAIM, uids);
		if (!err)
			err = list_finish(bench, swarm, uids, count, at % (10 * LIMIT_CLAIM) == 0);
	}
	buf_fini(&text);
	return err;
}

/* A share of 10,000 jobs a second through another queue, on a thread of its own, until told to stop. */
struct list_flow {
	struct bench bench; /* a copy: its own problem */
	struct swarm *swarm;
	_Atomic bool stop;
	_Atomic uint64_t jobs;
	enum err err;
	pthread_t thread;
};

static enum err list_flow_turn(struct list_flow *flow, struct str enqueue, struct str claim, struct buf *complete)
{
	struct str body;
	char uids[LIST_FLOW_BATCH * (UID_TEXT_BYTES - 1)];
	enum err err = list_call(&flow->bench, flow->swarm, "POST", "/v1/jobs", enqueue, &body);
	if (!err)
		err = list_call(&flow->bench, flow->swarm, "POST", "/v1/claims", claim, &body);
	uint32_t count = err ? 0 : bench_granted(body, LIST_FLOW_BATCH, uids);
	buf_clear(complete);
	bench_put_complete(complete, uids, count, 1, 0);
	if (!err && count)
		err = list_call(&flow->bench, flow->swarm, "POST", "/v1/leases/complete", buf_str(complete), &body);
	if (!err)
		atomic_fetch_add(&flow->jobs, count);
	return err;
}

static void *list_flow_main(void *argument)
{
	struct list_flow *flow = argument;
	struct buf enqueue, complete;
	struct str claim = STR("{\"queues\":[\"" LIST_FLOW_QUEUE "\"],\"max\":100,\"token\":\"bee-1\"}");
	buf_init(&enqueue, LIMIT_BODY_MAX);
	buf_init(&complete, LIMIT_BODY_MAX);
	buf_add_lit(&enqueue, "{\"jobs\":[");
	for (uint32_t i = 0; i < LIST_FLOW_BATCH; i++) {
		buf_addf(&enqueue, "%s{\"queue\":\"" LIST_FLOW_QUEUE "\",\"payload\":", i ? "," : "");
		bench_put_payload(&enqueue, i);
		buf_add_byte(&enqueue, '}');
	}
	buf_add_lit(&enqueue, "]}");
	flow->err = bench_swarm(&flow->bench, 1, NULL, NULL, &flow->swarm);
	int64_t next_us = clock_mono_us();
	while (!flow->err && !atomic_load(&flow->stop)) {
		flow->err = list_flow_turn(flow, buf_str(&enqueue), claim, &complete);
		next_us += LIST_FLOW_PERIOD_US;
		int64_t left_us = next_us - clock_mono_us();
		if (left_us > 0)
			usleep((useconds_t)left_us);
	}
	swarm_close(flow->swarm);
	buf_fini(&enqueue);
	buf_fini(&complete);
	return NULL;
}

/* What people ask: the newest, by state, by name, by id, by the start of an id, by tag, and deep pages. */
static void list_path(char *path, size_t bytes, uint32_t n, uint64_t jobs)
{
	uint64_t at = (uint64_t)n * 7919 % jobs;
	switch (n % 8) {
	case 0: snprintf(path, bytes, "/v1/jobs?queue=" BENCH_QUEUE "&limit=50"); break;
	case 1: snprintf(path, bytes, "/v1/jobs?queue=" BENCH_QUEUE "&state=waiting&limit=50"); break;
	case 2: snprintf(path, bytes, "/v1/jobs?queue=" BENCH_QUEUE "&state=failed&limit=50"); break;
	case 3: snprintf(path, bytes, "/v1/jobs?queue=" BENCH_QUEUE "&state=completed&limit=50"); break;
	case 4: snprintf(path, bytes, "/v1/jobs?queue=" BENCH_QUEUE "&name=name-%llu&limit=50", (unsigned long long)(at % LIST_NAMES)); break;
	case 5: snprintf(path, bytes, "/v1/jobs?queue=" BENCH_QUEUE "&id=sheet-%llu", (unsigned long long)at); break;
	case 6: snprintf(path, bytes, "/v1/jobs?queue=" BENCH_QUEUE "&id=sheet-%llu*&limit=50", (unsigned long long)(at / 10)); break;
	default:
		snprintf(path, bytes, "/v1/jobs?queue=" BENCH_QUEUE "&state=waiting&name=name-%llu&limit=50", (unsigned long long)(at % LIST_NAMES));
		break;
	}
}

static int list_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static enum err list_ask(struct bench *bench, struct swarm *swarm, uint64_t jobs)
{
	int64_t spans_us[LIST_QUERIES];
	enum err err = E_OK;
	for (uint32_t i = 0; !err && i < LIST_QUERIES; i++) {
		char path[256];
		struct str body;
		list_path(path, sizeof(path), i, jobs);
		int64_t begun_us = clock_mono_us();
		err = list_call(bench, swarm, "GET", path, STR(""), &body);
		spans_us[i] = clock_mono_us() - begun_us;
		if (!err && i % 8 == 5 && !memmem(body.ptr, body.len, "\"uid\":", 6))
			err = bench_fail(bench, path, 200, body);
	}
	if (!err) {
		qsort(spans_us, LIST_QUERIES, sizeof(spans_us[0]), list_compare);
		const size_t late = LIST_QUERIES * 95 / 100;
		bench->value[0] = (double)spans_us[late] / 1000;
	}
	return err;
}

static enum err list_flows_start(struct bench *bench, struct list_flow flows[LIST_FLOWS], uint32_t *started)
{
	for (*started = 0; *started < LIST_FLOWS; ++*started) {
		flows[*started] = (struct list_flow){ .bench = *bench };
		if (pthread_create(&flows[*started].thread, NULL, list_flow_main, &flows[*started]) != 0)
			return problem_set(&bench->problem, E_NOMEM, "", "Could not start a thread.");
	}
	return E_OK;
}

static enum err list_flows_stop(struct bench *bench, struct list_flow flows[LIST_FLOWS], uint32_t started, uint64_t *jobs)
{
	enum err err = E_OK;
	*jobs = 0;
	for (uint32_t i = 0; i < started; i++)
		atomic_store(&flows[i].stop, true);
	for (uint32_t i = 0; i < started; i++) {
		pthread_join(flows[i].thread, NULL);
		*jobs += atomic_load(&flows[i].jobs);
		if (!err && flows[i].err) {
			err = flows[i].err;
			bench->problem = flows[i].bench.problem;
		}
	}
	return err;
}

enum err bench_list(struct bench *bench)
{
	uint64_t jobs = ((bench->jobs ? bench->jobs : SCALE_JOBS) + LIMIT_CLAIM * 10 - 1) / (LIMIT_CLAIM * 10) * (LIMIT_CLAIM * 10);
	struct list_flow flows[LIST_FLOWS];
	struct swarm *swarm = NULL;
	uint64_t flowed;
	uint32_t started = 0;
	enum err err = bench_swarm(bench, 1, NULL, NULL, &swarm);
	if (!err)
		err = list_fill(bench, swarm, jobs);
	if (!err)
		err = list_flows_start(bench, flows, &started);
	int64_t begun_us = clock_mono_us();
	if (!err)
		err = list_ask(bench, swarm, jobs);
	int64_t span_us = clock_mono_us() - begun_us;
	enum err flow_err = list_flows_stop(bench, flows, started, &flowed);
	err = err ? err : flow_err;
	/* nine tenths of the promised flow, or the figure was taken in too still a water */
	if (!err && span_us > 1000000 && (double)flowed * 1e6 / (double)span_us < 9000)
		err = problem_set(&bench->problem, E_TIMEOUT, "", "Only %.0f jobs/s flowed beside the lists.", (double)flowed * 1e6 / (double)span_us);
	swarm_close(swarm);
	return err;
}
