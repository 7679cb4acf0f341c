#include "base/base64.h"
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

static void standard_base64_is_padded_and_read_without_padding_too(void **state)
{
	static const struct {
		const char *bytes, *text, *bare;
	} rows[] = { { "", "", "" }, { "f", "Zg==", "Zg" }, { "fo", "Zm8=", "Zm8" }, { "foo", "Zm9v", "Zm9v" }, { "\xff\xfe\xfb", "//77", "//77" } };
	static const char *const refused[] = { "Z", "Zg=", "Zg===", "Z===", "=", "====", "Zh==", "Zm9v\n", "__77", "Zm=v" };
	char out[16];
	size_t len;
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct str bytes = str_of(rows[i].bytes);
		base64_write(bytes, out);
		assert_true(str_eq((struct str){ out, BASE64_BYTES(bytes.len) }, str_of(rows[i].text)));
		assert_int_equal(base64_parse(str_of(rows[i].text), out, bytes.len, &len), E_OK);
		assert_true(str_eq((struct str){ out, len }, bytes));
		assert_int_equal(base64_parse(str_of(rows[i].bare), out, bytes.len, &len), E_OK);
		assert_true(str_eq((struct str){ out, len }, bytes));
	}
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++)
		if (base64_parse(str_of(refused[i]), out, sizeof(out), &len) != E_INVALID)
			fail_msg("%s", refused[i]);
	assert_int_equal(base64_parse(STR("Zm9v"), out, 2, &len), E_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(round_trips), cmocka_unit_test(refuses_what_it_would_not_write),
		                            cmocka_unit_test(standard_base64_is_padded_and_read_without_padding_too) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
