#include "base/map.h"
#include "base/dice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ITEMS 2000u

static uint64_t good_hash(void *context, uint32_t item)
{
	(void)context;
	return map_mix(item);
}

static uint64_t bad_hash(void *context, uint32_t item) /* few homes, long runs that wrap around the end */
{
	(void)context;
	return UINT64_MAX - item % 5;
}

static uint64_t same_low_hash(void *context, uint32_t item)
{
	(void)context;
	return (uint64_t)item << 32;
}

static bool item_is(void *context, uint32_t item, const void *key)
{
	(void)context;
	return item == *(const uint32_t *)key;
}

static void run_against_model(uint64_t (*hash_of)(void *, uint32_t), uint32_t items, int steps)
{
	bool in[ITEMS] = { false };
	uint32_t count = 0;
	struct dice dice = { 21 };
	struct map map;
	map_init(&map, hash_of, NULL);
	for (int step = 0; step < steps; step++) {
		uint32_t item = dice_below(&dice, items);
		uint64_t hash = hash_of(NULL, item);
		assert_int_equal(map_find(&map, hash, item_is, &item), in[item] ? item : MAP_NONE);
		if (in[item])
			map_remove(&map, hash, item);
		else
			assert_int_equal(map_put(&map, hash, item), E_OK);
		in[item] = !in[item];
		count = in[item] ? count + 1 : count - 1;
		assert_int_equal(map.count, count);
		assert_true(map.count * 4 <= map.capacity * 3);
	}
	for (uint32_t item = 0; item < items; item++)
		assert_int_equal(map_find(&map, hash_of(NULL, item), item_is, &item), in[item] ? item : MAP_NONE);
	map_fini(&map);
}

static void agrees_with_a_naive_model(void **state)
{
	(void)state;
	run_against_model(good_hash, ITEMS, 60000);
	run_against_model(bad_hash, 60, 20000);
	run_against_model(same_low_hash, 60, 20000);
}

static void reserve_makes_room(void **state)
{
	(void)state;
	struct map map;
	map_init(&map, good_hash, NULL);
	assert_int_equal(map_reserve(&map, 1000), E_OK);
	uint32_t capacity = map.capacity;
	for (uint32_t item = 0; item < 1000; item++)
		assert_int_equal(map_put(&map, map_mix(item), item), E_OK);
	assert_int_equal(map.capacity, capacity);
	assert_int_equal(map_reserve(&map, UINT32_MAX), E_NOMEM);
	map_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(agrees_with_a_naive_model),
					    cmocka_unit_test(reserve_makes_room) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
