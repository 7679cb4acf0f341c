/* Our cron rules against npm's cron-parser, over oracle.txt (make-oracle.mjs says how it was made): each expression is read, and its next
 * five instants are compared, also around days when clocks are changed. Where we differ, we do so by choice: `differences` has each case
 * with its reason, and a difference that has gone is an error, too. */
#include "base/zones.h"
#include "rules/cron.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define INSTANTS 5
#define S        INT64_C(1000000) /* in microseconds */

static const char *oracle_path;

struct oracle_place { /* "= ZONE FROM" */
	char name[ZONES_NAME_BYTES];
	const struct zone *zone; /* NULL: what follows is refused */
	int64_t from_ms;
};

/* ---- where we differ ---- */

#define HALF_FOLD "on the day of a fold of half an hour cron-parser fires twice, or gives up and fires never again; we keep to the first pass"
#define HALF_GAP \
	"cron-parser makes up for gaps of whole hours only, and loses times about gaps of half an hour; to us a gap is a gap, and what is missing is shifted"
#define MIDNIGHT_FOLD "when midnight comes twice cron-parser takes the second pass, elsewhere the first; we always take the first"
#define MIDNIGHT_GAP "a gap that ends at midnight moves a time into the next day, where cron-parser forgets it; we fire"
#define FIELDS   "cron-parser puts defaults for what is missing on the left: \"5\" is a day of week. A slip, more likely"
#define NEVER    "cron-parser reads it, and it never fires"
#define RANGE    "cron-parser cuts a range of H to what the field has; we say that it is wrong, as cron-parser's strict mode does"
#define NO_SENSE "cron-parser puts H's value into the text before reading it: \"1-H\" may come out valid, by chance"
#define TWICE    "cron-parser refuses a value that is given twice; it is harmless"
#define WORKING  "ours: the working day that is nearest, or the month's last"
#define CASE     "ours: L, W and H in lower case, too"
#define ALIAS    "ours: @midnight as in other crons, aliases in any case and with blanks around"
#define NTH_LIST "ours: n#k in lists"

static const struct oracle_difference {
	const char *zone, *expression;
	int64_t from_ms;
	const char *ours, *why;
} differences[] = {
	{ "UTC", "* * * *", 1735689600000, "refused", FIELDS },
	{ "UTC", "5", 1735689600000, "refused", FIELDS },
	{ "UTC", "* * * * 1#2.5", 1735689600000, "refused", NEVER },
	{ "UTC", "H(0-70) * * * *", 1735689600000, "refused", RANGE },
	{ "UTC", "1-H * * * *", 1735689600000, "refused", NO_SENSE },
	{ "Australia/Lord_Howe", "0 2 * * *", 1743854400000, "12600 86400 86400 86400 86400", HALF_FOLD },
	{ "Australia/Lord_Howe", "0 3 * * *", 1743854400000, "16200 86400 86400 86400 86400", HALF_FOLD },
	{ "Australia/Lord_Howe", "15,45 2 * * *", 1743854400000, "13500 1800 84600 1800 84600", HALF_FOLD },
	{ "Australia/Lord_Howe", "*/10 2 * * *", 1743854400000, "12600 600 600 600 600", HALF_FOLD },
	{ "Australia/Lord_Howe", "0 1 * * *", 1743854400000, "7200 88200 86400 86400 86400", HALF_FOLD },
	{ "Australia/Lord_Howe", "30 * * * *", 1743854400000, "1800 3600 3600 1800 3600", HALF_FOLD },
	{ "Australia/Lord_Howe", "0 */2 * * *", 1743854400000, "3600 9000 7200 7200 7200", HALF_FOLD },
	{ "Australia/Lord_Howe", "0 1,2,3 * * *", 1743854400000, "7200 5400 3600 79200 3600", HALF_FOLD },
	{ "Australia/Lord_Howe", "0 23 * * *", 1743854400000, "88200 86400 86400 86400 86400", HALF_FOLD },
	{ "Australia/Lord_Howe", "0 12 * * *", 1743854400000, "48600 86400 86400 86400 86400", HALF_FOLD },
	{ "Australia/Lord_Howe", "0 0 2 * * *", 1743854400000, "12600 86400 86400 86400 86400", HALF_FOLD },
	{ "Australia/Lord_Howe", "59 59 1 * * *", 1743854400000, "10799 88200 86400 86400 86400", HALF_FOLD },
	{ "Australia/Lord_Howe", "0 0-23 * * *", 1743854400000, "3600 3600 5400 3600 3600", HALF_FOLD },
	{ "Australia/Lord_Howe", "0 2 * * *", 1759579200000, "12600 84600 86400 86400 86400", HALF_GAP },
	{ "Australia/Lord_Howe", "30 * * * *", 1759579200000, "3600 3600 3600 1800 3600", HALF_GAP },
	{ "Australia/Lord_Howe", "0 */2 * * *", 1759579200000, "5400 7200 5400 7200 7200", HALF_GAP },
	{ "Australia/Lord_Howe", "30 1-3 * * *", 1759579200000, "10800 1800 3600 79200 3600", HALF_GAP },
	{ "Australia/Lord_Howe", "0 1,2,3 * * *", 1759579200000, "9000 3600 1800 79200 3600", HALF_GAP },
	{ "Australia/Lord_Howe", "0 0 2 * * *", 1759579200000, "12600 84600 86400 86400 86400", HALF_GAP },
	{ "America/Havana", "0 0 * * *", 1761998400000, "57600 90000 86400 86400 86400", MIDNIGHT_FOLD },
	{ "America/Havana", "30 0 * * *", 1761998400000, "59400 90000 86400 86400 86400", MIDNIGHT_FOLD },
	{ "America/Havana", "30 */3 * * 0", 1761998400000, "59400 14400 10800 10800 10800", MIDNIGHT_FOLD },
	{ "America/Nuuk", "0 23 * * *", 1743249600000, "46800 82800 86400 86400 86400", MIDNIGHT_GAP },
	{ "America/Nuuk", "30 23 * * *", 1743249600000, "48600 82800 86400 86400 86400", MIDNIGHT_GAP },
	{ "America/Nuuk", "59 23 * * *", 1743249600000, "50340 82800 86400 86400 86400", MIDNIGHT_GAP },
	{ "refused", "1,1 * * * *", 0, "accepted", TWICE },
	{ "refused", "1-5,3 * * * *", 0, "accepted", TWICE },
	{ "refused", "*,5 * * * *", 0, "accepted", TWICE },
	{ "refused", "0 0 * * 0,7", 0, "accepted", TWICE },
	{ "refused", "H,H * * * *", 0, "accepted", TWICE },
	{ "refused", "0 0 LW * *", 0, "accepted", WORKING },
	{ "refused", "0 0 15W * *", 0, "accepted", WORKING },
	{ "refused", "0 0 l * *", 0, "accepted", CASE },
	{ "refused", "h * * * *", 0, "accepted", CASE },
	{ "refused", "0 0 * * 5l", 0, "accepted", CASE },
	{ "refused", "@midnight", 0, "accepted", ALIAS },
	{ "refused", "@DAILY", 0, "accepted", ALIAS },
	{ "refused", " @daily", 0, "accepted", ALIAS },
	{ "refused", "0 0 * * 1#1,5#2", 0, "accepted", NTH_LIST },
	{ "refused", "0 0 * * 1#1,3", 0, "accepted", NTH_LIST },
};
static bool differs[ARRAY_COUNT(differences)];

static const struct oracle_difference *difference_find(const struct oracle_place *place, struct str expression)
{
	for (size_t i = 0; i < ARRAY_COUNT(differences); i++) {
		const struct oracle_difference *row = &differences[i];
		if (str_eq(str_of(row->expression), expression) && strcmp(row->zone, place->name) == 0 && row->from_ms == place->from_ms) {
			differs[i] = true;
			return row;
		}
	}
	return NULL;
}

static struct str take_until(struct str *text, char end)
{
	struct str taken = { text->ptr, str_index(*text, end) };
	*text = str_from(*text, taken.len + 1);
	return taken;
}

/* "60 3600": what the file has for a line. */
static void steps_text(const struct cron *cron, const struct oracle_place *place, char out[128])
{
	int64_t us = place->from_ms * 1000, before_s = us / S;
	char *end = out;
	*end = '\0';
	for (int i = 0; i < INSTANTS && cron_next(cron, (struct cron_policy){ 0 }, place->zone, us, &us); i++) {
		end += sprintf(end, "%s%lld", i ? " " : "", (long long)(us / S - before_s));
		before_s = us / S;
	}
}

static void check_line(const struct oracle_place *place, struct str line, unsigned *disagreed)
{
	struct str rest = line, expression = take_until(&rest, '|'), steps = take_until(&rest, '|'), seed = rest;
	struct problem problem = { 0 };
	struct cron cron;
	char ours[128];
	if (cron_parse(expression, seed, &cron, &problem)) {
		snprintf(ours, sizeof(ours), "refused");
	} else if (!place->zone) {
		snprintf(ours, sizeof(ours), "accepted");
	} else {
		steps_text(&cron, place, ours);
	}
	const struct oracle_difference *difference = difference_find(place, expression);
	struct str expected = difference ? str_of(difference->ours) : place->zone ? steps : STR("refused");
	if (str_eq(str_of(ours), expected) && (!difference || !str_eq(str_of(ours), steps)))
		return;
	++*disagreed;
	print_error("%s %lld: " STR_FMT "\n  ours        %s %s\n  cron-parser " STR_FMT "\n", place->name, (long long)place->from_ms, STR_ARG(expression), ours,
		    problem.detail, STR_ARG(steps));
}

static void read_place(struct str line, struct oracle_place *out)
{
	struct str name = take_until(&line, ' ');
	struct problem problem = { 0 };
	*out = (struct oracle_place){ 0 };
	assert_true(name.len < sizeof(out->name));
	memcpy(out->name, name.ptr, name.len);
	if (str_eq(name, STR("refused")))
		return;
	if (zones_find(name, &out->zone, &problem))
		fail_msg("%s", problem.detail);
	assert_true(str_i64(line, &out->from_ms));
}

static void test_agrees_with_cron_parser(void **state)
{
	struct oracle_place place = { 0 };
	unsigned lines = 0, disagreed = 0;
	char *text = NULL;
	size_t capacity = 0;
	ssize_t length;
	FILE *file = fopen(oracle_path, "re");
	(void)state;
	assert_non_null(file);
	while ((length = getline(&text, &capacity, file)) > 0) {
		struct str line = { text, (size_t)length - (text[length - 1] == '\n') };
		if (str_starts(line, STR("#")))
			continue;
		if (str_starts(line, STR("= "))) {
			read_place(str_from(line, 2), &place);
			continue;
		}
		check_line(&place, line, &disagreed);
		lines++;
	}
	fclose(file);
	free(text);
	for (size_t i = 0; i < ARRAY_COUNT(differences); i++) {
		if (differs[i])
			continue;
		disagreed++;
		print_error("%s %lld: %s: no such line (%s)\n", differences[i].zone, (long long)differences[i].from_ms, differences[i].expression,
			    differences[i].why);
	}
	assert_true(lines > 3000);
	assert_int_equal(disagreed, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_agrees_with_cron_parser) };
	if (argc != 2) {
		fprintf(stderr, "usage: %s oracle.txt\n", argv[0]);
		return 64;
	}
	oracle_path = argv[1];
	return cmocka_run_group_tests_name("cron_oracle", tests, NULL, NULL);
}
