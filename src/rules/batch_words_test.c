#include "base/mem.h"
#include "rules/batch_words.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void what_refusals_say(void **state)
{
	static const struct {
		const char *text;
		uint32_t sent, most;
	} cases[] = {
		{ "A maximum of 10 records can be created per request but you have provided 100", 100, 10 },
		{ "{\"error\":{\"type\":\"INVALID_RECORDS\",\"message\":\"A maximum of 25 records can be created per request\"}}", 50, 25 },
		{ "You may send at most 5 items.", 6, 5 },
		{ "AT MOST 5", 6, 5 },
		{ "takes up to 100 events per call", 1000, 100 },
		{ "over the limit of 7", 8, 7 },
		{ "no more than 3 objects", 4, 3 },
		{ "at most 1 record", 2, 1 },
		{ "at most 9", 10, 9 },
		/* no news */
		{ "at most 10", 10, 0 },
		{ "at most 11", 10, 0 },
		{ "at most 0", 10, 0 },
		{ "at most ten", 10, 0 },
		{ "at most", 10, 0 },
		{ "at most ", 10, 0 },
		{ "", 10, 0 },
		{ "too many", 10, 0 },
		{ "at most 99999999999999999999999999", 10, 0 },
		{ "flat most 5", 10, 0 },
		{ "pick-up to 5", 10, 0 },
		{ "at most 5", 1, 0 },
		{ "at most 5", 0, 0 },
		/* of something else */
		{ "name: at most 5 characters", 10, 0 },
		{ "name: at most 5 chars", 10, 0 },
		{ "up to 1 MB", 10, 0 },
		{ "up to 1MiB", 10, 0 },
		{ "a maximum of 5-digit numbers", 10, 0 },
		{ "at most 5%", 10, 0 },
		{ "at most 5 requests per second", 10, 0 },
		{ "at most 1.5 of them", 10, 0 },
		{ "at most 1,000", 10, 0 },
		{ "name: at most 5 characters; at most 4 records", 10, 4 },
		{ "at most 5, please", 10, 5 },
		{ "at most 5.", 10, 5 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		if (batch_words_most(str_of(cases[i].text), cases[i].sent) != cases[i].most)
			fail_msg("'%s', %u sent: %u", cases[i].text, cases[i].sent, batch_words_most(str_of(cases[i].text), cases[i].sent));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_refusals_say) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
