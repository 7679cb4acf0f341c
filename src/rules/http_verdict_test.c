#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/time_text.h"
#include "rules/http_verdict.h"

static const struct http_policy usual;
static const struct http_policy own = {
	.success = { { 200, 200 }, { 304, 304 }, { 404, 404 } },
	.retry = { { 409, 409 }, { 300, 399 }, { 500, 599 } },
	.final = { { 410, 410 }, { 429, 429 }, { 501, 503 } },
};

struct status_row {
	int status;
	enum http_class http_class;
	bool again;
};

static void check_statuses(const struct http_policy *policy, const struct status_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum http_class http_class = http_class_of_status(policy, rows[i].status);
		if (http_class != rows[i].http_class)
			fail_msg("%d is %s", rows[i].status, http_class_code(http_class));
		if (http_class_retries(policy, http_class, rows[i].status) != rows[i].again)
			fail_msg("%d: tried again or not", rows[i].status);
	}
}

static void test_usual_statuses(void **state)
{
	static const struct status_row rows[] = {
		{ 200, HTTP_CLASS_OK, false },          { 201, HTTP_CLASS_OK, false },          { 204, HTTP_CLASS_OK, false },
		{ 299, HTTP_CLASS_OK, false },          { 100, HTTP_CLASS_STATUS_OTHER, true }, { 199, HTTP_CLASS_STATUS_OTHER, true },
		{ 300, HTTP_CLASS_REDIRECT, false },    { 302, HTTP_CLASS_REDIRECT, false },    { 399, HTTP_CLASS_REDIRECT, false },
		{ 400, HTTP_CLASS_STATUS_4XX, false },  { 401, HTTP_CLASS_STATUS_4XX, false },  { 404, HTTP_CLASS_STATUS_4XX, false },
		{ 410, HTTP_CLASS_STATUS_4XX, false },  { 499, HTTP_CLASS_STATUS_4XX, false },  { 408, HTTP_CLASS_STATUS_BUSY, true },
		{ 425, HTTP_CLASS_STATUS_BUSY, true },  { 429, HTTP_CLASS_STATUS_BUSY, true },  { 500, HTTP_CLASS_STATUS_5XX, true },
		{ 503, HTTP_CLASS_STATUS_5XX, true },   { 599, HTTP_CLASS_STATUS_5XX, true },   { 600, HTTP_CLASS_STATUS_OTHER, true },
		{ 999, HTTP_CLASS_STATUS_OTHER, true }, { 0, HTTP_CLASS_STATUS_OTHER, true },   { -1, HTTP_CLASS_STATUS_OTHER, true },
	};
	(void)state;
	check_statuses(&usual, rows, ARRAY_COUNT(rows));
}

static void test_own_policy(void **state)
{
	static const struct status_row rows[] = {
		{ 200, HTTP_CLASS_OK, false },           { 304, HTTP_CLASS_OK, false }, /* success comes before retry */
		{ 404, HTTP_CLASS_OK, false },           { 202, HTTP_CLASS_STATUS_OTHER, true }, /* a 2xx that is none */
		{ 302, HTTP_CLASS_REDIRECT, true },      { 409, HTTP_CLASS_STATUS_4XX, true },
		{ 410, HTTP_CLASS_STATUS_4XX, false },   { 422, HTTP_CLASS_STATUS_4XX, false },
		{ 429, HTTP_CLASS_STATUS_BUSY, false },  { 408, HTTP_CLASS_STATUS_BUSY, true },
		{ 500, HTTP_CLASS_STATUS_5XX, true },    { 501, HTTP_CLASS_STATUS_5XX, false }, /* final comes before retry */
		{ 503, HTTP_CLASS_STATUS_5XX, false },   { 504, HTTP_CLASS_STATUS_5XX, true },
	};
	(void)state;
	check_statuses(&own, rows, ARRAY_COUNT(rows));
}

static void test_all_ranges_are_asked(void **state)
{
	(void)state;
	struct http_policy policy = { 0 };
	for (unsigned i = 0; i < HTTP_STATUS_RANGES; i++)
		policy.final[i] = (struct http_range){ (uint16_t)(500 + 2 * i), (uint16_t)(500 + 2 * i) };
	for (int status = 500; status < 500 + 2 * HTTP_STATUS_RANGES; status++)
		assert_int_equal(http_class_retries(&policy, HTTP_CLASS_STATUS_5XX, status), status % 2);
}

/* Public codes and stored numbers; what a class does without any policy, and that a status says nothing about a call that broke off. */
static void test_classes(void **state)
{
	static const struct { const char *code; bool again; } rows[] = {
		{ "ok", false },      { "dns", true },         { "connect", true },     { "tls", true },        { "timeout", true },
		{ "reset", true },    { "protocol", true },    { "guarded", false },    { "redirect", false },  { "status_4xx", false },
		{ "status_busy", true }, { "status_5xx", true }, { "bad_target", false }, { "ours", true },     { "status_other", true },
		{ "format", true },   { "secret_missing", true }, { "auth", true },     { "endpoint_deleted", false },
	};
	(void)state;
	assert_int_equal(ARRAY_COUNT(rows), HTTP_CLASS_COUNT);
	for (unsigned n = 0; n < HTTP_CLASS_COUNT; n++) {
		assert_string_equal(http_class_code(n), rows[n].code);
		assert_int_equal(http_class_retries(&usual, n, 0), rows[n].again);
	}
	assert_true(http_class_retries(&own, HTTP_CLASS_RESET, 410));
	assert_true(http_class_retries(&own, HTTP_CLASS_TIMEOUT, 501));
	assert_false(http_class_retries(&own, HTTP_CLASS_GUARDED, 500));
	assert_false(http_class_retries(&own, HTTP_CLASS_OK, 409));
}

/* ---- Retry-After ---- */

#define SECOND    INT64_C(1000000)
#define DAY       (INT64_C(86400) * SECOND)
#define MALFORMED INT64_C(-1)

static void test_retry_after(void **state)
{
	static const struct { const char *now, *value; int64_t wait_us; } rows[] = {
		/* seconds */
		{ "1994-11-06T08:49:00Z", "0", 0 },
		{ "1994-11-06T08:49:00Z", "120", 120 * SECOND },
		{ "1994-11-06T08:49:00Z", " 120\t", 120 * SECOND },
		{ "1994-11-06T08:49:00Z", "0000000000000000000000000000007", 7 * SECOND },
		{ "1994-11-06T08:49:00Z", "86399", DAY - SECOND },
		{ "1994-11-06T08:49:00Z", "86400", DAY },
		{ "1994-11-06T08:49:00Z", "86401", DAY },
		{ "1994-11-06T08:49:00Z", "99999999999999999999999999", DAY },
		{ "1994-11-06T08:49:00Z", "", MALFORMED },
		{ "1994-11-06T08:49:00Z", "  ", MALFORMED },
		{ "1994-11-06T08:49:00Z", "-1", MALFORMED },
		{ "1994-11-06T08:49:00Z", "+1", MALFORMED },
		{ "1994-11-06T08:49:00Z", "1.5", MALFORMED },
		{ "1994-11-06T08:49:00Z", "1e3", MALFORMED },
		{ "1994-11-06T08:49:00Z", "120 s", MALFORMED },
		{ "1994-11-06T08:49:00Z", "soon", MALFORMED },
		/* the three forms of one instant */
		{ "1994-11-06T08:49:00Z", "Sun, 06 Nov 1994 08:49:37 GMT", 37 * SECOND },
		{ "1994-11-06T08:49:00Z", "Sunday, 06-Nov-94 08:49:37 GMT", 37 * SECOND },
		{ "1994-11-06T08:49:00Z", "Sun Nov  6 08:49:37 1994", 37 * SECOND },
		{ "1994-11-16T08:49:00Z", "Wed Nov 16 08:49:37 1994", 37 * SECOND },
		{ "1994-11-06T08:49:36.250Z", "Sun, 06 Nov 1994 08:49:37 GMT", 750000 },
		{ "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
		/* past, far, early, odd */
		{ "1994-11-06T08:49:38Z", "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
		{ "1994-11-04T08:49:38Z", "Sun, 06 Nov 1994 08:49:37 GMT", DAY },
		{ "2026-11-23T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "2026-11-23T00:00:00Z", "Wed, 31 Dec 1969 23:59:59 GMT", 0 },
		{ "2026-11-23T00:00:00Z", "Thu, 29 Feb 1968 00:00:00 GMT", 0 },
		{ "2026-11-23T00:00:00Z", "Fri, 31 Dec 9999 23:59:59 GMT", DAY },
		{ "2016-12-31T23:59:59Z", "Sat, 31 Dec 2016 23:59:60 GMT", SECOND }, /* a leap second */
		{ "2024-02-28T23:59:59Z", "Thu, 29 Feb 2024 00:00:00 GMT", SECOND },
		{ "2023-02-28T23:59:59Z", "Wed, 29 Feb 2023 00:00:00 GMT", MALFORMED },
		{ "2024-02-28T23:59:59Z", "Mon, 29 Feb 2024 00:00:00 GMT", SECOND }, /* the day's name decides nothing */
		/* two digits: at most 50 years ahead */
		{ "2026-01-01T00:00:00Z", "Thursday, 01-Jan-26 00:00:30 GMT", 30 * SECOND },
		{ "2026-01-01T00:00:00Z", "Saturday, 01-Jan-76 00:00:30 GMT", DAY }, /* 2076 */
		{ "2026-01-01T00:00:00Z", "Saturday, 01-Jan-77 00:00:30 GMT", 0 },   /* 1977 */
		{ "2099-12-31T23:59:50Z", "Friday, 01-Jan-00 00:00:00 GMT", 10 * SECOND },
		{ "2026-01-01T00:00:00Z", "Friday, 31-Dec-99 23:59:59 GMT", 0 },
		/* not dates */
		{ "1994-11-06T08:49:00Z", "Sun, 06 Nov 1994 08:49:37", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun, 06 Nov 1994 08:49:37 UTC", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun, 06 Nov 1994 08:49:37 GMT+1", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun, 6 Nov 1994 08:49:37 GMT", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun, 31 Nov 1994 08:49:37 GMT", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun, 00 Nov 1994 08:49:37 GMT", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun, 06 Nov 1994 24:00:00 GMT", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun, 06 Nov 1994 08:60:00 GMT", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun, 06 Nov 94 08:49:37 GMT", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun, 06 nov 1994 08:49:37 GMT", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Son, 06 Nov 1994 08:49:37 GMT", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun, 06-Nov-94 08:49:37 GMT", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun Nov 6 08:49:37 1994", MALFORMED },
		{ "1994-11-06T08:49:00Z", "Sun Nov  6 08:49:37 1994 GMT", MALFORMED },
		{ "1994-11-06T08:49:00Z", "1994-11-06T08:49:37Z", MALFORMED },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		int64_t now_us;
		assert_int_equal(time_parse(str_of(rows[i].now), &now_us), E_OK);
		int64_t wait_us = http_retry_after_us(str_of(rows[i].value), now_us);
		if (wait_us != rows[i].wait_us)
			fail_msg("\"%s\" at %s: %lld", rows[i].value, rows[i].now, (long long)wait_us);
	}
	assert_int_equal(http_retry_after_us((struct str){ 0 }, 0), MALFORMED);
}

/* Every date cut short is malformed, and none is read beyond its end (the sanitizers watch). */
static void test_cut_dates(void **state)
{
	static const char *const dates[] = {
		"Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(dates); i++) {
		for (size_t len = 0; len < strlen(dates[i]); len++) {
			char *cut = test_malloc(len + 1);
			memcpy(cut, dates[i], len);
			assert_int_equal(http_retry_after_us((struct str){ cut, len }, 0), MALFORMED);
			test_free(cut);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_statuses),
		cmocka_unit_test(test_own_policy),
		cmocka_unit_test(test_all_ranges_are_asked),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_cut_dates),
	};
	return cmocka_run_group_tests_name("http_verdict", tests, NULL, NULL);
}
