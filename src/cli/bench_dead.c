/* Webhooks: a thousand endpoints of which fifty never answer. Two daemons run side by side, one with the dead ones and one where all are healthy, and take
 * turns of a second each: what else the machine does is felt by both. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/bench.h"
#include "cli/bench_target.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEAD_ENDPOINTS  1000u
#define DEAD_EVERY      20u   /* fifty of them */
#define DEAD_TURN       1000u /* messages; one for each endpoint */
#define DEAD_PAIRS      11u   /* the first one is not counted: connections are made */
#define DEAD_PAIRS_MAX  100u
#define DEAD_BATCH      10u
#define DEAD_PERIOD_US  INT64_C(10000)
#define DEAD_PRODUCERS  32u
#define DEAD_TIMEOUT_MS 5000
#define DEAD_STALL_US   INT64_C(30000000)

struct side {
	struct bench bench;    /* a daemon of its own */
	struct target target;
	struct swarm *swarm;
	struct buf head, body;
	int64_t spans_us[DEAD_TURN]; /* of this turn, to those who are healthy on both sides; the target's thread writes it */
	uint64_t sent;
	_Atomic uint32_t seen;
	enum err err;
};

static int side_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static bool side_is_dead(uint64_t number)
{
	return number % DEAD_EVERY == 0;
}

/* "POST /e417 HTTP/1.1": from the sender's first byte until the third party has read the last one. */
static void side_look(void *context, struct str head, struct str body)
{
	struct side *side = context;
	const char *stamp = memmem(body.ptr, body.len, "{\"t\":", 5);
	uint64_t number = head.len > 7 ? strtoull(head.ptr + 7, NULL, 10) : 0;
	uint32_t seen = atomic_load(&side->seen);
	if (!stamp || side_is_dead(number) || seen == DEAD_TURN)
		return;
	side->spans_us[seen] = clock_mono_us() - strtoll(stamp + 5, NULL, 10);
	atomic_store(&side->seen, seen + 1);
}

static void side_answer(void *context, struct bee *bee, int status, struct str body)
{
	struct side *side = context;
	(void)bee;
	if (status / 100 == 2)
		return;
	side->err = bench_fail(&side->bench, "/v1/messages", status, body);
	swarm_stop(side->swarm);
}

/* Ten messages in one call, for the next ten endpoints. */
static void side_send(struct side *side)
{
	for (uint32_t i = 0; i < DEAD_PRODUCERS; i++) {
		struct bee *bee = swarm_bee(side->swarm, i);
		if (bee->waiting)
			continue;
		uint64_t now_us = (uint64_t)clock_mono_us();
		buf_clear(&side->body);
		buf_add_lit(&side->body, "{\"messages\":[");
		for (uint32_t message = 0; message < DEAD_BATCH; message++, side->sent++) {
			buf_addf(&side->body, "%s{\"type\":\"to.%u\",\"payload\":", message ? "," : "", (unsigned)(side->sent % DEAD_ENDPOINTS));
			bench_put_payload(&side->body, now_us);
			buf_add_byte(&side->body, '}');
		}
		buf_add_lit(&side->body, "]}");
		swarm_send(bee, buf_str(&side->head), buf_str(&side->body));
		return;
	}
	side->err = problem_set(&side->bench.problem, E_TIMEOUT, "", "The daemon is %u calls behind at 1,000 messages a second.", DEAD_PRODUCERS);
}

/* A second of messages, until the last of the healthy ones has its own; *out_ms: the 99th percentile. */
static enum err side_turn(struct side *side, double *out_ms)
{
	uint32_t healthy = DEAD_TURN - DEAD_TURN / DEAD_EVERY;
	int64_t begun_us = clock_mono_us(), next_us = begun_us;
	uint64_t until = side->sent + DEAD_TURN;
	enum err err = E_OK;
	atomic_store(&side->seen, 0);
	while (!err && !side->err && atomic_load(&side->seen) < healthy) {
		if (side->sent < until)
			side_send(side);
		next_us += DEAD_PERIOD_US;
		err = side->err ? side->err : swarm_run(side->swarm, next_us, &side->bench.problem);
		err = err == E_TIMEOUT ? E_OK : err; /* the next one's instant has come */
		int64_t left_us = next_us - clock_mono_us();
		if (!err && left_us > 0)
			usleep((useconds_t)left_us);
		if (!err && next_us > begun_us + DEAD_STALL_US)
			err = problem_set(&side->bench.problem, E_TIMEOUT, "", "%u of %u messages reached the healthy ones.", side->seen, healthy);
	}
	qsort(side->spans_us, healthy, sizeof(side->spans_us[0]), side_compare);
	*out_ms = (double)side->spans_us[healthy * 99 / 100] / 1000;
	return err ? err : side->err;
}

/* A thousand endpoints on as many addresses of loopback, each of which wants a type of its own. */
static enum err side_endpoints(struct side *side, bool with_dead)
{
	struct bench *bench = &side->bench;
	struct swarm *caller = NULL;
	char path[64], settings[256];
	enum err err = bench_swarm(bench, 1, NULL, NULL, &caller);
	for (uint32_t i = 0; !err && i < DEAD_ENDPOINTS; i++)
		err = target_open(&side->target, i, 0, with_dead && side_is_dead(i), &bench->problem);
	if (!err)
		err = target_start(&side->target, &bench->problem);
	for (uint32_t i = 0; !err && i < DEAD_ENDPOINTS; i++) {
		snprintf(path, sizeof(path), "/v1/endpoints/e%u", i);
		snprintf(settings, sizeof(settings), "{\"url\":\"http://127.0.%u.%u:%u/e%u\",\"types\":[\"to.%u\"],\"timeout_ms\":%d}", (1 + i) >> 8,
			 (1 + i) & 255, side->target.doors[i].port, i, i, DEAD_TIMEOUT_MS);
		err = bench_call(bench, caller, "PUT", path, str_of(settings));
	}
	swarm_close(caller);
	return err;
}

static enum err side_open(struct side *side, bool with_dead)
{
	struct bench *bench = &side->bench;
	buf_init(&side->head, 4096);
	buf_init(&side->body, 65536);
	enum err err = target_init(&side->target, DEAD_ENDPOINTS, &bench->problem);
	side->target.look = side_look;
	side->target.context = side;
	if (!err)
		err = bench_daemon_start(bench);
	if (!err)
		err = side_endpoints(side, with_dead);
	if (!err)
		err = bench_swarm(bench, DEAD_PRODUCERS, side_answer, side, &side->swarm);
	return err ? err : swarm_head(side->swarm, "POST", "/v1/messages", &side->head);
}

static void side_close(struct side *side)
{
	swarm_close(side->swarm);
	target_stop(&side->target);
	bench_daemon_stop(&side->bench);
	buf_fini(&side->head);
	buf_fini(&side->body);
}

static int dead_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static enum err dead_run(struct bench *bench, struct side *alive, struct side *dead, uint32_t pairs)
{
	double ratios[DEAD_PAIRS_MAX], spans_ms[DEAD_PAIRS_MAX], alive_ms, dead_ms;
	enum err err = E_OK;
	for (uint32_t pair = 0; !err && pair < pairs; pair++) {
		err = side_turn(alive, &alive_ms);
		if (!err)
			err = side_turn(dead, &dead_ms);
		if (!err && pair) {
			ratios[pair - 1] = dead_ms / alive_ms;
			spans_ms[pair - 1] = dead_ms;
		}
	}
	if (err)
		return err;
	qsort(ratios, pairs - 1, sizeof(ratios[0]), dead_compare);
	qsort(spans_ms, pairs - 1, sizeof(spans_ms[0]), dead_compare);
	bench->value[0] = ratios[(pairs - 1) / 2];
	bench->value[1] = spans_ms[(pairs - 1) / 2];
	return E_OK;
}

/* Of the pairs' ratios the median counts. `jobs`: messages to each side. */
enum err bench_webhook_dead(struct bench *bench)
{
	struct rlimit files = { 0 };
	if (bench->url)
		return problem_set(&bench->problem, E_INVALID, "--url", "Two daemons are compared, so the benchmark must start them itself.");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	uint64_t turns = bench->jobs / DEAD_TURN;
	uint32_t pairs = !bench->jobs ? DEAD_PAIRS : turns < 2 ? 2 : turns > DEAD_PAIRS_MAX ? DEAD_PAIRS_MAX : (uint32_t)turns;
	struct side *sides = mem_zalloc_array(2, sizeof(*sides));
	if (!sides)
		return problem_set(&bench->problem, E_NOMEM, "", "No memory for the spans.");
	bench_daemon_stop(bench); /* each side starts one of its own */
	for (int i = 0; i < 2; i++) {
		sides[i].bench = *bench;
		sides[i].target.epoll = sides[i].target.stop = -1;
	}
	enum err err = side_open(&sides[0], false);
	struct side *failed = &sides[0];
	if (!err) {
		failed = &sides[1];
		err = side_open(&sides[1], true);
	}
	if (!err) {
		err = dead_run(bench, &sides[0], &sides[1], pairs);
		failed = sides[0].bench.problem.detail[0] ? &sides[0] : &sides[1];
	}
	if (err)
		bench->problem = failed->bench.problem;
	side_close(&sides[1]);
	side_close(&sides[0]);
	mem_free(sides);
	return err;
}
