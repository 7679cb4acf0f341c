/* Our reader against another's: random documents and mutations of them must be accepted by both or refused by both, but for
 * the differences listed in the second test. */
#include "base/dice.h"
#include "base/json.h"
#include "base/json_oracle.h"
#include "base/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ROUNDS 60000

static void put_text(struct buf *buf, struct dice *dice)
{
	static const char *const bits[] = {
		"a", "0", " ", "name", "é", "€", "\xf0\x9f\x90\x9d", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9",
		"\\uD83D\\uDC1D", "\\u0001", "\x7f", "[", "}", ",", ":", "0123456789abcdef",
	};
	buf_add_byte(buf, '"');
	for (uint32_t left = dice_below(dice, 8); left > 0; left--)
		buf_add(buf, str_of(bits[dice_below(dice, ARRAY_COUNT(bits))]));
	buf_add_byte(buf, '"');
}

static void put_number(struct buf *buf, struct dice *dice)
{
	if (dice_below(dice, 3) == 0)
		buf_add_byte(buf, '-');
	buf_add_u64(buf, dice_roll(dice) >> (1 + dice_below(dice, 63)));
	if (dice_below(dice, 3) == 0) {
		buf_add_byte(buf, '.');
		buf_add_u64(buf, dice_below(dice, 1000));
	}
	if (dice_below(dice, 4) == 0) {
		static const char *const exponents[] = { "e", "E", "e+", "E-" };
		buf_add(buf, str_of(exponents[dice_below(dice, 4)]));
		buf_add_u64(buf, dice_below(dice, 40));
	}
}

static void put_blanks(struct buf *buf, struct dice *dice)
{
	for (uint32_t left = dice_below(dice, 8); left > 5; left--)
		buf_add_byte(buf, " \n\t\r"[dice_below(dice, 4)]);
}

static void put_value(struct buf *buf, struct dice *dice, uint32_t depth)
{
	uint32_t kind = dice_below(dice, depth ? 8 : 5), count = dice_below(dice, 5);
	bool object = kind >= 6;
	put_blanks(buf, dice);
	if (kind == 0) {
		buf_add(buf, str_of((const char *[]){ "null", "true", "false" }[dice_below(dice, 3)]));
	} else if (kind < 3) {
		put_number(buf, dice);
	} else if (kind < 5) {
		put_text(buf, dice);
	} else {
		buf_add_byte(buf, object ? '{' : '[');
		for (uint32_t i = 0; i < count; i++) {
			if (i)
				buf_add_byte(buf, ',');
			put_blanks(buf, dice);
			if (object) {
				put_text(buf, dice);
				put_blanks(buf, dice);
				buf_add_byte(buf, ':');
			}
			put_value(buf, dice, depth - 1);
		}
		put_blanks(buf, dice);
		buf_add_byte(buf, object ? '}' : ']');
	}
	put_blanks(buf, dice);
}

static void mutate(struct buf *buf, struct dice *dice)
{
	static const char bytes[] =
		"\"\\{}[],:0159-+.eEtfnu/ \n\t\x01\x1f\x7f\x80\xbf\xc0\xc3\xa9\xe2\xed\xa0\xf0\x9f\xf4\xff";
	for (uint32_t left = 1 + dice_below(dice, 3); left > 0 && buf->len; left--) {
		uint32_t at = dice_below(dice, (uint32_t)buf->len);
		char byte = bytes[dice_below(dice, sizeof(bytes) - 1)];
		switch (dice_below(dice, 5)) {
		case 0:
			buf->ptr[at] = byte;
			break;
		case 1: /* drop a byte */
			memmove(buf->ptr + at, buf->ptr + at + 1, buf->len - at - 1);
			buf->len--;
			break;
		case 2: /* put one in */
			buf_add_byte(buf, ' ');
			memmove(buf->ptr + at + 1, buf->ptr + at, buf->len - at - 1);
			buf->ptr[at] = byte;
			break;
		case 3: /* end early */
			buf->len = at;
			break;
		default: { /* swap two */
			uint32_t other = dice_below(dice, (uint32_t)buf->len);
			char kept = buf->ptr[at];
			buf->ptr[at] = buf->ptr[other];
			buf->ptr[other] = kept;
		}
		}
	}
}

static void both_agree(void **state)
{
	(void)state;
	struct dice dice = { 1917 };
	struct buf buf = { .max_bytes = 1 << 20 };
	uint32_t accepted = 0, refused = 0;
	for (int round = 0; round < ROUNDS; round++) {
		struct json_verdict theirs;
		buf_clear(&buf);
		put_value(&buf, &dice, 1 + dice_below(&dice, 6));
		if (round % 3)
			mutate(&buf, &dice);
		assert_true(buf_ok(&buf));
		bool ours = json_check(buf_str(&buf), NULL) == E_OK;
		json_oracle(buf_str(&buf), &theirs);
		if (ours != theirs.accepted && !(ours && theirs.unfit))
			fail_msg("round %d: we %s, the oracle says '%s': " STR_FMT, round, ours ? "accept" : "refuse",
				 theirs.reason, STR_ARG(buf_str(&buf)));
		accepted += ours;
		refused += !ours;
	}
	assert_true(accepted > ROUNDS / 4); /* the dice are worth something */
	assert_true(refused > ROUNDS / 4);
	buf_fini(&buf);
}

static void they_differ_where_documented(void **state)
{
	(void)state;
	struct buf deep = { .max_bytes = 10000 };
	for (int i = 0; i <= LIMIT_JSON_DEPTH; i++)
		buf_add_byte(&deep, '[');
	for (int i = 0; i <= LIMIT_JSON_DEPTH; i++)
		buf_add_byte(&deep, ']');
	const struct {
		struct str text;
		bool ours, theirs;
	} rows[] = {
		{ buf_str(&deep), false, true }, /* our depth is smaller */
		{ STR("[1e999]"), true, false }, /* a payload's numbers are the payload's */
		{ STR("[99999999999999999999]"), true, false },
		{ STR("{\"\\u0000\":1}"), true, false }, /* and so are its names; the envelope refuses them */
		{ STR("{\"a\":1,\"a\":2}"), true, true }, /* and the names it repeats */
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct json_verdict theirs;
		json_oracle(rows[i].text, &theirs);
		assert_int_equal(theirs.accepted, rows[i].theirs);
		assert_int_equal(json_check(rows[i].text, NULL) == E_OK, rows[i].ours);
	}
	buf_fini(&deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(both_agree),
					    cmocka_unit_test(they_differ_where_documented) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
