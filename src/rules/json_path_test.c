#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules/json_path.h"

static void finds_what_is_there(void **state)
{
	static const char text[] = "{\"id\":7,\"a b\":{\"c\":\"x\"},\"records\":[{\"id\":\"r1\"},{\"no\":1},{\"id\":\"r3\"}],\"é\":true}";
	static const struct {
		const char *path, *first;
		size_t count;
	} rows[] = {
		{ "$.id", "7", 1 }, { "$[\"a b\"].c", "x", 1 }, { "$['a b']['c']", "x", 1 }, { "$.records[2].id", "r3", 1 }, { "$.records[*].id", "r1", 2 },
		{ "$.records[*]", "{\"id\":\"r1\"}", 3 }, { "$.é", "true", 1 }, { "$.records[3]", NULL, 0 }, { "$.id.x", NULL, 0 }, { "$.id[0]", NULL, 0 },
		{ "$.none", NULL, 0 }, { "id", NULL, 0 }, { "", NULL, 0 }, { "$.records[x]", NULL, 0 }, { "$", text, 1 },
	};
	const struct json_node *found[2];
	struct arena arena = { 0 };
	struct json_node *root;
	(void)state;
	assert_int_equal(json_tree_read(str_of(text), &arena, &root, NULL), E_OK);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		if (json_path_find(root, str_of(rows[i].path), found, 2) != rows[i].count)
			fail_msg("%s", rows[i].path);
		if (rows[i].count && !str_eq(found[0]->text, str_of(rows[i].first)))
			fail_msg("%s: " STR_FMT, rows[i].path, STR_ARG(found[0]->text));
	}
	arena_fini(&arena);
}

static void refuses_other_languages(void **state)
{
	static const char *const good[] = { "$", "$.id", "$.records[*].id", "$[0]['a']", "$.a-b_c" };
	static const char *const bad[] = { "", "id", "$.", "$..id", "$[", "$[]", "$[-1]", "$['a", "$['a'", "$[0", "$.a b", "$[?(@.a)]", "$id", "$.a[1:2]" };
	static char long_path[JSON_PATH_BYTES + 2];
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		assert_null(json_path_refusal(str_of(good[i])));
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (!json_path_refusal(str_of(bad[i])))
			fail_msg("%s", bad[i]);
	memset(long_path, 'a', sizeof(long_path) - 1);
	memcpy(long_path, "$.", 2);
	assert_non_null(json_path_refusal(str_of(long_path)));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds_what_is_there), cmocka_unit_test(refuses_other_languages) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
