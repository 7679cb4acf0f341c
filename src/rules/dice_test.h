/* src/rules/dice_test.h: the dice of the property tests: a fixed seed, the same throws on every machine. */
#pragma once
#include <stdint.h>

struct dice {
	uint64_t state;
};
static inline uint64_t dice_throw(struct dice *dice) /* splitmix64 */
{
	uint64_t n = dice->state += 0x9e3779b97f4a7c15u;
	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
	n = (n ^ n >> 27) * 0x94d049bb133111ebu;
	return n ^ n >> 31;
}
static inline int64_t dice_between(struct dice *dice, int64_t from, int64_t to) /* both included; a little uneven, which is fine here */
{
	return from + (int64_t)(dice_throw(dice) % ((uint64_t)(to - from) + 1));
}
/* Small numbers, large ones and the ends of the range alike. */
static inline int64_t dice_number(struct dice *dice, int64_t from, int64_t to)
{
	switch (dice_throw(dice) % 8) {
	case 0: return from;
	case 1: return to;
	case 2: return dice_between(dice, from, to - from > 9 ? from + 9 : to);
	default: return dice_between(dice, from, from + (int64_t)((uint64_t)(to - from) >> dice_throw(dice) % 40));
	}
}
