/* src/api/guesses.h: who guesses too often: wrong passwords within a minute, counted by a key of what was guessed and from where. A table of fixed size: in
 * a full row the key that guessed least is forgotten. Pure. */
#pragma once
#include "base/err.h"

#define GUESS_MINUTE_US INT64_C(60000000)
#define GUESS_ROWS      1024 /* a power of two */
#define GUESS_PLACES    4    /* of a row */

struct guesses { /* zeroed: nobody guessed */
	struct guess {
		uint64_t key;
		int64_t since_us;
		uint32_t count; /* 0: free */
	} rows[GUESS_ROWS][GUESS_PLACES];
};

/* So long must it wait before it is listened to again, having been wrong `max` times since its minute began; 0: not at all. */
int64_t guesses_wait_us(struct guesses *guesses, uint64_t key, uint32_t max, int64_t now_us);
void guesses_count(struct guesses *guesses, uint64_t key, int64_t now_us); /* one more that was wrong */
