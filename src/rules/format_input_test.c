/* What a program is given, whole and with all left out that may be. */
#include "rules/format_input.h"
#include "base/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct {
	struct format_input input;
	const char *text;
} rows[] = {
	{ { .id = { "msg_1", 5 }, .type = { "a.b", 3 }, .at_us = INT64_C(1795461072000000), .attempt = 1, .payload = { "[1, 2]", 6 } },
	  "{\"message\":{\"id\":\"msg_1\",\"type\":\"a.b\",\"timestamp\":\"2026-11-23T19:11:12.000Z\",\"entity\":null,\"channels\":[],\"deleted\":false,"
	  "\"metadata\":{}},\"endpoint\":{\"name\":null,\"tags\":[],\"metadata\":{}},\"external_id\":null,\"attempt\":1,\"payload\":[1, 2]}" },
	{ { .id = { "msg_2", 5 }, .type = { "a", 1 }, .at_us = INT64_C(1795461072000000), .entity = { "e\"1", 3 }, .channels = { "[\"c\"]", 5 },
	    .metadata = { "{\"m\":1}", 7 }, .deleted = true, .endpoint = { "crm", 3 }, .tags = { "[\"t\"]", 5 }, .endpoint_metadata = { "{\"n\":2}", 7 },
	    .external_id = { "rec9", 4 }, .attempt = 3 },
	  "{\"message\":{\"id\":\"msg_2\",\"type\":\"a\",\"timestamp\":\"2026-11-23T19:11:12.000Z\",\"entity\":\"e\\\"1\",\"channels\":[\"c\"],"
	  "\"deleted\":true,\"metadata\":{\"m\":1}},\"endpoint\":{\"name\":\"crm\",\"tags\":[\"t\"],\"metadata\":{\"n\":2}},\"external_id\":\"rec9\","
	  "\"attempt\":3,\"payload\":null}" },
};

static void inputs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct buf out;
		buf_init(&out, 4096);
		format_input_write(&rows[i].input, &out);
		assert_true(buf_ok(&out));
		assert_true(json_check(buf_str(&out), NULL) == E_OK);
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, rows[i].text);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(inputs) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
