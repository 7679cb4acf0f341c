#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>
#include "base/json_tree.h"

static struct json_node *tree(struct arena *arena, const char *text)
{
	struct json_node *node;
	struct problem problem = { 0 };
	if (json_tree_read(str_of(text), arena, &node, &problem))
		fail_msg("%s: %s", text, problem.detail);
	return node;
}

static void reads_values(void **state)
{
	struct arena arena = { 0 };
	(void)state;
	struct json_node *node = tree(&arena, " {\"a\": [1, -2.5, \"\\u00e9\", null, true, {}], \"b\": 1e999, \"a\": 7} ");
	assert_int_equal(node->type, JSON_OBJECT);
	const struct json_node *item = node->first->first;
	assert_true(str_eq(node->first->key, STR("a")));
	assert_true(str_eq(node->first->text, STR("[1, -2.5, \"\\u00e9\", null, true, {}]"))); /* verbatim */
	assert_true(item->whole && item->integer == 1 && item->number == 1);
	item = item->next;
	assert_true(!item->whole && item->number == -2.5);
	item = item->next;
	assert_true(str_eq(item->text, STR("é")));
	assert_int_equal(item->next->type, JSON_NULL);
	assert_true(str_eq(item->next->next->text, STR("true")));
	assert_int_equal(item->next->next->next->type, JSON_OBJECT);
	assert_true(isinf(json_tree_member(node, STR("b"))->number));
	assert_int_equal(json_tree_member(node, STR("a"))->integer, 7); /* the last one counts */
	assert_null(json_tree_member(node, STR("c")));
	assert_null(json_tree_member(node->first, STR("a")));
	arena_fini(&arena);
}

static void refuses_what_is_not_json(void **state)
{
	static const char *const rows[] = { "", "{", "[1,]", "{\"a\":1,}", "1 2", "nul", "\"\xff\"", "{\"a\\u0000\":1}" };
	struct arena arena = { 0 };
	struct json_node *node;
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		if (!json_tree_read(str_of(rows[i]), &arena, &node, NULL))
			fail_msg("%s", rows[i]);
		assert_null(node);
	}
	struct arena small = { .max_bytes = 64 };
	assert_int_equal(json_tree_read(STR("[1,2,3,4,5]"), &small, &node, NULL), E_NOMEM);
	arena_fini(&small);
	arena_fini(&arena);
}

static void equals_by_value(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} rows[] = {
		{ "1", "1.0", true },   { "1", "1e0", true },    { "9007199254740993", "9007199254740992", false },
		{ "1", "\"1\"", false }, { "null", "null", true }, { "true", "false", false },
		{ "\"\\u0041\"", "\"A\"", true },  { "\"a\\u0000\"", "\"a\"", false },
		{ "{\"a\":1,\"b\":[2,{}]}", "{\"b\":[2,{}],\"a\":1}", true }, { "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
		{ "[1,2]", "[2,1]", false },   { "[1,2]", "[1]", false }, { "[]", "{}", false },
	};
	struct arena arena = { 0 };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		for (int turn = 0; turn < 2; turn++) {
			const struct json_node *a = tree(&arena, turn ? rows[i].b : rows[i].a), *b = tree(&arena, turn ? rows[i].a : rows[i].b);
			if (json_tree_equal(a, b) != rows[i].equal)
				fail_msg("%s %s", rows[i].a, rows[i].b);
		}
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(reads_values), cmocka_unit_test(refuses_what_is_not_json), cmocka_unit_test(equals_by_value) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
