/* Outcomes to operations, by tables: what the engine is told, and what is kept. */
#include "deliver/verdict.h"
#include "rules/http_header.h"
#include "base/json.h"
#include "base/mem.h"
#include "deliver/redact.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* wants the four above */

static const char *const headers[] = { "Content-Type: application/json", "X-Empty;", "Authorization: s3cret" };
static const struct call call = { .method = "POST", .url = "http://h/?token=s3cret", .headers = headers, .header_count = 3 };
static const struct effect effect = { .uid = 5, .fence = 9 };

static struct op judge(const struct http_outcome *outcome, struct arena *arena)
{
	struct op op = { 0 };
	struct buf scratch = { .max_bytes = 1 << 20 };
	assert_int_equal(verdict_of_outcome(&effect, &call, outcome, 1700000000000000, arena, &scratch, &op), E_OK);
	buf_fini(&scratch);
	assert_int_equal(op.lease.uid, 5);
	assert_int_equal(op.lease.fence, 9);
	assert_int_equal(json_check(op.lease.exchange, NULL), E_OK);
	assert_int_equal(json_check(op.kind == OP_COMPLETE ? op.lease.body : op.lease.error, NULL), E_OK);
	return op;
}

/* Whom a queue's retry_after names hears of it: how long, or that it was not said. */
static void test_who_asks_to_wait(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *headers;
		bool busy;
		int64_t busy_ms;
	} cases[] = {
		{ 429, "Retry-After: 7\r\n", true, 7000 },
		{ 429, "", true, 0 },
		{ 429, "Retry-After: soon\r\n", true, 0 },
		{ 429, "Retry-After: 0\r\n", false, 0 },
		{ 503, "Retry-After: 2\r\n", true, 2000 },
		{ 503, "", false, 0 },
		{ 502, "Retry-After: 3\r\n", true, 3000 },
		{ 504, "Retry-After: 4\r\n", true, 4000 },
		{ 502, "", false, 0 },
		{ 504, "Retry-After: 0\r\n", false, 0 },
		{ 501, "Retry-After: 9\r\n", false, 0 },
		{ 505, "Retry-After: 9\r\n", false, 0 },
		{ 408, "Retry-After: 1\r\n", true, 1000 },
		{ 500, "Retry-After: 9\r\n", false, 0 },
		{ 404, "Retry-After: 9\r\n", false, 0 },
		{ 200, "Retry-After: 9\r\n", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct arena arena = { 0 };
		struct op op = judge(&(struct http_outcome){ .end = HTTP_END_ANSWERED, .status = cases[i].status, .why = "",
							     .headers = str_of(cases[i].headers) }, &arena);
		if (op.lease.busy != cases[i].busy || op.lease.busy_ms != cases[i].busy_ms)
			fail_msg("%d %s: %d, %lld ms", cases[i].status, cases[i].headers, op.lease.busy, (long long)op.lease.busy_ms);
		arena_fini(&arena);
	}
}

static void test_ends(void **state)
{
	(void)state;
	static const struct {
		enum http_end end;
		const char *class_code;
		enum verdict verdict;
		bool free;
	} cases[] = {
		{ HTTP_END_DNS, "dns", VERDICT_POLICY, false },
		{ HTTP_END_CONNECT, "connect", VERDICT_POLICY, false },
		{ HTTP_END_TLS, "tls", VERDICT_POLICY, false },
		{ HTTP_END_TIMEOUT, "timeout", VERDICT_POLICY, false },
		{ HTTP_END_RESET, "reset", VERDICT_POLICY, false },
		{ HTTP_END_PROTOCOL, "protocol", VERDICT_POLICY, false },
		{ HTTP_END_GUARDED, "guarded", VERDICT_FINAL, false },
		{ HTTP_END_BAD_TARGET, "bad_target", VERDICT_FINAL, false },
		{ HTTP_END_OURS, "ours", VERDICT_DELAY, true },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		for (int status = 0; status <= 200; status += 200) { /* it broke before the status, or after it */
			struct arena arena = { 0 };
			char expected[64];
			struct op op = judge(&(struct http_outcome){ .end = cases[i].end,
								     .why = "why \"so\"",
								     .status = status },
					     &arena);
			snprintf(expected, sizeof(expected), "\"class\":\"%s\"", cases[i].class_code);
			assert_int_equal(op.kind, OP_FAIL);
			assert_int_equal(op.lease.verdict, cases[i].verdict);
			assert_int_equal(op.lease.costs_nothing, cases[i].free);
			assert_int_equal(op.lease.delay_ms, cases[i].free ? VERDICT_OURS_DELAY_MS : 0);
			assert_non_null(strstr(op.lease.error.ptr, expected));
			assert_non_null(strstr(op.lease.error.ptr, "why \\\"so\\\""));
			assert_null(strstr(op.lease.error.ptr, "\"status\""));
			arena_fini(&arena);
		}
	}
}

static char *repeated(char byte, size_t count)
{
	char *text = malloc(count + 1);
	assert_non_null(text);
	memset(text, byte, count);
	text[count] = '\0';
	return text;
}

static void test_results(void **state)
{
	(void)state;
	char *letters = repeated('a', 60000), *brackets = repeated('[', 60000);
	memset(brackets + 30000, ']', 30000);
	letters[0] = letters[59999] = '"';
	const struct {
		struct str body;
		bool truncated;
		const char *begin, *end;
	} cases[] = {
		{ STR(""), false, "{\"status\":200}", "" },
		{ STR("{\"a\":[1,2]}"), false, "{\"status\":200,\"body\":{\"a\":[1,2]}}", "" },
		{ STR(" \n17\t\r\n"), false, "{\"status\":200,\"body\":17}", "" },
		{ STR("null"), false, "{\"status\":200,\"body\":null}", "" },
		{ STR("NaN"), false, "{\"status\":200,\"body\":\"NaN\"}", "" },
		{ STR("{}{}"), false, "{\"status\":200,\"body\":\"{}{}\"}", "" },
		{ STR("1},\"x\":{"), false, "{\"status\":200,\"body\":\"1},\\\"x\\\":{\"}", "" },
		{ STR("1,\"x\":2"), false, "{\"status\":200,\"body\":\"1,\\\"x\\\":2\"}", "" },
		{ STR("1}"), false, "{\"status\":200,\"body\":\"1}\"}", "" },
		{ STR("\xff\xfe"), false, "{\"status\":200,\"body\":\"\xef\xbf\xbd\xef\xbf\xbd\"}", "" },
		{ STR("a\0b"), false, "{\"status\":200,\"body\":\"a\\u0000b\"}", "" },
		{ STR("{}"), true, "{\"status\":200,\"body\":\"{}\",\"truncated\":true}", "" },
		{ { letters, 60000 }, false, "{\"status\":200,\"body\":\"aaa", "aaa\"}" },
		{ STR(""), true, "{\"status\":200}", "" },
		{ { letters, 60000 }, true, "{\"status\":200,\"body\":\"\\\"aaa", "aaa\",\"truncated\":true}" },
		{ { brackets, 60000 }, false, "{\"status\":200,\"body\":\"[[[", "[[[\",\"truncated\":true}" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct arena arena = { 0 };
		struct http_outcome outcome = { .status = 200, .why = "", .body = cases[i].body, .truncated = cases[i].truncated,
						.body_bytes = cases[i].body.len + cases[i].truncated };
		struct op op = judge(&outcome, &arena);
		struct str end = str_of(cases[i].end), result = op.lease.body;
		assert_int_equal(op.kind, OP_COMPLETE);
		if (!str_starts(result, str_of(cases[i].begin)) || !str_eq(str_from(result, result.len - end.len), end) ||
		    (!end.len && result.len != strlen(cases[i].begin)))
			fail_msg("case %zu: %.200s", i, result.ptr);
		assert_true(op.lease.exchange.len < 2 * VERDICT_EXCERPT_BYTES);
		arena_fini(&arena);
	}
	free(letters);
	free(brackets);
}

static void test_exchange(void **state)
{
	(void)state;
	struct arena arena = { 0 };
	struct http_outcome outcome = {
		.status = 404,
		.why = "",
		.body = STR("no"),
		.body_bytes = 2,
		.remote = "[2001:db8::1]:443",
		.reused = true,
		.headers = STR("Server: x\r\nSet-Cookie: s3cret\r\nserver: y\r\nX-\xff: \xff\r\n"),
		.dns_us = 1,
		.connect_us = 1234,
		.tls_us = 999999,
		.first_byte_us = 1000000,
		.total_us = 61001002,
	};
	struct op op = judge(&outcome, &arena);
	assert_string_equal(
		op.lease.exchange.ptr,
		"{\"url\":\"http://h/?token=(redacted)\",\"method\":\"POST\",\"status\":404,\"class\":\"status_4xx\","
		"\"remote\":\"[2001:db8::1]:443\",\"request_headers\":{\"Content-Type\":\"application/json\",\"X-Empty\":\"\","
		"\"Authorization\":\"(redacted)\"},\"response_headers\":{\"Server\":\"x\",\"Set-Cookie\":\"(redacted)\","
		"\"X-\xef\xbf\xbd\":\"\xef\xbf\xbd\"},\"response_excerpt\":\"no\",\"response_bytes\":2,\"truncated\":false,"
		"\"reused\":true,\"dns_ms\":0.001,\"connect_ms\":1.234,\"tls_ms\":999.999,\"first_byte_ms\":1000.000,"
		"\"total_ms\":61001.002}");
	arena_fini(&arena);
}

static void test_redaction(void **state)
{
	(void)state;
	static const char *const secret[] = { "Authorization", "proxy-authorization",
					      "Cookie",        "Set-Cookie",
					      "X-API-Key",     "apikey",
					      "key",           "client_secret",
					      "X-Secret",      "access_token",
					      "TOKEN",         "webhook-signature",
					      "password",      "sig" };
	static const char *const open[] = { "Content-Type", "Idempotency-Key", "Host", "keyboard", "X-Request-Id", "signal", "" };
	static const struct {
		const char *url, *clean;
	} urls[] = {
		{ "http://h/p", "http://h/p" },
		{ "http://u:p@h/p@q", "http://h/p@q" },
		{ "http://u@h", "http://h" },
		{ "http://h?a=1&token=2&b", "http://h?a=1&token=(redacted)&b" },
		{ "http://h?key=&key&sig=1#token=2&c=3", "http://h?key=(redacted)&key&sig=(redacted)#token=(redacted)&c=3" },
		{ "http://h?=1&&=", "http://h?=1&&=" },
		{ "nonsense", "nonsense" },
		{ "", "" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(secret); i++)
		assert_true(http_name_is_secret(str_of(secret[i])));
	for (size_t i = 0; i < ARRAY_COUNT(open); i++)
		assert_false(http_name_is_secret(str_of(open[i])));
	for (size_t i = 0; i < ARRAY_COUNT(urls); i++) {
		struct buf clean = { .max_bytes = 1000 };
		redact_url(str_of(urls[i].url), &clean);
		if (!str_eq(buf_str(&clean), str_of(urls[i].clean)))
			fail_msg("%s: " STR_FMT, urls[i].url, STR_ARG(buf_str(&clean)));
		buf_fini(&clean);
	}
}

static void test_no_memory(void **state)
{
	(void)state;
	static const int statuses[] = { 200, 503 };
	for (size_t i = 0; i < ARRAY_COUNT(statuses); i++) {
		bool refused = true;
		for (uint64_t n = 1; refused; n++) {
			struct arena arena = { 0 };
			struct buf scratch = { .max_bytes = 1 << 20 };
			struct op op = { .kind = OP_KIND_COUNT };
			struct http_outcome outcome = {
				.status = statuses[i], .why = "", .body = STR("{\"a\":1}"), .body_bytes = 7
			};
			mem_fail_after(n, MEM_FAIL_ONE);
			enum err err = verdict_of_outcome(&effect, &call, &outcome, 0, &arena, &scratch, &op);
			refused = mem_fail_disarm();
			assert_true(err == E_OK || (refused && err == E_NOMEM && op.kind == OP_KIND_COUNT));
			buf_fini(&scratch);
			arena_fini(&arena);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_asks_to_wait),
		cmocka_unit_test(test_ends),      cmocka_unit_test(test_results),   cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_redaction), cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
