#include "base/calendar.h"
#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void known_days(void **state)
{
	static const struct { int64_t days, year; unsigned month, day, weekday; } rows[] = {
		{ 0, 1970, 1, 1, 4 },      { -1, 1969, 12, 31, 3 },  { 59, 1970, 3, 1, 0 },      { 11016, 2000, 2, 29, 2 },
		{ 20088, 2024, 12, 31, 2 }, { -719468, 0, 3, 1, 3 },  { -719469, 0, 2, 29, 2 },   { 47540, 2100, 2, 28, 0 },
		{ 47541, 2100, 3, 1, 1 },  { 2932896, 9999, 12, 31, 5 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct calendar_date date = calendar_date_of(rows[i].days);
		assert_int_equal(date.year, rows[i].year);
		assert_int_equal(date.month, rows[i].month);
		assert_int_equal(date.day, rows[i].day);
		assert_int_equal(calendar_days_of(date), rows[i].days);
		assert_int_equal(calendar_weekday(rows[i].days), rows[i].weekday);
	}
}

/* Day after day over 1,200 years: the date is the one before plus a day, counted by the months' lengths alone. */
static void every_day_follows_the_one_before(void **state)
{
	struct calendar_date date = { .year = 1500, .month = 1, .day = 1 };
	(void)state;
	for (int64_t days = calendar_days_of(date); date.year < 2700; days++) {
		struct calendar_date found = calendar_date_of(days);
		if (found.year != date.year || found.month != date.month || found.day != date.day || calendar_days_of(date) != days)
			fail_msg("day %lld", (long long)days);
		assert_int_equal(calendar_weekday(days + 7), calendar_weekday(days));
		if (++date.day > calendar_month_days(date.year, date.month)) {
			date.day = 1;
			date.month = date.month % 12 + 1;
			date.year += date.month == 1;
		}
	}
}

static void seconds_round_towards_the_past(void **state)
{
	(void)state;
	assert_int_equal(calendar_days_of_seconds(0), 0);
	assert_int_equal(calendar_days_of_seconds(86399), 0);
	assert_int_equal(calendar_days_of_seconds(86400), 1);
	assert_int_equal(calendar_days_of_seconds(-1), -1);
	assert_int_equal(calendar_days_of_seconds(-86400), -1);
	assert_int_equal(calendar_days_of_seconds(-86401), -2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_days),
		cmocka_unit_test(every_day_follows_the_one_before),
		cmocka_unit_test(seconds_round_towards_the_past),
	};
	return cmocka_run_group_tests_name("calendar", tests, NULL, NULL);
}
