#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/json.h"
#include "rules/limit.h"
#include "rules/quoted_test.h"

static bool limit_read(struct arena *arena, const char *text, struct limit_settings *settings, struct problem *problem)
{
	struct json json;
	json_init(&json, quoted_str(arena, str_of(text)), arena, problem);
	return limit_settings_read(&json, settings) && json_finish(&json);
}

static void test_changes_over_what_is_there(void **state)
{
	static const struct { const char *change, *whole; } rows[] = {
		{ "{}", "{'rate':null,'concurrency':0,'penalty_ms_max':0}" },
		{ "{'concurrency':5}", "{'rate':null,'concurrency':5,'penalty_ms_max':0}" },
		{ "{'rate':{'max':5,'per_ms':1000}}", "{'rate':{'max':5,'per_ms':1000},'concurrency':5,'penalty_ms_max':0}" },
		{ "{'penalty_ms_max':60000}", "{'rate':{'max':5,'per_ms':1000},'concurrency':5,'penalty_ms_max':60000}" },
		{ "{'rate':{'max':1,'per_ms':2,'window':'fixed'}}",
		  "{'rate':{'max':1,'per_ms':2,'window':'fixed'},'concurrency':5,'penalty_ms_max':60000}" },
		{ "{'rate':null,'concurrency':0}", "{'rate':null,'concurrency':0,'penalty_ms_max':60000}" },
	};
	struct limit_settings settings = { 0 };
	struct arena arena = { 0 };
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct buf buf;
		buf_init(&buf, 4096);
		assert_true(limit_read(&arena, rows[i].change, &settings, NULL));
		limit_settings_write(&settings, &buf);
		assert_true(str_eq(buf_str(&buf), str_of(quoted(&arena, rows[i].whole))));
		buf_fini(&buf);
	}
	arena_fini(&arena);
}

static void test_refusals_name_the_field(void **state)
{
	static const struct { const char *text; enum err err; const char *field; } rows[] = {
		{ "{'concurrency':-1}", E_INVALID, "concurrency" },
		{ "{'concurrency':1000001}", E_INVALID, "concurrency" },
		{ "{'rate':{'max':5}}", E_INVALID, "rate.per_ms" },
		{ "{'rate':[]}", E_INVALID, "rate" },
		{ "{'penalty_ms_max':'1m'}", E_INVALID, "penalty_ms_max" },
		{ "{'concurency':1}", E_UNKNOWN_FIELD, "concurency" },
		{ "[]", E_INVALID, "" },
	};
	struct arena arena = { 0 };
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct limit_settings settings = { .concurrency = 3 };
		struct problem problem = { 0 };
		assert_false(limit_read(&arena, rows[i].text, &settings, &problem));
		assert_int_equal(problem.err, rows[i].err);
		assert_string_equal(problem.field, rows[i].field);
		assert_int_equal(settings.concurrency, 3); /* untouched */
	}
	arena_fini(&arena);
}

static void test_words_are_no_names(void **state)
{
	(void)state;
	assert_true(limit_name_is_word(STR("job")));
	assert_true(limit_name_is_word(STR("group")));
	assert_true(limit_name_is_word(STR("queue")));
	assert_false(limit_name_is_word(STR("airtable")));
	assert_false(limit_name_is_word(STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes_over_what_is_there),
		cmocka_unit_test(test_refusals_name_the_field),
		cmocka_unit_test(test_words_are_no_names),
	};
	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
