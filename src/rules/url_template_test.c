#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules/url_template.h"

static const struct url_values values = { STR("a/b c"), STR("é"), STR("fiche.updated"), STR("msg_1") };

static void fills_path_and_query(void **state)
{
	static const struct {
		const char *template, *url;
	} rows[] = {
		{ "https://h/things", "https://h/things" },
		{ "https://h/things/{external_id}", "https://h/things/a%2Fb%20c" },
		{ "https://h/{type}/{entity}?m={message}&m={message}", "https://h/fiche.updated/%C3%A9?m=msg_1&m=msg_1" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct buf out = { .max_bytes = 1000 };
		assert_null(url_template_refusal(str_of(rows[i].template)));
		assert_int_equal(url_template_fill(str_of(rows[i].template), &values, &out, NULL), E_OK);
		assert_true(str_eq(buf_str(&out), str_of(rows[i].url)));
		buf_fini(&out);
	}
	assert_true(url_template_has(STR("https://h/{type}/{external_id}"), STR("external_id")));
	assert_false(url_template_has(STR("https://h/{type}/external_id"), STR("external_id")));
}

static void refuses_other_places(void **state)
{
	static const char *const rows[] = { "https://{entity}/", "{type}://h/", "https://h:{type}/", "https://h/{x}", "https://h/{", "https://h/}", "https://h/{type",
		                            "https://h/{{type}}", "https://{type}@h/", "", "ftp://h/{type}" };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		if (!url_template_refusal(str_of(rows[i])))
			fail_msg("%s", rows[i]);
}

static void needs_values_that_stay_where_they_are_put(void **state)
{
	struct url_values some = { .entity = STR("..") };
	struct problem problem;
	struct buf out = { .max_bytes = 1000 }, small = { .max_bytes = 4 };
	(void)state;
	assert_int_equal(url_template_fill(STR("https://h/{external_id}"), &some, &out, &problem), E_INVALID);
	assert_non_null(strstr(problem.detail, "{external_id}"));
	assert_int_equal(url_template_fill(STR("https://h/{entity}/x"), &some, &out, &problem), E_INVALID);
	assert_non_null(strstr(problem.detail, "another path"));
	some.entity = STR("...");
	assert_int_equal(url_template_fill(STR("https://h/{entity}/x"), &some, &out, &problem), E_OK);
	assert_int_equal(url_template_fill(STR("https://h/{entity}/x"), &some, &small, &problem), E_NOMEM);
	buf_fini(&out);
	buf_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fills_path_and_query), cmocka_unit_test(refuses_other_places),
		                            cmocka_unit_test(needs_values_that_stay_where_they_are_put) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
