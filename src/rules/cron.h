/* src/rules/cron.h: cron expressions: text in, a value out; an instant in, the next one out. The dialect is that of npm's cron-parser 5, which
 * schedules of BullMQ are written in, and W.
 *
 *     second (may be left out: 0)  0–59      *  ?        any; two words for the same
 *     minute                       0–59      a  a-b      one value, a range (never backwards)
 *     hour                         0–23      a/n a-b/n *\/n   every n-th value from a, to b or to the field's end
 *     day of month                 1–31      x,y         one or the other
 *     month              1–12, JAN–DEC       L  LW       day of month: the last, the last from Monday to Friday
 *     day of week      0–7, SUN–SAT, 7=0     15W         day of month: of Monday to Friday, the one nearest to the 15th, in the same month
 *                                            5L  5#3     day of week: the month's last, the month's third Friday
 *     H  H/n  H(a-b)  H(a-b)/n               a value, every n-th from a value, chosen by the seed: spreads many schedules
 *
 * Words are read in upper and lower case. When neither day of month nor day of week is "*" or "?" alone, a day that fits one of them
 * fits (as in cron). Aliases: @yearly @annually @monthly @weekly @daily @midnight @hourly @minutely @secondly @weekdays @weekends. */
#pragma once
#include "base/err.h"
#include "base/zone.h"

struct cron { /* bit n: at n */
	uint64_t seconds, minutes;
	uint64_t nth_weekdays;  /* bit 8 * n + weekday: its n-th of the month, n from 1 to 5 */
	uint32_t hours;
	uint32_t days;          /* bit 0: the month's last day */
	uint32_t working_days;  /* the nearest from Monday to Friday; bit 0: the month's last of those */
	uint16_t months;
	uint8_t weekdays;       /* bit 0 is Sunday */
	uint8_t last_weekdays;  /* the last of the month */
	bool any_day, any_weekday; /* the field is "*" or "?" alone */
};

/* What happens to local times that a zone's clocks skip, and to those that they show twice. An expression that names all 24 hours counts
 * hours as they pass: none of this is for it, it fires in both passes of a fold and has nothing to make up for after a gap.
 * Zero is the default, and what cron-parser means to do. */
enum cron_gap {
	CRON_GAP_SHIFT, /* a time that is missing happens as long after the gap's begin: 02:30 at 03:30 */
	CRON_GAP_SKIP,
};
enum cron_fold {
	CRON_FOLD_ONCE, /* the first pass */
	CRON_FOLD_TWICE,
};
struct cron_policy {
	enum cron_gap gap;
	enum cron_fold fold;
};

/* The seed chooses what H stands for: the same seed and text, the same times; cron-parser's hashSeed gives the same (a seed in ASCII).
 * E_INVALID: the problem's field is "pattern", its detail begins with the field ("hour: 25 is out of 0–23."); *out is untouched. */
MUST_USE enum err cron_parse(struct str text, struct str seed, struct cron *out, struct problem *problem);

/* The first instant strictly after after_us at which the expression fires, always a whole second. False when there is none within a hundred
 * years (only CRON_GAP_SKIP can bring that about: what comes in gaps alone), or none that 64 bits can hold. */
bool cron_next(const struct cron *cron, struct cron_policy policy, const struct zone *zone, int64_t after_us, int64_t *out_us);
