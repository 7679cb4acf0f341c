#include "api/guesses.h"

/* A clock that jumps back begins anew. */
static bool guess_counts(const struct guess *guess, int64_t now_us)
{
	return guess->count && now_us >= guess->since_us && now_us - guess->since_us < GUESS_MINUTE_US;
}

static struct guess *guess_find(struct guesses *guesses, uint64_t key, int64_t now_us)
{
	struct guess *row = guesses->rows[key & (GUESS_ROWS - 1)];
	for (int i = 0; i < GUESS_PLACES; i++)
		if (row[i].key == key && guess_counts(&row[i], now_us))
			return &row[i];
	return NULL;
}

int64_t guesses_wait_us(struct guesses *guesses, uint64_t key, uint32_t max, int64_t now_us)
{
	const struct guess *guess = guess_find(guesses, key, now_us);
	return guess && guess->count >= max ? guess->since_us + GUESS_MINUTE_US - now_us : 0;
}

/* Who guessed often is kept, so that many others cannot wash him out. */
static struct guess *guess_weakest(struct guess row[GUESS_PLACES], int64_t now_us)
{
	struct guess *weakest = NULL;
	for (int i = 0; i < GUESS_PLACES; i++) {
		struct guess *guess = &row[i];
		if (!guess_counts(guess, now_us))
			return guess;
		bool is_weaker = !weakest || guess->count < weakest->count || (guess->count == weakest->count && guess->since_us < weakest->since_us);
		if (is_weaker)
			weakest = guess;
	}
	return weakest;
}

void guesses_count(struct guesses *guesses, uint64_t key, int64_t now_us)
{
	struct guess *guess = guess_find(guesses, key, now_us);
	if (!guess) {
		guess = guess_weakest(guesses->rows[key & (GUESS_ROWS - 1)], now_us);
		*guess = (struct guess){ .key = key, .since_us = now_us };
	}
	if (guess->count < UINT32_MAX)
		guess->count++;
}
