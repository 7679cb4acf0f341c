/* src/store/hostile/hostile.h: a store that behaves as badly as the port allows, over one that behaves. By a schedule from a seed it
 *
 *   answers late          an outcome is told only at the n-th poll after it is there (and wakes again, so that nobody sleeps)
 *   refuses               E_STORE_FULL, nothing applied; all behind it in flight fail alike
 *   loses an answer       E_OUTCOME_UNKNOWN after the commit happened, or though it did not; then everything is unknown until reopen
 *
 * For tests: what runs correctly here never trusts luck. */
#pragma once
#include "store/store.h"

struct hostility { /* each in a thousand submissions */
	uint32_t refuse, lose_applied, lose_dropped;
	uint32_t late_polls_max; /* an outcome waits for up to so many polls */
};

/* `inner` is the hostile store's from now on, and closed with it. */
MUST_USE enum err store_hostile_open(struct store *inner, const struct hostility *hostility, uint64_t seed, struct store **out);
