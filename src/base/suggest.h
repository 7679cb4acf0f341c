/* src/base/suggest.h: "did you mean": the known word nearest to one that is not known. Offer each known word, then ask. */
#pragma once
#include "base/str.h"

struct suggest {
	struct str word;
	const char *best;
	unsigned distance;
};

void suggest_init(struct suggest *suggest, struct str word);
void suggest_offer(struct suggest *suggest, const char *known);
/* The first of the nearest words offered, or NULL when none is near: at most two letters changed, added, dropped or swapped
 * (one in a word of up to four). Upper and lower case, '-' and '_' count as the same. */
const char *suggest_best(const struct suggest *suggest);
