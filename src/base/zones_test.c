#include "base/zones.h"
#include "base/mem.h"
#include "base/time_text.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static int64_t at_s(const char *text)
{
	int64_t us;
	assert_int_equal(time_parse(str_of(text), &us), E_OK);
	return us / 1000000;
}

static const struct zone *zone(const char *name)
{
	const struct zone *found = NULL;
	struct problem problem = { 0 };
	if (zones_find(str_of(name), &found, &problem))
		fail_msg("%s: %s", name, problem.detail);
	return found;
}

static void offsets(void **state)
{
	static const struct { const char *name, *at; int32_t offset_s; } rows[] = {
		{ "UTC", "2026-07-01T00:00:00Z", 0 },
		{ "Etc/UTC", "2026-07-01T00:00:00Z", 0 },
		{ "Europe/Paris", "2026-03-29T00:59:59Z", 3600 },
		{ "Europe/Paris", "2026-03-29T01:00:00Z", 7200 },
		{ "Europe/Paris", "2026-10-25T00:59:59Z", 7200 },
		{ "Europe/Paris", "2026-10-25T01:00:00Z", 3600 },
		{ "Europe/Paris", "2150-07-01T00:00:00Z", 7200 }, /* beyond what a file of 32 bits knows */
		{ "America/New_York", "2026-03-08T07:00:00Z", -14400 },
		{ "America/Argentina/ComodRivadavia", "2026-01-01T00:00:00Z", -10800 },
		{ "Asia/Kathmandu", "2026-01-01T00:00:00Z", 20700 },
		{ "Australia/Lord_Howe", "2026-01-01T00:00:00Z", 39600 },
		{ "Australia/Lord_Howe", "2026-06-01T00:00:00Z", 37800 },
		{ "Pacific/Apia", "2011-12-30T09:59:59Z", -36000 },
		{ "Pacific/Apia", "2011-12-30T10:00:00Z", 50400 },
		{ "Pacific/Kiritimati", "2026-01-01T00:00:00Z", 50400 },
		{ "Etc/GMT+12", "2026-01-01T00:00:00Z", -43200 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct zone *found = zone(rows[i].name);
		assert_int_equal(found->span(found, at_s(rows[i].at)).offset_s, rows[i].offset_s);
	}
}

/* The stretches of a zone cover all of time, in order, each unlike its neighbours. */
static void stretches(void **state)
{
	static const char *const names[] = { "UTC", "Europe/Paris", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "America/Havana" };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		const struct zone *found = zone(names[i]);
		struct zone_span span = found->span(found, INT64_MIN), next;
		assert_int_equal(span.from_s, INT64_MIN);
		for (; span.until_s != INT64_MAX; span = next) {
			struct zone_span last = found->span(found, span.until_s - 1);
			next = found->span(found, span.until_s);
			assert_int_equal(last.from_s, span.from_s);
			assert_int_equal(next.from_s, span.until_s);
			assert_int_not_equal(next.offset_s, span.offset_s);
		}
		assert_int_equal(found->span(found, INT64_MAX).from_s, span.from_s);
	}
	assert_ptr_equal(zone("Europe/Paris"), zone("Europe/Paris"));
	assert_ptr_equal(zone("UTC"), &zones_utc);
}

static void refusals(void **state)
{
	static const struct { const char *name, *detail; } rows[] = {
		{ "Europe/Pariss", "There is no time zone \"Europe/Pariss\"; did you mean \"Europe/Paris\"?" },
		{ "europe/paris", "There is no time zone \"europe/paris\"; did you mean \"Europe/Paris\"?" },
		{ "Paris", "There is no time zone \"Paris\"; did you mean \"Europe/Paris\"?" },
		{ "New-York", "There is no time zone \"New-York\"; did you mean \"America/New_York\"?" },
		{ "utc", "There is no time zone \"utc\"; did you mean \"UTC\"?" },
		{ "", "There is no time zone \"\"; write an IANA name such as \"Europe/Paris\", or \"UTC\"." },
		{ "+02:00", "There is no time zone \"+02:00\"; write an IANA name such as \"Europe/Paris\", or \"UTC\"." },
		{ "CET-1CEST", "There is no time zone \"CET-1CEST\"; write an IANA name such as \"Europe/Paris\", or \"UTC\"." },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "There is no time zone \"CET-1CEST,M3.5.0,M10.5.0/3\"; write an IANA name such as \"Europe/Paris\", or \"UTC\"." },
		{ "Mars/Olympus_Mons", "There is no time zone \"Mars/Olympus_Mons\"; write an IANA name such as \"Europe/Paris\", or \"UTC\"." },
		{ "Factory", "There is no time zone \"Factory\"; write an IANA name such as \"Europe/Paris\", or \"UTC\"." },
		/* files of the database, or of others, that are no zones */
		{ "Europe", NULL }, { "Europe/", NULL }, { "tzdata.zi", NULL }, { "zone.tab", NULL }, { "posixrules", NULL }, { "localtime", NULL },
		{ "right/Europe/Paris", NULL }, { "posix/Europe/Paris", NULL }, { "../zoneinfo/Europe/Paris", NULL }, { "/etc/localtime", NULL },
		{ "Europe/../Europe/Paris", NULL }, { ":Europe/Paris", NULL }, { "Europe/Paris ", NULL }, { "Europe/Paris\n", NULL },
		{ "A_name_that_is_longer_than_any_name_of_a_time_zone_has_ever_been_so_far", NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct zone *found = &zones_utc;
		struct problem problem = { 0 };
		if (zones_find(str_of(rows[i].name), &found, &problem) != E_INVALID)
			fail_msg("\"%s\" is found", rows[i].name);
		assert_ptr_equal(found, &zones_utc);
		assert_string_equal(problem.field, "time_zone");
		if (rows[i].detail)
			assert_string_equal(problem.detail, rows[i].detail);
		assert_int_equal(zones_find(str_of(rows[i].name), &found, NULL), E_INVALID);
	}
	const struct zone *found = NULL;
	assert_int_equal(zones_find((struct str){ "UTC\0", 4 }, &found, NULL), E_INVALID);
	assert_int_equal(zones_find((struct str){ "Europe/Paris\0", 13 }, &found, NULL), E_INVALID);
}

static void no_memory(void **state)
{
	const struct zone *found = NULL;
	struct problem problem = { 0 };
	(void)state;
	mem_fail_after(1, MEM_FAIL_ALL);
	assert_int_equal(zones_find(STR("Europe/Berlin"), &found, &problem), E_NOMEM);
	assert_true(mem_fail_disarm());
	assert_null(found);
	assert_non_null(zone("Europe/Berlin"));
}

static void no_database(void **state)
{
	const struct zone *found = NULL;
	struct problem problem = { 0 };
	(void)state;
	setenv("TZDIR", "/nowhere", 1);
	assert_int_equal(zones_find(STR("Europe/Madrid"), &found, &problem), E_CONFIG);
	assert_string_equal(problem.detail, "This machine has no time zones but UTC (nothing in /nowhere): install the package tzdata.");
	assert_int_equal(zones_find(STR("UTC"), &found, &problem), E_OK);
	unsetenv("TZDIR");
}

static void *find_all(void *argument)
{
	static const char *const names[] = { "Asia/Tokyo", "Asia/Seoul", "Africa/Cairo", "America/Lima", "Europe/Oslo", "Europe/Rome", "Asia/Dubai" };
	const struct zone **found = argument;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (zones_find(str_of(names[i]), &found[i], NULL))
			return NULL;
	return found;
}

static void many_threads(void **state)
{
	pthread_t threads[4];
	const struct zone *found[4][7];
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, find_all, found[i]), 0);
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
		void *result;
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, found[i]);
		assert_memory_equal(found[i], found[0], sizeof(found[0]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets),     cmocka_unit_test(stretches),   cmocka_unit_test(refusals),
		cmocka_unit_test(no_memory),   cmocka_unit_test(no_database), cmocka_unit_test(many_threads),
	};
	return cmocka_run_group_tests_name("zones", tests, NULL, NULL);
}
