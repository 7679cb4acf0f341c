/* The document is valid JSON, says every route and points at nothing that is not there. Whether answers keep to it: tests/stories. */
#include "api/openapi.h"
#include "api/router.h"
#include "base/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static bool has(struct str text, const char *part)
{
	return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void the_document(void **state)
{
	struct buf out;
	struct problem problem = { 0 };
	char text[128];
	(void)state;
	buf_init(&out, 8u << 20);
	openapi_write(&out, "1.2.3");
	assert_true(buf_ok(&out));
	struct str document = buf_str(&out);
	if (json_check(document, &problem))
		fail_msg("%s", problem.detail);
	assert_true(has(document, "\"openapi\":\"3.1.0\""));
	for (uint32_t i = 0; i < route_count; i++) {
		snprintf(text, sizeof(text), "\"%s\":{", routes[i].pattern);
		assert_true(has(document, text));
		snprintf(text, sizeof(text), "\"operationId\":\"%s\"", routes[i].name);
		assert_true(has(document, text));
		assert_true(routes[i].begin != NULL);
		assert_true((routes[i].takes != NULL) == ((routes[i].flags & (ROUTE_BODY | ROUTE_MAY_BODY)) != 0));
		assert_true((routes[i].gives == NULL) == (routes[i].status == 204));
		for (uint32_t n = 0; n < i; n++)
			assert_string_not_equal(routes[n].name, routes[i].name);
	}
	buf_fini(&out);
}

static void references_resolve(void **state)
{
	static const char mark[] = "#/components/schemas/";
	struct buf out;
	char text[128];
	(void)state;
	buf_init(&out, 8u << 20);
	openapi_write(&out, "1.2.3");
	assert_true(buf_ok(&out));
	struct str rest = buf_str(&out);
	const char *schemas = memmem(rest.ptr, rest.len, "\"schemas\":{", 11);
	assert_non_null(schemas);
	struct str named = { schemas, (size_t)(rest.ptr + rest.len - schemas) };
	for (const char *at; (at = memmem(rest.ptr, rest.len, mark, sizeof(mark) - 1)) != NULL;) {
		rest = str_from(rest, (size_t)(at - rest.ptr) + sizeof(mark) - 1);
		snprintf(text, sizeof(text), "\"%.*s\":{", (int)str_index(rest, 0x22), rest.ptr);
		if (!has(named, text))
			fail_msg("%s is not there", text);
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_document), cmocka_unit_test(references_resolve) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
