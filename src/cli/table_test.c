#include "cli/table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

static char *printed(const struct table *table, bool colours)
{
	static char *text; /* the stream keeps its address */
	size_t len;
	FILE *out = open_memstream(&text, &len);
	table_print(table, out, colours);
	fclose(out);
	return text;
}

static void aligns_characters_not_bytes(void **state)
{
	(void)state;
	static const char *const heads[] = { "NAME", ">COUNT", "STATE", NULL };
	struct arena arena = { 0 };
	struct table table;
	table_init(&table, &arena, heads);
	const char *cells[] = { "é", "7", "failed", "abcdef", "1000000", "" };
	for (size_t i = 0; i < ARRAY_COUNT(cells); i++)
		table_add(&table, str_of(cells[i]));
	char *text = printed(&table, false);
	assert_string_equal(text, "NAME      COUNT  STATE\n"
				  "é             7  failed\n"
				  "abcdef  1000000  \n");
	free(text);
	text = printed(&table, true);
	assert_non_null(strstr(text, "\033[31mfailed\033[0m"));
	free(text);
	arena_fini(&arena);
}

/* A third party may have written a cell: whoever looks at it must not be steered by it. */
static void shows_nothing_that_steers_a_terminal(void **state)
{
	(void)state;
	static const char *const heads[] = { "A", "B", NULL };
	struct arena arena = { 0 };
	struct table table;
	table_init(&table, &arena, heads);
	table_add(&table, STR("a\033[2Jb"));
	table_add(&table, STR("\x7f\xc2\x9b" "c\u00e9"));
	char *text = printed(&table, true);
	assert_string_equal(text, "A       B\na?[2Jb  ??c\u00e9\n");
	free(text);
	arena_fini(&arena);
}

static void grows_and_cuts(void **state)
{
	(void)state;
	static const char *const heads[] = { "A", "B", NULL };
	struct arena arena = { 0 };
	struct table table;
	char wide[101];
	memset(wide, 'w', 100);
	wide[100] = '\0';
	table_init(&table, &arena, heads);
	for (int i = 0; i < 600; i++)
		table_add(&table, str_of(wide));
	char *text = printed(&table, false);
	size_t lines = 0;
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 301);
	assert_int_equal(strcspn(strchr(text, 'w'), "\n"), 60 + 2 + 100); /* the last column is whole */
	free(text);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(aligns_characters_not_bytes), cmocka_unit_test(grows_and_cuts),
		                            cmocka_unit_test(shows_nothing_that_steers_a_terminal) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
