/* src/base/dice.h: chance with a seed: for tests, the simulator and benches. The same seed rolls the same numbers, on any
 * machine. Not for secrets, and not for rules or the engine, which are given their random bits. */
#pragma once
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_roll(struct dice *dice) /* splitmix64 */
{
	uint64_t n = dice->state += 0x9e3779b97f4a7c15u;
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
	n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
	return n ^ (n >> 31);
}

/* 0 to sides - 1; the bias of a 64-bit remainder is nothing for tests. */
static inline uint32_t dice_below(struct dice *dice, uint32_t sides)
{
	return (uint32_t)(dice_roll(dice) % sides);
}
