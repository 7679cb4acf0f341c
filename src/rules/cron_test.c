#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/calendar.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "rules/cron.h"
#include "rules/dice_test.h"
#include "rules/zone_test.h"

#define S INT64_C(1000000) /* in microseconds */
#define H 3600             /* in seconds */

static int64_t at_us(const char *text)
{
	int64_t us;
	if (time_parse(str_of(text), &us))
		fail_msg("%s", text);
	return us;
}

static struct cron parsed(const char *text, const char *seed)
{
	struct cron cron;
	struct problem problem = { 0 };
	if (cron_parse(str_of(text), str_of(seed), &cron, &problem))
		fail_msg("%s: %s", text, problem.detail);
	return cron;
}

/* The instants after `from`, up to as many as `expected` names, separated by blanks, without ":00.000Z". */
static void check_next(const char *text, struct cron_policy policy, const struct zone *zone, const char *from, const char *expected)
{
	struct cron cron = parsed(text, "");
	int64_t us = at_us(from);
	char found[512], *end = found;
	for (size_t left = strlen(expected) / 17 + 1; left > 0; left--) {
		char written[TIME_TEXT_BYTES];
		if (!cron_next(&cron, policy, zone, us, &us))
			fail_msg("%s after %s: none", text, from);
		time_text(us, written);
		assert_string_equal(written + 16, ":00.000Z");
		memcpy(end, written, 16);
		end += 16;
		*end++ = left > 1 ? ' ' : '\0';
	}
	if (strcmp(found, expected) != 0)
		fail_msg("%s after %s:\n  %s, expected\n  %s", text, from, found, expected);
}

/* ---- expressions ---- */

static void test_expressions(void **state)
{
	static const struct { const char *text, *from, *expected; } rows[] = {
		{ "* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01 2026-01-01T00:02" },
		{ "* * * * *", "2026-01-01T00:00:00.001Z", "2026-01-01T00:01" },
		{ "* * * * *", "2025-12-31T23:59:59.999999Z", "2026-01-01T00:00" },
		{ "0 0 * * *", "2026-02-28T00:00:00Z", "2026-03-01T00:00 2026-03-02T00:00" },
		{ " 5\t4  *\n* * ", "2026-01-01T00:00:00Z", "2026-01-01T04:05" },
		{ "0 5 4 * * *", "2026-01-01T00:00:00Z", "2026-01-01T04:05" },
		{ "*/20 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:20 2026-01-01T00:40 2026-01-01T01:00" },
		{ "50/5 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:50 2026-01-01T00:55 2026-01-01T01:50" },
		{ "10-30/10,45 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:10 2026-01-01T00:20 2026-01-01T00:30 2026-01-01T00:45" },
		{ "0 */100 * * *", "2026-01-01T00:00:00Z", "2026-01-02T00:00" },
		{ "0 0 1 jan,Jul *", "2026-01-01T00:00:00Z", "2026-07-01T00:00 2027-01-01T00:00" },
		{ "0 9 * * MON-fri", "2026-01-02T09:00:00Z", "2026-01-05T09:00" },
		{ "0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00 2026-01-11T00:00" },
		{ "0 0 * * 5-7", "2026-01-01T00:00:00Z", "2026-01-02T00:00 2026-01-03T00:00 2026-01-04T00:00 2026-01-09T00:00" },
		{ "0 0 ? * 1", "2026-01-01T00:00:00Z", "2026-01-05T00:00" },
		{ "0 0 15 * ?", "2026-01-01T00:00:00Z", "2026-01-15T00:00 2026-02-15T00:00" },
		{ "? ? ? ? ?", "2026-01-01T00:00:00Z", "2026-01-01T00:01" },
		/* one or the other, but "*" alone has no say; slash and comma make it say something */
		{ "0 0 15 * 1", "2026-01-06T00:00:00Z", "2026-01-12T00:00 2026-01-15T00:00 2026-01-19T00:00" },
		{ "0 0 31 4 1", "2026-01-01T00:00:00Z", "2026-04-06T00:00" },
		{ "0 0 */1 * 1", "2026-01-06T00:00:00Z", "2026-01-07T00:00" },
		{ "0 0 L * *", "2026-01-31T00:00:00Z", "2026-02-28T00:00 2026-03-31T00:00 2026-04-30T00:00" },
		{ "0 0 l 2 *", "2027-02-28T00:00:00Z", "2028-02-29T00:00" },
		{ "0 0 1,L * *", "2026-01-01T00:00:00Z", "2026-01-31T00:00 2026-02-01T00:00 2026-02-28T00:00" },
		{ "0 0 L * 1", "2026-01-27T00:00:00Z", "2026-01-31T00:00 2026-02-02T00:00" },
		{ "0 0 LW * *", "2026-01-01T00:00:00Z", "2026-01-30T00:00 2026-02-27T00:00 2026-03-31T00:00 2026-04-30T00:00 2026-05-29T00:00" },
		{ "0 0 1W * *", "2026-01-02T00:00:00Z", "2026-02-02T00:00 2026-03-02T00:00 2026-04-01T00:00 2026-05-01T00:00 2026-06-01T00:00" },
		{ "0 0 1W 8 *", "2026-01-01T00:00:00Z", "2026-08-03T00:00" }, /* a Saturday, and nothing before it in its month */
		{ "0 0 15W * *", "2026-01-16T00:00:00Z", "2026-02-16T00:00 2026-03-16T00:00 2026-04-15T00:00 2026-05-15T00:00" },
		{ "0 0 31w * *", "2026-01-01T00:00:00Z", "2026-01-30T00:00 2026-03-31T00:00 2026-05-29T00:00" }, /* not in shorter months */
		{ "0 0 28W 2 *", "2027-01-01T00:00:00Z", "2027-02-26T00:00" }, /* a Sunday, the last of its month */
		{ "0 0 5W,10,LW * *", "2026-01-01T00:00:00Z", "2026-01-05T00:00 2026-01-10T00:00 2026-01-30T00:00 2026-02-05T00:00" },
		{ "0 0 * * 5L", "2026-01-01T00:00:00Z", "2026-01-30T00:00 2026-02-27T00:00" },
		{ "0 0 * * SUNL,1", "2026-01-20T00:00:00Z", "2026-01-25T00:00 2026-01-26T00:00 2026-02-02T00:00" },
		{ "0 0 * * 7l", "2026-01-01T00:00:00Z", "2026-01-25T00:00" },
		{ "0 0 * * 5#3", "2026-01-01T00:00:00Z", "2026-01-16T00:00 2026-02-20T00:00" },
		{ "0 0 * * MON#5", "2026-01-01T00:00:00Z", "2026-03-30T00:00 2026-06-29T00:00" },
		{ "0 0 * * *#2", "2026-01-01T00:00:00Z", "2026-01-08T00:00 2026-01-09T00:00" },
		{ "0 0 * * 1#1,5#2", "2026-01-01T00:00:00Z", "2026-01-05T00:00 2026-01-09T00:00 2026-02-02T00:00" },
		{ "0 0 13 * 5#2", "2026-01-01T00:00:00Z", "2026-01-09T00:00 2026-01-13T00:00" },
		{ "0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00 2032-02-29T00:00" },
		{ "0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00" },
		{ "0 0 * 2 1#5", "2072-03-01T00:00:00Z", "2112-02-29T00:00" }, /* forty years */
		{ "@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00" },
		{ "@annually", "2026-01-01T00:00:00Z", "2027-01-01T00:00" },
		{ "@monthly", "2026-01-01T00:00:00Z", "2026-02-01T00:00" },
		{ "@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00" },
		{ "@daily", "2026-01-01T00:00:00Z", "2026-01-02T00:00" },
		{ " @Midnight ", "2026-01-01T00:00:00Z", "2026-01-02T00:00" },
		{ "@hourly", "2026-01-01T00:00:00Z", "2026-01-01T01:00" },
		{ "@minutely", "2026-01-01T00:00:00Z", "2026-01-01T00:01" },
		{ "@weekdays", "2026-01-02T00:00:00Z", "2026-01-05T00:00" },
		{ "@weekends", "2026-01-01T00:00:00Z", "2026-01-03T00:00 2026-01-04T00:00 2026-01-10T00:00" },
	};
	const struct zone_drawn utc = zone_draw(0);
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		check_next(rows[i].text, (struct cron_policy){ 0 }, &utc.zone, rows[i].from, rows[i].expected);
}

static void test_seconds(void **state)
{
	const struct zone_drawn utc = zone_draw(0);
	struct cron cron = parsed("@secondly", "");
	int64_t us;
	(void)state;
	assert_true(cron_next(&cron, (struct cron_policy){ 0 }, &utc.zone, -1, &us));
	assert_int_equal(us, 0);
	assert_true(cron_next(&cron, (struct cron_policy){ 0 }, &utc.zone, 0, &us));
	assert_int_equal(us, 1 * S);
	assert_true(cron_next(&cron, (struct cron_policy){ 0 }, &utc.zone, -1 * S, &us));
	assert_int_equal(us, 0);
	cron = parsed("15,45 59 23 * * *", "");
	assert_true(cron_next(&cron, (struct cron_policy){ 0 }, &utc.zone, -30 * S, &us));
	assert_int_equal(us, -15 * S);
	assert_true(cron_next(&cron, (struct cron_policy){ 0 }, &utc.zone, us, &us));
	assert_int_equal(us, 86400 * S - 45 * S);
}

static void test_the_ends_of_time(void **state)
{
	const struct zone_drawn utc = zone_draw(0), far_east = zone_draw(14 * H);
	struct cron every_second = parsed("@secondly", ""), leap_days = parsed("0 0 29 2 *", "");
	int64_t us;
	(void)state;
	assert_false(cron_next(&every_second, (struct cron_policy){ 0 }, &utc.zone, INT64_MAX, &us));
	assert_false(cron_next(&leap_days, (struct cron_policy){ 0 }, &far_east.zone, INT64_MAX - S, &us));
	assert_true(cron_next(&every_second, (struct cron_policy){ 0 }, &utc.zone, INT64_MIN, &us));
	assert_true(us > INT64_MIN);
	assert_true(us <= INT64_MIN + S);
	assert_true(cron_next(&leap_days, (struct cron_policy){ 0 }, &far_east.zone, INT64_MIN, &us));
}

static void test_refusals(void **state)
{
	static const struct { const char *text, *detail; } rows[] = {
		{ "", "A cron expression has five fields (minute, hour, day of month, month, day of week) or six (second first); this one has 0." },
		{ "* * * *", "A cron expression has five fields (minute, hour, day of month, month, day of week) or six (second first); this one has 4." },
		{ "* * * * * * * *",
		  "A cron expression has five fields (minute, hour, day of month, month, day of week) or six (second first); this one has more than 6." },
		{ "60 * * * * *", "second: 60 is out of 0–59." },
		{ "60 * * * *", "minute: 60 is out of 0–59." },
		{ "0 25 * * *", "hour: 25 is out of 0–23." },
		{ "0 24 * * *", "hour: 24 is out of 0–23." },
		{ "0 1-24 * * *", "hour: 24 is out of 0–23." },
		{ "0 0 0 * *", "day of month: 0 is out of 1–31." },
		{ "0 0 32 * *", "day of month: 32 is out of 1–31." },
		{ "0 0 32W * *", "day of month: 32 is out of 1–31." },
		{ "0 0 1 13 *", "month: 13 is out of 1–12." },
		{ "0 0 * * 8", "day of week: 8 is out of 0–7." },
		{ "0 0 * * 8L", "day of week: 8 is out of 0–7." },
		{ "0 9-5 * * *", "hour: 9-5 runs backwards; write two parts with a comma between." },
		{ "0 0 * * FRI-SUN", "day of week: 5-0 runs backwards; write two parts with a comma between." },
		{ "*/0 * * * *", "minute: a step of 0 leads nowhere; it is 1 or more." },
		{ "*/ * * * *", "minute: \"*/\" needs a number after the slash." },
		{ "*/-5 * * * *", "minute: \"*/-5\" needs a number after the slash." },
		{ "*/5/2 * * * *", "minute: \"*/5/2\" is not understood; write for example 0, 0-30/5 or */10." },
		{ "1,,2 * * * *", "minute: a comma has nothing before or after it." },
		{ "1, * * * *", "minute: a comma has nothing before or after it." },
		{ ",1 * * * *", "minute: a comma has nothing before or after it." },
		{ "-5 * * * *", "minute: \"-5\" is not understood; write for example 0, 0-30/5 or */10." },
		{ "1-2-3 * * * *", "minute: \"1-2-3\" is not understood; write for example 0, 0-30/5 or */10." },
		{ "5- * * * *", "minute: \"5-\" is not understood; write for example 0, 0-30/5 or */10." },
		{ "*5 * * * *", "minute: \"*5\" is not understood; write for example 0, 0-30/5 or */10." },
		{ "1.5 * * * *", "minute: \"1.5\" is not understood; write for example 0, 0-30/5 or */10." },
		{ "0 L * * *", "hour: \"L\" is not understood; write for example 9, 9-17/2 or */6." },
		{ "0 MON * * *", "hour: \"MON\" is not understood; write for example 9, 9-17/2 or */6." },
		{ "0 0 L-3 * *", "day of month: \"L-3\" is not understood; write for example 1, 1-15, L, LW or 15W." },
		{ "0 0 1-5W * *", "day of month: \"1-5W\" is not understood; write for example 1, 1-15, L, LW or 15W." },
		{ "0 0 W * *", "day of month: \"W\" is not understood; write for example 1, 1-15, L, LW or 15W." },
		{ "0 0 LWW * *", "day of month: \"LWW\" is not understood; write for example 1, 1-15, L, LW or 15W." },
		{ "0 0 L/2 * *", "day of month: \"L/2\" is not understood; write for example 1, 1-15, L, LW or 15W." },
		{ "0 0 1 JANUARY *", "month: \"JANUARY\" is not understood; write for example 1, JAN-MAR or */3." },
		{ "0 0 1 MON *", "month: \"MON\" is not understood; write for example 1, JAN-MAR or */3." },
		{ "0 0 * * TAG", "day of week: \"TAG\" is not understood; write for example 1, MON-FRI, 5L or MON#2." },
		{ "0 0 * * L", "day of week: L needs its day before it: 5L is the month's last Friday." },
		{ "0 0 * * LFRI", "day of week: L needs its day before it: 5L is the month's last Friday." },
		{ "0 0 * * 1-5L", "day of week: \"1-5L\" is not understood; write for example 1, MON-FRI, 5L or MON#2." },
		{ "0 0 * * 1#6", "day of week: a month has no week 6: after # comes 1 to 5." },
		{ "0 0 * * 1#0", "day of week: a month has no week 0: after # comes 1 to 5." },
		{ "0 0 * * 1#", "day of week: \"1#\" is not understood; write for example 1, MON-FRI, 5L or MON#2." },
		{ "0 0 * * 1-5#2", "day of week: \"1-5#2\" is not understood; write for example 1, MON-FRI, 5L or MON#2." },
		{ "0 0 * * 1#2/2", "day of week: \"1#2/2\" is not understood; write for example 1, MON-FRI, 5L or MON#2." },
		{ "0 0 1#2 * *", "day of month: \"1#2\" is not understood; write for example 1, 1-15, L, LW or 15W." },
		{ "H(5-70) * * * *", "minute: 70 is out of 0–59." },
		{ "H(9-5) * * * *", "minute: 9-5 runs backwards; write two parts with a comma between." },
		{ "H(5) * * * *", "minute: \"H(5)\" is not understood; write for example 0, 0-30/5 or */10." },
		{ "H(5-9 * * * *", "minute: \"H(5-9\" is not understood; write for example 0, 0-30/5 or */10." },
		{ "H/0 * * * *", "minute: a step of 0 leads nowhere; it is 1 or more." },
		{ "5H * * * *", "minute: \"5H\" is not understood; write for example 0, 0-30/5 or */10." },
		{ "H-5 * * * *", "minute: \"H-5\" is not understood; write for example 0, 0-30/5 or */10." },
		{ "0 0 30 2 *", "day of month: 30 never comes in the months chosen." },
		{ "0 0 31 4,6,9,11 *", "day of month: 31 never comes in the months chosen." },
		{ "0 0 30W 2 ?", "day of month: 30 never comes in the months chosen." },
		{ "@dayly", "There is no \"@dayly\"; did you mean @daily?" },
		{ "@reboot", "There is no \"@reboot\"; there are @yearly, @monthly, @weekly, @daily, @hourly, @minutely, @weekdays and more." },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct cron cron, before;
		struct problem problem = { 0 };
		memset(&cron, 0x5a, sizeof(cron));
		before = cron;
		if (cron_parse(str_of(rows[i].text), STR(""), &cron, &problem) != E_INVALID)
			fail_msg("\"%s\" is accepted", rows[i].text);
		assert_string_equal(problem.detail, rows[i].detail);
		assert_string_equal(problem.field, "pattern");
		assert_memory_equal(&cron, &before, sizeof(cron));
		assert_int_equal(cron_parse(str_of(rows[i].text), STR(""), &cron, NULL), E_INVALID);
	}
}

static void test_length(void **state)
{
	char text[LIMIT_CRON_BYTES + 2];
	struct cron cron;
	struct problem problem = { 0 };
	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "* * * * *", 9);
	assert_int_equal(cron_parse((struct str){ text, LIMIT_CRON_BYTES }, STR(""), &cron, &problem), E_OK);
	assert_int_equal(cron_parse((struct str){ text, LIMIT_CRON_BYTES + 1 }, STR(""), &cron, &problem), E_INVALID);
	assert_string_equal(problem.detail, "A cron expression has at most 1024 bytes; this one has 1025.");
}

/* ---- H ---- */

static void test_hash_is_stable_and_spreads(void **state)
{
	unsigned used[60] = { 0 }, minutes = 0;
	(void)state;
	for (unsigned n = 0; n < 1000; n++) {
		char seed[16];
		snprintf(seed, sizeof(seed), "sheet-%u", n);
		struct cron cron = parsed("H H(9-17) H(1-28) H(3-4)/1 *", seed), again = parsed("H H(9-17) H(1-28) H(3-4)/1 *", seed);
		assert_int_equal(__builtin_popcountll(cron.minutes), 1);
		assert_int_equal(cron.minutes, again.minutes);
		assert_int_equal(cron.hours, again.hours);
		assert_int_equal(cron.hours & ~0x3fe00u, 0);
		assert_int_equal(__builtin_popcount(cron.hours), 1);
		assert_int_equal(cron.days & ~0x1ffffffeu, 0);
		assert_int_equal(cron.months, 0x18);
		used[__builtin_ctzll(cron.minutes)]++;
	}
	for (unsigned n = 0; n < 60; n++)
		minutes += used[n] > 0;
	assert_int_equal(minutes, 60);
}

static void test_hash_steps(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 200; n++) {
		char seed[16];
		snprintf(seed, sizeof(seed), "%u", n);
		struct cron cron = parsed("H/15 H(8-19)/3 * * *", seed);
		unsigned first = (unsigned)__builtin_ctzll(cron.minutes);
		assert_true(first < 15);
		assert_int_equal(cron.minutes, (UINT64_C(1) | 1 << 15 | 1 << 30 | UINT64_C(1) << 45) << first);
		assert_int_equal(__builtin_popcount(cron.hours), 4);
		assert_int_equal(cron.hours & ~0xfff00u, 0);
		cron = parsed("H(10-12)/1000000 * * * *", seed); /* too wide: one of them */
		assert_int_equal(__builtin_popcountll(cron.minutes), 1);
		assert_int_equal(cron.minutes & ~UINT64_C(0x1c00), 0);
	}
}

/* ---- gaps and folds ---- */

static struct zone_drawn paris(void)
{
	struct zone_drawn zone = zone_draw(H);
	zone_draw_change(&zone, at_us("2026-03-29T01:00:00Z") / S, 2 * H);
	zone_draw_change(&zone, at_us("2026-10-25T01:00:00Z") / S, H);
	return zone;
}

static struct zone_drawn lord_howe(void) /* half an hour */
{
	struct zone_drawn zone = zone_draw(11 * H);
	zone_draw_change(&zone, at_us("2026-04-04T15:00:00Z") / S, 10 * H + H / 2);
	zone_draw_change(&zone, at_us("2026-10-03T15:30:00Z") / S, 11 * H);
	return zone;
}

static struct zone_drawn havana(void) /* at midnight */
{
	struct zone_drawn zone = zone_draw(-5 * H);
	zone_draw_change(&zone, at_us("2026-03-08T05:00:00Z") / S, -4 * H);
	zone_draw_change(&zone, at_us("2026-11-01T05:00:00Z") / S, -5 * H);
	return zone;
}

static struct zone_drawn nuuk(void) /* up to midnight: the last hour of a Saturday is missing */
{
	struct zone_drawn zone = zone_draw(-2 * H);
	zone_draw_change(&zone, at_us("2026-03-29T01:00:00Z") / S, -1 * H);
	return zone;
}

static struct zone_drawn apia(void) /* a day that never was: 30 December 2011 */
{
	struct zone_drawn zone = zone_draw(-10 * H);
	zone_draw_change(&zone, at_us("2011-12-30T10:00:00Z") / S, 14 * H);
	return zone;
}

static void test_gaps_and_folds(void **state)
{
	static const struct cron_policy usual = { 0 }, skip = { .gap = CRON_GAP_SKIP }, twice = { .fold = CRON_FOLD_TWICE };
	const struct zone_drawn fr = paris(), au = lord_howe(), cu = havana(), gl = nuuk(), ws = apia();
	const struct { const char *text; struct cron_policy policy; const struct zone_drawn *zone; const char *from, *expected; } rows[] = {
		{ "30 2 * * *", usual, &fr, "2026-03-28T01:30:00Z", "2026-03-29T01:30 2026-03-30T00:30" },
		{ "30 2 * * *", skip, &fr, "2026-03-28T01:30:00Z", "2026-03-30T00:30" },
		{ "30 2,3 * * *", usual, &fr, "2026-03-29T00:00:00Z", "2026-03-29T01:30 2026-03-30T00:30" }, /* two times, one instant */
		{ "0 3 * * *", usual, &fr, "2026-03-28T02:00:00Z", "2026-03-29T01:00 2026-03-30T01:00" },
		{ "20,50 2 * * *", usual, &fr, "2026-03-29T01:20:00Z", "2026-03-29T01:50 2026-03-30T00:20" },
		{ "30 2 29 3 *", usual, &fr, "2026-01-01T00:00:00Z", "2026-03-29T01:30 2027-03-29T01:30" },
		{ "30 * * * *", usual, &fr, "2026-03-29T00:00:00Z", "2026-03-29T00:30 2026-03-29T01:30" }, /* an hour is an hour */
		{ "30 2 * * *", usual, &fr, "2026-10-24T12:00:00Z", "2026-10-25T00:30 2026-10-26T01:30" },
		{ "30 2 * * *", twice, &fr, "2026-10-24T12:00:00Z", "2026-10-25T00:30 2026-10-25T01:30 2026-10-26T01:30" },
		{ "30 2 * * *", usual, &fr, "2026-10-25T01:10:00Z", "2026-10-26T01:30" }, /* asked in the second pass: the first has been */
		{ "0 3 * * *", usual, &fr, "2026-10-24T12:00:00Z", "2026-10-25T02:00 2026-10-26T02:00" },
		{ "*/30 1-3 * * *", usual, &fr, "2026-10-25T00:00:00Z", "2026-10-25T00:30 2026-10-25T02:00 2026-10-25T02:30" },
		{ "30 * * * *", usual, &fr, "2026-10-25T00:00:00Z", "2026-10-25T00:30 2026-10-25T01:30 2026-10-25T02:30" },
		{ "15 2 * * *", usual, &au, "2026-10-03T00:00:00Z", "2026-10-03T15:45 2026-10-04T15:15" },
		{ "*/10 * * * *", usual, &au, "2026-10-03T15:20:00Z", "2026-10-03T15:30 2026-10-03T15:40" },
		{ "45 1 * * *", usual, &au, "2026-04-04T00:00:00Z", "2026-04-04T14:45 2026-04-05T15:15" },
		{ "*/10 * * * *", usual, &au, "2026-04-04T14:45:00Z", "2026-04-04T14:50 2026-04-04T15:00 2026-04-04T15:10 2026-04-04T15:20" },
		{ "0 0 * * *", usual, &cu, "2026-03-07T12:00:00Z", "2026-03-08T05:00 2026-03-09T04:00" },
		{ "30 0 * * *", usual, &cu, "2026-10-31T12:00:00Z", "2026-11-01T04:30 2026-11-02T05:30" },
		{ "30 0 * * *", twice, &cu, "2026-10-31T12:00:00Z", "2026-11-01T04:30 2026-11-01T05:30 2026-11-02T05:30" },
		{ "30 23 * * 6", usual, &gl, "2026-03-22T12:00:00Z", "2026-03-29T01:30 2026-04-05T00:30" }, /* Saturday's, on Sunday at 00:30 */
		{ "0 9 30 12 *", usual, &ws, "2011-12-01T00:00:00Z", "2011-12-30T19:00 2012-12-29T19:00" },
		{ "0 9 * * *", usual, &ws, "2011-12-29T12:00:00Z", "2011-12-29T19:00 2011-12-30T19:00 2011-12-31T19:00" },
		{ "0 9 * * *", skip, &ws, "2011-12-29T12:00:00Z", "2011-12-29T19:00 2011-12-30T19:00" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		check_next(rows[i].text, rows[i].policy, &rows[i].zone->zone, rows[i].from, rows[i].expected);
}

/* 29 February on a Monday, at an hour that clocks are put forward over each time for a hundred years. */
static void test_nothing_but_gaps(void **state)
{
	static const char *const leaps[] = { "2072-02-29T02:00:00Z", "2112-02-29T02:00:00Z", "2140-02-29T02:00:00Z" };
	struct cron cron = parsed("30 2 * 2 1#5", "");
	struct zone_drawn zone = zone_draw(0);
	int64_t us = 7, from_us = at_us("2045-01-01T00:00:00Z");
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(leaps); i++) {
		zone_draw_change(&zone, at_us(leaps[i]) / S, H);
		zone_draw_change(&zone, at_us(leaps[i]) / S + 30 * CALENDAR_DAY_S, 0);
	}
	assert_false(cron_next(&cron, (struct cron_policy){ .gap = CRON_GAP_SKIP }, &zone.zone, from_us, &us));
	assert_int_equal(us, 7);
	assert_true(cron_next(&cron, (struct cron_policy){ 0 }, &zone.zone, from_us, &us));
	assert_int_equal(us, at_us("2072-02-29T02:30:00Z"));
}

/* ---- against brute force ---- */

/* An expression drawn by dice, as text for the parser and as plain lists for whoever tries every minute. */
struct drawn {
	char text[256];
	bool minutes[60], hours[24], days[32], months[13], weekdays[7], last_weekdays[7], nth_weekdays[6][7], working_days[32];
	bool last_day, last_working_day, any_day, any_weekday;
};

static char *drawn_part(struct dice *dice, char *end, bool *values, int64_t min, int64_t max)
{
	int64_t from = dice_between(dice, min, max), to = dice_between(dice, from, max), step = 1;
	switch (dice_throw(dice) % 5) {
	case 0:
		end += sprintf(end, "%lld-%lld", (long long)from, (long long)to);
		break;
	case 1:
		step = dice_between(dice, 1, 9);
		end += sprintf(end, "%lld-%lld/%lld", (long long)from, (long long)to, (long long)step);
		break;
	case 2:
		step = dice_between(dice, 1, max + 2);
		to = max;
		end += sprintf(end, "%lld/%lld", (long long)from, (long long)step);
		break;
	case 3:
		from = min, to = max, step = dice_between(dice, 2, max + 2);
		end += sprintf(end, "*/%lld", (long long)step);
		break;
	default:
		to = from;
		end += sprintf(end, "%lld", (long long)from);
	}
	for (int64_t n = from; n <= to; n += step)
		values[n] = true;
	return end;
}

static char *drawn_field(struct dice *dice, char *end, bool *values, int64_t min, int64_t max, unsigned any_of_8, bool *any)
{
	*any = dice_throw(dice) % 8 < any_of_8;
	if (*any) {
		*end++ = "*?"[dice_throw(dice) % 2];
		memset(values + min, true, (size_t)(max - min + 1) * sizeof(*values));
	} else {
		end = drawn_part(dice, end, values, min, max);
		for (; dice_throw(dice) % 3 == 0; end = drawn_part(dice, end, values, min, max))
			*end++ = ',';
	}
	return end;
}

static char *drawn_day_words(struct dice *dice, char *end, struct drawn *drawn)
{
	if (drawn->any_day || dice_throw(dice) % 2)
		return end;
	int64_t day = dice_between(dice, 1, 31);
	switch (dice_throw(dice) % 3) {
	case 0:
		drawn->last_day = true;
		return stpcpy(end, ",L");
	case 1:
		drawn->last_working_day = true;
		return stpcpy(end, ",LW");
	default:
		drawn->working_days[day] = true;
		return end + sprintf(end, ",%lldW", (long long)day);
	}
}

static char *drawn_weekday_words(struct dice *dice, char *end, struct drawn *drawn)
{
	int64_t day = dice_between(dice, 0, 6), nth = dice_between(dice, 1, 5);
	if (drawn->any_weekday || dice_throw(dice) % 2)
		return end;
	if (dice_throw(dice) % 2) {
		drawn->last_weekdays[day] = true;
		return end + sprintf(end, ",%lldL", (long long)day);
	}
	drawn->nth_weekdays[nth][day] = true;
	return end + sprintf(end, ",%lld#%lld", (long long)day, (long long)nth);
}

static void draw_expression(struct dice *dice, struct drawn *out)
{
	bool any, weekdays[8] = { false };
	char *end = out->text;
	memset(out, 0, sizeof(*out));
	end = drawn_field(dice, end, out->minutes, 0, 59, 1, &any);
	*end++ = ' ';
	end = drawn_field(dice, end, out->hours, 0, 23, 3, &any);
	*end++ = ' ';
	end = drawn_field(dice, end, out->days, 1, 31, 4, &out->any_day);
	end = drawn_day_words(dice, end, out);
	*end++ = ' ';
	end = drawn_field(dice, end, out->months, 1, 12, 6, &any);
	*end++ = ' ';
	end = drawn_field(dice, end, weekdays, 0, 7, 4, &out->any_weekday);
	end = drawn_weekday_words(dice, end, out);
	*end = '\0';
	for (unsigned n = 0; n < 8; n++)
		out->weekdays[n % 7] |= weekdays[n];
}

/* Walks outwards from the day, as one would with a finger on a calendar. */
static int64_t finger_working_day(int64_t days)
{
	unsigned month = calendar_date_of(days).month;
	for (int64_t away = 0;; away++) {
		const int64_t tries[] = { days - away, days + away };
		for (unsigned i = 0; i < 2; i++)
			if (calendar_weekday(tries[i]) % 6 && calendar_date_of(tries[i]).month == month)
				return tries[i];
	}
}

static bool finger_day(const struct drawn *drawn, int64_t days)
{
	struct calendar_date date = calendar_date_of(days), first = date, tomorrow = calendar_date_of(days + 1);
	unsigned weekday = calendar_weekday(days);
	bool by_day = drawn->days[date.day] || (drawn->last_day && tomorrow.day == 1), by_weekday = drawn->weekdays[weekday];
	first.day = 1;
	for (unsigned day = 1; day <= calendar_month_days(date.year, date.month); day++)
		by_day |= drawn->working_days[day] && finger_working_day(calendar_days_of(first) + day - 1) == days;
	if (drawn->last_working_day) {
		int64_t last = calendar_days_of(first) + calendar_month_days(date.year, date.month) - 1;
		while (calendar_weekday(last) % 6 == 0)
			last--;
		by_day |= last == days;
	}
	by_weekday |= drawn->nth_weekdays[(date.day + 6) / 7][weekday];
	by_weekday |= drawn->last_weekdays[weekday] && calendar_date_of(days + 7).month != date.month;
	if (!drawn->months[date.month])
		return false;
	if (!drawn->any_day && !drawn->any_weekday)
		return by_day || by_weekday;
	return drawn->any_weekday ? by_day : by_weekday;
}

static bool finger_local(const struct drawn *drawn, int64_t local_s)
{
	int64_t days = calendar_days_of_seconds(local_s), minute = (local_s - days * CALENDAR_DAY_S) / 60;
	return drawn->minutes[minute % 60] && drawn->hours[minute / 60] && finger_day(drawn, days);
}

static bool finger_all_hours(const struct drawn *drawn)
{
	for (unsigned hour = 0; hour < 24; hour++)
		if (!drawn->hours[hour])
			return false;
	return true;
}

/* Does it fire at this whole minute? Says what the policies say, stretch by stretch, without looking for anything. */
static bool finger_fires(const struct drawn *drawn, struct cron_policy policy, const struct zone_drawn *zone, int64_t at_s)
{
	bool all_hours = finger_all_hours(drawn), fires = false;
	for (unsigned i = 0; i < zone->count; i++) {
		const struct zone_span *span = &zone->spans[i], *before = i ? span - 1 : NULL;
		if (at_s >= span->from_s && at_s < span->until_s) {
			bool second_pass = before && at_s + span->offset_s < span->from_s + before->offset_s;
			fires |= finger_local(drawn, at_s + span->offset_s) && (!second_pass || all_hours || policy.fold == CRON_FOLD_TWICE);
		}
		if (!before || all_hours || policy.gap == CRON_GAP_SKIP)
			continue;
		int64_t missing = at_s + before->offset_s; /* local, if the clocks had not been put forward */
		if (at_s >= span->from_s && missing < span->from_s + span->offset_s)
			fires |= finger_local(drawn, missing);
	}
	return fires;
}

static struct zone_drawn draw_zone(struct dice *dice, int64_t around_s)
{
	static const int32_t steps_s[] = { -2 * H, -H, -H, -H / 2, H / 2, H, H, 2 * H, 24 * H, -23 * H };
	int32_t offset_s = (int32_t)dice_between(dice, -40, 40) * 900;
	struct zone_drawn zone = zone_draw(offset_s);
	int64_t at_s = around_s - 4 * CALENDAR_DAY_S;
	for (int64_t left = dice_between(dice, 0, 5); left > 0; left--) {
		at_s += dice_between(dice, 1100, 6000) / 15 * 900 + 24 * H; /* more apart than any step is wide */
		offset_s += steps_s[dice_throw(dice) % ARRAY_COUNT(steps_s)];
		zone_draw_change(&zone, at_s, offset_s);
	}
	return zone;
}

#define WINDOW_MINUTES (5 * 1440)

static void one_walk(struct dice *dice, unsigned *fired)
{
	struct drawn drawn;
	struct cron cron;
	struct problem problem = { 0 };
	struct cron_policy policy = { .gap = (enum cron_gap)(dice_throw(dice) % 2), .fold = (enum cron_fold)(dice_throw(dice) % 2) };
	int64_t from_s = dice_between(dice, -10 * 365, 60 * 365) * CALENDAR_DAY_S + dice_between(dice, 0, 1439) * 60, next_us;
	struct zone_drawn zone = draw_zone(dice, from_s);
	draw_expression(dice, &drawn);
	if (cron_parse(str_of(drawn.text), STR(""), &cron, &problem)) {
		assert_non_null(strstr(problem.detail, "never comes"));
		return;
	}
	int64_t after_us = from_s * S + dice_between(dice, 0, 60 * S - 1);
	bool any = cron_next(&cron, policy, &zone.zone, after_us, &next_us);
	for (int64_t at_s = from_s + 60; at_s < from_s + WINDOW_MINUTES * INT64_C(60); at_s += 60) {
		bool fires = finger_fires(&drawn, policy, &zone, at_s);
		if (fires != (any && next_us == at_s * S))
			fail_msg("%s, policy %d %d, after %lld: at %lld %s, next is %lld", drawn.text, policy.gap, policy.fold, (long long)after_us,
				 (long long)at_s, fires ? "fires" : "does not fire", any ? (long long)next_us : -1);
		if (fires) {
			++*fired;
			any = cron_next(&cron, policy, &zone.zone, next_us, &next_us);
		}
	}
}

static void test_nothing_is_missed_and_nothing_made_up(void **state)
{
	struct dice dice = { 20 };
	unsigned fired = 0;
	(void)state;
	for (unsigned n = 0; n < 1500; n++)
		one_walk(&dice, &fired);
	assert_true(fired > 100000); /* the dice are worth something */
}

/* Over years: later than asked, the same from any instant in between, and never earlier for a later question. */
static void test_later_and_monotone(void **state)
{
	struct dice dice = { 21 };
	(void)state;
	for (unsigned n = 0; n < 20000; n++) {
		struct drawn drawn;
		struct cron cron;
		struct cron_policy policy = { .gap = (enum cron_gap)(dice_throw(&dice) % 2), .fold = (enum cron_fold)(dice_throw(&dice) % 2) };
		int64_t from_us = dice_between(&dice, 0, 200 * 365) * CALENDAR_DAY_S * S + dice_between(&dice, 0, 86400 * S), next_us, same_us;
		struct zone_drawn zone = draw_zone(&dice, from_us / S);
		draw_expression(&dice, &drawn);
		if (cron_parse(str_of(drawn.text), STR(""), &cron, NULL) || !cron_next(&cron, policy, &zone.zone, from_us, &next_us))
			continue;
		assert_true(next_us > from_us);
		assert_int_equal(next_us % (60 * S), 0);
		assert_true(finger_fires(&drawn, policy, &zone, next_us / S));
		assert_true(cron_next(&cron, policy, &zone.zone, dice_between(&dice, from_us, next_us - 1), &same_us));
		assert_int_equal(same_us, next_us);
		assert_true(!cron_next(&cron, policy, &zone.zone, next_us, &same_us) || same_us > next_us);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expressions),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_the_ends_of_time),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_hash_is_stable_and_spreads),
		cmocka_unit_test(test_hash_steps),
		cmocka_unit_test(test_gaps_and_folds),
		cmocka_unit_test(test_nothing_but_gaps),
		cmocka_unit_test(test_nothing_is_missed_and_nothing_made_up),
		cmocka_unit_test(test_later_and_monotone),
	};
	return cmocka_run_group_tests_name("cron", tests, NULL, NULL);
}
