#include "base/heap.h"
#include "base/dice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ITEMS 500u

struct model { /* the naive truth: keys by item, and where the heap says each item is */
	int64_t major[ITEMS], minor[ITEMS];
	uint32_t position[ITEMS];
	bool in[ITEMS];
};

static void model_place(void *context, uint32_t item, uint32_t position)
{
	((struct model *)context)->position[item] = position;
}

static bool model_before(const struct model *model, uint32_t a, uint32_t b)
{
	return model->major[a] != model->major[b] ? model->major[a] < model->major[b]
						  : model->minor[a] < model->minor[b];
}

static void model_agrees(const struct model *model, const struct heap *heap)
{
	uint32_t least = UINT32_MAX, count = 0;
	for (uint32_t item = 0; item < ITEMS; item++) {
		if (!model->in[item])
			continue;
		count++;
		assert_true(model->position[item] < heap->count);
		assert_int_equal(heap->entries[model->position[item]].item, item);
		if (least == UINT32_MAX || model_before(model, item, least))
			least = item;
	}
	assert_int_equal(heap->count, count);
	if (count)
		assert_int_equal(heap_peek(heap)->item, least);
	else
		assert_null(heap_peek(heap));
}

static void agrees_with_a_naive_model(void **state)
{
	(void)state;
	static struct model model;
	struct dice dice = { 11 };
	struct heap heap;
	heap_init(&heap, model_place, &model);
	for (uint32_t item = 0; item < ITEMS; item++)
		model.position[item] = HEAP_NOWHERE;
	for (int step = 0; step < 30000; step++) {
		uint32_t item = dice_below(&dice, ITEMS);
		int64_t major = (int64_t)dice_below(&dice, 20) - 10, minor = (int64_t)(dice_roll(&dice) << 20 | item);
		if (!model.in[item]) {
			assert_int_equal(heap_push(&heap, major, minor, item), E_OK);
			model.in[item] = true;
		} else if (dice_below(&dice, 2)) {
			heap_change(&heap, model.position[item], major, minor);
		} else {
			heap_remove(&heap, model.position[item]);
			assert_int_equal(model.position[item], HEAP_NOWHERE);
			model.in[item] = false;
		}
		model.major[item] = major;
		model.minor[item] = minor;
		if (step % 7 == 0)
			model_agrees(&model, &heap);
	}
	heap_fini(&heap);
}

static void comes_out_sorted(void **state)
{
	(void)state;
	static struct model model;
	struct dice dice = { 12 };
	struct heap heap;
	heap_init(&heap, model_place, &model);
	assert_int_equal(heap_reserve(&heap, ITEMS), E_OK);
	for (uint32_t item = 0; item < ITEMS; item++)
		assert_int_equal(heap_push(&heap, (int64_t)dice_roll(&dice), item, item), E_OK);
	int64_t last = INT64_MIN;
	for (uint32_t n = 0; n < ITEMS; n++) {
		assert_true(heap_peek(&heap)->major >= last);
		last = heap_peek(&heap)->major;
		heap_remove(&heap, 0);
	}
	assert_null(heap_peek(&heap));
	assert_int_equal(heap_reserve(&heap, UINT32_MAX), E_NOMEM);
	heap_fini(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(agrees_with_a_naive_model),
					    cmocka_unit_test(comes_out_sorted) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
