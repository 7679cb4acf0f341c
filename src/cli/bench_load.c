/* Requests as bytes, and just enough understanding of their answers. */
#include "base/arena.h"
#include "base/limits.h"
#include "base/pluck.h"
#include "base/uid.h"
#include "cli/bench.h"

#define BENCH_BULK      1000u
#define BENCH_FILL_BEES 4u

void bench_put_payload(struct buf *buf, uint64_t stamp_us)
{
	static const char filler[] =
		"action sheet 4217: the roof of the north hall lets the rain in above the second loom; cover the loom, call the "
		"roofer, photograph the tiles, tell the insurer before Friday, and close the sheet once it is dry again.......";
	size_t begin = buf->len;
	buf_add_lit(buf, "{\"t\":");
	buf_add_u64(buf, stamp_us);
	buf_add_lit(buf, ",\"text\":\"");
	_Static_assert(sizeof(filler) > BENCH_PAYLOAD_BYTES, "the filler fills a payload");
	size_t used = buf->len - begin;
	buf_add(buf, (struct str){ filler, BENCH_PAYLOAD_BYTES - used - 2 });
	buf_add_lit(buf, "\"}");
}

static void bench_put_job(struct buf *buf)
{
	buf_add_lit(buf, "{\"queue\":\"" BENCH_QUEUE "\",\"payload\":");
	bench_put_payload(buf, 0);
	buf_add_byte(buf, '}');
}

void bench_put_jobs(struct buf *buf, uint32_t count)
{
	buf_add_lit(buf, "{\"jobs\":[");
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			buf_add_byte(buf, ',');
		bench_put_job(buf);
	}
	buf_add_lit(buf, "]}");
}

static void bench_put_token(struct buf *buf, uint32_t bee)
{
	buf_add_lit(buf, "\"token\":\"bee-");
	buf_add_u64(buf, bee);
	buf_add_byte(buf, '"');
}

static void bench_put_claim_fields(struct buf *buf, uint32_t max, uint32_t bee)
{
	buf_add_lit(buf, "\"queues\":[\"" BENCH_QUEUE "\"],\"max\":");
	buf_add_u64(buf, max);
	buf_add_byte(buf, ',');
	bench_put_token(buf, bee);
}

void bench_put_claim(struct buf *buf, uint32_t max, uint32_t bee, int64_t wait_ms)
{
	buf_add_byte(buf, '{');
	bench_put_claim_fields(buf, max, bee);
	if (wait_ms) {
		buf_add_lit(buf, ",\"wait_ms\":");
		buf_add_i64(buf, wait_ms);
	}
	buf_add_byte(buf, '}');
}

uint32_t bench_granted(struct str body, uint32_t max, char *out)
{
	struct str mark = STR("\"uid\":\"");
	uint32_t count = 0;
	const char *end = body.ptr + body.len, *at = memmem(body.ptr, body.len, "\"jobs\":[", 8);
	while (at && count < max && (at = memmem(at, (size_t)(end - at), mark.ptr, mark.len)) != NULL) {
		at += mark.len;
		if (end - at < UID_TEXT_BYTES)
			break;
		memcpy(out + (size_t)count * (UID_TEXT_BYTES - 1), at, UID_TEXT_BYTES - 1); // cppcheck-suppress nullPointerRedundantCheck
		count++;
	}
	return count;
}

void bench_put_complete(struct buf *buf, const char *uids, uint32_t count, uint32_t bee, uint32_t claim_max)
{
	buf_add_byte(buf, '{');
	bench_put_token(buf, bee);
	buf_add_lit(buf, ",\"leases\":[");
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			buf_add_byte(buf, ',');
		buf_add_lit(buf, "{\"uid\":\"");
		buf_add(buf, (struct str){ uids + (size_t)i * (UID_TEXT_BYTES - 1), UID_TEXT_BYTES - 1 });
		buf_add_lit(buf, "\"}");
	}
	buf_add_byte(buf, ']');
	if (claim_max) {
		buf_add_lit(buf, ",\"claim\":{");
		bench_put_claim_fields(buf, claim_max, bee);
		buf_add_byte(buf, '}');
	}
	buf_add_byte(buf, '}');
}

/* ---- answers ---- */

uint64_t bench_number(struct str text, const char *path)
{
	struct arena arena = { 0 };
	uint64_t number = 0;
	if (!pluck_u64(text, path, &arena, &number))
		number = 0;
	arena_fini(&arena);
	return number;
}

enum err bench_fail(struct bench *bench, const char *what, int status, struct str body)
{
	return problem_set(&bench->problem, E_INTERNAL, "", "%s was answered %d: " STR_FMT, what, status, STR_ARG(str_cut(body, 160)));
}

enum err bench_call(struct bench *bench, struct swarm *swarm, const char *method, const char *path, struct str request)
{
	int status;
	struct str body;
	enum err err = swarm_call(swarm, method, path, request, &status, &body, &bench->problem);
	return err || status / 100 == 2 ? err : bench_fail(bench, path, status, body);
}

enum err bench_count(struct bench *bench, struct swarm *swarm, const char *address, const char *path, uint64_t *out)
{
	int status;
	struct str body;
	enum err err = swarm_call(swarm, "GET", address, STR(""), &status, &body, &bench->problem);
	if (err)
		return err;
	if (status != 200)
		return bench_fail(bench, address, status, body);
	*out = bench_number(body, path);
	return E_OK;
}

enum err bench_expect(struct bench *bench, struct swarm *swarm, const char *path, uint64_t count)
{
	uint64_t found = 0;
	enum err err = bench_count(bench, swarm, "/v1/queues/" BENCH_QUEUE, path, &found);
	if (!err && found != count)
		err = problem_set(&bench->problem, E_INTERNAL, "", "%s should be %llu, and is %llu: the figure means nothing.", path,
				  (unsigned long long)count, (unsigned long long)found);
	return err;
}

/* ---- filling a queue ---- */

struct bench_filling {
	struct bench *bench;
	struct buf head, body;
	uint64_t left;
	enum err err;
};

static void bench_fill_next(struct bench_filling *filling, struct bee *bee)
{
	if (!filling->left)
		return;
	filling->left -= BENCH_BULK;
	swarm_send(bee, buf_str(&filling->head), buf_str(&filling->body));
}

static void bench_filled(void *context, struct bee *bee, int status, struct str body)
{
	struct bench_filling *filling = context;
	if (status / 100 != 2) {
		filling->err = bench_fail(filling->bench, "POST /v1/jobs", status, body);
		swarm_stop(bee->swarm);
		return;
	}
	bench_fill_next(filling, bee);
}

enum err bench_fill(struct bench *bench, uint64_t jobs)
{
	struct bench_filling filling = { .bench = bench, .left = (jobs + BENCH_BULK - 1) / BENCH_BULK * BENCH_BULK };
	struct swarm *swarm = NULL;
	buf_init(&filling.head, 4096);
	buf_init(&filling.body, LIMIT_BODY_MAX);
	bench_put_jobs(&filling.body, BENCH_BULK);
	enum err err = bench_swarm(bench, BENCH_FILL_BEES, bench_filled, &filling, &swarm);
	if (!err)
		err = swarm_head(swarm, "POST", "/v1/jobs", &filling.head);
	for (uint32_t i = 0; !err && i < BENCH_FILL_BEES; i++)
		bench_fill_next(&filling, swarm_bee(swarm, i));
	if (!err)
		err = swarm_run(swarm, INT64_MAX, &bench->problem);
	if (!err)
		err = filling.err;
	swarm_close(swarm);
	buf_fini(&filling.head);
	buf_fini(&filling.body);
	return err;
}
