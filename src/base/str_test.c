#include "base/str.h"
#include "base/dice.h"
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void orders_by_bytes_then_length(void **state)
{
	(void)state;
	static const char *const sorted[] = { "", "A", "Z", "a", "a ", "aa", "b", "\xc3\xa9" };
	for (size_t i = 0; i < ARRAY_COUNT(sorted); i++)
		for (size_t j = 0; j < ARRAY_COUNT(sorted); j++) {
			int order = str_cmp(str_of(sorted[i]), str_of(sorted[j]));
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(str_eq(str_of(sorted[i]), str_of(sorted[j])), i == j);
		}
}

static void compares_header_names(void **state)
{
	(void)state;
	assert_true(str_eq_nocase(STR("Content-Length"), STR("cONTENT-lENGTH")));
	assert_false(str_eq_nocase(STR("[x"), STR("{x"))); /* one bit apart, like letters */
	assert_false(str_eq_nocase(STR("a"), STR("ab")));
	assert_true(str_eq_nocase(STR(""), (struct str){ NULL, 0 }));
}

static void finds_and_trims(void **state)
{
	(void)state;
	assert_int_equal(str_index(STR("a,b,c"), ','), 1);
	assert_int_equal(str_index(STR("abc"), ','), 3);
	assert_int_equal(str_index((struct str){ NULL, 0 }, ','), 0);
	assert_true(str_eq(str_trim(STR(" \t a b \t")), STR("a b")));
	assert_true(str_eq(str_trim(STR(" \t ")), STR("")));
	assert_true(str_starts(STR("abc"), STR("ab")));
	assert_false(str_starts(STR("ab"), STR("abc")));
	assert_true(str_eq(str_from(STR("abc"), 2), STR("c")));
	assert_int_equal(str_from(STR("abc"), 9).len, 0);
}

static void reads_integers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool u64_ok, i64_ok;
		uint64_t u64;
		int64_t i64;
	} rows[] = {
		{ "0", true, true, 0, 0 },
		{ "007", true, true, 7, 7 },
		{ "-1", false, true, 0, -1 },
		{ "-0", false, true, 0, 0 },
		{ "9223372036854775807", true, true, INT64_MAX, INT64_MAX },
		{ "9223372036854775808", true, false, UINT64_C(9223372036854775808), 0 },
		{ "-9223372036854775808", false, true, 0, INT64_MIN },
		{ "-9223372036854775809", false, false, 0, 0 },
		{ "18446744073709551615", true, false, UINT64_MAX, 0 },
		{ "18446744073709551616", false, false, 0, 0 },
		{ "99999999999999999999999", false, false, 0, 0 },
		{ "", false, false, 0, 0 },
		{ "-", false, false, 0, 0 },
		{ "--1", false, false, 0, 0 },
		{ "+1", false, false, 0, 0 },
		{ " 1", false, false, 0, 0 },
		{ "1 ", false, false, 0, 0 },
		{ "1a", false, false, 0, 0 },
		{ "1.0", false, false, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		uint64_t u64 = 0;
		int64_t i64 = 0;
		assert_int_equal(str_u64(str_of(rows[i].text), &u64), rows[i].u64_ok);
		assert_int_equal(str_i64(str_of(rows[i].text), &i64), rows[i].i64_ok);
		assert_true(u64 == rows[i].u64);
		assert_true(i64 == rows[i].i64);
	}
}

static void knows_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "", true },
		{ "ascii", true },
		{ "éàü€", true },
		{ "\xf0\x9f\x90\x9d", true },
		{ "\x7f", true },
		{ "\xc2\x80", true },
		{ "\xdf\xbf", true },
		{ "\xe0\xa0\x80", true },
		{ "\xed\x9f\xbf", true },
		{ "\xee\x80\x80", true },
		{ "\xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\x80", false },
		{ "\xbf", false },
		{ "\xc0\x80", false },
		{ "\xc1\xbf", false },
		{ "\xc2", false },
		{ "\xc2\x41", false },
		{ "\xe0\x9f\xbf", false },
		{ "\xe0\xa0", false },
		{ "\xed\xa0\x80", false },
		{ "\xed\xbf\xbf", false },
		{ "\xef\xbf", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xf0\x90\x80", false },
		{ "\xf4\x90\x80\x80", false },
		{ "\xf5\x80\x80\x80", false },
		{ "\xff", false },
		{ "\xfe", false },
		{ "12345678\xff", false },
		{ "1234567\xc3\xa9", true },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		assert_int_equal(str_is_utf8(str_of(rows[i].text)), rows[i].good);
		char long_text[64] = "0123456789abcdef-"; /* the same at another place of a word */
		strcat(long_text, rows[i].text);
		strcat(long_text, "tail tail tail");
		assert_int_equal(str_is_utf8(str_of(long_text)), rows[i].good);
	}
}

static void cuts_between_characters(void **state)
{
	(void)state;
	assert_true(str_eq(str_cut(STR("abc"), 3), STR("abc")));
	assert_true(str_eq(str_cut(STR("abc"), 2), STR("ab")));
	assert_true(str_eq(str_cut(STR("aé"), 2), STR("a")));
	assert_true(str_eq(str_cut(STR("é€\xf0\x9f\x90\x9d"), 8), STR("é€")));
	assert_true(str_eq(str_cut(STR("é€\xf0\x9f\x90\x9d"), 9), STR("é€\xf0\x9f\x90\x9d")));
	assert_int_equal(str_cut(STR("€"), 2).len, 0);
	assert_int_equal(str_cut(STR("\x80\x80\x80\x80\x80\x80\x80\x80"), 6).len, 6); /* no characters: no mercy */
}

/* Equal bytes hash the same wherever they stand, and changing one bit, the length or the seed changes the hash. */
static void hashes_by_content_and_seed(void **state)
{
	(void)state;
	struct dice dice = { 7 };
	for (size_t len = 0; len < 70; len++) {
		char a[96], b[96];
		for (size_t i = 0; i < len; i++)
			a[i] = (char)dice_roll(&dice);
		memcpy(b + 3, a, len);
		uint64_t hash = str_hash((struct str){ a, len }, 1);
		assert_true(hash == str_hash((struct str){ b + 3, len }, 1));
		assert_true(hash != str_hash((struct str){ a, len }, 2));
		for (size_t bit = 0; bit < len * 8; bit++) {
			b[3 + bit / 8] = (char)(b[3 + bit / 8] ^ (1 << (bit % 8)));
			assert_true(hash != str_hash((struct str){ b + 3, len }, 1));
			b[3 + bit / 8] = a[bit / 8];
		}
		a[len] = '\0';
		assert_true(hash != str_hash((struct str){ a, len + 1 }, 1));
	}
}

static void spreads_hashes(void **state) /* decimal ids into 4,096 buckets: none gets more than a fair share allows */
{
	(void)state;
	static uint32_t low[4096], high[4096];
	for (uint32_t n = 0; n < 4096 * 16; n++) {
		char text[16];
		int len = snprintf(text, sizeof(text), "job-%u", n);
		uint64_t hash = str_hash((struct str){ text, (size_t)len }, 42);
		low[hash % 4096]++;
		high[hash >> 52]++;
	}
	for (size_t i = 0; i < 4096; i++) {
		assert_true(low[i] < 48);
		assert_true(high[i] < 48);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_by_bytes_then_length),
		cmocka_unit_test(compares_header_names),
		cmocka_unit_test(finds_and_trims),
		cmocka_unit_test(reads_integers),
		cmocka_unit_test(knows_utf8),
		cmocka_unit_test(cuts_between_characters),
		cmocka_unit_test(hashes_by_content_and_seed),
		cmocka_unit_test(spreads_hashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
