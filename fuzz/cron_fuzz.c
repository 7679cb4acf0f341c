/* fuzz/cron_fuzz.c: any text as a cron expression; after a line break, the seed. What is refused says why; what is read fires at instants that
 * grow, that are in its fields, and that do not depend on when one asks. In zones with gaps and folds, under every policy. */
#include "fuzz.h"
#include "base/calendar.h"
#include "rules/cron.h"
#include "rules/zone_test.h"

#define S           INT64_C(1000000) /* in microseconds */
#define FROM_S      INT64_C(1774746000) /* 2026-03-29T01:00:00Z */
#define INSTANTS    4
#define POLICIES    4

static struct zone_drawn zone_of(unsigned n)
{
	static const int32_t steps_s[][2] = { { 0, 0 }, { 3600, 7200 }, { 39600, 37800 }, { -36000, 50400 } };
	struct zone_drawn zone = zone_draw(steps_s[n][0]);
	if (n == 0)
		return zone;
	zone_draw_change(&zone, FROM_S, steps_s[n][1]);
	zone_draw_change(&zone, FROM_S + 10 * CALENDAR_DAY_S, steps_s[n][0]);
	return zone;
}

/* In UTC, where nothing is shifted. Days are checked by their months only. */
static void check_fields(const struct cron *cron, int64_t at_s)
{
	int64_t days = calendar_days_of_seconds(at_s), second = at_s - days * CALENDAR_DAY_S;
	CHECK(cron->hours >> (second / 3600) & 1);
	CHECK(cron->minutes >> (second / 60 % 60) & 1);
	CHECK(cron->seconds >> (second % 60) & 1);
	CHECK(cron->months >> calendar_date_of(days).month & 1);
}

static void check_instants(const struct cron *cron, struct cron_policy policy, const struct zone_drawn *zone)
{
	int64_t us = FROM_S * S - 1;
	for (unsigned i = 0; i < INSTANTS; i++) {
		int64_t next_us, same_us;
		if (!cron_next(cron, policy, &zone->zone, us, &next_us)) {
			CHECK(policy.gap == CRON_GAP_SKIP);
			return;
		}
		CHECK(next_us > us);
		CHECK(next_us % S == 0);
		CHECK(cron_next(cron, policy, &zone->zone, us + (next_us - us) / 2, &same_us) && same_us >= next_us);
		CHECK(cron_next(cron, policy, &zone->zone, next_us - 1, &same_us) && same_us == next_us);
		if (zone->count == 1)
			check_fields(cron, next_us / S);
		us = next_us;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = fuzz_str(data, size), text = { whole.ptr, str_index(whole, '\n') }, seed = str_from(whole, text.len + 1);
	struct problem problem = { 0 };
	struct cron cron;
	enum err err = cron_parse(text, seed, &cron, &problem);
	if (err) {
		CHECK(err == E_INVALID);
		CHECK(problem.err == err);
		CHECK(problem.detail[0] != '\0');
		CHECK(strcmp(problem.field, "pattern") == 0);
		return 0;
	}
	for (unsigned n = 0; n < 4; n++) {
		struct zone_drawn zone = zone_of(n);
		for (unsigned policy = 0; policy < POLICIES; policy++)
			check_instants(&cron, (struct cron_policy){ .gap = (enum cron_gap)(policy % 2), .fold = (enum cron_fold)(policy / 2) }, &zone);
	}
	return 0;
}
