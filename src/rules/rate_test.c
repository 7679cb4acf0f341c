#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules/dice_test.h"
#include "rules/rate.h"

#define MAX_OF_TESTS 16

struct ring {
	int64_t starts_us[MAX_OF_TESTS];
	struct rate_window window;
};

static void ring_init(struct ring *ring)
{
	for (unsigned i = 0; i < MAX_OF_TESTS; i++)
		ring->starts_us[i] = INT64_MIN;
	ring->window = (struct rate_window){ .starts_us = ring->starts_us };
}

static void test_no_limit(void **state)
{
	(void)state;
	const struct rate rate = { 0 };
	struct rate_window window = { 0 };
	assert_int_equal(rate_next_us(&rate, &window, 7), 7);
	assert_int_equal(rate_start(&rate, &window, 7), INT64_MIN);
	rate_undo(&rate, &window, INT64_MIN);
	window.blocked_until_us = 99; /* a penalty holds nevertheless */
	assert_int_equal(rate_next_us(&rate, &window, 7), 99);
	assert_int_equal(rate_next_us(&rate, &window, 100), 100);
}

/* Two starts in any 10 ms. Each row: at this instant, when may the next start happen; then it starts there. */
static void test_two_in_ten_ms(void **state)
{
	static const struct { int64_t now_us, next_us; } rows[] = {
		{ 1000, 1000 }, { 1000, 1000 },   /* both at once */
		{ 1000, 11000 },                  /* the third waits for the span of the first to end, to the microsecond */
		{ 11000, 11000 },
		{ 11000, 21000 },
		{ 30000, 30000 },                 /* idle time is not saved up: still two */
		{ 30000, 31000 },
		{ 31000, 40000 },
	};
	(void)state;
	const struct rate rate = { .max = 2, .per_ms = 10 };
	struct ring ring;
	ring_init(&ring);
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		assert_int_equal(rate_next_us(&rate, &ring.window, rows[i].now_us), rows[i].next_us);
		rate_start(&rate, &ring.window, rows[i].next_us);
	}
}

static void test_penalty(void **state)
{
	(void)state;
	const struct rate rate = { .max = 1, .per_ms = 10 };
	struct ring ring;
	ring_init(&ring);
	ring.window.blocked_until_us = 5000;
	assert_int_equal(rate_next_us(&rate, &ring.window, 0), 5000);
	rate_start(&rate, &ring.window, 5000);
	assert_int_equal(rate_next_us(&rate, &ring.window, 6000), 15000); /* the span is the later one */
	ring.window.blocked_until_us = 20000;
	assert_int_equal(rate_next_us(&rate, &ring.window, 6000), 20000); /* the penalty is */
}

static void test_far_instants(void **state)
{
	(void)state;
	const struct rate rate = { .max = 1, .per_ms = 315360000000 };
	struct ring ring;
	ring_init(&ring);
	rate_start(&rate, &ring.window, INT64_MAX - 5);
	assert_int_equal(rate_next_us(&rate, &ring.window, INT64_MAX - 4), INT64_MAX);
}

/* Arrivals of every density, also undone ones: in no half-open span of per_ms are there more than max starts, counted by brute force,
 * and each start happens as early as that allows. */
#define BRUTE_STARTS 400
struct history {
	int64_t at_us[BRUTE_STARTS];
	unsigned count;
};

static unsigned history_count(const struct history *history, int64_t from_us, int64_t until_us) /* from < at <= until */
{
	unsigned count = 0;
	for (unsigned i = 0; i < history->count; i++)
		count += history->at_us[i] > from_us && history->at_us[i] <= until_us;
	return count;
}

static void history_check(const struct history *history, const struct rate *rate)
{
	for (unsigned i = 0; i < history->count; i++)
		assert_true(history_count(history, history->at_us[i] - rate->per_ms * 1000, history->at_us[i]) <= rate->max);
}

static void one_history(struct dice *dice)
{
	const struct rate rate = { .max = (uint32_t)dice_between(dice, 1, MAX_OF_TESTS), .per_ms = dice_between(dice, 1, 50) };
	const int64_t span_us = rate.per_ms * 1000, gap_us = dice_between(dice, 0, 3 * span_us / rate.max);
	struct history history = { .count = 0 };
	struct ring ring;
	int64_t now_us = dice_between(dice, 0, 100000);
	ring_init(&ring);
	while (history.count < BRUTE_STARTS) {
		now_us += dice_between(dice, 0, gap_us);
		int64_t next_us = rate_next_us(&rate, &ring.window, now_us);
		assert_true(next_us >= now_us);
		if (next_us > now_us) /* one microsecond earlier would be one too many */
			assert_int_equal(history_count(&history, next_us - 1 - span_us, next_us - 1), rate.max);
		now_us = next_us;
		int64_t overwrote_us = rate_start(&rate, &ring.window, now_us);
		if (dice_throw(dice) % 5 == 0)
			rate_undo(&rate, &ring.window, overwrote_us);
		else
			history.at_us[history.count++] = now_us;
	}
	history_check(&history, &rate);
}

static void test_never_more_than_max_in_any_span(void **state)
{
	struct dice dice = { 1 };
	(void)state;
	for (unsigned n = 0; n < 200; n++)
		one_history(&dice);
}

static void test_undo_restores_exactly(void **state)
{
	struct dice dice = { 2 };
	(void)state;
	for (unsigned n = 0; n < 2000; n++) {
		const struct rate rate = { .max = (uint32_t)dice_between(&dice, 1, MAX_OF_TESTS), .per_ms = 10 };
		int64_t overwrote_us[3 * MAX_OF_TESTS];
		struct ring ring, before;
		ring_init(&ring);
		for (int64_t i = dice_between(&dice, 0, 40); i > 0; i--)
			rate_start(&rate, &ring.window, dice_between(&dice, 0, 1000000));
		before = ring;
		unsigned started = (unsigned)dice_between(&dice, 1, ARRAY_COUNT(overwrote_us));
		for (unsigned i = 0; i < started; i++)
			overwrote_us[i] = rate_start(&rate, &ring.window, dice_between(&dice, 0, 1000000));
		for (unsigned i = started; i-- > 0;)
			rate_undo(&rate, &ring.window, overwrote_us[i]);
		assert_int_equal(ring.window.next, before.window.next);
		assert_memory_equal(ring.starts_us, before.starts_us, sizeof(ring.starts_us));
	}
}

/* ---- fixed windows ---- */

static void test_a_fixed_window_begins_with_its_first_start(void **state)
{
	static const struct { int64_t now_us, next_us; } rows[] = {
		{ 1000, 1000 }, { 9000, 9000 },
		{ 10999, 11000 },                 /* two have started: the next window */
		{ 11000, 11000 }, { 20999, 21000 },
		{ 50000, 50000 }, { 50000, 50000 }, { 50001, 60000 },
	};
	(void)state;
	const struct rate rate = { .max = 2, .per_ms = 10, .fixed = true };
	struct rate_window window = { 0 };
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		assert_int_equal(rate_next_us(&rate, &window, rows[i].now_us), rows[i].next_us);
		rate_start(&rate, &window, rows[i].next_us);
	}
	assert_int_equal(rate_end_us(&rate, &window, 60000), 70000);
	assert_int_equal(rate_end_us(&rate, &window, 70000), 0);
	window.blocked_until_us = 90000;
	assert_int_equal(rate_next_us(&rate, &window, 60001), 90000);
}

static void test_a_fixed_start_is_undone(void **state)
{
	(void)state;
	const struct rate rate = { .max = 2, .per_ms = 10, .fixed = true };
	struct rate_window window = { 0 };
	rate_start(&rate, &window, 1000);
	int64_t before_us = rate_start(&rate, &window, 2000);
	assert_int_equal(rate_next_us(&rate, &window, 2000), 11000);
	rate_undo(&rate, &window, before_us);
	assert_int_equal(rate_next_us(&rate, &window, 2000), 2000);
}

/* ---- many at once ---- */

static void test_units_wait_for_as_much_room(void **state)
{
	(void)state;
	const struct rate rate = { .max = 3, .per_ms = 10 }, fixed = { .max = 3, .per_ms = 10, .fixed = true };
	struct rate_window window = { 0 };
	struct ring ring;
	ring_init(&ring);
	rate_start(&rate, &ring.window, 1000);
	rate_start(&rate, &ring.window, 4000);
	rate_start(&fixed, &window, 1000);
	assert_int_equal(rate_next_units_us(&rate, &ring.window, 0, 5000), 5000);
	assert_int_equal(rate_next_units_us(&rate, &ring.window, 1, 5000), 5000);
	assert_int_equal(rate_next_units_us(&rate, &ring.window, 2, 5000), 11000);
	assert_int_equal(rate_next_units_us(&rate, &ring.window, 3, 5000), 14000);
	assert_int_equal(rate_next_units_us(&rate, &ring.window, 4, 5000), INT64_MAX);
	assert_int_equal(rate_next_units_us(&fixed, &window, 2, 5000), 5000);
	assert_int_equal(rate_next_units_us(&fixed, &window, 3, 5000), 11000);
	assert_int_equal(rate_next_units_us(&fixed, &window, 4, 5000), INT64_MAX);
	assert_int_equal(rate_end_us(&rate, &ring.window, 5000), 14000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_two_in_ten_ms),
		cmocka_unit_test(test_penalty),
		cmocka_unit_test(test_far_instants),
		cmocka_unit_test(test_never_more_than_max_in_any_span),
		cmocka_unit_test(test_undo_restores_exactly),
		cmocka_unit_test(test_a_fixed_window_begins_with_its_first_start),
		cmocka_unit_test(test_a_fixed_start_is_undone),
		cmocka_unit_test(test_units_wait_for_as_much_room),
	};
	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
