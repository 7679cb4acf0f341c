#include "http/deadline.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void due_in_order_of_time(void **state)
{
	(void)state;
	struct http_deadlines all;
	struct http_deadline a = { 0 }, b = { 0 }, c = { 0 };
	http_deadlines_init(&all);
	all.lists[HTTP_DUE_IDLE].span_ms = 100;
	all.lists[HTTP_DUE_HEAD].span_ms = 10;
	assert_int_equal(http_deadlines_next_ms(&all), HTTP_NEVER);
	assert_null(http_deadline_take(&all, INT64_MAX - 1));
	http_deadline_set(&all, &a, HTTP_DUE_IDLE, 0);
	http_deadline_set(&all, &b, HTTP_DUE_IDLE, 5);
	http_deadline_set(&all, &c, HTTP_DUE_HEAD, 20);
	assert_int_equal(http_deadlines_next_ms(&all), 30);
	assert_null(http_deadline_take(&all, 29));
	assert_ptr_equal(http_deadline_take(&all, 30), &c);
	assert_int_equal(c.kind, HTTP_DUE_HEAD);
	http_deadline_set(&all, &a, HTTP_DUE_IDLE, 50); /* later: moves behind b */
	assert_int_equal(http_deadlines_next_ms(&all), 105);
	http_deadline_set(&all, &c, HTTP_DUE_NONE, 50);
	assert_ptr_equal(http_deadline_take(&all, 200), &b);
	assert_ptr_equal(http_deadline_take(&all, 200), &a);
	assert_null(http_deadline_take(&all, 200));
	assert_int_equal(http_deadlines_next_ms(&all), HTTP_NEVER);
}

/* Against a plain array, with moves and drops at random places. */
static void like_a_plain_array(void **state)
{
	(void)state;
	enum { COUNT = 20 };
	struct http_deadlines all;
	struct http_deadline set[COUNT] = { 0 };
	int64_t due_ms[COUNT];
	http_deadlines_init(&all);
	for (size_t kind = 1; kind < HTTP_DUE_COUNT; kind++)
		all.lists[kind].span_ms = (int64_t)kind * 7;
	for (unsigned i = 0; i < COUNT; i++)
		due_ms[i] = HTTP_NEVER;
	uint32_t random = 1;
	for (int64_t now_ms = 0; now_ms < 20000; now_ms++) {
		random = random * 1664525 + 1013904223;
		unsigned i = random >> 8 & 0xffff;
		enum http_deadline_kind kind = (enum http_deadline_kind)(random >> 24) % HTTP_DUE_COUNT;
		i %= COUNT;
		http_deadline_set(&all, &set[i], kind, now_ms);
		due_ms[i] = kind ? now_ms + (int64_t)kind * 7 : HTTP_NEVER;
		int64_t next_ms = HTTP_NEVER;
		for (unsigned k = 0; k < COUNT; k++)
			next_ms = due_ms[k] < next_ms ? due_ms[k] : next_ms;
		assert_int_equal(http_deadlines_next_ms(&all), next_ms);
		struct http_deadline *taken;
		while ((taken = http_deadline_take(&all, now_ms))) {
			assert_true(due_ms[taken - set] <= now_ms);
			due_ms[taken - set] = HTTP_NEVER;
		}
		for (unsigned k = 0; k < COUNT; k++)
			assert_true(due_ms[k] > now_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(due_in_order_of_time), cmocka_unit_test(like_a_plain_array) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
