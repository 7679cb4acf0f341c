#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "rules/endpoint.h"
#include "rules/event_type.h"
#include "rules/source_text.h"

static bool read(const char *text, struct arena *arena, struct event_type_settings *settings, struct problem *problem)
{
	struct json json;
	*problem = (struct problem){ 0 };
	json_init(&json, str_of(text), arena, problem);
	return event_type_settings_read(&json, settings) && json_finish(&json);
}

static void assert_written(const struct event_type_settings *settings, const char *wanted)
{
	struct buf out;
	buf_init(&out, 65536);
	event_type_settings_write(settings, &out);
	assert_true(buf_ok(&out));
	if (!str_eq(buf_str(&out), str_of(wanted)))
		fail_msg("'" STR_FMT "'", STR_ARG(buf_str(&out)));
	buf_fini(&out);
}

#define EMPTY "{\"archived\":false,\"description\":null,\"tags\":[],\"schema\":null,\"example\":null}"
#define WHOLE "{\"archived\":true,\"description\":\"d\",\"tags\":[\"a\"],\"schema\":{\"type\": [ \"object\" ]},\"example\":[1, 2.50]}"

/* Each over the one before, as a PATCH. Schema and example keep their very bytes. */
static void a_patch_keeps_the_rest(void **state)
{
	static const struct {
		const char *text, *whole;
	} rows[] = {
		{ "{}", EMPTY },
		{ WHOLE, WHOLE },
		{ "{}", WHOLE },
		{ "{\"archived\":false}", "{\"archived\":false,\"description\":\"d\",\"tags\":[\"a\"],\"schema\":{\"type\": [ \"object\" ]},\"example\":[1, 2.50]}" },
		{ "{\"schema\":false,\"description\":null}", "{\"archived\":false,\"description\":null,\"tags\":[\"a\"],\"schema\":false,\"example\":[1, 2.50]}" },
		{ "{\"schema\":true,\"tags\":[]}", "{\"archived\":false,\"description\":null,\"tags\":[],\"schema\":true,\"example\":[1, 2.50]}" },
		{ "{\"schema\":null,\"example\":\"x\"}", "{\"archived\":false,\"description\":null,\"tags\":[],\"schema\":null,\"example\":\"x\"}" },
		{ "{\"example\":null}", EMPTY },
	};
	struct event_type_settings settings = { 0 };
	struct problem problem;
	struct arena arena = { 0 };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		if (!read(rows[i].text, &arena, &settings, &problem))
			fail_msg("row %zu: %s: %s", i, problem.field, problem.detail);
		assert_written(&settings, rows[i].whole);
		assert_int_equal(event_type_is_archived(str_of(rows[i].whole)), settings.archived);
	}
	arena_fini(&arena);
}

static void refuses_with_the_field(void **state)
{
	static const struct {
		const char *text, *field;
		enum err err;
	} rows[] = {
		{ "[]", "", E_INVALID },
		{ "{\"schema\":\"object\"}", "schema", E_INVALID },
		{ "{\"schema\":[]}", "schema", E_INVALID },
		{ "{\"schema\":1}", "schema", E_INVALID },
		{ "{\"schema\":{\"a\":}}", "schema", E_MALFORMED },
		{ "{\"shema\":{}}", "shema", E_UNKNOWN_FIELD },
		{ "{\"name\":\"a\"}", "name", E_UNKNOWN_FIELD },
		{ "{\"archived\":\"yes\"}", "archived", E_INVALID },
		{ "{\"archived\":null}", "archived", E_INVALID },
		{ "{\"tags\":\"a\"}", "tags", E_INVALID },
		{ "{\"tags\":[1]}", "tags[0]", E_INVALID },
		{ "{\"description\":1}", "description", E_INVALID },
	};
	struct problem problem;
	struct arena arena = { 0 };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct event_type_settings settings = { .archived = true };
		assert_false(read(rows[i].text, &arena, &settings, &problem));
		if (strcmp(problem.field, rows[i].field) != 0 || problem.err != rows[i].err)
			fail_msg("row %zu: %s at '%s'", i, err_code(problem.err), problem.field);
		assert_true(settings.archived && !settings.schema.len);
	}
	arena_fini(&arena);
}

static void a_new_one_says_its_type(void **state)
{
	static const struct {
		const char *text, *field;
	} rows[] = {
		{ "{}", "name" }, { "{\"name\":null}", "name" }, { "{\"name\":\"\"}", "name" }, { "{\"name\":\"a b\"}", "name" }, { "{\"name\":\"a/b\"}", "name" },
		{ "{\"name\":\"a\",\"schema\":3}", "schema" }, { "{\"type\":\"a\"}", "type" }, { "{\"name\":\"Fiche_1.up-dated\",\"archived\":true}", NULL },
	};
	struct arena arena = { 0 };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct event_type_settings settings = { 0 };
		struct problem problem = { 0 };
		struct str name = { 0 };
		struct json json;
		json_init(&json, str_of(rows[i].text), &arena, &problem);
		bool well = event_type_read_new(&json, &settings, &name);
		if (well == (rows[i].field != NULL) || strcmp(problem.field, rows[i].field ? rows[i].field : "") != 0)
			fail_msg("row %zu: '%s'", i, problem.field);
		assert_true(!well || (str_eq(name, STR("Fiche_1.up-dated")) && settings.archived));
	}
	arena_fini(&arena);
}

/* Each is known, stands in order and says what it is. */
static void our_own_are_described(void **state)
{
	struct problem problem;
	struct arena arena = { 0 };
	(void)state;
	for (uint32_t i = 0; i < EVENT_TYPES_BUILT_IN; i++) {
		struct event_type_settings settings = { 0 };
		struct str type = str_of(event_type_built_in(i));
		struct buf out;
		assert_true(message_type_is_ours(type));
		assert_true(!i || str_cmp(str_of(event_type_built_in(i - 1)), type) < 0);
		buf_init(&out, 4096);
		event_type_built_in_write(type, &out);
		buf_add_byte(&out, '\0');
		assert_true(buf_ok(&out) && read(out.ptr, &arena, &settings, &problem));
		assert_true(settings.description.len && !settings.archived);
		buf_fini(&out);
	}
	assert_false(message_type_is_ours(STR("endpoint.made")));
	arena_fini(&arena);
}

static void a_text_with_places_may_be_many(void **state)
{
	static const struct {
		const char *text, *value;
		bool may;
	} rows[] = {
		{ "a.b", "a.b", true }, { "a.b", "a.c", false }, { "a.b", "a.b.c", false }, { "a.b", "a", false },
		{ "github.{header:x-github-event}", "github.push", true }, { "github.{header:x-github-event}", "github.", false },
		{ "github.{header:x-github-event}", "gitlab.push", false }, { "{$.kind}.came", "a.came", true }, { "{$.kind}.came", ".came", false },
		{ "{$.kind}.came", "a.came.came", true }, { "{$.kind}.came", "a.came.", false }, { "{$.kind}.came", "me", false },
		{ "a.{$.b}.c.{$.d}", "a.1.c.2", true }, { "a.{$.b}.c.{$.d}", "a.1.d.2", false }, { "a.{$.b}.c.{$.d}", "a..c.2", false },
		{ "a.{$.b}.c.{$.d}", "a.1.c.", false }, { "{$.a}{$.b}", "ab", true }, { "{$.a}{$.b}", "a", false },
		{ "a{$.a}b", "ab", false }, { "a{$.a}b", "axb", true }, { "$.type", "whatever", true }, { "header:x-type", "it.is", true }, { "$.type", "", false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		if (source_text_may_be(str_of(rows[i].text), str_of(rows[i].value)) != rows[i].may)
			fail_msg("'%s' and '%s'", rows[i].text, rows[i].value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_patch_keeps_the_rest),  cmocka_unit_test(refuses_with_the_field),         cmocka_unit_test(a_new_one_says_its_type),
		cmocka_unit_test(our_own_are_described),   cmocka_unit_test(a_text_with_places_may_be_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
