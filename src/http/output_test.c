#include "http/output.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void put(struct http_output *output, struct http_pieces *pieces, struct str text)
{
	struct buf *to = http_output_tail(output, pieces, text.len);
	assert_non_null(to);
	buf_add(to, text);
	http_output_wrote(output, text.len);
}

static void take(struct http_output *output, struct http_pieces *pieces, size_t at_most, struct buf *taken)
{
	uv_buf_t slices[3];
	size_t bytes = 0;
	unsigned count = http_output_slices(output, slices, 3, at_most);
	for (unsigned i = 0; i < count; i++) {
		buf_add(taken, (struct str){ slices[i].base, slices[i].len });
		bytes += slices[i].len;
	}
	assert_true(bytes <= at_most);
	http_output_sent(output, pieces, bytes);
}

static void bytes_leave_in_order(void **state)
{
	(void)state;
	struct http_pieces pieces = { 0 };
	for (size_t step = 1; step < 40; step++) {
		struct http_output output = { 0 }, later = { 0 };
		struct buf given = { .max_bytes = 100 }, taken = { .max_bytes = 1000 };
		put(&output, &pieces, STR("one "));
		put(&output, &pieces, STR("two "));
		assert_ptr_equal(output.first, output.last); /* short ones share a piece */
		buf_add_lit(&given, "three ");
		const char *bytes = given.ptr;
		assert_true(http_output_give(&output, &pieces, &given));
		assert_ptr_equal(output.last->bytes.ptr, bytes); /* not copied */
		assert_null(given.ptr);
		put(&output, &pieces, STR("four "));
		put(&later, &pieces, STR("five "));
		http_output_splice(&output, &later);
		http_output_splice(&output, &later);
		http_output_seal(&output, 3);
		put(&output, &pieces, STR("six"));
		while (output.bytes > 0)
			take(&output, &pieces, step, &taken);
		assert_true(str_eq(buf_str(&taken), STR("one two three four five six")));
		assert_null(output.first);
		assert_null(output.last);
		buf_fini(&taken);
	}
	assert_true(pieces.count > 0);
	http_pieces_fini(&pieces);
}

static void sealed_pieces_are_left_alone(void **state)
{
	(void)state;
	struct http_pieces pieces = { 0 };
	struct http_output output = { 0 };
	put(&output, &pieces, STR("in flight"));
	http_output_seal(&output, 9);
	put(&output, &pieces, STR("next"));
	assert_ptr_not_equal(output.first, output.last);
	http_output_drop(&output, &pieces);
	assert_int_equal(output.bytes, 0);
	assert_int_equal(pieces.count, 2);
	put(&output, &pieces, STR("again")); /* a kept piece forgets that it was sealed */
	put(&output, &pieces, STR("again"));
	assert_ptr_equal(output.first, output.last);
	http_output_drop(&output, &pieces);
	http_pieces_fini(&pieces);
}

static void without_memory_nothing_is_added(void **state)
{
	(void)state;
	struct http_pieces pieces = { 0 };
	struct http_output output = { 0 };
	for (uint64_t nth = 1; nth <= 2; nth++) {
		mem_fail_after(nth, MEM_FAIL_ONE);
		assert_null(http_output_tail(&output, &pieces, 10));
		assert_true(mem_fail_disarm());
	}
	struct buf given = { .max_bytes = 100 };
	buf_add_lit(&given, "given");
	mem_fail_after(1, MEM_FAIL_ONE);
	assert_false(http_output_give(&output, &pieces, &given));
	mem_fail_disarm();
	assert_null(given.ptr);
	assert_null(output.first);
	http_pieces_fini(&pieces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_leave_in_order),
		cmocka_unit_test(sealed_pieces_are_left_alone),
		cmocka_unit_test(without_memory_nothing_is_added),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
