#include "base/json.h"
#include "base/dice.h"
#include "base/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define BEE "\xf0\x9f\x90\x9d" /* U+1F41D */

static const struct str accepted[] = {
	/* words and blanks */
	STR("null"), STR("true"), STR("false"), STR(" null"), STR("null "), STR("\t\n\r null\t\n\r "), STR("[null]"),
	STR("[true,false,null]"), STR("[ true ,\tfalse\n,\r\nnull ]"),
	/* numbers */
	STR("0"), STR("-0"), STR("1"), STR("-1"), STR("10"), STR("1234567890"), STR("0.0"), STR("-0.0"), STR("0.1"),
	STR("10.25"), STR("1.000000"), STR("1e1"), STR("1E1"), STR("1e+1"), STR("1e-1"), STR("1E+01"), STR("0e0"),
	STR("0e+1"), STR("-1.5e-10"), STR("1e400"), STR("-1e400"), STR("1e-400"), STR("123456789012345678901234567890"),
	STR("-123456789012345678901234567890.5"), STR("9223372036854775807"), STR("9223372036854775808"),
	STR("0.00000000000000000000000000000000000000000000000001"), STR("[1]"), STR("[ 1 ]"), STR("[1 , 2]"),
	STR("{\"a\":1}"), STR("{\"a\":-1 }"),
	/* strings */
	STR("\"\""), STR("\"a\""), STR("\" \""), STR("\"/\""), STR("\"\\/\""), STR("\"\\\"\""), STR("\"\\\\\""),
	STR("\"\\b\\f\\n\\r\\t\""), STR("\"\\u0041\""), STR("\"\\u00e9\""), STR("\"\\u00E9\""), STR("\"\\u0000\""),
	STR("\"\\u001f\""), STR("\"\\u007f\""), STR("\"\x7f\""), STR("\"\\uD83D\\uDC1D\""), STR("\"\\ud83d\\udc1d\""),
	STR("\"\\uDBFF\\uDFFF\""), STR("\"\\uD800\\uDC00\""), STR("\"\\uFFFF\""), STR("\"\\uFFFE\""),
	STR("\"\\u2028\""), STR("\"\\uD7FF\\uE000\""), STR("\"é\""), STR("\"€\""), STR("\"" BEE "\""),
	STR("\"\xe2\x80\xa8\""), STR("\"\xef\xbf\xbf\""), STR("\"\xef\xbb\xbf\""), STR("\"\xf4\x8f\xbf\xbf\""),
	STR("\"\\\\u0000\""), STR("\"a/*b*/c//d\""), STR("\"'\""), STR("\"{[,:]}\""), STR("\"0123456789abcdef\""),
	STR("\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\""), STR("\"0123456789abcdé0123456789abcdefé\""),
	STR("\"\\u0060\\u012a\\u12AB\""),
	/* arrays and objects */
	STR("[]"), STR("[ ]"), STR("[\n]"), STR("[[]]"), STR("[[],[]]"), STR("[[[[[[[[]]]]]]]]"),
	STR("[1,\"a\",null,true,{},[]]"), STR("[{}]"), STR("[{},{}]"), STR("{}"), STR("{ }"), STR("{\"\":0}"),
	STR("{\"a\":{}}"), STR("{\"a\":[]}"), STR("{\"a\":{\"b\":{\"c\":[{\"d\":null}]}}}"), STR("{\"a\":1,\"b\":2}"),
	STR("{ \"a\" : 1 , \"b\" : 2 }"), STR("{\"a\":1,\"a\":2}"), STR("{\"a\":\"b\",\"a\":\"b\"}"),
	STR("{\"\\u0000\":1}"), STR("{\"é\":\"è\"}"), STR("{\"a\\n\":1}"), STR("{\n\"a\"\n:\n1\n}"),
	STR("{\"a\":[{\"b\":[]},{\"c\":[1,2,{}]}],\"d\":{}}"), STR("[[1],{\"a\":[2]},[[3]]]"),
	STR("{\"min\":-1.0e+28,\"max\":1.0e+28}"), STR("[\"asd \"]"), STR("[2] "), STR(" [] "), STR("[\"\"]"),
	STR("[\"a\"]\n"), STR("[-1,-2]"),
};

static const struct str refused[] = {
	/* nothing, or not a value */
	STR(""), STR(" "), STR("\n"), STR("\t\t"), STR("nul"), STR("nulll"), STR("Null"), STR("NULL"), STR("tru"),
	STR("True"), STR("fals"), STR("truefalse"), STR("undefined"), STR("NaN"), STR("nan"), STR("Infinity"),
	STR("-Infinity"), STR("inf"), STR("a"), STR("'a'"), STR("`a`"), STR("*"), STR("\\"), STR(","), STR(":"),
	STR("]"), STR("}"), STR("\xef\xbb\xbf"), STR("\xef\xbb\xbf{}"), STR("\xff\xfe[\0]\0"), STR("\0"), STR("null\0"),
	STR("[]\0"), STR("\xc2\xa0[]"), STR("\f[]"), STR("\v[]"), STR("[\f]"), STR("[\xe2\x80\x8b]"), STR("\xc2\x85"),
	STR("//c\n1"), STR("/*c*/1"), STR("1//c"), STR("1/*c*/"), STR("#c\n1"), STR("[1]x"), STR("[1]]"), STR("{}}"),
	STR("{}{}"), STR("1 2"), STR("[] []"), STR("null null"), STR("\"a\"\"b\""), STR("\"a\" \"b\""), STR("{}#"),
	STR("{}/**/"), STR("<a>"), STR("\xe9"),
	/* numbers */
	STR("-"), STR("+"), STR("+1"), STR("--1"), STR("-+1"), STR("01"), STR("-01"), STR("00"), STR("-00"), STR("012"),
	STR("0x1"), STR("0b1"), STR("0o1"), STR("1_000"), STR(".5"), STR("-.5"), STR("5."), STR("-5."), STR("0."),
	STR("0.e1"), STR("1.e1"), STR("1.2.3"), STR("1e"), STR("1E"), STR("1e+"), STR("1e-"), STR("0e"), STR("0e+"),
	STR("1e1.5"), STR("1e 1"), STR("1 e1"), STR("e1"), STR("1ee1"), STR("1e++1"), STR("1+1"), STR("1-1"),
	STR("- 1"), STR("-a"), STR("1a"), STR("0a"), STR("[1"), STR("[-]"), STR("[-1e]"), STR("[1.]"), STR("[.1]"),
	STR("[01]"), STR("[0 1]"), STR("[1e1e]"), STR("1,000"), STR("\xef\xbc\x91"), STR("$1"), STR("1f"),
	STR("[1\xc3\xa9]"), STR("[1\0]"),
	/* strings */
	STR("\""), STR("\"a"), STR("\"\\\""), STR("\"\\"), STR("\"\\a\""), STR("\"\\v\""), STR("\"\\0\""),
	STR("\"\\'\""), STR("\"\\x41\""), STR("\"\\U0041\""), STR("\"\\ \""), STR("\"\\\n\""), STR("\"\\u\""),
	STR("\"\\u1\""), STR("\"\\u12\""), STR("\"\\u123\""), STR("\"\\u123g\""), STR("\"\\u+123\""),
	STR("\"\\u 123\""), STR("\"\\u12"), STR("\"\\u123"), STR("\"\\u-123\""), STR("\"\\uD800\""), STR("\"\\uDBFF\""),
	STR("\"\\uDC00\""), STR("\"\\uDFFF\""), STR("\"\\uD800\\uD800\""), STR("\"\\uD800\\u0041\""),
	STR("\"\\uD800a\""), STR("\"\\uDC00\\uD800\""), STR("\"\\uD800\\n\""), STR("\"\\uD800\\u\""),
	STR("\"\\uD800\\uDC0\""), STR("\"\\uD800\\uDC0g\""), STR("\"\\uD800\\"), STR("\"\\uD800\\uE000\""),
	STR("\"\\uD83D\\uDC1D\\uD83D\""), STR("\"\0\""), STR("\"a\0b\""), STR("\"\x01\""), STR("\"\x1f\""),
	STR("\"\n\""), STR("\"\t\""), STR("\"\r\""), STR("\"0123456789abcde\x1f\""), STR("\"0123456789abcdef\n\""),
	STR("\"\x80\""), STR("\"\xbf\""), STR("\"\xff\""), STR("\"\xfe\""), STR("\"\xc0\x80\""), STR("\"\xc0\xaf\""),
	STR("\"\xc1\xbf\""), STR("\"\xc3\""), STR("\"\xc3"), STR("\"\xc3\x28\""), STR("\"\xe0\x80\xaf\""),
	STR("\"\xe0\x9f\xbf\""), STR("\"\xe2\x82\""), STR("\"\xe2\x82"), STR("\"\xe2\x28\xa1\""),
	STR("\"\xed\xa0\x80\""), STR("\"\xed\xbf\xbf\""), STR("\"\xed\xa0\xbd\xed\xb0\x9d\""),
	STR("\"\xf0\x80\x80\xaf\""), STR("\"\xf0\x8f\xbf\xbf\""), STR("\"\xf0\x9f\x90\""), STR("\"\xf0\x9f\x90"),
	STR("\"\xf4\x90\x80\x80\""), STR("\"\xf5\x80\x80\x80\""), STR("\"\xf8\x88\x80\x80\x80\""),
	STR("\"\xfc\x84\x80\x80\x80\x80\""), STR("\"\xe9t\xe9\""), STR("\"0123456789abcdef\xff\""), STR("a\""),
	STR("'a\""), STR("\"\xc3\xa9\xc3\""), STR("\xc3\xa9"),
	/* arrays and objects */
	STR("["), STR("[["), STR("[1,"), STR("[1,]"), STR("[,1]"), STR("[,]"), STR("[1,,2]"), STR("[1 2]"),
	STR("[1:2]"), STR("[\"a\":1]"), STR("[\"a\" \"b\"]"), STR("[1}"), STR("[{]}"), STR("[}"), STR("[1;2]"),
	STR("[a]"), STR("[\"a\","), STR("[\"a"), STR("[,"), STR("[[]"), STR("[]]"), STR("[1]]"), STR("[[1],"),
	STR("[null,]"), STR("[ , ]"), STR("[1,\n1\n,1"), STR("[true"), STR("[tru]"), STR("[*]"), STR("[<null>]"),
	STR("[\"\\n\"] ,"), STR("[1]\x01"), STR("[\"x\",,]"), STR("(1)"), STR("[...]"), STR("{"), STR("{{"),
	STR("{{}}"), STR("{[]}"), STR("{,}"), STR("{]"), STR("{\"a\"}"), STR("{\"a\":}"), STR("{\"a\":1"),
	STR("{\"a\":1,"), STR("{\"a\":1,}"), STR("{,\"a\":1}"), STR("{\"a\"1}"), STR("{\"a\",1}"), STR("{\"a\"::1}"),
	STR("{\"a\":1:2}"), STR("{\"a\":1 \"b\":2}"), STR("{\"a\":1,,\"b\":2}"), STR("{\"a\":1;\"b\":2}"), STR("{a:1}"),
	STR("{'a':1}"), STR("{1:1}"), STR("{null:1}"), STR("{true:1}"), STR("{[]:1}"), STR("{\"a\":1]"),
	STR("{\"a\":[}"), STR("{\"a\":{]}"), STR("{\"a"), STR("{\"a\""), STR("{\"a\":"), STR("{\"a\":\"b"),
	STR("{\"a\" b}"), STR("{\"a\":1}}"), STR("{\"a\":1} x"), STR("{\"a\":1,1}"), STR("{\"a\":a}"),
	STR("{\"a\":'b'}"), STR("{\"\\uD800\":1}"), STR("{\"\xff\":1}"), STR("{\"a\n\":1}"), STR("{\"a\":/**/1}"),
	STR("{\"a\":1,//x\n\"b\":2}"), STR("{:1}"), STR("{\"a\"=1}"), STR("{\"a\":1,\"b\"}"),
	STR("{ \"a\":true \"b\"}"), STR("{\"a\":[1,{\"b\":[}]}"),
};

/* Reads any value by the pulling half of the reader, so that it is held to the same lists. */
static bool walk(struct json *json)
{
	struct str text;
	uint32_t index;
	double number;
	bool yes;
	switch (json_peek(json)) {
	case JSON_ARRAY:
		json_enter_array(json);
		while (json_next_item(json, &index))
			walk(json);
		return !json->failed;
	case JSON_OBJECT:
		json_enter_object(json);
		while (json_next_key(json, &text))
			walk(json);
		return !json->failed;
	case JSON_STRING:
		return json_read_str(json, SIZE_MAX, &text);
	case JSON_NUMBER:
		return json_read_double(json, -INFINITY, INFINITY, &number);
	case JSON_BOOL:
		return json_read_bool(json, &yes);
	case JSON_NULL:
	case JSON_INVALID: /* refuses */
		return json_read_null(json);
	}
	return false;
}

static bool walks(struct str text, struct problem *problem)
{
	struct arena arena = { 0 };
	struct json json;
	json_init(&json, text, &arena, problem);
	bool ok = walk(&json) && json_finish(&json);
	assert_true(ok || !json_finish(&json)); /* errors stick */
	arena_fini(&arena);
	return ok;
}

/* The text at the very end of its memory, so that the sanitizer sees a byte read too many. */
static enum err check_exactly(struct str text, struct problem *problem, bool *out_walks)
{
	struct problem walk_problem = { 0 };
	char *copy = malloc(text.len ? text.len : 1);
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	enum err err = json_check((struct str){ copy, text.len }, problem);
	*out_walks = walks((struct str){ copy, text.len }, &walk_problem);
	free(copy);
	return err;
}

static void accepts_what_is_json(void **state)
{
	(void)state;
	bool walks_too;
	for (size_t i = 0; i < ARRAY_COUNT(accepted); i++) {
		struct problem problem = { 0 };
		if (check_exactly(accepted[i], &problem, &walks_too))
			fail_msg("refused: " STR_FMT " (%s)", STR_ARG(accepted[i]), problem.detail);
		bool nul = memmem(accepted[i].ptr, accepted[i].len, "\"\\u0000", 7) != NULL;
		bool huge = memmem(accepted[i].ptr, accepted[i].len, "e400", 4) != NULL;
		if (walks_too == (nul || huge)) /* what the envelope refuses and a payload may hold */
			fail_msg("walked otherwise: " STR_FMT, STR_ARG(accepted[i]));
	}
}

static void refuses_what_is_not(void **state)
{
	(void)state;
	bool walks_too;
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		struct problem problem = { 0 };
		enum err err = check_exactly(refused[i], &problem, &walks_too);
		if (!err || walks_too)
			fail_msg("accepted: " STR_FMT, STR_ARG(refused[i]));
		assert_int_equal(err, E_MALFORMED);
		assert_int_equal(problem.err, E_MALFORMED);
		assert_true(str_starts(str_of(problem.detail), STR("At byte ")));
		assert_int_equal(json_check(refused[i], NULL), E_MALFORMED);
	}
	assert_true(ARRAY_COUNT(accepted) + ARRAY_COUNT(refused) >= 150);
}

/* At each place of a vector, each kind of byte that ends a plain run. */
static void special_bytes_anywhere_are_found(void **state)
{
	(void)state;
	static const struct {
		const char *insert;
		bool good;
	} rows[] = { { "\x01", false }, { "\x1f", false }, { "\xff", false }, { "\xc3\xa9", true },
		     { "\\n", true },   { "\\x", false },  { " ", true },     { "\x7f", true },
		     { "!", true },     { "#", true },     { "[", true },     { "]", true } };
	for (size_t row = 0; row < ARRAY_COUNT(rows); row++)
		for (size_t before = 0; before < 40; before++)
			for (size_t after = 0; after < 20; after += 3) {
				char text[128];
				bool walks_too;
				int len = snprintf(text, sizeof(text), "\"%.*s%s%.*s\"", (int)before,
						   "0123456789012345678901234567890123456789", rows[row].insert,
						   (int)after, "abcdefghijabcdefghij");
				enum err err = check_exactly((struct str){ text, (size_t)len }, NULL, &walks_too);
				assert_int_equal(err == E_OK, rows[row].good);
				assert_int_equal(walks_too, rows[row].good);
			}
}

static void depth_is_bounded(void **state)
{
	(void)state;
	for (size_t depth = LIMIT_JSON_DEPTH - 1; depth <= LIMIT_JSON_DEPTH + 1; depth++)
		for (int kind = 0; kind < 3; kind++) {
			struct problem problem;
			struct buf buf = { .max_bytes = 1 << 20 };
			for (size_t i = 0; i < depth; i++)
				buf_add(&buf, kind == 0 || (kind == 2 && i % 3) ? STR("[") : STR("{\"a\":"));
			buf_add_lit(&buf, "0");
			for (size_t i = depth; i-- > 0;)
				buf_add_byte(&buf, kind == 0 || (kind == 2 && i % 3) ? ']' : '}');
			assert_int_equal(json_check(buf_str(&buf), &problem),
					 depth <= LIMIT_JSON_DEPTH ? E_OK : E_MALFORMED);
			assert_int_equal(walks(buf_str(&buf), &problem), depth <= LIMIT_JSON_DEPTH);
			buf_fini(&buf);
		}
	static char deep[1 << 20];
	memset(deep, '[', sizeof(deep));
	assert_int_equal(json_check((struct str){ deep, sizeof(deep) }, NULL), E_MALFORMED);
}

static void depth_counts_from_the_envelope(void **state)
{
	(void)state;
	for (size_t inner = LIMIT_JSON_DEPTH - 2; inner <= LIMIT_JSON_DEPTH; inner++) {
		char text[3 * LIMIT_JSON_DEPTH];
		struct json json;
		struct str raw;
		uint32_t index;
		memset(text, '[', 1 + inner);
		memset(text + 1 + inner, ']', 1 + inner);
		json_init(&json, (struct str){ text, 2 + 2 * inner }, NULL, NULL);
		json_enter_array(&json);
		assert_true(json_next_item(&json, &index));
		assert_int_equal(json_read_raw(&json, &raw), inner < LIMIT_JSON_DEPTH);
		if (!json.failed)
			assert_int_equal(raw.len, 2 * inner);
		assert_false(json_next_item(&json, &index));
	}
}

static void problems_name_the_place(void **state)
{
	(void)state;
	static const struct {
		const char *text, *detail;
	} rows[] = {
		{ "{\"a\":1,}", "At byte 7 (line 1, column 8): a field's name in double quotes is expected here." },
		{ "[1,\n 2\n 3]", "At byte 8 (line 3, column 2): ',' or ']' is expected after an item." },
		{ "{\"é\":x}", "At byte 6 (line 1, column 6): a value is expected here." },
		{ "\n\n\"\xff\"", "At byte 3 (line 3, column 2): the string is not valid UTF-8." },
		{ "[\"a\nb\"]", "At byte 3 (line 1, column 4): a control character in a string must be escaped." },
		{ "\"\\uD800\"", "At byte 1 (line 1, column 2): half of a surrogate pair stands alone." },
		{ "", "At byte 0 (line 1, column 1): the text ends where a value is expected." },
		{ "\"abc", "At byte 4 (line 1, column 5): the text ends within a string." },
		{ "01", "At byte 1 (line 1, column 2): a number must not begin with 0." },
		{ "{} {}", "At byte 3 (line 1, column 4): nothing may follow the value." },
		{ "{\"a\" 1}", "At byte 5 (line 1, column 6): ':' is expected after a field's name." },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem;
		assert_int_equal(json_check(str_of(rows[i].text), &problem), E_MALFORMED);
		assert_string_equal(problem.detail, rows[i].detail);
	}
}

static void strings_are_decoded(void **state)
{
	(void)state;
	static const struct {
		const char *text, *value;
	} rows[] = {
		{ "\"\"", "" }, { "\"plain\"", "plain" }, { "\"\\u0041\\u00e9\\u20AC\\uD83D\\uDC1D\"", "Aé€" BEE },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" }, { "\"a\\nb\\nc\"", "a\nb\nc" },
		{ "\"\\u007F\\u0080\\u07ff\\u0800\\uffff\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf" },
		{ "\"\\uD800\\uDC00\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" }, { "\"é\\u00e8\"", "éè" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct arena arena = { 0 };
		struct json json;
		struct str value;
		struct str text = str_of(rows[i].text);
		json_init(&json, text, &arena, NULL);
		assert_true(json_read_str(&json, 1000, &value));
		assert_true(str_eq(value, str_of(rows[i].value)));
		bool slice = value.ptr >= text.ptr && value.ptr <= text.ptr + text.len;
		assert_int_equal(slice, strchr(rows[i].text, '\\') == NULL);
		for (size_t max = value.len ? value.len - 1 : 0; max <= value.len; max++) {
			json_init(&json, text, &arena, NULL);
			assert_int_equal(json_read_str(&json, max, &value), max >= strlen(rows[i].value));
		}
		arena_fini(&arena);
	}
}

struct scalar_row {
	const char *text;
	int64_t min, max, value;
	const char *detail; /* NULL: accepted */
};

static void integers_stay_in_their_range(void **state)
{
	(void)state;
	static const struct scalar_row rows[] = {
		{ "0", 0, 9, 0, NULL },
		{ " 9 ", 0, 9, 9, NULL },
		{ "-0", 0, 9, 0, NULL },
		{ "-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN, NULL },
		{ "9223372036854775807", INT64_MIN, INT64_MAX, INT64_MAX, NULL },
		{ "10", 0, 9, 0, "Expected an integer from 0 to 9, got 10." },
		{ "-1", 0, 9, 0, "Expected an integer from 0 to 9, got -1." },
		{ "9223372036854775808", 0, INT64_MAX, 0,
		  "Expected an integer from 0 to 9223372036854775807, got 9223372036854775808." },
		{ "1.0", 0, 9, 0, "Expected an integer from 0 to 9, got 1.0." },
		{ "1e0", 0, 9, 0, "Expected an integer from 0 to 9, got 1e0." },
		{ "111111111111111111111111111111", 0, 9, 0,
		  "Expected an integer from 0 to 9, got 111111111111111111111111…." },
		{ "\"5\"", 0, 2097151, 0, "Expected an integer from 0 to 2097151, got a string." },
		{ "null", 0, 9, 0, "Expected an integer from 0 to 9, got null." },
		{ "[1]", 0, 9, 0, "Expected an integer from 0 to 9, got an array." },
		{ "{}", 0, 9, 0, "Expected an integer from 0 to 9, got an object." },
		{ "true", 0, 9, 0, "Expected an integer from 0 to 9, got a boolean." },
		{ "x", 0, 9, 0, "At byte 0 (line 1, column 1): a value is expected here." },
		{ "-", 0, 9, 0, "At byte 1 (line 1, column 2): a digit must follow '-'." },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		struct json json;
		int64_t n = 77;
		json_init(&json, str_of(rows[i].text), NULL, &problem);
		bool ok = json_read_i64(&json, rows[i].min, rows[i].max, &n);
		assert_int_equal(ok, rows[i].detail == NULL);
		assert_string_equal(problem.detail, rows[i].detail ? rows[i].detail : "");
		assert_true(n == (ok ? rows[i].value : 77));
	}
}

static void doubles_are_exact(void **state)
{
	(void)state;
	struct dice dice = { 61 };
	for (int i = 0; i < 50000; i++) {
		char text[64];
		double expected, n = 0;
		struct json json;
		switch (i % 4) {
		case 0: {
			uint64_t bits = dice_roll(&dice);
			memcpy(&expected, &bits, sizeof(expected));
			if (!isfinite(expected))
				continue;
			snprintf(text, sizeof(text), "%.17g", expected);
			break;
		}
		case 1:
			snprintf(text, sizeof(text), "%d.%0*u", (int)dice_below(&dice, 2000) - 1000,
				 1 + (int)dice_below(&dice, 9), dice_below(&dice, 10));
			break;
		case 2:
			snprintf(text, sizeof(text), "%lld",
				 (long long)(dice_roll(&dice) >> dice_below(&dice, 64)) / 2);
			break;
		default:
			snprintf(text, sizeof(text), "-0.%015llu",
				 (unsigned long long)(dice_roll(&dice) % 1000000000000000u));
			break;
		}
		expected = strtod(text, NULL);
		json_init(&json, str_of(text), NULL, NULL);
		assert_true(json_read_double(&json, -INFINITY, INFINITY, &n));
		assert_memory_equal(&n, &expected, sizeof(n));
	}
	static const struct {
		const char *text, *detail;
	} rows[] = {
		{ "1e999", "Expected a number from 0 to 9.5, got 1e999." },
		{ "9.6", "Expected a number from 0 to 9.5, got 9.6." },
		{ "-1e-9", "Expected a number from 0 to 9.5, got -1e-9." },
		{ "\"1\"", "Expected a number, got a string." },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		struct json json;
		double n;
		json_init(&json, str_of(rows[i].text), NULL, &problem);
		assert_false(json_read_double(&json, 0, 9.5, &n));
		assert_string_equal(problem.detail, rows[i].detail);
	}
}

static void raw_values_are_verbatim(void **state)
{
	(void)state;
	static const struct {
		const char *text, *raw;
	} rows[] = {
		{ " [ 1 , {\"a\" : \"\\u0000\"} ] ", "[ 1 , {\"a\" : \"\\u0000\"} ]" }, { "\t\"é\"\n", "\"é\"" },
		{ "-1.50e+1", "-1.50e+1" }, { "null", "null" }, { "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct json json;
		struct str raw;
		json_init(&json, str_of(rows[i].text), NULL, NULL);
		assert_true(json_read_raw(&json, &raw));
		assert_true(json_finish(&json));
		assert_true(str_eq(raw, str_of(rows[i].raw)));
	}
}

/* ---- objects by table ---- */

struct retry {
	int32_t factor;
};
struct job {
	struct str name, payload;
	int32_t priority;
	uint32_t count;
	int64_t delay_ms, run_at;
	bool lifo;
	struct retry retry;
};

static const struct json_field retry_fields[] = { { "factor", JSON_F_I32, offsetof(struct retry, factor), -5, 5, 0,
						    NULL, NULL } };

static bool retry_read(struct json *json, void *out, void *context)
{
	++*(int *)context;
	return json_read_fields(json, retry_fields, ARRAY_COUNT(retry_fields), out, NULL, NULL);
}

static const struct json_field job_fields[] = {
	{ "name", JSON_F_STR, offsetof(struct job, name), 1, 10, JSON_F_REQUIRED, NULL, "What to do" },
	{ "priority", JSON_F_I32, offsetof(struct job, priority), 0, LIMIT_PRIORITY, 0, NULL, NULL },
	{ "count", JSON_F_U32, offsetof(struct job, count), 0, UINT32_MAX, 0, NULL, NULL },
	{ "delay_ms", JSON_F_I64, offsetof(struct job, delay_ms), 0, LIMIT_DURATION_MS, JSON_F_NULL, NULL, NULL },
	{ "run_at", JSON_F_INSTANT, offsetof(struct job, run_at), 0, 0, JSON_F_NULL, NULL, NULL },
	{ "lifo", JSON_F_BOOL, offsetof(struct job, lifo), 0, 0, 0, NULL, NULL },
	{ "payload", JSON_F_RAW, offsetof(struct job, payload), 0, 0, 0, NULL, NULL },
	{ "retry", JSON_F_CUSTOM, offsetof(struct job, retry), 0, 0, JSON_F_NULL, retry_read, NULL },
};

static void a_table_fills_a_struct(void **state)
{
	(void)state;
	static const char text[] =
		"{\"payload\": {\"a\":[1]} ,\"name\":\"caf\\u00e9\",\"retry\":{\"factor\":-3},\"count\":4294967295,\"lifo\":true,"
		"\"delay_ms\":null,\"run_at\":\"2026-11-23T19:11:12Z\",\"prior\\u0069ty\":7}";
	struct arena arena = { 0 };
	struct problem problem = { 0 };
	struct job job = { .delay_ms = 5 };
	struct json json;
	uint64_t present = 0;
	int context = 0;
	json_init(&json, str_of(text), &arena, &problem);
	assert_true(json_read_fields(&json, job_fields, ARRAY_COUNT(job_fields), &job, &context, &present));
	assert_true(json_finish(&json));
	assert_true(str_eq(job.name, STR("café")));
	assert_true(str_eq(job.payload, STR("{\"a\":[1]}")));
	assert_int_equal(job.priority, 7);
	assert_int_equal(job.count, UINT32_MAX);
	assert_int_equal(job.delay_ms, 5);
	assert_int_equal(job.run_at, INT64_C(1795461072000000));
	assert_true(job.lifo);
	assert_int_equal(job.retry.factor, -3);
	assert_int_equal(context, 1);
	assert_int_equal(present, 0xff & ~(1u << 3));
	assert_int_equal(problem.err, E_OK);
	arena_fini(&arena);
}

static void a_table_refuses_with_path_and_reason(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err err;
		const char *field, *detail;
	} rows[] = {
		{ "{\"name\":\"a\",\"delai_ms\":1}", E_UNKNOWN_FIELD, "jobs[1].delai_ms",
		  "Unknown field; did you mean \"delay_ms\"?" },
		{ "{\"zzz\":1}", E_UNKNOWN_FIELD, "jobs[1].zzz",
		  "Unknown field; known here: name, priority, count, delay_ms, run_at, lifo, payload, retry." },
		{ "{\"\":1}", E_UNKNOWN_FIELD, "jobs[1].",
		  "Unknown field; known here: name, priority, count, delay_ms, run_at, lifo, payload, retry." },
		{ "{\"nam\":1}", E_UNKNOWN_FIELD, "jobs[1].nam", "Unknown field; did you mean \"name\"?" },
		{ "{\"names\":1}", E_UNKNOWN_FIELD, "jobs[1].names", "Unknown field; did you mean \"name\"?" },
		{ "{\"name\":\"a\",\"name\":\"a\"}", E_INVALID, "jobs[1].name", "This field is given twice." },
		{ "{\"name\":\"a\",\"n\\u0061me\":\"a\"}", E_INVALID, "jobs[1].name", "This field is given twice." },
		{ "{\"delay_ms\":null,\"delay_ms\":1}", E_INVALID, "jobs[1].delay_ms", "This field is given twice." },
		{ "{}", E_INVALID, "jobs[1].name", "This field is required." },
		{ "{\"name\":\"\"}", E_INVALID, "jobs[1].name", "This text must not be empty." },
		{ "{\"name\":\"12345678901\"}", E_INVALID, "jobs[1].name",
		  "This text is longer than the 10 bytes allowed." },
		{ "{\"name\":\"a\\u0000b\"}", E_INVALID, "jobs[1].name", "The character U+0000 is not allowed here." },
		{ "{\"name\":null}", E_INVALID, "jobs[1].name", "Expected a string, got null." },
		{ "{\"name\":\"a\",\"priority\":\"5\"}", E_INVALID, "jobs[1].priority",
		  "Expected an integer from 0 to 2097151, got a string." },
		{ "{\"name\":\"a\",\"count\":4294967296}", E_INVALID, "jobs[1].count",
		  "Expected an integer from 0 to 4294967295, got 4294967296." },
		{ "{\"name\":\"a\",\"lifo\":1}", E_INVALID, "jobs[1].lifo", "Expected true or false, got a number." },
		{ "{\"name\":\"a\",\"run_at\":5}", E_INVALID, "jobs[1].run_at",
		  "Expected an instant in a string, such as \"2026-11-23T19:11:12.345Z\"." },
		{ "{\"name\":\"a\",\"run_at\":\"now\"}", E_INVALID, "jobs[1].run_at",
		  "Expected an instant such as \"2026-11-23T19:11:12.345Z\", got \"now\"." },
		{ "{\"name\":\"a\",\"retry\":{\"factor\":6}}", E_INVALID, "jobs[1].retry.factor",
		  "Expected an integer from -5 to 5, got 6." },
		{ "{\"name\":\"a\",\"retry\":{\"fact\":6}}", E_UNKNOWN_FIELD, "jobs[1].retry.fact",
		  "Unknown field; known here: factor." },
		{ "{\"name\":\"a\",\"retry\":[]}", E_INVALID, "jobs[1].retry", "Expected an object, got an array." },
		{ "{\"name\":\"a\",\"payload\":[1,]}", E_MALFORMED, "jobs[1].payload",
		  "At byte 41 (line 1, column 42): a value is expected here." },
		{ "[]", E_INVALID, "jobs[1]", "Expected an object, got an array." },
		{ "{\"name\":\"a\"", E_MALFORMED, "jobs[1].name",
		  "At byte 27 (line 1, column 28): ',' or '}' is expected after a field's value." },
		{ "{\"na\\u0000me\":\"a\"}", E_INVALID, "jobs[1]", "The character U+0000 is not allowed here." },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct arena arena = { 0 };
		struct problem problem = { 0 };
		struct json json;
		struct str key;
		uint32_t index;
		int context = 0;
		struct buf buf = { .max_bytes = 1000 };
		buf_addf(&buf, "{\"jobs\":[\"skip\",%s]}", rows[i].text);
		json_init(&json, buf_str(&buf), &arena, &problem);
		assert_true(json_enter_object(&json));
		assert_true(json_next_key(&json, &key));
		assert_true(json_enter_array(&json));
		assert_true(json_next_item(&json, &index));
		assert_true(json_skip(&json));
		assert_true(json_next_item(&json, &index));
		assert_int_equal(index, 1);
		struct job job = { 0 };
		bool ok = json_read_fields(&json, job_fields, ARRAY_COUNT(job_fields), &job, &context, NULL);
		if (ok) /* the one row that is only seen by what follows */
			assert_false(json_next_item(&json, &index) || json_next_key(&json, &key));
		assert_int_equal(problem.err, rows[i].err);
		assert_string_equal(problem.field, rows[i].field);
		assert_string_equal(problem.detail, rows[i].detail);
		assert_false(json_read_null(&json));
		assert_false(json_next_item(&json, &index));
		assert_int_equal(json_peek(&json), JSON_INVALID);
		assert_string_equal(problem.detail, rows[i].detail); /* the first error stays */
		buf_fini(&buf);
		arena_fini(&arena);
	}
}

static void refusals_speak_at_the_current_path(void **state)
{
	(void)state;
	struct arena arena = { 0 };
	struct problem problem;
	struct json json;
	struct str key;
	int64_t n;
	json_init(&json, STR("{\"retry\":{\"list\":5},\"x\":1}"), &arena, &problem);
	json_enter_object(&json);
	json_next_key(&json, &key);
	json_enter_object(&json);
	json_next_key(&json, &key);
	assert_true(json_read_i64(&json, 0, 9, &n));
	assert_false(json_next_key(&json, &key));
	assert_false(json_refuse_field(&json, E_CONFLICT, "list", "Not %d.", 5));
	assert_int_equal(problem.err, E_CONFLICT);
	assert_string_equal(problem.field, "retry.list");
	assert_string_equal(problem.detail, "Not 5.");

	char deep[400]; /* long and deep paths are cut, not overrun */
	size_t len = 0;
	for (int i = 0; i < 30; i++)
		len += (size_t)snprintf(deep + len, sizeof(deep) - len, "{\"field%d\":", i);
	json_init(&json, (struct str){ deep, len }, &arena, &problem);
	while (json_peek(&json) == JSON_OBJECT) {
		json_enter_object(&json);
		json_next_key(&json, &key);
	}
	json_refuse(&json, E_INVALID, "x");
	assert_true(str_starts(str_of(problem.field), STR("field0.field1.field2.")));
	assert_int_equal(strlen(problem.field), sizeof(problem.field) - 1);
	arena_fini(&arena);
}

/* ---- writing ---- */

static void writes_objects(void **state)
{
	(void)state;
	struct buf buf = { .max_bytes = 10000 };
	buf_add_byte(&buf, '{');
	json_put_field_str(&buf, "a\"", STR("x\"\\/\b\f\n\r\t\x01\x1f\x7f é" BEE));
	json_put_field_i64(&buf, "i", INT64_MIN);
	json_put_field_u64(&buf, "u", UINT64_MAX);
	json_put_field_bool(&buf, "t", true);
	json_put_field_bool(&buf, "f", false);
	json_put_field_null(&buf, "n");
	json_put_field_raw(&buf, "r", STR("[1]"));
	json_put_field_raw(&buf, "e", STR(""));
	json_put_field_instant(&buf, "at", INT64_C(1795461072345678));
	json_put_field_instant(&buf, "never", 0);
	json_put_key(&buf, "list");
	buf_add_byte(&buf, '[');
	for (int i = 0; i < 3; i++) {
		json_put_comma(&buf);
		buf_add_byte(&buf, '{');
		json_put_field_i64(&buf, "n", i);
		buf_add_byte(&buf, '}');
	}
	buf_add_lit(&buf, "]}");
	assert_true(buf_ok(&buf));
	buf_add_byte(&buf, '\0');
	assert_string_equal(
		buf.ptr,
		"{\"a\\\"\":\"x\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f é" BEE
		"\",\"i\":-9223372036854775808,\"u\":18446744073709551615,"
		"\"t\":true,\"f\":false,\"n\":null,\"r\":[1],\"e\":null,\"at\":\"2026-11-23T19:11:12.345Z\",\"never\":null,"
		"\"list\":[{\"n\":0},{\"n\":1},{\"n\":2}]}");
	buf_fini(&buf);
}

static void commas_come_where_needed(void **state)
{
	(void)state;
	static const struct {
		const char *before, *after;
	} rows[] = { { "", "" },        { "[", "[" },
		     { "{", "{" },      { "{\"a\":", "{\"a\":" },
		     { "[1", "[1," },   { "[\"a\"", "[\"a\"," },
		     { "[{}", "[{}," }, { "[[]", "[[]," } };
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct buf buf = { .max_bytes = 100 };
		buf_add(&buf, str_of(rows[i].before));
		json_put_comma(&buf);
		assert_true(str_eq(buf_str(&buf), str_of(rows[i].after)));
		buf_fini(&buf);
	}
}

/* Whatever bytes go in, what comes out is JSON; well-formed text comes back as it was, each bad byte as U+FFFD. */
static void any_bytes_become_a_string(void **state)
{
	(void)state;
	struct dice dice = { 71 };
	struct arena arena = { 0 };
	for (int i = 0; i < 20000; i++) {
		char bytes[80];
		struct str text = { bytes, dice_below(&dice, sizeof(bytes)) }, back;
		uint32_t ascii = dice_below(&dice, 3);
		for (size_t j = 0; j < text.len; j++)
			bytes[j] = (char)(1 + dice_below(&dice, ascii ? 127 : 255));
		struct buf buf = { .max_bytes = 1000 };
		struct json json;
		json_put_str(&buf, text);
		assert_true(buf_ok(&buf));
		json_init(&json, buf_str(&buf), &arena, NULL);
		assert_true(json_read_str(&json, 1000, &back) && json_finish(&json));
		assert_true(str_is_utf8(back));
		assert_int_equal(str_eq(text, back), str_is_utf8(text));
		if (str_is_utf8(text))
			assert_int_equal(json_str_bytes(text), buf.len);
		buf_fini(&buf);
		arena_reset(&arena);
	}
	struct buf buf = { .max_bytes = 1000 };
	json_put_str(&buf, STR("a\xff\xc3" "b\xe2\x82"));
	assert_true(str_eq(buf_str(&buf), STR("\"a\xef\xbf\xbd\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd\"")));
	buf_fini(&buf);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_what_is_json),
		cmocka_unit_test(refuses_what_is_not),
		cmocka_unit_test(special_bytes_anywhere_are_found),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(depth_counts_from_the_envelope),
		cmocka_unit_test(problems_name_the_place),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(integers_stay_in_their_range),
		cmocka_unit_test(doubles_are_exact),
		cmocka_unit_test(raw_values_are_verbatim),
		cmocka_unit_test(a_table_fills_a_struct),
		cmocka_unit_test(a_table_refuses_with_path_and_reason),
		cmocka_unit_test(refusals_speak_at_the_current_path),
		cmocka_unit_test(writes_objects),
		cmocka_unit_test(commas_come_where_needed),
		cmocka_unit_test(any_bytes_become_a_string),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
