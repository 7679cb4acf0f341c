#include "cli/sink.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void reads_scripts(void **state)
{
	(void)state;
	static const struct {
		const char *script, *texts[5];
	} cases[] = {
		{ "", { "200" } },
		{ "503,hang,200", { "503", "hang", "200" } },
		{ " 503:30 , reset,slow,echo", { "503, Retry-After 30", "reset", "slow 200", "200, echo" } },
		{ "302>http://10.0.0.1/x", { "302 to http://10.0.0.1/x" } },
		{ "500*3,204", { "500", "500", "500", "204" } },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct sink_step steps[SINK_STEPS_MAX];
		uint32_t count;
		struct problem problem;
		assert_int_equal(sink_script_read(str_of(cases[i].script), steps, &count, &problem), E_OK);
		for (uint32_t at = 0; at < count; at++) {
			char text[64];
			sink_step_text(&steps[at], text);
			assert_string_equal(text, cases[i].texts[at]);
		}
		assert_null(cases[i].texts[count]);
	}
}

static void refuses_bad_scripts(void **state)
{
	(void)state;
	static const char *const scripts[] = { "20", "200,", "600", "199", "hung", "503:", "503:x", "302>", "200*0x", "500*300", ",", "200 hang" };
	for (size_t i = 0; i < ARRAY_COUNT(scripts); i++) {
		struct sink_step steps[SINK_STEPS_MAX];
		uint32_t count;
		struct problem problem;
		assert_int_equal(sink_script_read(str_of(scripts[i]), steps, &count, &problem), E_INVALID);
		assert_string_equal(problem.field, "--script");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(reads_scripts), cmocka_unit_test(refuses_bad_scripts) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
