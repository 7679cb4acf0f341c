#include "base/pluck.h"
#include "base/buf.h"
#include "base/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void finds_by_path(void **state)
{
	(void)state;
	static const struct {
		const char *json, *path, *raw, *text;
	} cases[] = {
		{ "{\"a\":{\"b\":[1,{\"c\":\"x\\u00e9\"}]}}", "a.b.1.c", "\"x\\u00e9\"", "x\xc3\xa9" },
		{ "{\"a\":1,\"b\":true}", "b", "true", "true" },
		{ "{\"a\":null}", "a", "null", "" },
		{ "{\"a\":[10,20]}", "a.1", "20", "20" },
		{ "{\"a\":[10,20]}", "a.2", NULL, "" },
		{ "{\"a\":[10,20]}", "a.b", NULL, "" },
		{ "{\"a\":5}", "a.b", NULL, "" },
		{ "{\"a\":5", "b", NULL, "" },
		{ "[{\"b\": {\"x\": 1} }]", "0.b", "{\"x\": 1}", "{\"x\": 1}" },
		{ "", "a", NULL, "" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct arena arena = { 0 };
		struct str raw;
		bool found = pluck_raw(str_of(cases[i].json), cases[i].path, &arena, &raw);
		assert_int_equal(found, cases[i].raw != NULL);
		if (found)
			assert_true(str_eq(raw, str_of(cases[i].raw)));
		assert_true(str_eq(pluck_text(str_of(cases[i].json), cases[i].path, &arena), str_of(cases[i].text)));
		arena_fini(&arena);
	}
}

static void lists_items(void **state)
{
	(void)state;
	struct arena arena = { 0 };
	uint32_t count;
	struct str *items = pluck_items(STR("{\"jobs\":[{\"n\":0},{\"n\":1},2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}"), "jobs", &arena, &count);
	assert_int_equal(count, 19);
	assert_true(str_eq(items[1], STR("{\"n\":1}")));
	assert_true(str_eq(items[18], STR("18")));
	assert_null(pluck_items(STR("{\"jobs\":{}}"), "jobs", &arena, &count));
	assert_int_equal(count, 0);
	uint64_t number;
	assert_true(pluck_u64(items[1], "n", &arena, &number));
	assert_int_equal(number, 1);
	assert_false(pluck_u64(items[1], "m", &arena, &number));
	assert_true(pluck_true(STR("{\"x\":true}"), "x", &arena));
	arena_fini(&arena);
}

static void reads_what_answers_may_hold(void **state)
{
	(void)state;
	struct arena arena = { 0 };
	struct buf text = { .max_bytes = 4096 };
	struct str payload;
	buf_add_lit(&text, "{\"jobs\":[{\"payload\":");
	for (int i = 0; i < LIMIT_JSON_DEPTH - 1; i++) /* the deepest that an enqueue takes */
		buf_add_byte(&text, '[');
	for (int i = 0; i < LIMIT_JSON_DEPTH - 1; i++)
		buf_add_byte(&text, ']');
	buf_add_lit(&text, "}]}");
	assert_true(pluck_raw(buf_str(&text), "jobs.0.payload", &arena, &payload));
	assert_int_equal(payload.len, 2 * (LIMIT_JSON_DEPTH - 1));
	buf_fini(&text);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds_by_path), cmocka_unit_test(lists_items), cmocka_unit_test(reads_what_answers_may_hold) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
