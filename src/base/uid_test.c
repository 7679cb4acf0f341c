#include "base/uid.h"
#include "base/dice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define EPOCH_US (UID_EPOCH_MS * INT64_C(1000))

static void grows_whatever_the_clock_does(void **state)
{
	(void)state;
	struct dice dice = { 41 };
	struct uid_maker maker = { .maker = 3 };
	int64_t now_us = EPOCH_US + INT64_C(63000000000000);
	uint64_t last = 0;
	for (int i = 0; i < 200000; i++) {
		now_us += (int64_t)dice_below(&dice, 100) - (dice_below(&dice, 1000) == 0 ? 5000000 : 0);
		uint64_t uid = uid_next(&maker, now_us);
		assert_true(uid > last);
		assert_true(uid >> 63 == 0);
		assert_int_equal(uid >> 14 & 0xff, 3);
		last = uid;
	}
}

static void overflow_borrows_from_the_next_millisecond(void **state)
{
	(void)state;
	struct uid_maker maker = { .maker = 255 };
	int64_t now_us = EPOCH_US + 5000;
	uint64_t first = uid_next(&maker, now_us);
	for (int i = 1; i < 1 << 14; i++)
		assert_int_equal(uid_time_us(uid_next(&maker, now_us)), now_us);
	assert_int_equal(uid_time_us(uid_next(&maker, now_us)), now_us + 1000);
	assert_int_equal(first & 0x3fff, 0);
	assert_int_equal(maker.last >> 14 & 0xff, 255);
}

static void goes_on_after_a_restart(void **state)
{
	(void)state;
	int64_t now_us = EPOCH_US + INT64_C(1000000000);
	struct uid_maker old = { .maker = 9 };
	uint64_t last = uid_next(&old, now_us + 60000000); /* the clock was ahead */
	struct uid_maker young = { .maker = 4, .last = last };
	uint64_t uid = uid_next(&young, now_us);
	assert_true(uid > last);
	assert_int_equal(uid >> 14 & 0xff, 4);
	assert_true(uid_next(&young, now_us) > uid);
}

static void tells_its_time(void **state)
{
	(void)state;
	struct uid_maker maker = { 0 };
	int64_t now_us = EPOCH_US + INT64_C(123456789012345);
	uint64_t uid = uid_next(&maker, now_us);
	assert_int_equal(uid_time_us(uid), now_us / 1000 * 1000);
	assert_true(uid_floor(now_us) <= uid);
	assert_true(uid_floor(now_us + 1000) > uid);
	assert_int_equal(uid_floor(0), 0); /* before the epoch */
	assert_int_equal(uid_floor(INT64_MAX) >> 63, 0);
}

static void reads_what_it_writes(void **state)
{
	(void)state;
	struct dice dice = { 42 };
	char last[UID_TEXT_BYTES] = "", text[UID_TEXT_BYTES];
	uint64_t uid = 0, back;
	for (int i = 0; i < 10000; i++, uid += dice_roll(&dice) >> 15) {
		uid_text(uid, text);
		assert_int_equal(strlen(text), 13);
		assert_int_equal(uid_parse(str_of(text), &back), E_OK);
		assert_true(back == uid);
		assert_true(i == 0 || strcmp(text, last) > 0); /* texts sort as the numbers do */
		memcpy(last, text, sizeof(last));
	}
	uid_text(INT64_MAX, text);
	assert_string_equal(text, "7zzzzzzzzzzzz");
}

static void reads_strictly(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err err;
	} rows[] = {
		{ "0000000000000", E_OK }, { "7ZZZZZZZZZZZZ", E_OK }, { "oOiIlL0000000", E_OK },
		{ "8000000000000", E_INVALID }, { "z000000000000", E_INVALID }, { "", E_INVALID },
		{ "000000000000", E_INVALID }, { "00000000000000", E_INVALID }, { "000000000000u", E_INVALID },
		{ "00000000000-0", E_INVALID }, { " 000000000000", E_INVALID }, { "000000é00000", E_INVALID },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		uint64_t uid = 77;
		assert_int_equal(uid_parse(str_of(rows[i].text), &uid), rows[i].err);
		if (rows[i].err)
			assert_int_equal(uid, 77);
	}
	uint64_t a, b;
	assert_int_equal(uid_parse(STR("0r4k2m7x9q3zt"), &a), E_OK);
	assert_int_equal(uid_parse(STR("OR4K2M7X9Q3ZT"), &b), E_OK);
	assert_true(a == b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_whatever_the_clock_does),
		cmocka_unit_test(overflow_borrows_from_the_next_millisecond),
		cmocka_unit_test(goes_on_after_a_restart),
		cmocka_unit_test(tells_its_time),
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(reads_strictly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
