#include "api/guesses.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define NOW INT64_C(1795461072000000)

static struct guesses guesses;

static void begin(void)
{
	guesses = (struct guesses){ 0 };
}

static void who_guesses_too_often_waits_for_his_minute_to_end(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(guesses_wait_us(&guesses, 7, 3, NOW + i), 0);
		guesses_count(&guesses, 7, NOW + i);
	}
	assert_int_equal(guesses_wait_us(&guesses, 7, 3, NOW + 10), GUESS_MINUTE_US - 10); /* since the first one */
	assert_int_equal(guesses_wait_us(&guesses, 7, 4, NOW + 10), 0);
	assert_int_equal(guesses_wait_us(&guesses, 8, 3, NOW + 10), 0);
	assert_int_equal(guesses_wait_us(&guesses, 7 + GUESS_ROWS, 3, NOW + 10), 0); /* the same row, another key */
	assert_int_equal(guesses_wait_us(&guesses, 7, 3, NOW + GUESS_MINUTE_US - 1), 1);
	assert_int_equal(guesses_wait_us(&guesses, 7, 3, NOW + GUESS_MINUTE_US), 0);
	guesses_count(&guesses, 7, NOW + GUESS_MINUTE_US); /* a new minute, from one */
	assert_int_equal(guesses_wait_us(&guesses, 7, 2, NOW + GUESS_MINUTE_US), 0);
	assert_int_equal(guesses_wait_us(&guesses, 7, 1, NOW), 0); /* the clock jumped back: nobody waits for years */
}

static void many_others_do_not_wash_him_out(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 3; i++)
		guesses_count(&guesses, 7, NOW);
	for (uint64_t other = 1; other <= 1000; other++)
		guesses_count(&guesses, 7 + other * GUESS_ROWS, NOW + (int64_t)other);
	assert_int_equal(guesses_wait_us(&guesses, 7, 3, NOW + 1000), GUESS_MINUTE_US - 1000);
	assert_int_equal(guesses_wait_us(&guesses, 7 + 1000 * GUESS_ROWS, 1, NOW + 1000), GUESS_MINUTE_US); /* the newest of the others is known too */
	assert_int_equal(guesses_wait_us(&guesses, 7 + GUESS_ROWS, 1, NOW + 1000), 0);  /* the oldest is forgotten */
}

static void a_row_of_busy_ones_takes_another_for_the_oldest(void **state)
{
	(void)state;
	begin();
	for (uint64_t n = 0; n < GUESS_PLACES; n++)
		for (int i = 0; i < 3; i++)
			guesses_count(&guesses, n * GUESS_ROWS, NOW + (int64_t)n);
	guesses_count(&guesses, 99 * GUESS_ROWS, NOW + 50);
	assert_int_equal(guesses_wait_us(&guesses, 0, 3, NOW + 50), 0);
	for (uint64_t n = 1; n < GUESS_PLACES; n++)
		assert_true(guesses_wait_us(&guesses, n * GUESS_ROWS, 3, NOW + 50) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_guesses_too_often_waits_for_his_minute_to_end),
		cmocka_unit_test(many_others_do_not_wash_him_out),
		cmocka_unit_test(a_row_of_busy_ones_takes_another_for_the_oldest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
