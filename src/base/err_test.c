#include "base/err.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void every_error_says_what_and_how(void **state)
{
	(void)state;
	for (int e = 0; e < ERR_COUNT; e++) {
		enum err err = (enum err)e;
		assert_true(strlen(err_code(err)) > 1);
		assert_true(strspn(err_code(err), "abcdefghijklmnopqrstuvwxyz_") == strlen(err_code(err)));
		assert_true(err_sentence(err)[strlen(err_sentence(err)) - 1] == '.');
		assert_in_range(err_http_status(err), 200, 599);
		assert_in_range(err_exit_code(err), 0, 125);
		assert_true((err == E_OK) == (err_exit_code(err) == 0));
		for (int other = 0; other < e; other++)
			assert_string_not_equal(err_code(err), err_code((enum err)other));
	}
	assert_string_equal(err_code(E_STALE), "stale_lease");
	assert_int_equal(err_http_status(E_STORE_FULL), 507);
	assert_true(err_may_retry(E_BACKLOG));
}

static void problems_are_filled_and_cut(void **state)
{
	(void)state;
	struct problem problem;
	assert_int_equal(problem_set(NULL, E_INVALID, "x", "%d", 1), E_INVALID);
	assert_int_equal(problem_set(&problem, E_STATE, NULL, "It is %s.", "active"), E_STATE);
	assert_int_equal(problem.err, E_STATE);
	assert_string_equal(problem.field, "");
	assert_string_equal(problem.detail, "It is active.");

	char long_text[600] = "a"; /* then é: every cut at an even place would fall inside one */
	for (size_t i = 1; i + 2 < sizeof(long_text); i += 2)
		memcpy(long_text + i, "é", 3);
	problem_set(&problem, E_INVALID, long_text, "%s", long_text);
	assert_true(str_is_utf8(str_of(problem.field)));
	assert_true(str_is_utf8(str_of(problem.detail)));
	assert_in_range(strlen(problem.field), sizeof(problem.field) - 3, sizeof(problem.field) - 1);
	assert_in_range(strlen(problem.detail), sizeof(problem.detail) - 3, sizeof(problem.detail) - 1);
	/* Its own text is a fine argument. */
	problem_set(&problem, E_INVALID, problem.field, "again: %s", problem.field);
	assert_true(str_starts(str_of(problem.detail), STR("again: a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_error_says_what_and_how),
					    cmocka_unit_test(problems_are_filled_and_cut) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
