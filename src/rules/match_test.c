#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules/match.h"

static struct problem problem;

static enum err read_filter(const char *text)
{
	struct arena arena = { 0 };
	struct json json;
	struct str filter;
	problem = (struct problem){ 0 };
	json_init(&json, str_of(text), &arena, &problem);
	bool done = match_read_filter(&json, &filter) && json_finish(&json);
	arena_fini(&arena);
	return done ? E_OK : problem.err;
}

#define SHEET "{\"type\":\"sheet.updated\",\"sheet\":{\"id\":42,\"state\":\"done\",\"open\":true,\"budget\":1500.5,\"tags\":[\"eau\",\"sol\"],\"none\":null," \
	"\"plans\":[{\"id\":1,\"name\":\"PCAET\"},{\"id\":2,\"name\":\"CRTE\"}]}}"

static void matches(void **state)
{
	static const struct {
		const char *filter;
		bool matches;
	} rows[] = {
		{ "{}", true },
		{ "{\"type\":\"sheet.updated\"}", true },
		{ "{\"type\":\"sheet.deleted\"}", false },
		{ "{\"sheet\":{\"id\":42}}", true },
		{ "{\"sheet\":{\"id\":42.0}}", true },
		{ "{\"sheet\":{\"id\":\"42\"}}", false },
		{ "{\"sheet\":{\"none\":null}}", true },
		{ "{\"sheet\":{\"missing\":null}}", false },
		{ "{\"sheet\":{\"open\":true,\"state\":\"done\"}}", true },
		{ "{\"sheet\":{\"open\":true,\"state\":\"todo\"}}", false },
		{ "{\"sheet\":\"done\"}", false },
		{ "{\"type\":{\"a\":1}}", false },
		/* lists */
		{ "{\"sheet\":{\"tags\":\"eau\"}}", true },
		{ "{\"sheet\":{\"tags\":\"air\"}}", false },
		{ "{\"sheet\":{\"tags\":[\"sol\",\"eau\"]}}", true },
		{ "{\"sheet\":{\"tags\":[\"sol\",\"air\"]}}", false },
		{ "{\"sheet\":{\"state\":[\"done\"]}}", false },
		{ "{\"sheet\":{\"plans\":{\"name\":\"CRTE\"}}}", true },
		{ "{\"sheet\":{\"plans\":{\"name\":\"CRTE\",\"id\":1}}}", false }, /* of one item */
		{ "{\"sheet\":{\"plans\":[{\"id\":1},{\"name\":\"CRTE\"}]}}", true },
		{ "{\"sheet\":{\"plans\":{\"id\":{\"$gt\":1}}}}", true },
		/* operators */
		{ "{\"sheet\":{\"state\":{\"$eq\":\"done\"}}}", true },
		{ "{\"sheet\":{\"tags\":{\"$eq\":[\"eau\",\"sol\"]}}}", true },
		{ "{\"sheet\":{\"tags\":{\"$eq\":[\"sol\",\"eau\"]}}}", false },
		{ "{\"sheet\":{\"state\":{\"$neq\":\"done\"}}}", false },
		{ "{\"sheet\":{\"missing\":{\"$neq\":1}}}", true },
		{ "{\"sheet\":{\"budget\":{\"$gte\":1500.5,\"$lt\":2000}}}", true },
		{ "{\"sheet\":{\"budget\":{\"$gt\":1500.5}}}", false },
		{ "{\"sheet\":{\"budget\":{\"$lte\":1500.4}}}", false },
		{ "{\"sheet\":{\"budget\":{\"$gt\":\"1\"}}}", false },
		{ "{\"sheet\":{\"state\":{\"$gt\":\"dome\"}}}", true },
		{ "{\"sheet\":{\"tags\":{\"$gte\":\"sol\"}}}", true },
		{ "{\"sheet\":{\"missing\":{\"$gt\":0}}}", false },
		{ "{\"sheet\":{\"id\":{\"$in\":[1,42]}}}", true },
		{ "{\"sheet\":{\"id\":{\"$in\":[]}}}", false },
		{ "{\"sheet\":{\"id\":{\"$in\":42}}}", true },
		{ "{\"sheet\":{\"state\":{\"$in\":\"on\"}}}", true },
		{ "{\"sheet\":{\"tags\":{\"$in\":[\"air\",\"sol\"]}}}", true },
		{ "{\"sheet\":{\"tags\":{\"$nin\":[\"air\",\"sol\"]}}}", false },
		{ "{\"sheet\":{\"id\":{\"$nin\":[7]}}}", true },
		{ "{\"sheet\":{\"missing\":{\"$nin\":[7]}}}", true },
		{ "{\"type\":{\"$startsWith\":\"sheet.\"}}", true },
		{ "{\"type\":{\"$startsWith\":[\"plan.\",\"sheet.\"]}}", true },
		{ "{\"type\":{\"$endsWith\":\".deleted\"}}", false },
		{ "{\"sheet\":{\"tags\":{\"$endsWith\":\"l\"}}}", true },
		{ "{\"sheet\":{\"id\":{\"$startsWith\":\"4\"}}}", false },
		{ "{\"sheet\":{\"none\":{\"$exist\":true}}}", true },
		{ "{\"sheet\":{\"missing\":{\"$exist\":false}}}", true },
		{ "{\"sheet\":{\"missing\":{\"$exist\":true}}}", false },
		{ "{\"nowhere\":{\"at\":{\"all\":{\"$exist\":false}}}}", true },
		/* combined */
		{ "{\"$or\":[{\"type\":\"x\"},{\"sheet\":{\"id\":42}}]}", true },
		{ "{\"$or\":[{\"type\":\"x\"},{\"sheet\":{\"id\":43}}]}", false },
		{ "{\"sheet\":{\"id\":{\"$or\":[1,42]}}}", true },
		{ "{\"$and\":[{\"type\":{\"$in\":\"sheet\"}},{\"sheet\":{\"id\":43}}]}", false },
		{ "{\"$not\":{\"type\":\"sheet.deleted\"}}", true },
		{ "{\"$not\":{\"type\":\"sheet.updated\"},\"sheet\":{\"id\":42}}", false },
		{ "{\"sheet\":{\"tags\":{\"$not\":\"air\"}}}", true },
		{ "{\"sheet\":{\"missing\":{\"$not\":1}}}", true },
		{ "{\"$not\":{\"$not\":{\"type\":\"sheet.updated\"}}}", true },
		{ "{\"\":1}", false },
	};
	struct arena arena = { 0 };
	struct json_node *payload, *filter;
	(void)state;
	assert_int_equal(json_tree_read(STR(SHEET), &arena, &payload, NULL), E_OK);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		if (read_filter(rows[i].filter))
			fail_msg("%s: %s: %s", rows[i].filter, problem.field, problem.detail);
		assert_int_equal(json_tree_read(str_of(rows[i].filter), &arena, &filter, NULL), E_OK);
		if (match(filter, payload) != rows[i].matches)
			fail_msg("%s", rows[i].filter);
	}
	arena_fini(&arena);
}

static void bad_filters_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *filter, *field, *detail;
	} rows[] = {
		{ "1", "", "is an object" },
		{ "[]", "", "is an object" },
		{ "{\"a\":{\"$gr\":1}}", "a.$gr", "$gt" },
		{ "{\"a\":{\"$regex\":\"x\"}}", "a.$regex", "No such operator: $eq" },
		{ "{\"a\":{\"$gt\":true}}", "a.$gt", "a number or a string" },
		{ "{\"a\":{\"$in\":{}}}", "a.$in", "a list of values" },
		{ "{\"a\":{\"$startsWith\":1}}", "a.$startsWith", "a string" },
		{ "{\"a\":{\"$startsWith\":[\"b\",1]}}", "a.$startsWith[1]", "a string" },
		{ "{\"a\":{\"$exist\":1}}", "a.$exist", "true or false" },
		{ "{\"$or\":{}}", "$or", "array" },
		{ "{\"$or\":[]}", "$or", "At least one" },
		{ "{\"$and\":[{\"b\":{\"$no\":1}}]}", "$and[0].b.$no", "$not" },
		{ "{\"a\":", "", "" },
		{ "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}}}}}", "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a",
		  "16 levels" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		if (!read_filter(rows[i].filter) || (rows[i].field[0] && strcmp(problem.field, rows[i].field) != 0) ||
		    !strstr(problem.detail, rows[i].detail))
			fail_msg("%s: %s: %s", rows[i].filter, problem.field, problem.detail);
	}
}

static void a_long_filter_is_refused(void **state)
{
	static char text[MATCH_FILTER_BYTES + 64];
	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "{\"a\":\"", 6);
	memcpy(text + sizeof(text) - 3, "\"}", 3);
	assert_int_equal(read_filter(text), E_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(matches), cmocka_unit_test(bad_filters_are_refused_with_their_place),
		                            cmocka_unit_test(a_long_filter_is_refused) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
