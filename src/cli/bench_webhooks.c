/* Webhooks: signed deliveries a second, and one call of a thousand messages for twenty endpoints. */
#include "base/clock.h"
#include "cli/bench.h"
#include "cli/bench_target.h"
#include <stdio.h>
#include <stdlib.h>
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
#define FAN_ASK_US    INT64_C(1000) /* between questions, so that asking takes little from what is measured */

struct fan {
	struct bench *bench;
	struct swarm *swarm;
	struct buf head, ask;
	uint64_t wanted;                 /* deliveries, once this round is expanded */
	int64_t begun_us, acknowledged_us, expanded_us;
	enum err err;
};

/* One bee sends; the other asks each millisecond how many deliveries there are. */
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
	enum err err = E_OK;
	for (int64_t next_us = fan->begun_us + FAN_ASK_US; !err && !fan->err && !(fan->acknowledged_us && fan->expanded_us); next_us += FAN_ASK_US) {
		err = swarm_run(fan->swarm, next_us, &fan->bench->problem);
		err = err == E_TIMEOUT && next_us < fan->begun_us + FAN_STALL_US ? E_OK : err;
		int64_t left_us = next_us - clock_mono_us();
		if (!err && left_us > 0)
			usleep((useconds_t)left_us);
		if (!err && !swarm_bee(fan->swarm, 1)->waiting)
			swarm_send(swarm_bee(fan->swarm, 1), buf_str(&fan->ask), STR(""));
	}
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
