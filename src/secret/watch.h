/* src/secret/watch.h: one place on disk, and whether it has changed since it was read. */
#pragma once
#include "secret/place.h"

struct watch {
	const char *path;
	struct place_mark mark;
	bool moved;     /* the last look saw another mark than the one before */
	bool again;     /* read it at the next look, whatever its mark: at first, after a failure, and once after each change, since what changed may
			 * have changed twice within one tick of the file's clock */
	char told[224]; /* what is wrong with it, as it was said last; "": nothing */
};
/* E_OK with *out NULL: nothing new. What is written to while it is read is left for the next look. */
MUST_USE enum err watch_look(struct watch *watch, struct rack **out, struct problem *problem);
