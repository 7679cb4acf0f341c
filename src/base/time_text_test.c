#include "base/time_text.h"
#include "base/dice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#define S INT64_C(1000000)

static void writes_instants(void **state)
{
	(void)state;
	static const struct {
		int64_t at_us;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 999, "1970-01-01T00:00:00.000Z" },
		{ 1000, "1970-01-01T00:00:00.001Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ 951782400 * S, "2000-02-29T00:00:00.000Z" },
		{ 1795461072 * S + 345678, "2026-11-23T19:11:12.345Z" },
		{ 4107542399 * S, "2100-02-28T23:59:59.000Z" },
		{ 4107542400 * S, "2100-03-01T00:00:00.000Z" },
		{ 253402300799 * S + 999999, "9999-12-31T23:59:59.999Z" },
		{ 253402300800 * S, "9999-12-31T23:59:59.999Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999Z" },
		{ -62167219200 * S, "0000-01-01T00:00:00.000Z" },
		{ INT64_MIN, "0000-01-01T00:00:00.000Z" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char text[TIME_TEXT_BYTES];
		time_text(rows[i].at_us, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void agrees_with_the_c_library(void **state)
{
	(void)state;
	struct dice dice = { 51 };
	for (int i = 0; i < 20000; i++) {
		time_t at = (time_t)(dice_roll(&dice) % 253402300800u);
		struct tm tm;
		char text[TIME_TEXT_BYTES], expected[32];
		int64_t back;
		gmtime_r(&at, &tm);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.123Z", &tm);
		time_text((int64_t)at * S + 123456, text);
		assert_string_equal(text, expected);
		assert_int_equal(time_parse(str_of(text), &back), E_OK);
		assert_true(back == (int64_t)at * S + 123000);
	}
}

static void reads_rfc_3339(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t at_us; /* -1: refused */
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 }, { "2026-11-23T19:11:12.345Z", 1795461072 * S + 345000 },
		{ "2026-11-23t19:11:12.345z", 1795461072 * S + 345000 },
		{ "2026-11-23T21:11:12.345+02:00", 1795461072 * S + 345000 },
		{ "2026-11-23T13:41:12.345-05:30", 1795461072 * S + 345000 },
		{ "2026-11-23T19:11:12-00:00", 1795461072 * S }, { "2026-11-23T19:11:12.3Z", 1795461072 * S + 300000 },
		{ "2026-11-23T19:11:12.123456Z", 1795461072 * S + 123456 },
		{ "2026-11-23T19:11:12.123456789Z", 1795461072 * S + 123456 },
		{ "2000-02-29T00:00:00Z", 951782400 * S }, { "2016-12-31T23:59:60Z", 1483228800 * S },
		{ "2016-12-31T23:59:60.5Z", 1483228800 * S + 500000 }, { "2017-01-01T01:59:60+02:00", 1483228800 * S },
		{ "9999-12-31T23:59:59.999Z", 253402300799 * S + 999000 }, { "1970-01-01T01:00:00+01:00", 0 },
		{ "", -1 }, { "now", -1 }, { "2026", -1 }, { "2026-11-23", -1 }, { "2026-11-23T19:11Z", -1 },
		{ "2026-11-23T19:11:12", -1 }, { "2026-11-23 19:11:12Z", -1 }, { "2026-11-23T19:11:12.Z", -1 },
		{ "2026-11-23T19:11:12.1234567890Z", -1 }, { "2026-11-23T19:11:12,5Z", -1 },
		{ "2026-11-23T19:11:12+0200", -1 }, { "2026-11-23T19:11:12+02", -1 },
		{ "2026-11-23T19:11:12+24:00", -1 }, { "2026-11-23T19:11:12+02:60", -1 },
		{ "2026-11-23T19:11:12Z ", -1 }, { " 2026-11-23T19:11:12Z", -1 }, { "2026-11-23T19:11:12ZZ", -1 },
		{ "2026-11-23T24:00:00Z", -1 }, { "2026-11-23T19:60:12Z", -1 }, { "2026-11-23T19:11:61Z", -1 },
		{ "2026-11-23T19:11:60Z", -1 }, { "2026-00-23T19:11:12Z", -1 }, { "2026-13-23T19:11:12Z", -1 },
		{ "2026-11-00T19:11:12Z", -1 }, { "2026-11-31T19:11:12Z", -1 }, { "2026-02-29T19:11:12Z", -1 },
		{ "2100-02-29T19:11:12Z", -1 }, { "1969-12-31T23:59:59Z", -1 }, { "1970-01-01T00:00:00+00:01", -1 },
		{ "0000-01-01T00:00:00Z", -1 }, { "9999-12-31T23:59:59-00:01", -1 }, { "+2026-11-23T19:11:12Z", -1 },
		{ "12026-11-23T19:11:12Z", -1 }, { "2026-11-23T19:11:12\xc3\xa9", -1 }, { "2O26-11-23T19:11:12Z", -1 },
		{ "2026-1-23T19:11:12Z", -1 }, { "20261123T191112Z", -1 }, { "9999-12-31T23:59:60Z", -1 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		int64_t at_us = -1;
		enum err err = time_parse(str_of(rows[i].text), &at_us);
		if (at_us != rows[i].at_us)
			fail_msg("%s: %lld instead of %lld", rows[i].text, (long long)at_us, (long long)rows[i].at_us);
		assert_int_equal(err, rows[i].at_us < 0 ? E_INVALID : E_OK);
	}
}

static void reads_durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = {
		{ "0", 0 }, { "1500", 1500 }, { "350ms", 350 }, { "5s", 5000 }, { "2m", 120000 }, { "1h30m", 5400000 },
		{ "7d", 604800000 }, { "1d2h3m4s5ms", 93784005 }, { "0s", 0 }, { "90m", 5400000 },
		{ "9223372036854775807", INT64_MAX }, { "9223372036854775807ms", INT64_MAX }, { "", -1 }, { "s", -1 },
		{ "5 s", -1 }, { "5x", -1 }, { "-5s", -1 }, { "1.5h", -1 }, { "30m1h", -1 }, { "1h1h", -1 },
		{ "1h30", -1 }, { "9223372036854775808", -1 }, { "9223372036854775807s", -1 }, { "106751991168d", -1 },
		{ "9223372036854775807ms1", -1 }, { "5S", -1 }, { "5min", -1 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		int64_t ms = -1;
		enum err err = duration_parse(str_of(rows[i].text), &ms);
		if (ms != rows[i].ms)
			fail_msg("%s: %lld instead of %lld", rows[i].text, (long long)ms, (long long)rows[i].ms);
		assert_int_equal(err, rows[i].ms < 0 ? E_INVALID : E_OK);
	}
}

static void writes_durations(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "0 ms" }, { 350, "350 ms" }, { 5000, "5 s" }, { 1500, "1 s 500 ms" }, { 123000, "2 min 3 s" },
		{ 123999, "2 min 3 s" }, { 3600000, "1 h" }, { 3605000, "1 h" }, { 273600000, "3 d 4 h" },
		{ -5000, "-5 s" }, { INT64_MAX, "106751991167 d 7 h" }, { INT64_MIN, "-106751991167 d 7 h" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char text[32];
		duration_text(rows[i].ms, text);
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_instants),  cmocka_unit_test(agrees_with_the_c_library),
		cmocka_unit_test(reads_rfc_3339),   cmocka_unit_test(reads_durations),
		cmocka_unit_test(writes_durations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
