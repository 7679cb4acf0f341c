#include "base/suggest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void finds_the_nearest(void **state)
{
	(void)state;
	static const char *const known[] = { "id",     "name",         "queue",   "delay_ms",
					     "run_at", "max_attempts", "payload", "priority" };
	static const struct {
		const char *word, *best;
	} rows[] = {
		{ "delai_ms", "delay_ms" }, { "delayMs", "delay_ms" }, { "delay-ms", "delay_ms" }, { "Name", "name" },
		{ "nmae", "name" }, { "maxAttempts", "max_attempts" }, { "attempts", NULL }, { "runat", "run_at" },
		{ "quue", "queue" }, { "priorty", "priority" }, { "paylaod", "payload" }, { "x", NULL }, { "", NULL },
		{ "di", "id" }, { "wxyz", NULL }, { "completely_else", NULL },
		{ "a_word_that_is_much_too_long_to_have_anything_suggested_for_it", NULL },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct suggest suggest;
		suggest_init(&suggest, str_of(rows[i].word));
		for (size_t j = 0; j < ARRAY_COUNT(known); j++)
			suggest_offer(&suggest, known[j]);
		if (rows[i].best)
			assert_string_equal(suggest_best(&suggest), rows[i].best);
		else
			assert_null(suggest_best(&suggest));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds_the_nearest) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
