#include "base/buf.h"
#include "base/dice.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

static void holds_what_was_written(void **state)
{
	(void)state;
	struct buf buf = { .max_bytes = 4096 };
	buf_add_lit(&buf, "a");
	buf_add(&buf, (struct str){ NULL, 0 });
	buf_add_byte(&buf, 'b');
	buf_addf(&buf, "[%s|%05d]", "c", 42);
	buf_add_i64(&buf, -7);
	assert_true(str_eq(buf_str(&buf), STR("ab[c|00042]-7")));
	buf_consume(&buf, 2);
	assert_true(str_eq(buf_str(&buf), STR("[c|00042]-7")));
	buf_consume(&buf, buf.len);
	buf_consume(&buf, 0);
	assert_int_equal(buf.len, 0);
	buf_addf(&buf, "%0700d", 5);
	assert_int_equal(buf.len, 700);
	assert_true(buf_ok(&buf));
	buf_fini(&buf);
	buf_add_lit(&buf, "again");
	assert_true(str_eq(buf_str(&buf), STR("again")));
	buf_fini(&buf);
}

static void stops_at_its_maximum(void **state)
{
	(void)state;
	static const size_t maxima[] = { 0, 1, 5, 255, 256, 257, 300, 1000, 4097 };
	for (size_t i = 0; i < ARRAY_COUNT(maxima); i++) {
		struct buf buf;
		buf_init(&buf, maxima[i]);
		for (size_t n = 0; n < maxima[i]; n++)
			buf_add_byte(&buf, 'x');
		assert_true(buf_ok(&buf));
		assert_int_equal(buf.len, maxima[i]);
		assert_true(buf.capacity <= maxima[i]);
		buf_add_byte(&buf, 'y');
		assert_false(buf_ok(&buf));
		assert_int_equal(buf.len, maxima[i]);
		assert_null(buf_reserve(&buf, SIZE_MAX));
		buf_clear(&buf);
		assert_true(buf_ok(&buf));
		assert_null(buf_reserve(&buf, SIZE_MAX));
		buf_add_lit(&buf, ""); /* after a failure all is dropped, until cleared */
		assert_false(buf_ok(&buf));
		buf_fini(&buf);
	}
}

static void writes_integers(void **state)
{
	(void)state;
	struct dice dice = { 3 };
	struct buf buf = { .max_bytes = 100 };
	for (int round = 0; round < 20000; round++) {
		uint64_t n = dice_roll(&dice) >> dice_below(&dice, 64);
		if (round < 21) { /* around the powers of ten */
			n = 1;
			for (int i = 1; i < round; i++)
				n *= 10;
			n -= (uint64_t)(round % 2);
		}
		char expected[64];
		buf_clear(&buf);
		buf_add_u64(&buf, n);
		buf_add_byte(&buf, ' ');
		buf_add_i64(&buf, (int64_t)n);
		int len = snprintf(expected, sizeof(expected), "%" PRIu64 " %" PRId64, n, (int64_t)n);
		assert_true(str_eq(buf_str(&buf), (struct str){ expected, (size_t)len }));
	}
	buf_clear(&buf);
	buf_add_i64(&buf, INT64_MIN);
	buf_add_u64(&buf, UINT64_MAX);
	assert_true(str_eq(buf_str(&buf), STR("-922337203685477580818446744073709551615")));
	buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_what_was_written),
		cmocka_unit_test(stops_at_its_maximum),
		cmocka_unit_test(writes_integers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
