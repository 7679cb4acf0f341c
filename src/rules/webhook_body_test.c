#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules/webhook_body.h"

static const struct webhook_input input = {
	.id = STR("msg_1"), .type = STR("fiche.updated"), .entity = STR("é \"42\""), .source = STR("/ruche/default"),
	.payload = STR("{\"id\": 42, \"titre\":\"Vélo & co\",\"tags\":[1, 2],\"vide\":null,\"ok\":true}"), .at_us = 1764028800123456,
};
#define AT "2025-11-25T00:00:00.123Z"

static void check(enum webhook_format format, const char *body, const char *content_type, uint32_t header_count)
{
	struct arena arena = { 0 };
	struct buf out = { .max_bytes = 10000 };
	struct webhook_shape shape;
	assert_int_equal(webhook_body(format, &input, &arena, &out, &shape, NULL), E_OK);
	if (!str_eq(buf_str(&out), str_of(body)))
		fail_msg(STR_FMT, STR_ARG(buf_str(&out)));
	assert_true(str_eq(shape.content_type, str_of(content_type)));
	assert_int_equal(shape.header_count, header_count);
	if (header_count) {
		assert_true(str_eq(shape.headers[0].value, STR("1.0")));
		assert_true(str_eq(shape.headers[4].value, STR(AT)));
		assert_true(str_eq(shape.headers[5].name, STR("ce-subject")) && str_eq(shape.headers[5].value, STR("%C3%A9%20%2242%22")));
	}
	buf_fini(&out);
	arena_fini(&arena);
}

static void bodies_are_as_their_standards_say(void **state)
{
	(void)state;
	check(WEBHOOK_FORMAT_DEFAULT, "{\"type\":\"fiche.updated\",\"timestamp\":\"" AT "\",\"data\":{\"id\": 42, \"titre\":\"Vélo & co\",\"tags\":[1, 2],\"vide\":null,"
		"\"ok\":true}}", "application/json", 0);
	check(WEBHOOK_FORMAT_RAW, input.payload.ptr, "application/json", 0);
	check(WEBHOOK_FORMAT_CLOUDEVENTS, "{\"specversion\":\"1.0\",\"id\":\"msg_1\",\"source\":\"/ruche/default\",\"type\":\"fiche.updated\",\"time\":\"" AT
		"\",\"subject\":\"é \\\"42\\\"\",\"datacontenttype\":\"application/json\",\"data\":{\"id\": 42, \"titre\":\"Vélo & co\",\"tags\":[1, 2],\"vide\":null,"
		"\"ok\":true}}", "application/cloudevents+json", 0);
	check(WEBHOOK_FORMAT_CLOUDEVENTS_BINARY, input.payload.ptr, "application/json", 6);
	check(WEBHOOK_FORMAT_FORM, "id=42&titre=V%C3%A9lo+%26+co&tags=%5B1%2C+2%5D&vide=&ok=true", "application/x-www-form-urlencoded", 0);
}

static void what_cannot_be_sent_so_is_said(void **state)
{
	struct webhook_input list = input;
	struct arena arena = { 0 };
	struct buf out = { .max_bytes = 10000 }, small = { .max_bytes = 8 };
	struct webhook_shape shape;
	struct problem problem;
	(void)state;
	list.payload = STR("[1]");
	assert_int_equal(webhook_body(WEBHOOK_FORMAT_FORM, &list, &arena, &out, &shape, &problem), E_INVALID);
	assert_non_null(strstr(problem.detail, "object"));
	for (enum webhook_format format = 0; format < WEBHOOK_FORMAT_COUNT; format++)
		assert_int_equal(webhook_body(format, &input, &arena, &small, &shape, NULL), E_NOMEM);
	buf_fini(&small);
	buf_fini(&out);
	arena_fini(&arena);
}

static void words_are_read(void **state)
{
	enum webhook_format format;
	(void)state;
	for (enum webhook_format each = 0; each < WEBHOOK_FORMAT_COUNT; each++)
		assert_true(webhook_format_parse(str_of(webhook_format_word(each)), &format) && format == each);
	assert_false(webhook_format_parse(STR("xml"), &format));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bodies_are_as_their_standards_say), cmocka_unit_test(what_cannot_be_sent_so_is_said),
		                            cmocka_unit_test(words_are_read) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
