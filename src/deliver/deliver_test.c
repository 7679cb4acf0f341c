/* What a delivery sends, keeps and tells, and how the thread behaves beside its third parties. */
#include "base/check.h"
#include "base/json.h"
#include "base/uid.h"
#include "deliver/house_test.h"
#include "third_party/third_party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* wants the four above */

#define HERE "127.0.0.0/8"

static struct third_party *party_of(const struct tp_answer *answers, size_t count)
{
	return third_party_start(&(struct third_party_config){ .answers = answers, .answer_count = count });
}

static void assert_header(const struct tp_request *request, const char *name, const char *expected)
{
	char value[1024] = "";
	bool there = tp_request_header(request, name, value, sizeof(value));
	if (!expected && there)
		fail_msg("%s should not be there, but is '%s'", name, value);
	if (expected && (!there || strcmp(value, expected) != 0))
		fail_msg("%s is '%s', not '%s', in:\n%s", name, there ? value : "(absent)", expected, request->head);
}

static const char *target_of(char out[512], const char *url, const char *more)
{
	snprintf(out, 512, "{\"url\":\"%s\"%s}", url, more);
	return out;
}

/* ---- what is sent ---- */

static void test_request_headers(void **state)
{
	(void)state;
	struct third_party *party = party_of(NULL, 0);
	struct house *house = house_open(HERE, NULL);
	char target[512], uid_line[UID_TEXT_BYTES];
	uint64_t uid = house_deliver(
		house,
		&(struct house_job){
			.target = target_of(target, third_party_url(party, "/a?b=c"), ""),
			.payload = "{\"nom\":\"fiche \xc3\xa9t\xc3\xa9\"}",
			.id = "fiche 12/\xc3\xa9%",
			.trace = "{\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\","
				 "\"tracestate\":\"a=b\",\"baggage\":[1]}",
			.attempts_made = 4 });
	assert_int_equal(house_wait(house, uid)->kind, OP_COMPLETE);
	const struct tp_request *request = third_party_request(party, 0);
	uid_text(uid, uid_line);
	assert_true(strncmp(request->head, "POST /a?b=c HTTP/1.1\r\n", 22) == 0);
	assert_header(request, "content-type", "application/json");
	assert_header(request, "user-agent", "ruche/" RUCHE_VERSION);
	assert_header(request, "ruche-job", uid_line);
	assert_header(request, "idempotency-key", uid_line);
	assert_header(request, "ruche-id", "fiche 12/%C3%A9%25");
	assert_header(request, "ruche-queue", "fiches");
	assert_header(request, "ruche-attempt", "5");
	assert_header(request, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	assert_header(request, "tracestate", "a=b");
	assert_header(request, "baggage", NULL);
	assert_header(request, "expect", NULL);
	assert_header(request, "accept-encoding", NULL);
	assert_header(request, "transfer-encoding", NULL);
	assert_string_equal(request->body, "{\"nom\":\"fiche \xc3\xa9t\xc3\xa9\"}");
	house_free(house);
	third_party_stop(party);
}

static void test_targets_merge(void **state)
{
	(void)state;
	struct third_party *party = party_of(NULL, 0), *other = party_of(NULL, 0);
	struct house *house = house_open(HERE, NULL);
	char settings[512], other_target[512];
	snprintf(
		settings, sizeof(settings),
		"{\"target\":\"http\",\"http\":{\"url\":\"%s\",\"method\":\"PUT\",\"headers\":{\"Authorization\":\"Bearer s3cret\","
		"\"X-Team\":\"hive\",\"X-Empty\":\"\",\"content-type\":\"application/cloudevents+json\"}}}",
		third_party_url(party, "/q"));
	const struct house_job jobs[] = {
		{ .payload = "1", .settings = settings, .settings_version = 5 },
		{ .payload = "2",
		  .settings = settings,
		  .settings_version = 5,
		  .target = "{\"headers\":{\"x-team\":\"own\"},\"method\":\"PATCH\"}" },
		{ .payload = "3",
		  .settings = settings,
		  .settings_version = 5,
		  .target = target_of(other_target, third_party_url(other, "/o"), ",\"headers\":{\"X-Own\":\"1\"}") },
		{ .payload = "4", .settings = settings, .settings_version = 5, .target = "{\"method\":\"GET\"}" },
		{ .payload = "5", .settings = settings, .settings_version = 5, .edited = "\"better\"" },
		{ .payload = "",
		  .settings = settings,
		  .settings_version = 5,
		  .target = "{\"method\":\"DELETE\",\"headers\":{\"User-Agent\":\"me\",\"Idempotency-Key\":\"k\"}}" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(jobs); i++)
		assert_int_equal(house_wait(house, house_deliver(house, &jobs[i]))->kind, OP_COMPLETE);
	const struct tp_request *request = third_party_request(party, 0);
	assert_true(strncmp(request->head, "PUT /q ", 7) == 0);
	assert_header(request, "authorization", "Bearer s3cret");
	assert_header(request, "x-team", "hive");
	assert_header(request, "x-empty", "");
	assert_header(request, "content-type", "application/cloudevents+json");
	request = third_party_request(party, 1);
	assert_true(strncmp(request->head, "PATCH /q ", 9) == 0);
	assert_header(request, "x-team", "own");
	assert_header(request, "authorization", "Bearer s3cret");
	request = third_party_request(other, 0); /* another origin: the queue's secrets stay at home */
	assert_header(request, "authorization", NULL);
	assert_header(request, "x-team", NULL);
	assert_header(request, "x-own", "1");
	assert_header(request, "content-type", "application/json");
	request = third_party_request(party, 2);
	assert_true(strncmp(request->head, "GET /q ", 7) == 0);
	assert_int_equal(request->body_len, 0);
	assert_string_equal(third_party_request(party, 3)->body, "\"better\"");
	request = third_party_request(party, 4);
	assert_true(strncmp(request->head, "DELETE /q ", 10) == 0);
	assert_string_equal(request->body, "null");
	assert_header(request, "user-agent", "me");
	assert_header(request, "idempotency-key", "k");
	house_free(house);
	third_party_stop(party);
	third_party_stop(other);
}

static void test_settings_change(void **state)
{
	(void)state;
	struct third_party *first = party_of(NULL, 0), *second = party_of(NULL, 0);
	struct house *house = house_open(HERE, NULL);
	char settings[2][256];
	snprintf(settings[0], sizeof(settings[0]), "{\"target\":\"http\",\"http\":{\"url\":\"%s\"}}",
		 third_party_url(first, "/"));
	snprintf(settings[1], sizeof(settings[1]), "{\"target\":\"http\",\"http\":{\"url\":\"%s\"}}",
		 third_party_url(second, "/"));
	for (uint64_t i = 0; i < 6; i++)
		house_wait(house, house_deliver(house, &(struct house_job){ .payload = "1",
									    .settings = settings[i / 2 % 2],
									    .settings_version = 1 + i / 2 }));
	assert_int_equal(third_party_requests(first), 4);
	assert_int_equal(third_party_requests(second), 2);
	house_free(house);
	third_party_stop(first);
	third_party_stop(second);
}

static void test_large_payload(void **state)
{
	(void)state;
	size_t len = 10 * 1024 * 1024;
	char *payload = malloc(len), target[512];
	assert_non_null(payload);
	for (size_t i = 0; i < len; i++)
		payload[i] = (char)(i * 2654435761u >> 13);
	struct third_party *party = party_of(NULL, 0);
	struct house *house = house_open(HERE, NULL);
	target_of(target, third_party_url(party, "/"), "");
	uint64_t uid = house_deliver(house,
				     &(struct house_job){ .target = target, .payload = payload, .payload_len = len });
	assert_int_equal(house_wait(house, uid)->kind, OP_COMPLETE);
	const struct tp_request *request = third_party_request(party, 0);
	assert_int_equal(request->body_len, len);
	assert_memory_equal(request->body, payload, len);
	assert_header(request, "content-length", "10485760");
	house_free(house);
	third_party_stop(party);
	free(payload);
}

static void test_keep_alive(void **state)
{
	(void)state;
	struct third_party *party = party_of(NULL, 0);
	struct house *house = house_open(HERE, NULL);
	char target[512];
	target_of(target, third_party_url(party, "/"), "");
	for (int i = 0; i < 20; i++) {
		const struct told *told =
			house_wait(house,
				   house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" }));
		assert_non_null(strstr(told->exchange, i ? "\"reused\":true" : "\"reused\":false"));
	}
	assert_int_equal(third_party_connections(party), 1);
	assert_int_equal(third_party_requests(party), 20);
	house_free(house);
	third_party_stop(party);
}

/* ---- what is kept ---- */

static void test_redaction(void **state)
{
	(void)state;
	static const struct tp_answer answer = {
		500, "Set-Cookie: session=s3cret\r\nX-Api-Key: s3cret\r\nX-Plain: plain\r\nX-Plain: twice\r\n",
		"excerpt"
	};
	struct third_party *party = party_of(&answer, 1);
	struct house *house = house_open(HERE, NULL);
	char target[512];
	target_of(
		target, third_party_url(party, "/p?token=s3cret&a=1&API_KEY=s3cret#sig=s3cret"),
		",\"headers\":{\"Authorization\":\"s3cret\",\"Cookie\":\"s3cret\",\"x-api-key\":\"s3cret\",\"X-Secret-Thing\":\"s3cret\","
		"\"X-Access-Token\":\"s3cret\",\"Webhook-Signature\":\"s3cret\",\"Proxy-Authorization\":\"s3cret\",\"X-Seen\":\"seen\"}");
	const struct told *told =
		house_wait(house, house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" }));
	assert_int_equal(told->kind, OP_FAIL);
	assert_null(strstr(told->exchange, "s3cret"));
	assert_null(strstr(told->error, "s3cret"));
	static const char *const kept[] = { "/p?token=(redacted)&a=1&API_KEY=(redacted)#sig=(redacted)",
					    "\"Authorization\":\"(redacted)\"",
					    "\"X-Seen\":\"seen\"",
					    "\"Set-Cookie\":\"(redacted)\"",
					    "\"X-Plain\":\"plain\"",
					    "\"response_excerpt\":\"excerpt\"",
					    "\"response_bytes\":7",
					    "\"truncated\":false",
					    "\"method\":\"POST\"",
					    "\"status\":500",
					    "\"remote\":\"127.0.0.1:",
					    "\"total_ms\":" };
	for (size_t i = 0; i < ARRAY_COUNT(kept); i++)
		if (!strstr(told->exchange, kept[i]))
			fail_msg("no %s in %s", kept[i], told->exchange);
	assert_non_null(strstr(
		told->error,
		"{\"type\":\"http\",\"class\":\"status_5xx\",\"message\":\"The other side failed: status 500.\",\"status\":500}"));
	house_free(house);
	third_party_stop(party);
}

/* ---- what cannot be sent ---- */

static void test_bad_targets(void **state)
{
	(void)state;
	static const struct {
		const char *settings, *target, *says;
		bool gone;
	} cases[] = {
		{ NULL, NULL, "says a URL", false },
		{ NULL, "{\"url\":\"ftp://h/\"}", "http://", false },
		{ NULL, "{\"url\":\"http://u:p@h/\"}", "credentials", false },
		{ NULL, "{\"url\":\"http://h/\",\"headers\":{\"X\":\"a\\r\\nY: b\"}}", "header", false },
		{ NULL, "{\"url\":\"http://h/\",\"headers\":{\"Host\":\"other\"}}", "header", false },
		{ NULL, "{\"url\":17}", "", false },
		{ NULL, "[]", "", false },
		{ "{\"target\":\"carrier pigeon\"}", NULL, "", false },
		{ NULL, "{\"url\":\"http://h/\"}", "deleted", true },
	};
	struct house *house = house_open(HERE, NULL);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		const struct told *told =
			house_wait(house, house_deliver(house, &(struct house_job){ .settings = cases[i].settings,
										    .target = cases[i].target,
										    .payload = "{}",
										    .gone = cases[i].gone }));
		assert_int_equal(told->kind, OP_FAIL);
		assert_int_equal(told->verdict, VERDICT_FINAL);
		assert_int_equal(json_check(str_of(told->error), NULL), E_OK);
		if (!strstr(told->error, "\"class\":\"bad_target\"") || !strstr(told->error, cases[i].says))
			fail_msg("case %zu: no '%s' in %s", i, cases[i].says, told->error);
	}
	house_free(house);
}

/* ---- the thread ---- */

static void test_abort(void **state)
{
	(void)state;
	static const struct tp_step hangs[] = { TP_READ, TP_HANG, TP_END };
	struct third_party *silent = third_party_start(&(struct third_party_config){ .scripts = { hangs } }),
			   *party = party_of(NULL, 0);
	struct house *house = house_open(HERE, &(struct deliver_config){ .in_flight_max = 2 });
	char silent_target[512], target[512];
	target_of(silent_target, third_party_url(silent, "/"), "");
	target_of(target, third_party_url(party, "/"), "");
	uint64_t uids[4];
	for (int i = 0; i < 4; i++) /* two run, two wait */
		uids[i] = house_deliver(house, &(struct house_job){ .target = silent_target, .payload = "{}" });
	third_party_request(silent, 1);
	for (int i = 3; i >= 0; i--)
		house_abort(house, uids[i]);
	house_abort(house, 4000);
	uint64_t uid = house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" });
	assert_int_equal(house_wait(house, uid)->kind, OP_COMPLETE);
	house_close(house, 0);
	for (int i = 0; i < 4; i++)
		assert_null(house_heard(house, uids[i]));
	house_free(house);
	third_party_stop(silent);
	third_party_stop(party);
}

static void test_stop(void **state)
{
	(void)state;
	static const struct tp_step hangs[] = { TP_READ, TP_HANG, TP_END };
	struct third_party *silent = third_party_start(&(struct third_party_config){ .scripts = { hangs } });
	struct house *house = house_open(HERE, &(struct deliver_config){ .in_flight_max = 8, .host_connections = 3 });
	char target[512];
	target_of(target, third_party_url(silent, "/"), "");
	uint64_t uids[20];
	for (int i = 0; i < 20; i++) /* three run, some are held by their host, the rest waits */
		uids[i] = house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" });
	third_party_request(silent, 2);
	struct deliver_stats stats;
	deliver_stats(house_deliver_thread(house), &stats);
	assert_int_equal(stats.in_flight, 3);
	house_close(house, 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(house_wait(house, uids[i])->kind, OP_RELEASE);
		assert_int_equal(house_told_count(house, uids[i]), 1);
	}
	assert_int_equal(third_party_connections(silent), 3);
	house_free(house);
	third_party_stop(silent);
}

static void test_stop_with_grace(void **state)
{
	(void)state;
	static const struct tp_step slow[] = { TP_READ, TP_WAIT(200), TP_ANSWER, TP_END };
	struct third_party *party = third_party_start(&(struct third_party_config){ .scripts = { slow } });
	struct house *house = house_open(HERE, NULL);
	char target[512];
	target_of(target, third_party_url(party, "/"), "");
	uint64_t uid = house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" });
	third_party_request(party, 0);
	house_close(house, 60000);
	assert_int_equal(house_wait(house, uid)->kind, OP_COMPLETE);
	house_free(house);
	third_party_stop(party);
}

/* A dead host takes its own connections and no others: whatever comes for a healthy one is answered. */
static void test_dead_host_delays_nobody(void **state)
{
	(void)state;
	static const struct tp_step hangs[] = { TP_HANG, TP_END };
	struct third_party *dead = third_party_start(&(struct third_party_config){ .scripts = { hangs } }),
			   *party = party_of(NULL, 0);
	struct house *house = house_open(HERE, &(struct deliver_config){ .in_flight_max = 16, .host_connections = 4 });
	char dead_target[512], target[512];
	target_of(dead_target, third_party_url(dead, "/"), "");
	target_of(target, third_party_url(party, "/"), "");
	uint64_t dead_uids[100], uids[200];
	for (int i = 0; i < 100; i++)
		dead_uids[i] = house_deliver(house, &(struct house_job){ .target = dead_target, .payload = "{}" });
	for (int i = 0; i < 200; i++)
		uids[i] = house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" });
	for (int i = 0; i < 200; i++)
		assert_int_equal(house_wait(house, uids[i])->kind, OP_COMPLETE);
	assert_int_equal(third_party_connections(dead), 4);
	assert_true(third_party_connections(party) <= 4);
	house_close(house, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(house_wait(house, dead_uids[i])->kind, OP_RELEASE);
	house_free(house);
	third_party_stop(dead);
	third_party_stop(party);
}

/* Held by a full host for as long as a call may take: given back, untried. */
static void test_patience_ends(void **state)
{
	(void)state;
	static const struct tp_step hangs[] = { TP_HANG, TP_END };
	struct third_party *dead = third_party_start(&(struct third_party_config){ .scripts = { hangs } });
	struct house *house = house_open(HERE, &(struct deliver_config){ .in_flight_max = 16, .host_connections = 1 });
	char target[512], hasty[512];
	target_of(target, third_party_url(dead, "/"), "");
	target_of(hasty, third_party_url(dead, "/"), ",\"timeout_ms\":50");
	uint64_t first = house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" });
	uint64_t held = house_deliver(house, &(struct house_job){ .target = hasty, .payload = "{}" });
	assert_int_equal(house_wait(house, held)->kind, OP_RELEASE);
	assert_null(house_heard(house, first));
	house_free(house);
	third_party_stop(dead);
}

static void test_engine_refuses(void **state)
{
	(void)state;
	struct third_party *party = party_of(NULL, 0);
	struct house *house = house_open(HERE, NULL);
	char target[512];
	target_of(target, third_party_url(party, "/"), "");
	house_fail_next(house, E_OUTCOME_UNKNOWN, 2);
	uint64_t uid = house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" });
	assert_int_equal(house_wait(house, uid)->kind, OP_COMPLETE);
	assert_int_equal(third_party_requests(party), 1);
	assert_int_equal(house_request_count(house), 3);
	house_free(house);
	third_party_stop(party);
}

static void test_store_cannot_be_read(void **state)
{
	(void)state;
	struct third_party *party = party_of(NULL, 0);
	struct house *house = house_open(HERE, NULL);
	char target[512];
	target_of(target, third_party_url(party, "/"), "");
	house_fail_reads(house, E_IO, 1);
	const struct told *told =
		house_wait(house, house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" }));
	assert_int_equal(told->kind, OP_FAIL);
	assert_int_equal(told->verdict, VERDICT_DELAY);
	assert_true(told->costs_nothing);
	assert_non_null(strstr(told->error, "\"class\":\"ours\""));
	uint64_t uid = house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" });
	assert_int_equal(house_wait(house, uid)->kind, OP_COMPLETE);
	house_free(house);
	third_party_stop(party);
}

static void test_many_at_once(void **state)
{
	(void)state;
	struct third_party *parties[5];
	struct house *house = house_open(HERE, &(struct deliver_config){ .in_flight_max = 100 });
	char targets[5][512];
	static uint64_t uids[2000];
	for (int i = 0; i < 5; i++) {
		parties[i] = party_of(NULL, 0);
		target_of(targets[i], third_party_url(parties[i], "/"), "");
	}
	for (int i = 0; i < 2000; i++)
		uids[i] = house_deliver(house, &(struct house_job){ .target = targets[i % 5], .payload = "{\"a\":1}" });
	for (int i = 0; i < 2000; i++)
		assert_int_equal(house_wait(house, uids[i])->kind, OP_COMPLETE);
	struct deliver_stats stats;
	deliver_stats(house_deliver_thread(house), &stats);
	assert_int_equal(stats.started, 2000);
	assert_int_equal(stats.by_class[HTTP_CLASS_OK], 2000);
	assert_true(house_request_count(house) <= 2000);
	house_free(house);
	for (int i = 0; i < 5; i++) {
		assert_true(third_party_connections(parties[i]) <= 64);
		third_party_stop(parties[i]);
	}
}

static void test_allow_changes(void **state)
{
	(void)state;
	struct third_party *party = party_of(NULL, 0);
	struct house *house = house_open("127.0.0.1", NULL);
	char target[512];
	struct cidr other;
	const struct guard_settings none = { 0 }, again = { .allow = &other, .allow_count = 1 };
	assert_int_equal(cidr_parse(STR("127.0.0.1"), &other, NULL), E_OK);
	target_of(target, third_party_url(party, "/"), "");
	const struct house_job job = { .target = target, .payload = "{}" };
	assert_int_equal(house_wait(house, house_deliver(house, &job))->kind, OP_COMPLETE);
	assert_int_equal(deliver_guard(house_deliver_thread(house), &none), E_OK);
	assert_non_null(strstr(house_wait(house, house_deliver(house, &job))->error, "guarded")); /* no open connection is used */
	assert_int_equal(deliver_guard(house_deliver_thread(house), &again), E_OK);
	assert_int_equal(house_wait(house, house_deliver(house, &job))->kind, OP_COMPLETE);
	house_free(house);
	third_party_stop(party);
}

/* Neither an open connection nor a proxy gets a URL past the settings; nothing is dialled, the answer is of the guard's class. */
static void test_scheme_and_port(void **state)
{
	(void)state;
	struct third_party *party = party_of(NULL, 0), *proxy = party_of(NULL, 0);
	struct cidr loopback;
	const char *url = third_party_url(party, "/"), *colon = strrchr(url, ':');
	uint16_t port = (uint16_t)strtoul(colon + 1, NULL, 10);
	const struct port_range own = { port, port }, others = { (uint16_t)(port + 1), 65535 };
	struct guard_settings settings = { .allow = &loopback, .allow_count = 1, .ports = &own, .port_count = 1 };
	const struct deliver_config through = { .in_flight_max = 8, .proxy = third_party_url(proxy, ""), .guard = { .https_only = true } };
	struct house *house = house_open("127.0.0.1", NULL), *proxied = house_open("127.0.0.1", &through);
	char target[512];
	assert_int_equal(cidr_parse(STR("127.0.0.1"), &loopback, NULL), E_OK);
	target_of(target, url, "");
	const struct house_job job = { .target = target, .payload = "{}" };
	assert_int_equal(deliver_guard(house_deliver_thread(house), &settings), E_OK);
	assert_int_equal(house_wait(house, house_deliver(house, &job))->kind, OP_COMPLETE);
	settings.ports = &others;
	assert_int_equal(deliver_guard(house_deliver_thread(house), &settings), E_OK);
	const struct told *told = house_wait(house, house_deliver(house, &job));
	assert_non_null(strstr(told->error, "\"class\":\"guarded\""));
	assert_non_null(strstr(told->error, "is not called; a range that holds it in the setting deliver.ports permits it."));
	assert_non_null(strstr(told->exchange, "\"url\""));
	settings = (struct guard_settings){ .allow = &loopback, .allow_count = 1, .https_only = true };
	assert_int_equal(deliver_guard(house_deliver_thread(house), &settings), E_OK);
	assert_non_null(strstr(house_wait(house, house_deliver(house, &job))->error, "http is not called, only https (setting deliver.https_only)"));
	assert_non_null(strstr(house_wait(proxied, house_deliver(proxied, &job))->error, "setting deliver.https_only"));
	assert_int_equal(third_party_requests(party), 1);
	assert_int_equal(third_party_connections(party), 1);
	assert_int_equal(third_party_connections(proxy), 0);
	house_free(house);
	house_free(proxied);
	third_party_stop(party);
	third_party_stop(proxy);
}

static void test_bad_ca_file(void **state)
{
	(void)state;
	struct deliver *deliver = NULL;
	struct problem problem;
	struct deliver_config config = { .ca_file = "/nonexistent/ca.pem" };
	assert_int_equal(deliver_start(&config, &(struct deliver_ports){ 0 }, &deliver, &problem), E_CONFIG);
	assert_string_equal(problem.field, "deliver.ca_file");
	assert_null(deliver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_headers), cmocka_unit_test(test_targets_merge),
		cmocka_unit_test(test_settings_change), cmocka_unit_test(test_large_payload),
		cmocka_unit_test(test_keep_alive),      cmocka_unit_test(test_redaction),
		cmocka_unit_test(test_bad_targets),     cmocka_unit_test(test_abort),
		cmocka_unit_test(test_stop),            cmocka_unit_test(test_stop_with_grace),
		cmocka_unit_test(test_dead_host_delays_nobody), cmocka_unit_test(test_patience_ends),
		cmocka_unit_test(test_engine_refuses),  cmocka_unit_test(test_store_cannot_be_read),
		cmocka_unit_test(test_many_at_once),    cmocka_unit_test(test_allow_changes),
		cmocka_unit_test(test_bad_ca_file),     cmocka_unit_test(test_scheme_and_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
