#include "base/suggest.h"

#define SUGGEST_WORD_MAX     48u /* longer words get no suggestion */
#define SUGGEST_DISTANCE_MAX 2u

void suggest_init(struct suggest *suggest, struct str word)
{
	*suggest = (struct suggest){ .word = word, .distance = (word.len > 4 ? SUGGEST_DISTANCE_MAX : 1) + 1 };
}

static char suggest_fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c == '-' ? '_' : c;
}

static unsigned suggest_min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours, three rows at a time. */
static unsigned suggest_distance(struct str a, struct str b)
{
	unsigned rows[3][SUGGEST_WORD_MAX + 1];
	for (unsigned j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			char ca = suggest_fold(a.ptr[i - 1]), cb = suggest_fold(b.ptr[j - 1]);
			row[j] = suggest_min(suggest_min(above[j], row[j - 1]) + 1, above[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == suggest_fold(b.ptr[j - 2]) && cb == suggest_fold(a.ptr[i - 2]))
				row[j] = suggest_min(row[j], above2[j - 2] + 1);
		}
	}
	return rows[a.len % 3][b.len];
}

void suggest_offer(struct suggest *suggest, const char *known)
{
	struct str offered = str_of(known);
	if (suggest->word.len > SUGGEST_WORD_MAX || offered.len > SUGGEST_WORD_MAX)
		return;
	unsigned distance = suggest_distance(suggest->word, offered);
	if (distance < suggest->distance) {
		suggest->best = known;
		suggest->distance = distance;
	}
}

const char *suggest_best(const struct suggest *suggest)
{
	return suggest->best;
}
