/* Webhooks: signed deliveries a second; one call of a thousand messages for twenty endpoints; and a thousand endpoints of which fifty never answer. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/bench.h"
#include "cli/bench_target.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define HOOKS_QUEUE "/v1/queues/webhooks"

static int hooks_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* [{"type":…,"payload":{"t":stamp,…}}, …] behind what is there: `count` messages of the type. */
static void hooks_put_messages(struct buf *buf, uint32_t count)
{
	buf_add_lit(buf, "{\"messages\":[");
	for (uint32_t i = 0; i < count; i++) {
		buf_add(buf, i ? STR(",{\"type\":\"sheet.changed\",\"payload\":") : STR("{\"type\":\"sheet.changed\",\"payload\":"));
		bench_put_payload(buf, 0);
		buf_add_byte(buf, '}');
	}
	buf_add_lit(buf, "]}");
}

/* PUT of an endpoint `e<number>` that signs with a secret of its own, and what is done with it then ("pause"; NULL: nothing). */
static enum err hooks_endpoint(struct bench *bench, struct swarm *swarm, uint32_t number, const char *settings, const char *then)
{
	char path[64];
	snprintf(path, sizeof(path), "/v1/endpoints/e%u", number);
	enum err err = bench_call(bench, swarm, "PUT", path, str_of(settings));
	snprintf(path, sizeof(path), "/v1/endpoints/e%u/%s", number, then ? then : "");
	return err || !then ? err : bench_call(bench, swarm, "POST", path, STR(""));
}

/* ---- deliveries a second ---- */

#define HOOKS_BULK        1000u
#define HOOKS_CONCURRENCY 100u

static void hooks_count_signed(void *context, struct str head, struct str body)
{
	(void)body;
	*(uint64_t *)context += memmem(head.ptr, head.len, "webhook-signature: v1,", 22) != NULL;
}

static enum err hooks_send_bulk(struct bench *bench, struct swarm *swarm, uint64_t messages)
{
	struct buf body;
	buf_init(&body, 16u * 1024 * 1024);
	hooks_put_messages(&body, HOOKS_BULK);
	enum err err = E_OK;
	for (uint64_t sent = 0; !err && sent < messages; sent += HOOKS_BULK)
		err = bench_call(bench, swarm, "POST", "/v1/messages", buf_str(&body));
	buf_fini(&body);
	return err;
}

static enum err hooks_wait_held(struct bench *bench, struct swarm *swarm, uint64_t count)
{
	uint64_t held = 0;
	enum err err = E_OK;
	while (!err && held < count)
		err = bench_count(bench, swarm, "/v1/endpoints/e0", "held", &held);
	return err;
}

static enum err hooks_deliver(struct bench *bench, struct swarm *swarm, struct target *target, uint64_t jobs)
{
	char settings[256];
	snprintf(settings, sizeof(settings), "{\"url\":\"http://127.0.0.1:%u/hook\",\"types\":[\"*\"],\"concurrency\":%u,\"hold_max\":0}",
		 target->doors[0].port, bench->connections ? bench->connections : HOOKS_CONCURRENCY);
	enum err err = hooks_endpoint(bench, swarm, 0, settings, "pause");
	if (!err)
		err = hooks_send_bulk(bench, swarm, jobs);
	if (!err)
		err = hooks_wait_held(bench, swarm, jobs);
	int64_t begun_us = clock_mono_us();
	if (!err)
		err = bench_call(bench, swarm, "POST", "/v1/endpoints/e0/resume", STR(""));
	if (!err)
		err = bench_wait_delivered(bench, swarm, HOOKS_QUEUE, target, jobs);
	if (!err)
		bench->value[0] = (double)jobs * 1e6 / (double)(clock_mono_us() - begun_us);
	return err;
}

enum err bench_webhook_deliveries(struct bench *bench)
{
	uint64_t jobs = ((bench->jobs ? bench->jobs : 50000) + HOOKS_BULK - 1) / HOOKS_BULK * HOOKS_BULK, signed_count = 0;
	struct target target;
	struct swarm *swarm = NULL;
	enum err err = target_init(&target, 1, &bench->problem);
	target.look = hooks_count_signed;
	target.context = &signed_count;
	if (!err)
		err = target_open(&target, 0, 0, false, &bench->problem);
	if (!err)
		err = target_start(&target, &bench->problem);
	if (!err)
		err = bench_swarm(bench, 1, NULL, NULL, &swarm);
	if (!err)
		err = hooks_deliver(bench, swarm, &target, jobs);
	swarm_close(swarm);
	target_stop(&target);
	if (!err && signed_count < jobs)
		err = problem_set(&bench->problem, E_INTERNAL, "", "%llu of %llu deliveries were signed: the figure means nothing.",
				  (unsigned long long)signed_count, (unsigned long long)jobs);
	return err;
}

/* ---- many messages for many endpoints ---- */

#define FAN_MESSAGES  1000u
#define FAN_ENDPOINTS 20u
#define FAN_ROUNDS    5u
#define FAN_STALL_US  INT64_C(60000000)

struct fan {
	struct bench *bench;
	struct swarm *swarm;
	struct buf head, ask;
	uint64_t wanted;                 /* deliveries, once this round is expanded */
	int64_t begun_us, acknowledged_us, expanded_us;
	enum err err;
};

/* One bee sends; the other asks, again and again, how many deliveries there are. */
static void fan_answer(void *context, struct bee *bee, int status, struct str body)
{
	struct fan *fan = context;
	int64_t now_us = clock_mono_us();
	if (status / 100 != 2) {
		fan->err = bench_fail(fan->bench, bee->index ? HOOKS_QUEUE : "/v1/messages", status, body);
		swarm_stop(fan->swarm);
	} else if (bee->index == 0) {
		fan->acknowledged_us = now_us - fan->begun_us;
	} else if (bench_number(body, "states.waiting") >= fan->wanted) {
		fan->expanded_us = now_us - fan->begun_us;
	} else {
		swarm_send(bee, buf_str(&fan->ask), STR(""));
	}
	if (fan->acknowledged_us && fan->expanded_us)
		swarm_stop(fan->swarm);
}

static enum err fan_round(struct fan *fan, struct str body, uint64_t deliveries)
{
	fan->wanted += deliveries;
	fan->acknowledged_us = fan->expanded_us = 0;
	fan->begun_us = clock_mono_us();
	swarm_send(swarm_bee(fan->swarm, 0), buf_str(&fan->head), body);
	swarm_send(swarm_bee(fan->swarm, 1), buf_str(&fan->ask), STR(""));
	enum err err = swarm_run(fan->swarm, fan->begun_us + FAN_STALL_US, &fan->bench->problem);
	return err ? err : fan->err;
}

static enum err fan_step_ms(struct bench *bench, struct swarm *swarm, double *out)
{
	static const char mark[] = "\nruche_longest_step_seconds ";
	int status;
	struct str body;
	enum err err = swarm_call(swarm, "GET", "/metrics", STR(""), &status, &body, &bench->problem);
	const char *at = err ? NULL : memmem(body.ptr, body.len, mark, sizeof(mark) - 1);
	*out = at ? strtod(at + sizeof(mark) - 1, NULL) * 1000 : 0;
	return err || at ? err : bench_fail(bench, "/metrics", status, str_cut(body, 160));
}

static enum err fan_run(struct fan *fan, struct swarm *caller, uint32_t messages)
{
	int64_t acknowledged[FAN_ROUNDS], expanded[FAN_ROUNDS];
	struct bench *bench = fan->bench;
	struct buf body;
	enum err err = E_OK;
	buf_init(&body, 64u * 1024 * 1024);
	hooks_put_messages(&body, messages);
	for (uint32_t i = 0; !err && i < FAN_ENDPOINTS; i++)
		err = hooks_endpoint(bench, caller, i, "{\"url\":\"http://127.0.0.1:9/\",\"types\":[\"*\"]}", "pause");
	for (uint32_t i = 0; !err && i < FAN_ROUNDS; i++) {
		err = fan_round(fan, buf_str(&body), (uint64_t)messages * FAN_ENDPOINTS);
		acknowledged[i] = fan->acknowledged_us;
		expanded[i] = fan->expanded_us;
	}
	buf_fini(&body);
	if (err)
		return err;
	qsort(acknowledged, FAN_ROUNDS, sizeof(acknowledged[0]), hooks_compare);
	qsort(expanded, FAN_ROUNDS, sizeof(expanded[0]), hooks_compare);
	bench->value[0] = (double)acknowledged[FAN_ROUNDS / 2] / 1000;
	bench->value[1] = (double)expanded[FAN_ROUNDS / 2] / 1000;
	return fan_step_ms(bench, caller, &bench->value[2]);
}

/* Five rounds of one call; the medians count, and the longest step of all. The endpoints are paused, so that what is measured is the making of deliveries. */
enum err bench_webhook_fan_out(struct bench *bench)
{
	struct fan fan = { .bench = bench };
	struct swarm *caller = NULL;
	buf_init(&fan.head, 4096);
	buf_init(&fan.ask, 4096);
	enum err err = bench_swarm(bench, 2, fan_answer, &fan, &fan.swarm);
	if (!err)
		err = bench_swarm(bench, 1, NULL, NULL, &caller);
	if (!err)
		err = swarm_head(fan.swarm, "POST", "/v1/messages", &fan.head);
	if (!err)
		err = swarm_head(fan.swarm, "GET", HOOKS_QUEUE, &fan.ask);
	if (!err)
		err = fan_run(&fan, caller, bench->jobs ? (uint32_t)bench->jobs : FAN_MESSAGES);
	swarm_close(caller);
	swarm_close(fan.swarm);
	buf_fini(&fan.head);
	buf_fini(&fan.ask);
	return err;
}

/* ---- the dead among the healthy ---- */

#define DEAD_ENDPOINTS  1000u
#define DEAD_EVERY      20u /* fifty of them */
#define DEAD_MESSAGES   20000u
#define DEAD_BATCH      10u
#define DEAD_PERIOD_US  INT64_C(10000)
#define DEAD_PRODUCERS  32u
#define DEAD_TIMEOUT_MS 5000
#define DEAD_STALL_US   INT64_C(30000000)

struct dead {
	struct bench *bench;
	struct swarm *swarm;
	struct buf head, body;
	int64_t *spans_us;     /* of messages to those who are healthy in both halves; the target's thread writes it */
	uint64_t messages, sent;
	_Atomic uint64_t seen;
	enum err err;
};

static bool dead_is(uint64_t number)
{
	return number % DEAD_EVERY == 0;
}

static uint64_t dead_healthy(uint64_t messages)
{
	return messages - (messages + DEAD_EVERY - 1) / DEAD_EVERY;
}

/* "POST /e417 HTTP/1.1": from the sender's first byte until the third party has read the last one. */
static void dead_look(void *context, struct str head, struct str body)
{
	struct dead *dead = context;
	const char *stamp = memmem(body.ptr, body.len, "{\"t\":", 5);
	uint64_t number = head.len > 7 ? strtoull(head.ptr + 7, NULL, 10) : 0, seen = atomic_load(&dead->seen);
	if (!stamp || dead_is(number) || seen == dead_healthy(dead->messages))
		return;
	dead->spans_us[seen] = clock_mono_us() - strtoll(stamp + 5, NULL, 10);
	atomic_store(&dead->seen, seen + 1);
}

static void dead_answer(void *context, struct bee *bee, int status, struct str body)
{
	struct dead *dead = context;
	(void)bee;
	if (status / 100 == 2)
		return;
	dead->err = bench_fail(dead->bench, "/v1/messages", status, body);
	swarm_stop(dead->swarm);
}

/* Ten messages in one call, for the next ten endpoints. */
static void dead_send(struct dead *dead)
{
	for (uint32_t i = 0; i < DEAD_PRODUCERS; i++) {
		struct bee *bee = swarm_bee(dead->swarm, i);
		if (bee->waiting)
			continue;
		uint64_t now_us = (uint64_t)clock_mono_us();
		buf_clear(&dead->body);
		buf_add_lit(&dead->body, "{\"messages\":[");
		for (uint32_t message = 0; message < DEAD_BATCH; message++, dead->sent++) {
			buf_addf(&dead->body, "%s{\"type\":\"to.%u\",\"payload\":", message ? "," : "", (unsigned)(dead->sent % DEAD_ENDPOINTS));
			bench_put_payload(&dead->body, now_us);
			buf_add_byte(&dead->body, '}');
		}
		buf_add_lit(&dead->body, "]}");
		swarm_send(bee, buf_str(&dead->head), buf_str(&dead->body));
		return;
	}
	dead->err = problem_set(&dead->bench->problem, E_TIMEOUT, "", "The daemon is %u calls behind at 1,000 messages a second.", DEAD_PRODUCERS);
}

static enum err dead_endpoints(struct dead *dead, struct target *target)
{
	struct bench *bench = dead->bench;
	struct swarm *caller = NULL;
	char settings[256];
	enum err err = bench_swarm(bench, 1, NULL, NULL, &caller);
	for (uint32_t i = 0; !err && i < DEAD_ENDPOINTS; i++) {
		uint32_t address = 0x7f000001u + i;
		snprintf(settings, sizeof(settings), "{\"url\":\"http://%u.%u.%u.%u:%u/e%u\",\"types\":[\"to.%u\"],\"timeout_ms\":%d}", address >> 24,
			 address >> 16 & 255, address >> 8 & 255, address & 255, target->doors[i].port, i, i, DEAD_TIMEOUT_MS);
		err = hooks_endpoint(bench, caller, i, settings, NULL);
	}
	swarm_close(caller);
	return err;
}

static enum err dead_flow(struct dead *dead)
{
	struct bench *bench = dead->bench;
	int64_t begun_us = clock_mono_us(), until_us = begun_us + (int64_t)(dead->messages / DEAD_BATCH) * DEAD_PERIOD_US + DEAD_STALL_US;
	uint64_t calls = 0;
	enum err err = E_OK;
	while (!err && !dead->err && atomic_load(&dead->seen) < dead_healthy(dead->messages)) {
		int64_t next_us = begun_us + (int64_t)calls * DEAD_PERIOD_US;
		err = swarm_run(dead->swarm, next_us, &bench->problem);
		err = err == E_TIMEOUT ? E_OK : err; /* the next one's instant has come */
		int64_t left_us = next_us - clock_mono_us();
		if (!err && left_us > 0)
			usleep((useconds_t)left_us);
		if (!err && !dead->err && dead->sent < dead->messages)
			dead_send(dead);
		calls++;
		if (!err && clock_mono_us() > until_us)
			err = problem_set(&bench->problem, E_TIMEOUT, "", "%llu of %llu messages reached the healthy ones.", (unsigned long long)dead->seen,
					  (unsigned long long)dead_healthy(dead->messages));
	}
	return err ? err : dead->err;
}

/* A thousand endpoints on as many addresses of loopback, each of which is told something once a second; *out: the 99th percentile of the healthy ones. */
static enum err dead_half(struct bench *bench, bool with_dead, double *out)
{
	struct dead dead = { .bench = bench, .messages = ((bench->jobs ? bench->jobs : DEAD_MESSAGES) + DEAD_ENDPOINTS - 1) / DEAD_ENDPOINTS * DEAD_ENDPOINTS };
	struct target target;
	buf_init(&dead.head, 4096);
	buf_init(&dead.body, 65536);
	dead.spans_us = mem_zalloc_array(dead.messages, sizeof(*dead.spans_us));
	enum err err = target_init(&target, DEAD_ENDPOINTS, &bench->problem);
	target.look = dead_look;
	target.context = &dead;
	if (!err && !dead.spans_us)
		err = problem_set(&bench->problem, E_NOMEM, "", "No memory for the spans.");
	for (uint32_t i = 0; !err && i < DEAD_ENDPOINTS; i++)
		err = target_open(&target, i, 0, with_dead && dead_is(i), &bench->problem);
	if (!err)
		err = target_start(&target, &bench->problem);
	if (!err)
		err = dead_endpoints(&dead, &target);
	if (!err)
		err = bench_swarm(bench, DEAD_PRODUCERS, dead_answer, &dead, &dead.swarm);
	if (!err)
		err = swarm_head(dead.swarm, "POST", "/v1/messages", &dead.head);
	if (!err)
		err = dead_flow(&dead);
	swarm_close(dead.swarm);
	target_stop(&target);
	if (!err) {
		uint64_t count = dead_healthy(dead.messages);
		qsort(dead.spans_us, count, sizeof(*dead.spans_us), hooks_compare);
		*out = (double)dead.spans_us[count * 99 / 100] / 1000;
	}
	mem_free(dead.spans_us);
	buf_fini(&dead.head);
	buf_fini(&dead.body);
	return err;
}

/* Pairs: all of them healthy, then, on a fresh store, fifty of them dead. */
enum err bench_webhook_dead(struct bench *bench)
{
	double alive_ms = 0, dead_ms = 0;
	struct rlimit files = { 0 };
	if (bench->url)
		return problem_set(&bench->problem, E_INVALID, "--url", "Two daemons are compared, so the benchmark must start them itself.");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	enum err err = dead_half(bench, false, &alive_ms);
	bench_daemon_stop(bench);
	if (!err)
		err = bench_daemon_start(bench);
	if (!err)
		err = dead_half(bench, true, &dead_ms);
	bench->value[0] = dead_ms / alive_ms;
	bench->value[1] = dead_ms;
	return err;
}
