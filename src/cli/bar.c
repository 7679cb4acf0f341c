#include "cli/bar.h"
#include "base/clock.h"
#include "cli/remote.h"

#define BAR_CELLS 30
#define BAR_US    100000 /* between two drawings */

void bar_init(struct bar *bar, const char *unit, bool wanted)
{
	*bar = (struct bar){ .unit = unit, .wanted = wanted && remote_is_fancy(stderr) };
}

void bar_show(struct bar *bar, uint64_t done, uint64_t total)
{
	static const char cells[BAR_CELLS + 1] = "==============================";
	int64_t now_us = clock_mono_us();
	done = done < total ? done : total; /* what came in between is not shown as more than all */
	if (!bar->wanted || !total || (now_us < bar->next_us && done < total))
		return;
	int full = (int)((double)done / (double)total * BAR_CELLS);
	bar->next_us = now_us + BAR_US;
	bar->drawn = true;
	fprintf(stderr, "\r\033[K[%.*s%*s] %3d%%", full, cells, BAR_CELLS - full, "", (int)((double)done / (double)total * 100));
	if (bar->unit)
		fprintf(stderr, "  %llu of %llu %s", (unsigned long long)done, (unsigned long long)total, bar->unit);
	fflush(stderr);
}

void bar_wipe(struct bar *bar)
{
	if (bar->drawn)
		fputs("\r\033[K", stderr);
	bar->drawn = false;
}
