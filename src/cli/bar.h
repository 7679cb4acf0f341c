/* src/cli/bar.h: how far a long piece of work has come, on stderr: "[=========               ]  40%  4000 of 10000 jobs". Drawn on a
 * terminal only, and not when NO_COLOR is set; the line is wiped at the end, so that what is said next stands alone. */
#pragma once
#include "base/err.h"
#include <stdint.h>

struct bar {
	const char *unit; /* "jobs"; NULL: percents are enough */
	bool wanted, drawn;
	int64_t next_us;  /* not drawn again before */
};

void bar_init(struct bar *bar, const char *unit, bool wanted); /* wanted: unless there is no terminal */
void bar_show(struct bar *bar, uint64_t done, uint64_t total);
void bar_wipe(struct bar *bar); /* before other text, and at the end */
