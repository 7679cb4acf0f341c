#include "cli/args.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sysexits.h>

static const struct cli_option options[] = {
	{ "queue", 'q', "QUEUE", "in this queue", "@queues", false }, { "tag", 't', "TAG", "with this tag", NULL, true },
	{ "all", 'a', NULL, "all of them", NULL, false },             { "delay", 0, "SPAN", "later", NULL, false },
	{ "jobs", 'j', "N", "how many", NULL, false },                { "since", 0, INSTANT_OR_AGE, "not before", NULL, false },
	{ 0 },
};
static const struct cli_command command = { .name = "trial", .options = options };

/* Reads a line of words apart by blanks; the words live as long as the line. */
static int read_line(struct args *args, char *line)
{
	static char *argv[32];
	int argc = 0;
	argv[argc++] = "trial";
	for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return args_read(args, &command, argc, argv);
}

static void takes_every_form(void **state)
{
	(void)state;
	static const char *const lines[] = { "--queue a -t x word --tag=y -aj5 -- --queue b", "word -qa -tx -a -ty -j 5 -- --queue b" };
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
		struct args args;
		char line[128];
		uint64_t jobs = 0;
		snprintf(line, sizeof(line), "%s", lines[i]);
		assert_int_equal(read_line(&args, line), 0);
		assert_string_equal(args_get(&args, "queue"), "a");
		assert_true(args_has(&args, "all"));
		int at = 0;
		assert_string_equal(args_each(&args, "tag", &at), "x");
		assert_string_equal(args_each(&args, "tag", &at), "y");
		assert_null(args_each(&args, "tag", &at));
		assert_int_equal(args.word_count, 1);
		assert_string_equal(args.words[0], "word");
		assert_int_equal(args.rest_count, 2);
		assert_string_equal(args.rest[1], "b");
		assert_int_equal(args_u64(&args, "jobs", 1, 10, &jobs), 0);
		assert_int_equal(jobs, 5);
	}
}

static void an_age_is_an_instant_for_those_who_take_one(void **state)
{
	(void)state;
	static const struct { const char *line, *name, *when; } rows[] = {
		{ "--since 1h30m", "since", "2026-11-23T06:30:00.500Z" }, { "--since 2d", "since", "2026-11-21T08:00:00.500Z" },
		{ "--since 2026-11-20T00:00:00+01:00", "since", "2026-11-20T00:00:00+01:00" }, { "--since 3600000", "since", "3600000" },
		{ "--since -1h", "since", "-1h" }, { "--since 60y", "since", "60y" }, { "--since 100000d", "since", "1970-01-01T00:00:00.000Z" },
		{ "--delay 1h", "delay", "1h" }, { "--delay 1h", "since", NULL },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct args args;
		struct arena arena = { 0 };
		char line[128];
		snprintf(line, sizeof(line), "%s", rows[i].line);
		assert_int_equal(read_line(&args, line), 0);
		args.begun_us = 1795420800500000; /* 2026-11-23T08:00:00.500Z */
		const char *when = args_when(&args, rows[i].name, &arena);
		if (rows[i].when)
			assert_string_equal(when, rows[i].when);
		else
			assert_null(when);
		arena_fini(&arena);
	}
}

static void refuses_what_does_not_fit(void **state)
{
	(void)state;
	static const char *const lines[] = { "--qeue a", "--queue", "-q", "-z", "--all=yes", "--queue a --queue b", "-x" };
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
		struct args args;
		char line[128];
		snprintf(line, sizeof(line), "%s", lines[i]);
		assert_int_equal(read_line(&args, line), EX_USAGE);
	}
}

static void checks_numbers_and_spans(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		int code;
		int64_t delay_ms;
		uint64_t jobs;
	} cases[] = {
		{ "--delay 90s --jobs 7", 0, 90000, 7 }, { "--delay 1h30m", 0, 5400000, 1 },  { "", 0, -1, 1 },
		{ "--jobs 0", EX_USAGE, -1, 1 },         { "--jobs 11", EX_USAGE, -1, 1 },    { "--jobs many", EX_USAGE, -1, 1 },
		{ "--jobs -3", EX_USAGE, -1, 1 },        { "--delay soon", EX_USAGE, -1, 1 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct args args;
		char line[128];
		int64_t delay_ms = -1;
		uint64_t jobs = 1;
		snprintf(line, sizeof(line), "%s", cases[i].line);
		assert_int_equal(read_line(&args, line), 0);
		int code = args_u64(&args, "jobs", 1, 10, &jobs);
		if (!code)
			code = args_duration_ms(&args, "delay", &delay_ms);
		assert_int_equal(code, cases[i].code);
		assert_int_equal(delay_ms, cases[i].delay_ms);
		assert_int_equal(jobs, cases[i].jobs);
	}
}

static void minus_digits_are_words(void **state)
{
	(void)state;
	struct args args;
	char line[] = "-5 - -7x";
	assert_int_equal(read_line(&args, line), 0);
	assert_int_equal(args.word_count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_every_form),
		cmocka_unit_test(an_age_is_an_instant_for_those_who_take_one),
		cmocka_unit_test(refuses_what_does_not_fit),
		cmocka_unit_test(checks_numbers_and_spans),
		cmocka_unit_test(minus_digits_are_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
