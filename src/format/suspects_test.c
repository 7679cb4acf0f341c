#include "format/suspects.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

static void three_deaths_in_a_minute_make_a_suspect(void **state)
{
	static const struct {
		int64_t deaths_s[5], now_s;
		bool suspect;
	} rows[] = {
		{ { 0 }, 0, false },
		{ { 10, 20 }, 20, false },
		{ { 10, 20, 30 }, 30, true },
		{ { 10, 20, 30 }, 90, true },
		{ { 10, 20, 30 }, 91, false },
		{ { 10, 20, 70 }, 70, true },
		{ { 10, 20, 71 }, 71, false },
		{ { 10, 20, 71, 75 }, 75, true },
		{ { 10, 20, 30, 200, 201 }, 201, false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct suspects suspects = { 0 };
		for (size_t k = 0; k < ARRAY_COUNT(rows[i].deaths_s) && rows[i].deaths_s[k]; k++)
			suspects_add(&suspects, 7, rows[i].deaths_s[k] * SECOND);
		assert_int_equal(suspects_has(&suspects, 7, rows[i].now_s * SECOND), rows[i].suspect);
		assert_false(suspects_has(&suspects, 8, rows[i].now_s * SECOND));
	}
}

static void the_one_quiet_longest_makes_room(void **state)
{
	struct suspects suspects = { 0 };
	(void)state;
	for (uint64_t program = 1; program <= SUSPECTS_KEPT; program++) {
		for (uint32_t i = 0; i < SUSPECT_DEATHS; i++)
			suspects_add(&suspects, program, (int64_t)program * 1000 + i);
	}
	suspects_add(&suspects, 1, 50000); /* now 2 is the quiet one */
	suspects_add(&suspects, 1000, 50001);
	assert_true(suspects_has(&suspects, 1, 50001));
	assert_false(suspects_has(&suspects, 2, 50001));
	assert_true(suspects_has(&suspects, 3, 50001));
	assert_false(suspects_has(&suspects, 1000, 50001)); /* its first death */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_deaths_in_a_minute_make_a_suspect),
		cmocka_unit_test(the_one_quiet_longest_makes_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
