#include "base/uid.h"

#define UID_TIME_SHIFT  22u
#define UID_MAKER_SHIFT 14u
#define UID_TIME_MAX    ((UINT64_C(1) << 41) - 1)
#define UID_COUNT_MASK  ((UINT64_C(1) << UID_MAKER_SHIFT) - 1)
_Static_assert(UID_TEXT_BYTES == 13 + 1, "63 bits are 13 digits of 5 bits");

static uint64_t uid_time_bits(int64_t at_us) /* clamped to what 41 bits hold */
{
	int64_t ms = at_us / 1000 - UID_EPOCH_MS;
	if (ms < 0)
		return 0;
	return (uint64_t)ms > UID_TIME_MAX ? UID_TIME_MAX : (uint64_t)ms;
}

uint64_t uid_next(struct uid_maker *maker, int64_t now_us)
{
	uint64_t maker_bits = (uint64_t)maker->maker << UID_MAKER_SHIFT;
	uint64_t uid = uid_time_bits(now_us) << UID_TIME_SHIFT | maker_bits;
	if (uid <= maker->last) {
		/* The same millisecond, or a clock that went back: count on from the last, whoever made it. */
		uint64_t ms = maker->last >> UID_TIME_SHIFT, count = (maker->last & UID_COUNT_MASK) + 1;
		if (count > UID_COUNT_MASK) {
			ms++;
			count = 0;
		}
		uid = ms << UID_TIME_SHIFT | maker_bits | count;
		if (uid <= maker->last) /* a higher maker's, set by hand */
			uid = (ms + 1) << UID_TIME_SHIFT | maker_bits;
	}
	maker->last = uid;
	return uid;
}

int64_t uid_time_us(uint64_t uid)
{
	return ((int64_t)(uid >> UID_TIME_SHIFT) + UID_EPOCH_MS) * 1000;
}

uint64_t uid_floor(int64_t at_us)
{
	return uid_time_bits(at_us) << UID_TIME_SHIFT;
}

static const char uid_digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void uid_text(uint64_t uid, char out[UID_TEXT_BYTES])
{
	for (int i = UID_TEXT_BYTES - 2; i >= 0; i--, uid >>= 5)
		out[i] = uid_digits[uid & 31];
	out[UID_TEXT_BYTES - 1] = '\0';
}

/* A digit's value plus one; 0 is no digit. */
static const unsigned char uid_values[256] = {
	['0'] = 1,  ['o'] = 1,  ['O'] = 1,  ['1'] = 2,  ['i'] = 2,  ['I'] = 2,  ['l'] = 2,  ['L'] = 2,  ['2'] = 3,
	['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['A'] = 11,
	['b'] = 12, ['B'] = 12, ['c'] = 13, ['C'] = 13, ['d'] = 14, ['D'] = 14, ['e'] = 15, ['E'] = 15, ['f'] = 16,
	['F'] = 16, ['g'] = 17, ['G'] = 17, ['h'] = 18, ['H'] = 18, ['j'] = 19, ['J'] = 19, ['k'] = 20, ['K'] = 20,
	['m'] = 21, ['M'] = 21, ['n'] = 22, ['N'] = 22, ['p'] = 23, ['P'] = 23, ['q'] = 24, ['Q'] = 24, ['r'] = 25,
	['R'] = 25, ['s'] = 26, ['S'] = 26, ['t'] = 27, ['T'] = 27, ['v'] = 28, ['V'] = 28, ['w'] = 29, ['W'] = 29,
	['x'] = 30, ['X'] = 30, ['y'] = 31, ['Y'] = 31, ['z'] = 32, ['Z'] = 32,
};

enum err uid_parse(struct str text, uint64_t *out)
{
	uint64_t uid = 0;
	if (text.len != UID_TEXT_BYTES - 1)
		return E_INVALID;
	for (size_t i = 0; i < text.len; i++) {
		unsigned value = uid_values[(unsigned char)text.ptr[i]];
		if (value == 0 || (i == 0 && value > 8)) /* the first digit holds three bits */
			return E_INVALID;
		uid = uid << 5 | (value - 1);
	}
	*out = uid;
	return E_OK;
}
