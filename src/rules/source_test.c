#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules/source.h"
#include "rules/source_text.h"

#define GITHUB "{\"verify\":{\"kind\":\"github\",\"secret\":\"gh-hook\"},\"into\":{\"message\":{\"type\":\"github.{header:x-github-event}\"}}}"

static bool read(const char *text, struct arena *arena, struct source_settings *settings, struct problem *problem)
{
	struct json json;
	*problem = (struct problem){ 0 };
	json_init(&json, str_of(text), arena, problem);
	return source_settings_read(&json, settings) && json_finish(&json);
}

static void whole_settings_are_canonical(void **state)
{
	static const struct {
		const char *text, *whole;
	} rows[] = {
		{ GITHUB, "{\"verify\":{\"kind\":\"github\",\"secret\":\"gh-hook\"},\"id\":null,\"headers\":[],\"into\":{\"message\":{\"type\":"
			  "\"github.{header:x-github-event}\",\"entity\":null,\"channels\":[]}},\"body_bytes\":1048576}" },
		{ "{\"verify\":{\"kind\":\"none\"},\"id\":\"$.id\",\"headers\":[\"x-a\"],\"into\":{\"job\":{\"queue\":\"q\",\"name\":\"n\",\"group\":\"$.a[0]\"}},"
		  "\"body_bytes\":10}",
		  "{\"verify\":{\"kind\":\"none\"},\"id\":\"$.id\",\"headers\":[\"x-a\"],\"into\":{\"job\":{\"queue\":\"q\",\"name\":\"n\",\"group\":\"$.a[0]\"}},"
		  "\"body_bytes\":10}" },
	};
	struct source_settings settings;
	struct problem problem;
	struct arena arena = { 0 };
	struct buf out;
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		buf_init(&out, 65536);
		source_settings_default(&settings);
		if (!read(rows[i].text, &arena, &settings, &problem))
			fail_msg("row %zu: %s: %s", i, problem.field, problem.detail);
		source_settings_write(&settings, &out);
		assert_true(buf_ok(&out));
		assert_true(str_eq(buf_str(&out), str_of(rows[i].whole)));
		buf_fini(&out);
	}
	arena_fini(&arena);
}

static void what_makes_no_sense_is_refused_by_field(void **state)
{
#define NONE "{\"verify\":{\"kind\":\"none\"},"
#define INTO "\"into\":{\"message\":{\"type\":\"a\"}}"
	static const struct {
		const char *text, *field;
	} rows[] = {
		{ "{}", "verify" },
		{ "{" INTO "}", "verify" },
		{ NONE "\"id\":null}", "into" },
		{ NONE INTO ",\"extra\":1}", "extra" },
		{ NONE INTO ",\"body_bytes\":0}", "body_bytes" },
		{ NONE INTO ",\"body_bytes\":67108865}", "body_bytes" },
		{ "{\"verify\":{\"kind\":\"gitlab\"}," INTO "}", "verify.kind" },
		{ "{\"verify\":{\"secret\":\"x\"}," INTO "}", "verify.kind" },
		{ "{\"verify\":{\"kind\":\"github\"}," INTO "}", "verify.secret" },
		{ "{\"verify\":{\"kind\":\"none\",\"secret\":\"x\"}," INTO "}", "verify.secret" },
		{ "{\"verify\":{\"kind\":\"github\",\"secret\":\"a b\"}," INTO "}", "verify.secret" },
		{ NONE "\"into\":{}}", "into" },
		{ NONE "\"into\":{\"message\":{\"type\":\"a\"},\"job\":{\"queue\":\"q\"}}}", "into" },
		{ NONE "\"into\":{\"message\":{}}}", "into.message.type" },
		{ NONE "\"into\":{\"message\":{\"type\":null}}}", "into.message.type" },
		{ NONE "\"into\":{\"message\":{\"type\":\"a b\"}}}", "into.message.type" },
		{ NONE "\"into\":{\"message\":{\"type\":\"endpoint.failing\"}}}", "into.message.type" },
		{ NONE "\"into\":{\"message\":{\"type\":\"a/{$.b}\"}}}", "into.message.type" },
		{ NONE "\"into\":{\"message\":{\"type\":\"a\",\"entity\":\"{id}\"}}}", "into.message.entity" },
		{ NONE "\"into\":{\"message\":{\"type\":\"a\",\"channels\":[\"\"]}}}", "into.message.channels[0]" },
		{ NONE "\"into\":{\"message\":{\"type\":\"a\",\"channels\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"]}}}", "into.message.channels[5]" },
		{ NONE "\"into\":{\"job\":{\"name\":\"n\"}}}", "into.job.queue" },
		{ NONE "\"into\":{\"job\":{\"queue\":\"\"}}}", "into.job.queue" },
		{ NONE INTO ",\"headers\":[\"authorization\"]}", "headers[0]" },
		{ NONE INTO ",\"headers\":[\"a b\"]}", "headers[0]" },
		{ NONE INTO ",\"headers\":[\"x-a\",\"x-b\",\"X-A\"]}", "headers" },
		{ NONE INTO ",\"id\":\"header:x-token\"}", "id" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct source_settings settings, before;
		struct problem problem;
		struct arena arena = { 0 };
		source_settings_default(&settings);
		before = settings;
		if (read(rows[i].text, &arena, &settings, &problem) || !problem.detail[0] || !str_eq(str_of(problem.field), str_of(rows[i].field)))
			fail_msg("row %zu: %s: %s", i, problem.field, problem.detail);
		assert_memory_equal(&before, &settings, sizeof(before));
		arena_fini(&arena);
	}
}

static void a_patch_leaves_the_rest(void **state)
{
	struct source_settings settings;
	struct problem problem;
	struct arena arena = { 0 };
	(void)state;
	source_settings_default(&settings);
	assert_true(read(GITHUB, &arena, &settings, &problem));
	assert_true(read("{\"id\":\"$.x\",\"into\":{\"job\":{\"queue\":\"q\"}}}", &arena, &settings, &problem));
	assert_int_equal(settings.verifier, VERIFIER_GITHUB);
	assert_true(str_eq(settings.secret, STR("gh-hook")));
	assert_int_equal(settings.into, SOURCE_INTO_JOB);
	assert_int_equal(settings.type.len, 0);
	assert_true(read("{\"verify\":{\"kind\":\"none\"}}", &arena, &settings, &problem));
	assert_int_equal(settings.secret.len, 0); /* said whole */
	arena_fini(&arena);
}

struct sent {
	const char *name, *value;
};

static struct str header(const void *headers, const char *name)
{
	for (const struct sent *sent = headers; sent->name; sent++)
		if (str_eq_nocase(str_of(sent->name), str_of(name)))
			return str_of(sent->value);
	return (struct str){ 0 };
}

static void places_are_filled(void **state)
{
	static const struct sent headers[] = { { "X-Event", " push " }, { "X-Empty", "" }, { "X-Bad", "a\x01" }, { 0 } };
	static const struct {
		const char *text, *filled, *missing;
	} rows[] = {
		{ "plain", "plain", NULL },
		{ "header:x-event", "push", NULL },
		{ "gh.{header:x-event}.{$.n}", "gh.push.7", NULL },
		{ "$.list[1].id", "b", NULL },
		{ "{$.yes}", "true", NULL },
		{ "{$.dash-ed}", NULL, "$.dash-ed" },
		{ "header:x-none", NULL, "header:x-none" },
		{ "a{header:x-empty}", NULL, "header:x-empty" },
		{ "header:x-bad", NULL, "header:x-bad" },
		{ "$.nothing", NULL, "$.nothing" },
		{ "{$.null}", NULL, "$.null" },
		{ "$.list", NULL, "$.list" },
		{ "", "", NULL },
	};
	struct incoming incoming = { .header = header, .headers = headers };
	struct arena arena = { 0 };
	struct json_node *body;
	(void)state;
	assert_int_equal(json_tree_read(STR("{\"n\":7,\"yes\":true,\"null\":null,\"list\":[{\"id\":\"a\"},{\"id\":\"b\"}]}"), &arena, &body, NULL), E_OK);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct str missing = { 0 };
		struct buf out;
		buf_init(&out, 1024);
		assert_null(source_text_refusal(str_of(rows[i].text)));
		bool filled = source_text_fill(str_of(rows[i].text), &incoming, body, &out, &missing);
		if (filled != (rows[i].filled != NULL) || (filled && !str_eq(buf_str(&out), str_of(rows[i].filled))) ||
		    (!filled && !str_eq(missing, str_of(rows[i].missing))))
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(buf_str(&out)));
		buf_fini(&out);
	}
	struct buf out;
	struct str missing;
	buf_init(&out, 1024);
	assert_false(source_text_fill(STR("$.n"), &incoming, NULL, &out, &missing));
	buf_fini(&out);
	arena_fini(&arena);
}

static void bad_places_are_refused(void **state)
{
	static const char *const rows[] = { "{", "}", "a{header:x", "a}b", "{}", "{name}", "header:", "header:a b", "{header:cookie}", "$x", "{$.a[}", "$.", "{$..a}",
		                            "header:x-hub-signature-256" };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		if (!source_text_refusal(str_of(rows[i])))
			fail_msg("row %zu: %s", i, rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_settings_are_canonical), cmocka_unit_test(what_makes_no_sense_is_refused_by_field), cmocka_unit_test(a_patch_leaves_the_rest),
		cmocka_unit_test(places_are_filled), cmocka_unit_test(bad_places_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
