#include "http/query.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void escapes(void **state)
{
	(void)state;
	static const struct {
		const char *raw;
		bool plus_is_blank;
		const char *decoded; /* NULL: refused */
	} rows[] = {
		{ "", true, "" },
		{ "abc", true, "abc" },
		{ "a+b", true, "a b" },
		{ "a+b", false, "a+b" },
		{ "a%2Bb%2b", true, "a+b+" },
		{ "%C3%A9%f0%9f%90%9D", false, "\xc3\xa9\xf0\x9f\x90\x9d" },
		{ "%25%32%35", true, "%25" },
		{ "%2F..%2f", false, "/../" },
		{ "%0a%7F", false, "\n\x7f" },
		{ "%", true, NULL },
		{ "%2", true, NULL },
		{ "a%2", true, NULL },
		{ "%2g", true, NULL },
		{ "%g2", true, NULL },
		{ "%%20", true, NULL },
		{ "% 20", true, NULL },
		{ "%00", true, NULL },
		{ "%ff", true, NULL },
		{ "%c3", true, NULL },
		{ "%c0%af", true, NULL },
		{ "%ed%a0%80", true, NULL },
		{ "\xc3(", true, NULL },
	};
	struct arena arena;
	arena_init(&arena, 0);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct str out;
		enum err err = http_percent_decode(&arena, str_of(rows[i].raw), rows[i].plus_is_blank, &out);
		assert_int_equal(err, rows[i].decoded ? E_OK : E_BAD_REQUEST);
		if (rows[i].decoded)
			assert_true(str_eq(out, str_of(rows[i].decoded)));
	}
	struct str plain = STR("plain"), out;
	assert_int_equal(http_percent_decode(&arena, plain, true, &out), E_OK);
	assert_ptr_equal(out.ptr, plain.ptr); /* nothing to decode: no copy */
	arena_fini(&arena);
	arena_init(&arena, 4);
	assert_int_equal(http_percent_decode(&arena, STR("a%20bcdefg"), true, &out), E_NOMEM);
	arena_fini(&arena);
}

static void walking(void **state)
{
	(void)state;
	static const struct {
		const char *query, *walked;
	} rows[] = {
		{ "", "" },
		{ "a=1", "a:1;" },
		{ "a=1&b=2", "a:1;b:2;" },
		{ "&&a&&=&b==c&", "a:;:;b:=c;" },
		{ "a=%26&a=2", "a:%26;a:2;" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char text[64];
		size_t len = 0, at = 0;
		struct str name, value;
		while (http_query_walk(str_of(rows[i].query), &at, &name, &value)) {
			memcpy(text + len, name.ptr, name.len);
			text[len += name.len] = ':';
			memcpy(text + len + 1, value.ptr, value.len);
			text[len += value.len + 1] = ';';
			len++;
		}
		text[len] = '\0';
		assert_string_equal(text, rows[i].walked);
		assert_false(http_query_walk(str_of(rows[i].query), &at, &name, &value));
	}
}

static void escapes_are_read_back(void **state)
{
	(void)state;
	struct arena arena = { 0 };
	for (unsigned c = 1; c < 0x80; c++) {
		struct buf buf = { .max_bytes = 16 };
		struct str text = { (char[]){ 'a', (char)c }, 2 }, decoded;
		http_percent_add(&buf, text);
		assert_int_equal(http_percent_decode(&arena, buf_str(&buf), true, &decoded), E_OK);
		assert_true(str_eq(decoded, text));
		assert_int_equal(str_index(buf_str(&buf), '/'), buf.len);
		buf_fini(&buf);
	}
	struct buf buf = { .max_bytes = 64 };
	http_percent_add(&buf, STR("a b/\xc3\xa9?~"));
	assert_true(str_eq(buf_str(&buf), STR("a%20b%2F%C3%A9%3F~")));
	buf_fini(&buf);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(escapes), cmocka_unit_test(walking), cmocka_unit_test(escapes_are_read_back) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
