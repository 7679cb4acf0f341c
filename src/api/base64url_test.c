#include "api/base64url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void round_trips(void **state)
{
	static const struct {
		const char *bytes, *text;
	} rows[] = { { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg" }, { "\xff\xfe\xfb", "__77" }, { "default/é", "ZGVmYXVsdC_DqQ" } };
	struct arena arena = { 0 };
	struct str back;
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct str text = base64url_text(&arena, str_of(rows[i].bytes));
		assert_true(str_eq(text, str_of(rows[i].text)));
		assert_int_equal(base64url_parse(&arena, text, &back), E_OK);
		assert_true(str_eq(back, str_of(rows[i].bytes)));
	}
	arena_fini(&arena);
}

static void refuses_what_it_would_not_write(void **state)
{
	static const char *const rows[] = { "A", "Zg==", "Zh", "Zm9", "Zm+v", "Zm/v", "Zm9v ", "Zm9vY", "é" };
	struct arena arena = { 0 };
	struct str back;
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		if (base64url_parse(&arena, str_of(rows[i]), &back) != E_INVALID)
			fail_msg("%s", rows[i]);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(round_trips), cmocka_unit_test(refuses_what_it_would_not_write) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
