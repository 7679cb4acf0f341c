#include "format/suspects.h"

static int64_t suspect_last_us(const struct suspect *suspect)
{
	return suspect->deaths ? suspect->deaths_us[(suspect->deaths - 1) % SUSPECT_DEATHS] : INT64_MIN;
}

void suspects_add(struct suspects *suspects, uint64_t program, int64_t now_us)
{
	struct suspect *at = &suspects->kept[0];
	for (struct suspect *one = suspects->kept; one < suspects->kept + SUSPECTS_KEPT; one++) {
		if (one->deaths && one->program == program) {
			at = one;
			break;
		}
		if (suspect_last_us(one) < suspect_last_us(at))
			at = one;
	}
	if (!at->deaths || at->program != program)
		*at = (struct suspect){ .program = program };
	at->deaths_us[at->deaths++ % SUSPECT_DEATHS] = now_us;
}

bool suspects_has(const struct suspects *suspects, uint64_t program, int64_t now_us)
{
	for (const struct suspect *one = suspects->kept; one < suspects->kept + SUSPECTS_KEPT; one++) {
		if (one->deaths < SUSPECT_DEATHS || one->program != program)
			continue;
		int64_t last_us = suspect_last_us(one), first_us = one->deaths_us[one->deaths % SUSPECT_DEATHS];
		return last_us - first_us <= SUSPECT_US && now_us - last_us <= SUSPECT_US;
	}
	return false;
}
