#include "base/arena.h"
#include "base/dice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void gives_aligned_separate_memory(void **state)
{
	(void)state;
	struct dice dice = { 1 };
	struct arena arena = { 0 };
	for (int round = 0; round < 20; round++) {
		struct str given[300];
		for (size_t i = 0; i < ARRAY_COUNT(given); i++) {
			size_t bytes = dice_below(&dice, i % 50 == 7 ? 200000 : 500);
			char *ptr = arena_alloc(&arena, bytes);
			assert_non_null(ptr);
			assert_int_equal((uintptr_t)ptr % 16, 0);
			memset(ptr, (int)i, bytes);
			given[i] = (struct str){ ptr, bytes };
		}
		for (size_t i = 0; i < ARRAY_COUNT(given); i++)
			for (size_t j = 0; j < given[i].len; j += 61)
				assert_int_equal((unsigned char)given[i].ptr[j], (unsigned char)i);
		arena_reset(&arena);
		assert_int_equal(arena.used_bytes, 0);
	}
	arena_fini(&arena);
	arena_fini(&arena);
}

static void keeps_its_maximum(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1000);
	assert_non_null(arena_alloc(&arena, 600));
	assert_null(arena_alloc(&arena, 401));
	assert_non_null(arena_alloc(&arena, 400));
	assert_null(arena_alloc(&arena, 1));
	arena_reset(&arena);
	assert_non_null(arena_alloc(&arena, 1000));
	arena_fini(&arena);
	assert_null(arena_alloc(&arena, 1001));
	arena_fini(&arena);
}

static void absurd_sizes_are_refused(void **state)
{
	(void)state;
	struct arena arena = { 0 };
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 15));
	assert_null(arena_zalloc_array(&arena, SIZE_MAX / 2, 3));
	assert_null(arena_str(&arena, (struct str){ "", SIZE_MAX }).ptr);
	arena_fini(&arena);
}

static void takes_the_room_that_it_is_told(void **state)
{
	struct arena arena = { 0 }, fitted = { 0 };
	(void)state;
	assert_int_equal(arena_taken(&arena), 0);
	assert_non_null(arena_alloc(&arena, 5));
	assert_non_null(arena_alloc(&arena, 33));
	assert_int_equal(arena_taken(&arena), 16 + 48);
	assert_true(arena_reserve(&fitted, arena_taken(&arena)));
	assert_int_equal(arena_taken(&fitted), 0);
	assert_non_null(arena_alloc(&fitted, 5));
	assert_non_null(arena_alloc(&fitted, 33));
	assert_ptr_equal(fitted.next, fitted.end);
	assert_true(arena_reserve(&fitted, 1)); /* it has what it has */
	assert_ptr_equal(fitted.next, fitted.end);
	assert_non_null(arena_alloc(&fitted, 1)); /* and takes more when it needs more */
	arena_fini(&fitted);
	arena_fini(&arena);
}

static void copies_and_prints(void **state)
{
	(void)state;
	struct arena arena = { 0 };
	struct str copy = arena_str(&arena, (struct str){ "abcdef", 3 });
	assert_string_equal(copy.ptr, "abc");
	assert_int_equal(copy.len, 3);
	struct str empty = arena_str(&arena, (struct str){ NULL, 0 });
	assert_non_null(empty.ptr);
	assert_int_equal(empty.len, 0);
	assert_string_equal(arena_printf(&arena, "%s-%d", "x", 12), "x-12");
	uint64_t *zeros = ARENA_ARRAY(&arena, uint64_t, 50);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(zeros[i], 0);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_aligned_separate_memory),
		cmocka_unit_test(keeps_its_maximum),
		cmocka_unit_test(absurd_sizes_are_refused),
		cmocka_unit_test(takes_the_room_that_it_is_told),
		cmocka_unit_test(copies_and_prints),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
