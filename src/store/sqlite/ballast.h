/* src/store/sqlite/ballast.h: disk space kept for the end. A file beside the store, "<path>.reserve", holds space that is given back
 * when the disk is full, so that completions and claims can still be written; while it is thrown off, change-sets that enqueue
 * are refused, and it is made again as soon as there is room for it twice. Private to sqlite/. */
#pragma once
#include <limits.h>

#include "base/err.h"

struct ballast {
	char path[PATH_MAX];
	uint64_t bytes; /* 0: none is kept */
	bool aboard;
};

/* Makes it when it is not there and there is room; without room it starts thrown off. */
void ballast_init(struct ballast *ballast, const char *store_path, uint64_t bytes);
/* Gives the space back. False when there is none to give. */
bool ballast_throw(struct ballast *ballast);
/* Makes it again if there is room; tells whether it is there (always, when none is kept). */
bool ballast_restore(struct ballast *ballast);
