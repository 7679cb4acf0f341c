#include "base/mem.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/json.h"
#include "base/map.h"
#include "base/pool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void fails_where_told(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth <= 5; nth++)
		for (int all = 0; all < 2; all++) {
			mem_fail_after(nth, all ? MEM_FAIL_ALL : MEM_FAIL_ONE);
			for (uint64_t n = 1; n <= 5; n++) {
				void *ptr = n % 2 ? mem_alloc(8) : mem_zalloc(8);
				assert_int_equal(ptr == NULL, all ? n >= nth : n == nth);
				mem_free(ptr);
			}
			assert_true(mem_fail_disarm());
			assert_false(mem_fail_disarm());
		}
	mem_fail_after(3, MEM_FAIL_ONE);
	mem_free(mem_alloc(1));
	assert_false(mem_fail_disarm());
}

static void empty_and_absurd_sizes(void **state)
{
	(void)state;
	void *ptr = mem_alloc(0);
	assert_non_null(ptr);
	ptr = mem_realloc(ptr, 0);
	assert_non_null(ptr);
	mem_free(ptr);
	mem_free(NULL);
	volatile size_t huge = SIZE_MAX / 2 + 2;
	assert_null(mem_zalloc_array(huge, 2));
}

/* ---- the sweep: each path once for each of its allocations, that one (or all from it on) refused ---- */

static void place_nowhere(void *context, uint32_t item, uint32_t position)
{
	(void)context, (void)item, (void)position;
}

static uint64_t hash_itself(void *context, uint32_t item)
{
	(void)context;
	return map_mix(item);
}

static bool use_arena(void)
{
	struct arena arena = { 0 };
	bool ok = true;
	for (size_t i = 0; i < 60; i++) {
		char *bytes = arena_alloc(&arena, i * 300);
		ok &= bytes != NULL;
		if (bytes)
			memset(bytes, 1, i * 300);
	}
	ok &= arena_str(&arena, STR("text")).ptr != NULL;
	arena_reset(&arena);
	ok &= arena_printf(&arena, "%0100000d", 1) != NULL;
	ok &= ARENA_ARRAY(&arena, uint64_t, 100000) != NULL;
	arena_fini(&arena);
	return ok;
}

static bool use_buf(void)
{
	struct buf buf;
	buf_init(&buf, 1 << 20);
	for (size_t i = 0; i < 5000; i++) {
		buf_add_lit(&buf, "some text");
		buf_add_u64(&buf, i);
		buf_addf(&buf, "%zu", i);
	}
	bool ok = buf_ok(&buf);
	buf_clear(&buf); /* what there is can be used again */
	buf_fini(&buf);
	return ok;
}

static bool use_heap(void)
{
	struct heap heap;
	uint32_t pushed = 0;
	heap_init(&heap, place_nowhere, NULL);
	while (pushed < 1000 && heap_push(&heap, 1000 - pushed, 0, pushed) == E_OK)
		pushed++;
	assert_int_equal(heap.count, pushed);
	for (uint32_t left = pushed; left > 0; left--) {
		assert_int_equal(heap_peek(&heap)->item, left - 1);
		heap_remove(&heap, 0);
	}
	heap_fini(&heap);
	return pushed == 1000;
}

static bool use_map(void)
{
	struct map map;
	uint32_t put = 0;
	map_init(&map, hash_itself, NULL);
	while (put < 1000 && map_put(&map, map_mix(put), put) == E_OK)
		put++;
	assert_int_equal(map.count, put);
	for (uint32_t item = 0; item < put; item++)
		map_remove(&map, map_mix(item), item);
	map_fini(&map);
	return put == 1000;
}

static bool use_pool(void)
{
	struct pool pool;
	uint32_t slot, taken = 0;
	pool_init(&pool, 16);
	while (taken < 10000 && pool_take(&pool, &slot) == E_OK)
		assert_int_equal(slot, taken++);
	assert_int_equal(pool.live, taken);
	pool_fini(&pool);
	return taken == 10000;
}

static bool use_json(void)
{
	static const char text[] = "{\"n\\u0061me\":[\"\\u00e9t\\u00e9\",\"plain\",{\"\\t\":1}]}";
	struct arena arena = { 0 };
	struct problem problem = { 0 };
	struct json json;
	struct str key, value;
	uint32_t index;
	int64_t n;
	json_init(&json, str_of(text), &arena, &problem);
	json_enter_object(&json);
	while (json_next_key(&json, &key)) {
		json_enter_array(&json);
		while (json_next_item(&json, &index))
			if (json_peek(&json) == JSON_STRING)
				json_read_str(&json, 100, &value);
			else if (json_enter_object(&json))
				while (json_next_key(&json, &key))
					json_read_i64(&json, 0, 9, &n);
	}
	bool ok = json_finish(&json);
	assert_int_equal(problem.err, ok ? E_OK : E_NOMEM);
	arena_fini(&arena);
	return ok;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	bool (*const uses[])(void) = { use_arena, use_buf, use_heap, use_map, use_pool, use_json };
	for (size_t i = 0; i < ARRAY_COUNT(uses); i++)
		for (int all = 0; all < 2; all++) {
			uint64_t nth = 1;
			for (;; nth++) {
				mem_fail_after(nth, all ? MEM_FAIL_ALL : MEM_FAIL_ONE);
				bool ok = uses[i]();
				bool refused = mem_fail_disarm();
				assert_true(ok == !refused);
				if (!refused)
					break;
			}
			assert_true(nth > 1); /* it allocates at all */
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fails_where_told),
		cmocka_unit_test(empty_and_absurd_sizes),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
