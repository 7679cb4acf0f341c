#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/limits.h"
#include "rules/dice_test.h"
#include "rules/repeat.h"
#include "rules/zone_test.h"

#define NONE REPEAT_UNBOUND

static const struct zone_drawn utc = { .zone.span = zone_drawn_span, .count = 1, .spans = { { INT64_MIN, INT64_MAX, 0 } } };

static struct repeat every(int64_t every_ms, int64_t offset_ms, int64_t start_ms, int64_t end_ms, uint64_t limit)
{
	return (struct repeat){ .every_ms = every_ms, .offset_ms = offset_ms, .start_ms = start_ms, .end_ms = end_ms, .limit = limit };
}

static struct repeat pattern(const char *text, int64_t start_ms, int64_t end_ms, uint64_t limit)
{
	struct repeat repeat = { .start_ms = start_ms, .end_ms = end_ms, .limit = limit };
	assert_int_equal(cron_parse(str_of(text), STR(""), &repeat.cron, NULL), E_OK);
	return repeat;
}

/* ---- every ---- */

static void test_first_of_every(void **state)
{
	static const struct {
		int64_t every_ms, offset_ms, start_ms, end_ms, now_ms;
		enum repeat_verdict verdict;
		int64_t slot_ms, chain_offset_ms;
	} rows[] = {
		{ 1000, 0, NONE, NONE, 5300, REPEAT_NEXT, 5300, 300 }, /* now; the slots are those of the first run */
		{ 1000, 0, NONE, NONE, 5000, REPEAT_NEXT, 5000, 0 },
		{ 1000, 0, 9700, NONE, 5300, REPEAT_NEXT, 9700, 700 }, /* the start is to come */
		{ 1000, 0, 4000, NONE, 5300, REPEAT_NEXT, 5300, 300 }, /* it has passed */
		{ 1000, 200, NONE, NONE, 5300, REPEAT_NEXT, 6200, 200 },
		{ 1000, 200, NONE, NONE, 5100, REPEAT_NEXT, 5200, 200 },
		{ 1000, 200, NONE, NONE, 5200, REPEAT_NEXT, 6200, 200 }, /* not now, though it is a slot */
		{ 1000, 2500, NONE, NONE, 1200, REPEAT_NEXT, 3500, 2500 }, /* an offset of more than a period is not folded */
		{ 1000, 200, 9700, NONE, 5300, REPEAT_NEXT, 9700, 200 }, /* the start is stronger than the offset */
		{ 1000, 0, NONE, 5300, 5300, REPEAT_NEXT, 5300, 300 },
		{ 1000, 0, NONE, 5299, 5300, REPEAT_ENDED, 0, 0 },
		{ 1000, 200, NONE, 6199, 5300, REPEAT_ENDED, 0, 0 },
		{ 1000, 0, 9700, 9699, 5300, REPEAT_ENDED, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct repeat repeat = every(rows[i].every_ms, rows[i].offset_ms, rows[i].start_ms, rows[i].end_ms, 0);
		struct repeat_iteration found = { 0 };
		enum repeat_verdict verdict = repeat_first(&repeat, &utc.zone, rows[i].now_ms, &found);
		if (verdict != rows[i].verdict || found.slot_ms != rows[i].slot_ms || found.offset_ms != rows[i].chain_offset_ms)
			fail_msg("row %zu: %d, %lld, %lld", i, verdict, (long long)found.slot_ms, (long long)found.offset_ms);
		assert_int_equal(found.count, verdict == REPEAT_NEXT);
		repeat.immediately = true; /* it runs now anyway */
		assert_int_equal(repeat_first(&repeat, &utc.zone, rows[i].now_ms, &found), verdict);
		assert_int_equal(found.slot_ms, rows[i].slot_ms);
	}
}

static void test_following_of_every(void **state)
{
	static const struct {
		int64_t offset_ms, before_ms, now_ms, slot_ms; /* every second */
	} rows[] = {
		{ 300, 5300, 5300, 6300 },
		{ 300, 5300, 6200, 6300 },
		{ 300, 5300, 6300, 6300 }, /* late by a period, to the millisecond: not missed yet */
		{ 300, 5300, 6301, 7300 }, /* missed: the next one that can be kept */
		{ 300, 5300, 9200, 9300 },
		{ 300, 5300, 9300, 10300 }, /* catching up, a slot that is now has passed */
		{ 300, 5300, 9400, 10300 },
		{ 0, 5000, 9000, 10000 },
		{ 0, 5000, 8999, 9000 },
		{ 300, 5300, 4000, 6300 }, /* promoted: counted from its own slot */
		{ 200, 9700, 9700, 10700 }, /* a chain that began off its slots stays so … */
		{ 200, 9700, 11000, 11200 }, /* … until it has something to catch up */
	};
	(void)state;
	struct repeat repeat = every(1000, 0, NONE, NONE, 0);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct repeat_iteration iteration = { .slot_ms = rows[i].before_ms, .offset_ms = rows[i].offset_ms, .count = 7 };
		assert_int_equal(repeat_following(&repeat, &utc.zone, &iteration, rows[i].now_ms, &iteration), REPEAT_NEXT);
		if (iteration.slot_ms != rows[i].slot_ms)
			fail_msg("row %zu: %lld", i, (long long)iteration.slot_ms);
		assert_int_equal(iteration.count, 8);
		assert_int_equal(iteration.offset_ms, rows[i].offset_ms);
	}
}

/* ---- limits and ends ---- */

static unsigned count_runs(const struct repeat *repeat, int64_t now_ms, enum repeat_verdict *last) /* each claimed at its slot */
{
	struct repeat_iteration iteration;
	unsigned runs = 0;
	*last = repeat_first(repeat, &utc.zone, now_ms, &iteration);
	while (*last == REPEAT_NEXT && runs < 100) {
		runs++;
		*last = repeat_following(repeat, &utc.zone, &iteration, iteration.slot_ms, &iteration);
		assert_true(*last != REPEAT_NEXT || iteration.count == runs + 1);
	}
	return runs;
}

static void test_how_many_there_are(void **state)
{
	struct repeat late = every(1000, 0, NONE, 7500, 0);
	late.end_is_late = true;
	const struct { struct repeat repeat; unsigned runs; enum repeat_verdict last; } rows[] = {
		{ every(1000, 0, NONE, NONE, 0), 100, REPEAT_NEXT },
		{ every(1000, 0, NONE, NONE, 1), 1, REPEAT_SPENT },
		{ every(1000, 0, NONE, NONE, 5), 5, REPEAT_SPENT },
		{ every(1000, 0, NONE, 7500, 0), 3, REPEAT_ENDED },  /* 5, 6 and 7 s */
		{ every(1000, 0, NONE, 7500, 2), 2, REPEAT_SPENT },
		{ every(1000, 0, NONE, 7000, 0), 3, REPEAT_ENDED },  /* the end is a slot, too */
		{ every(1000, 0, 6500, 7499, 0), 1, REPEAT_ENDED },
		{ late, 4, REPEAT_ENDED },                           /* 8 s was made at 7 s */
		{ pattern("* * * * *", NONE, NONE, 3), 3, REPEAT_SPENT },
		{ pattern("* * * * *", NONE, 180000, 0), 3, REPEAT_ENDED },
		{ pattern("* * * * *", NONE, 179999, 0), 2, REPEAT_ENDED },
		{ pattern("* * * * *", 60000, 180000, 0), 2, REPEAT_ENDED }, /* after the start: not at it */
		{ pattern("* * * * *", NONE, 4999, 0), 0, REPEAT_ENDED },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		enum repeat_verdict last;
		unsigned runs = count_runs(&rows[i].repeat, 5000, &last);
		if (runs != rows[i].runs || last != rows[i].last)
			fail_msg("row %zu: %u runs, then %d", i, runs, last);
	}
}

/* ---- cron ---- */

static void test_patterns(void **state)
{
	const int64_t minute = 60000;
	struct repeat repeat = pattern("*/5 * * * *", NONE, NONE, 0);
	struct repeat_iteration iteration = { 0 };
	(void)state;
	assert_int_equal(repeat_first(&repeat, &utc.zone, 7 * minute, &iteration), REPEAT_NEXT);
	assert_int_equal(iteration.slot_ms, 10 * minute);
	assert_int_equal(iteration.offset_ms, 0);
	/* claimed in time, late by three, promoted before its time */
	assert_int_equal(repeat_following(&repeat, &utc.zone, &iteration, 10 * minute + 3, &iteration), REPEAT_NEXT);
	assert_int_equal(iteration.slot_ms, 15 * minute);
	assert_int_equal(repeat_following(&repeat, &utc.zone, &iteration, 31 * minute, &iteration), REPEAT_NEXT);
	assert_int_equal(iteration.slot_ms, 35 * minute);
	assert_int_equal(repeat_following(&repeat, &utc.zone, &iteration, 32 * minute, &iteration), REPEAT_NEXT);
	assert_int_equal(iteration.slot_ms, 40 * minute);
	assert_int_equal(iteration.count, 4);

	repeat.immediately = true;
	assert_int_equal(repeat_first(&repeat, &utc.zone, 7 * minute + 1, &iteration), REPEAT_NEXT);
	assert_int_equal(iteration.slot_ms, 7 * minute + 1);
	assert_int_equal(repeat_following(&repeat, &utc.zone, &iteration, 7 * minute + 9, &iteration), REPEAT_NEXT);
	assert_int_equal(iteration.slot_ms, 10 * minute);

	repeat = pattern("*/5 * * * *", 20 * minute - 1, NONE, 0);
	assert_int_equal(repeat_first(&repeat, &utc.zone, 7 * minute, &iteration), REPEAT_NEXT);
	assert_int_equal(iteration.slot_ms, 20 * minute);
	assert_int_equal(repeat_first(&repeat, &utc.zone, INT64_MAX, &iteration), REPEAT_NEVER);
}

static void test_patterns_in_a_zone(void **state)
{
	struct zone_drawn zone = zone_draw(3600);
	struct repeat repeat = pattern("30 2 * * *", NONE, NONE, 0);
	struct repeat_iteration iteration;
	(void)state;
	zone_draw_change(&zone, 3600, 7200); /* at 02:00 on the first day */
	assert_int_equal(repeat_first(&repeat, &zone.zone, 0, &iteration), REPEAT_NEXT);
	assert_int_equal(iteration.slot_ms, 5400 * 1000);
	repeat.policy.gap = CRON_GAP_SKIP;
	assert_int_equal(repeat_first(&repeat, &zone.zone, 0, &iteration), REPEAT_NEXT);
	assert_int_equal(iteration.slot_ms, (86400 + 1800) * 1000);
}

/* ---- replacing ---- */

static void test_replaced(void **state)
{
	const struct repeat second = every(1000, 0, NONE, NONE, 0), with_offset = every(1000, 200, NONE, NONE, 0);
	const struct repeat two = every(2000, 0, NONE, NONE, 0), ended = every(1000, 0, NONE, 5500, 0), minutes = pattern("* * * * *", NONE, NONE, 0);
	const struct {
		const struct repeat *old, *repeat;
		bool waits;
		int64_t now_ms;
		enum repeat_verdict verdict;
		int64_t slot_ms, offset_ms;
	} rows[] = { /* the newest iteration is at 6,300 */
		{ &second, &second, true, 5400, REPEAT_NEXT, 6300, 300 },
		{ &second, &second, true, 9000, REPEAT_NEXT, 6300, 300 },      /* late, and still the same */
		{ &second, &second, false, 6400, REPEAT_NEXT, 7300, 300 },     /* it runs: the one after it */
		{ &second, &second, false, 9400, REPEAT_NEXT, 10300, 300 },
		{ &second, &with_offset, true, 5400, REPEAT_NEXT, 6300, 200 }, /* the pending time is kept … */
		{ &second, &with_offset, false, 9400, REPEAT_NEXT, 10200, 200 },
		{ &second, &two, true, 5400, REPEAT_NEXT, 5400, 1400 },        /* another period begins now */
		{ &second, &two, false, 6400, REPEAT_NEXT, 6400, 400 },
		{ &second, &minutes, true, 5400, REPEAT_NEXT, 60000, 0 },
		{ &minutes, &second, true, 5400, REPEAT_NEXT, 5400, 400 },
		{ &minutes, &minutes, true, 5400, REPEAT_NEXT, 60000, 0 },
		{ &second, &ended, true, 5400, REPEAT_ENDED, 0, 0 },           /* 6,300 is after the end */
		{ &second, &ended, true, 5600, REPEAT_ENDED, 0, 0 },
		{ &second, &ended, false, 5400, REPEAT_ENDED, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct repeat_iteration before = { .slot_ms = 6300, .offset_ms = 300, .count = 9 };
		struct repeat_iteration found = { 0 };
		enum repeat_verdict verdict =
			repeat_replaced(rows[i].old, rows[i].repeat, &utc.zone, &before, rows[i].waits, rows[i].now_ms, &found);
		if (verdict != rows[i].verdict || found.slot_ms != rows[i].slot_ms || found.offset_ms != rows[i].offset_ms)
			fail_msg("row %zu: %d, %lld, %lld", i, verdict, (long long)found.slot_ms, (long long)found.offset_ms);
		assert_int_equal(found.count, verdict == REPEAT_NEXT); /* a new template counts anew */
	}
}

static void test_step(void **state)
{
	const struct repeat repeat = every(1000, 0, NONE, 7500, 0), minutes = pattern("* * * * *", NONE, NONE, 0);
	struct repeat_iteration iteration = { .slot_ms = 5300, .offset_ms = 300, .count = 2 };
	(void)state;
	assert_true(repeat_step(&repeat, &iteration));
	assert_true(repeat_step(&repeat, &iteration));
	assert_int_equal(iteration.slot_ms, 7300);
	assert_int_equal(iteration.count, 2);
	assert_false(repeat_step(&repeat, &iteration));
	assert_int_equal(iteration.slot_ms, 7300);
	assert_false(repeat_step(&minutes, &iteration));
}

/* ---- checking ---- */

static void test_check(void **state)
{
	struct repeat now_and_later = pattern("* * * * *", 2000, NONE, 0), now = pattern("* * * * *", NONE, NONE, 0);
	struct repeat offset = pattern("* * * * *", NONE, NONE, 0), every_now = every(5, 0, NONE, NONE, 0);
	now_and_later.immediately = now.immediately = every_now.immediately = true;
	offset.offset_ms = 1;
	const struct { struct repeat repeat; const char *field; } rows[] = {
		{ now, NULL },
		{ every_now, NULL },
		{ every(1, 0, NONE, NONE, 0), NULL },
		{ every(LIMIT_DURATION_MS, LIMIT_DURATION_MS, 500, 1000, 1), NULL },
		{ every(-1, 0, NONE, NONE, 0), "every_ms" },
		{ every(LIMIT_DURATION_MS + 1, 0, NONE, NONE, 0), "every_ms" },
		{ every(1, -1, NONE, NONE, 0), "offset_ms" },
		{ every(1, LIMIT_DURATION_MS + 1, NONE, NONE, 0), "offset_ms" },
		{ offset, "offset_ms" },
		{ now_and_later, "immediately" },
		{ every(1, 0, NONE, 999, 0), "end_at" },
		{ every(1, 0, 3000, 2999, 0), "end_at" },
		{ every(1, 0, 3000, 3000, 0), NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		enum err err = repeat_check(&rows[i].repeat, 1000, &problem);
		assert_int_equal(err, rows[i].field ? E_INVALID : E_OK);
		assert_string_equal(problem.field, rows[i].field ? rows[i].field : "");
		assert_int_equal(repeat_check(&rows[i].repeat, 1000, NULL), err);
	}
}

/* A worker that claims now and then: slots grow, are never missed twice for one claim, and stand where the first put them. */
static void test_slots_of_a_slow_worker(void **state)
{
	struct dice dice = { 3 };
	(void)state;
	for (unsigned n = 0; n < 500; n++) {
		int64_t every_ms = dice_between(&dice, 1, 5000), now_ms = dice_between(&dice, 0, 1000000);
		struct repeat repeat = every(every_ms, dice_throw(&dice) % 2 ? dice_between(&dice, 0, every_ms - 1) : 0, NONE, NONE, 0);
		struct repeat_iteration iteration, before;
		assert_int_equal(repeat_first(&repeat, &utc.zone, now_ms, &iteration), REPEAT_NEXT);
		assert_true(iteration.slot_ms >= now_ms);
		for (unsigned claims = 0; claims < 50; claims++) {
			before = iteration;
			now_ms = before.slot_ms + (dice_throw(&dice) % 2 ? dice_between(&dice, 0, every_ms * 4) : 0);
			assert_int_equal(repeat_following(&repeat, &utc.zone, &before, now_ms, &iteration), REPEAT_NEXT);
			assert_true(iteration.slot_ms > before.slot_ms);
			assert_true(iteration.slot_ms >= now_ms);
			assert_true(iteration.slot_ms <= now_ms + every_ms);
			assert_int_equal((iteration.slot_ms - before.slot_ms) % every_ms, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_of_every),
		cmocka_unit_test(test_following_of_every),
		cmocka_unit_test(test_how_many_there_are),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_patterns_in_a_zone),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_step),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_slots_of_a_slow_worker),
	};
	return cmocka_run_group_tests_name("repeat", tests, NULL, NULL);
}
