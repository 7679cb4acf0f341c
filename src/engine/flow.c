/* src/engine/flow.c: what happened lately in a queue: starts and ends a second, and how long jobs waited and ran. Kept in memory only, and
 * forgotten by a restart: it describes, nothing is decided by it. */
#include "base/mem.h"
#include "engine/index.h"

/* Spans in eight buckets an octave (at most 9 % off), from 1 µs up; two halves of five minutes each, the older one dropped at the turn. */
#define HISTOGRAM_STEPS   8
#define HISTOGRAM_BUCKETS (44 * HISTOGRAM_STEPS)
#define HISTOGRAM_TURN_US (5 * 60 * INT64_C(1000000))

struct histogram {
	int64_t turned_us;
	uint32_t now[HISTOGRAM_BUCKETS], before[HISTOGRAM_BUCKETS];
};

static uint32_t histogram_bucket(int64_t span_us)
{
	if (span_us < HISTOGRAM_STEPS)
		return span_us < 0 ? 0 : (uint32_t)span_us;
	uint32_t octave = 63u - (uint32_t)__builtin_clzll((uint64_t)span_us);
	uint32_t step = (uint32_t)((uint64_t)span_us >> (octave - 3)) & (HISTOGRAM_STEPS - 1);
	uint32_t bucket = (octave - 2) * HISTOGRAM_STEPS + step;
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static int64_t histogram_span_us(uint32_t bucket)
{
	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	uint32_t octave = bucket / HISTOGRAM_STEPS + 2, step = bucket % HISTOGRAM_STEPS;
	return (int64_t)((uint64_t)(HISTOGRAM_STEPS + step) << (octave - 3));
}

static void histogram_add(struct histogram **where, int64_t now_us, int64_t span_us)
{
	struct histogram *histogram = *where;
	if (!histogram) {
		histogram = *where = mem_zalloc(sizeof(*histogram));
		if (!histogram)
			return; /* a measure less */
		histogram->turned_us = now_us;
	}
	if (now_us - histogram->turned_us >= HISTOGRAM_TURN_US) {
		memcpy(histogram->before, histogram->now, sizeof(histogram->now));
		if (now_us - histogram->turned_us >= 2 * HISTOGRAM_TURN_US)
			memset(histogram->before, 0, sizeof(histogram->before));
		memset(histogram->now, 0, sizeof(histogram->now));
		histogram->turned_us = now_us;
	}
	histogram->now[histogram_bucket(span_us)]++;
}

static int64_t histogram_quantile(const struct histogram *histogram, uint32_t permille)
{
	uint64_t total = 0, seen = 0;
	if (!histogram)
		return -1;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += (uint64_t)histogram->now[i] + histogram->before[i];
	uint64_t wanted = (total * permille + 999) / 1000;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && total; i++) {
		seen += (uint64_t)histogram->now[i] + histogram->before[i];
		if (seen >= wanted)
			return histogram_span_us(i);
	}
	return -1;
}

static struct flow_second *flow_now(struct queue_flow *flow, int64_t now_us)
{
	int64_t second = now_us / 1000000;
	uint32_t at = (uint32_t)(second % FLOW_SECONDS);
	if (flow->second[at] != second) {
		flow->second[at] = second;
		flow->count[at] = (struct flow_second){ 0 };
	}
	return &flow->count[at];
}

void flow_count(struct queue_flow *flow, int64_t now_us, enum event_type type)
{
	struct flow_second *now = flow_now(flow, now_us);
	if (type == EVENT_ENQUEUED)
		now->enqueued++;
	else if (type == EVENT_ACTIVE)
		now->started++;
	else if (type == EVENT_COMPLETED)
		now->completed++;
	else if (type == EVENT_FAILED)
		now->failed++;
}

void flow_wait(struct queue_flow *flow, int64_t now_us, int64_t wait_us)
{
	histogram_add(&flow->wait, now_us, wait_us);
}

void flow_run(struct queue_flow *flow, int64_t now_us, int64_t run_us)
{
	histogram_add(&flow->run, now_us, run_us);
}

void flow_report(const struct queue_flow *flow, int64_t now_us, struct queue_info *out)
{
	struct flow_second sum = { 0 };
	int64_t second = now_us / 1000000;
	for (uint32_t i = 0; i < FLOW_SECONDS; i++) {
		int64_t age = second - flow->second[i];
		if (age < 1 || age > 60)
			continue; /* whole seconds only: the present one is not over */
		sum.enqueued += flow->count[i].enqueued;
		sum.started += flow->count[i].started;
		sum.completed += flow->count[i].completed;
		sum.failed += flow->count[i].failed;
	}
	out->enqueued_per_s = sum.enqueued / 60.0;
	out->started_per_s = sum.started / 60.0;
	out->completed_per_s = sum.completed / 60.0;
	out->failed_per_s = sum.failed / 60.0;
	out->wait_p50_us = histogram_quantile(flow->wait, 500);
	out->wait_p95_us = histogram_quantile(flow->wait, 950);
	out->wait_p99_us = histogram_quantile(flow->wait, 990);
	out->run_p50_us = histogram_quantile(flow->run, 500);
	out->run_p95_us = histogram_quantile(flow->run, 950);
	out->run_p99_us = histogram_quantile(flow->run, 990);
}

void flow_fini(struct queue_flow *flow)
{
	mem_free(flow->wait);
	mem_free(flow->run);
	flow->wait = flow->run = NULL;
}
