#include "base/pool.h"
#include "base/dice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SLOTS 5000u

struct thing {
	uint32_t first;
	char fill[13];
};

static void agrees_with_a_naive_model(void **state)
{
	(void)state;
	static struct thing *where[SLOTS];
	static bool taken[SLOTS];
	static const struct thing zero;
	struct dice dice = { 31 };
	struct pool pool;
	uint32_t live = 0, last_given = POOL_NONE;
	pool_init(&pool, sizeof(struct thing));
	for (int step = 0; step < 60000; step++) {
		uint32_t slot;
		if (live < SLOTS && dice_below(&dice, 100) < (step < 30000 ? 70 : 40)) {
			assert_int_equal(pool_take(&pool, &slot), E_OK);
			assert_true(slot < SLOTS);
			assert_false(taken[slot]);
			if (last_given != POOL_NONE)
				assert_int_equal(slot, last_given);
			struct thing *thing = pool_at(&pool, slot);
			assert_true(!where[slot] || where[slot] == thing); /* slots stay put */
			assert_memory_equal(thing, &zero, sizeof(zero));
			where[slot] = thing;
			memset(thing, 0x5a, sizeof(*thing));
			taken[slot] = true;
			live++;
			last_given = POOL_NONE;
		} else if (taken[slot = dice_below(&dice, SLOTS)]) {
			pool_give(&pool, slot);
			taken[slot] = false;
			live--;
			last_given = slot;
		}
		assert_int_equal(pool.live, live);
	}
	assert_true(pool.used > POOL_CHUNK_ITEMS * 2);
	pool_fini(&pool);
	pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(agrees_with_a_naive_model) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
