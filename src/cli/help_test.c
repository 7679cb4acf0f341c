#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sysexits.h>

#define SCREEN_LINES   48
#define SCREEN_COLUMNS 140

static const struct cli_command *const help_tables[] = { cli_commands, NULL };

static void finds_the_longest_name(void **state)
{
	(void)state;
	static const struct {
		const char *words[3], *name;
		int used;
	} cases[] = {
		{ { "jobs", "list", "x" }, "jobs list", 2 }, { { "queues" }, "queues", 1 },   { { "queues", "set", "q" }, "queues set", 2 },
		{ { "enqueue", "list" }, "enqueue", 1 },     { { "jobs" }, NULL, 0 },         { { "nonsense" }, NULL, 0 },
		{ { "queues", "nonsense" }, "queues", 1 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int used, argc = 0;
		while (argc < 3 && cases[i].words[argc])
			argc++;
		const struct cli_command *found = cli_find(argc, (char **)(uintptr_t)cases[i].words, &used);
		assert_int_equal(used, cases[i].used);
		if (cases[i].name)
			assert_string_equal(found->name, cases[i].name);
		else
			assert_null(found);
	}
	assert_int_equal(cli_unknown("enqeue"), EX_USAGE);
}

/* Every help fits a screen, has an example that begins with `ruche` or pipes into it, and no option stands there twice. */
static void every_help_fits_a_screen(void **state)
{
	(void)state;
	for (const struct cli_command *command = cli_commands; command->name; command++) {
		char *text = NULL;
		size_t len, lines = 0;
		FILE *out = open_memstream(&text, &len);
		cli_help_print(command, out);
		fclose(out);
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
			lines++;
			assert_in_range(table_width(str_of(line)), 0, SCREEN_COLUMNS);
		}
		assert_in_range(lines, 4, SCREEN_LINES);
		free(text);
		assert_non_null(command->examples[0]);
		for (const char *const *example = command->examples; *example; example++)
			assert_non_null(strstr(*example, "ruche "));
		for (const struct cli_option *option = command->options; option && option->name; option++) {
			for (const struct cli_option *other = command->options; other < option; other++) {
				assert_string_not_equal(option->name, other->name);
				assert_false(option->letter && option->letter == other->letter);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds_the_longest_name), cmocka_unit_test(every_help_fits_a_screen) };
	cli_tables = help_tables;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
