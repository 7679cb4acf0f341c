#include "api/shelf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SHELF_BYTES (4 * SHELF_ENTRY_MAX)

static struct str definition_of(uint64_t uid, size_t bytes, char *out)
{
	int len = snprintf(out, 32, "\"id\":%llu,", (unsigned long long)uid);
	for (size_t i = (size_t)len; i < bytes; i++)
		out[i] = (char)('a' + (uid + i) % 26);
	return (struct str){ out, bytes };
}

/* What is found is always whole and its own; the newest ones are found, the oldest are not. */
static void the_oldest_makes_room(void **state)
{
	static char text[SHELF_ENTRY_MAX + 1];
	struct shelf shelf;
	uint64_t seed = 1, last = 20000, found = 0, recent = 0;
	(void)state;
	shelf_init(&shelf, SHELF_BYTES);
	for (uint64_t uid = 1; uid <= last; uid++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		size_t bytes = 32 + (seed >> 33) % (uid % 50 == 0 ? 60000 : 600);
		shelf_put(&shelf, uid, definition_of(uid, bytes, text));
		struct str kept = shelf_find(&shelf, uid);
		assert_int_equal(kept.len, bytes);
		assert_memory_equal(kept.ptr, text, bytes);
	}
	for (uint64_t uid = 1; uid <= last; uid++) {
		struct str kept = shelf_find(&shelf, uid);
		found += kept.len > 0;
		recent += kept.len > 0 && uid > last - 100;
		if (kept.len) {
			definition_of(uid, kept.len, text);
			assert_memory_equal(kept.ptr, text, kept.len);
		}
	}
	assert_true(recent >= 99 && found < 2000);
	shelf_fini(&shelf);
}

static void what_it_does_not_keep(void **state)
{
	static char text[SHELF_ENTRY_MAX + 1];
	struct shelf shelf;
	(void)state;
	shelf_init(&shelf, 0);
	shelf_put(&shelf, 1, definition_of(1, 100, text));
	assert_int_equal(shelf_find(&shelf, 1).len, 0);
	shelf_fini(&shelf);

	shelf_init(&shelf, SHELF_BYTES);
	shelf_put(&shelf, 1, definition_of(1, SHELF_ENTRY_MAX + 1, text));
	assert_int_equal(shelf_find(&shelf, 1).len, 0);
	shelf_put(&shelf, 2, definition_of(2, SHELF_ENTRY_MAX, text));
	assert_int_equal(shelf_find(&shelf, 2).len, SHELF_ENTRY_MAX);
	assert_int_equal(shelf_find(&shelf, 3).len, 0);
	shelf_fini(&shelf);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_oldest_makes_room), cmocka_unit_test(what_it_does_not_keep) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
