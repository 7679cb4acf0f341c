/* src/format/helper_test.c: the line of frames of one helper, with a socket whose other end is the test's. */
#include "format/helper.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define LARGE_BYTES (4u << 20) /* more than a socket holds */

static int start(struct helper *helper)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	*helper = (struct helper){ .fd = ends[0] };
	return ends[1];
}

static void push(struct helper *helper, uint64_t id, struct str input, int64_t now_us)
{
	struct frame_ask ask = { .id = id, .kind = FRAME_RUN, .program = STR("."), .input = input };
	helper_push(helper, &ask, id, now_us);
}

/* Sends and reads until all is through, and finds the ask in it. */
static struct frame_ask pass_on(struct helper *helper, int theirs, struct buf *bytes)
{
	struct frame_ask ask;
	size_t length;
	enum frame_read read_as;
	while ((read_as = frame_ask_read(buf_str(bytes), &ask, &length)) == FRAME_SHORT) {
		helper_send(helper);
		char *room = buf_reserve(bytes, 65536);
		assert_non_null(room);
		ssize_t n = recv(theirs, room, 65536, MSG_DONTWAIT);
		assert_true(n > 0);
		bytes->len += (size_t)n;
	}
	assert_int_equal(read_as, FRAME_WHOLE);
	return ask;
}

static void a_bound_runs_for_the_first_frame_only(void **state)
{
	struct helper helper;
	int theirs = start(&helper);
	(void)state;
	push(&helper, 1, STR("1"), 100);
	push(&helper, 2, STR("2"), 200);
	push(&helper, 3, STR("3"), 300);
	assert_int_equal(helper.since_us, 100);
	helper_send(&helper);
	assert_false(helper_wants_to_send(&helper));
	assert_int_equal(helper.sent, 3);
	helper_pop(&helper, 450); /* from its predecessor's answer */
	assert_int_equal(helper.since_us, 450);
	assert_int_equal(helper.flights[0].id, 2);
	helper_pop(&helper, 500);
	helper_pop(&helper, 600);
	assert_int_equal(helper.count, 0);
	push(&helper, 4, STR("4"), 700);
	assert_int_equal(helper.since_us, 700);
	helper_forget(&helper, 4, 800); /* it was not sent: it leaves no trace */
	assert_int_equal(helper.count, 0);
	assert_int_equal(helper.since_us, 800);
	close(helper.fd);
	close(theirs);
}

static void what_was_begun_is_ended_with_zeros(void **state)
{
	struct helper helper;
	struct buf bytes;
	int theirs = start(&helper);
	char *large = mem_alloc(LARGE_BYTES);
	(void)state;
	assert_non_null(large);
	memset(large, 'x', LARGE_BYTES);
	buf_init(&bytes, 2 * LARGE_BYTES);
	push(&helper, 1, (struct str){ large, LARGE_BYTES }, 100);
	push(&helper, 2, STR("2"), 100);
	push(&helper, 3, STR("3"), 100);
	helper_send(&helper);
	assert_true(helper.sent_bytes > FRAME_HEAD_BYTES && helper.sent_bytes < LARGE_BYTES);
	size_t sent_input = helper.sent_bytes - FRAME_HEAD_BYTES - 1;
	helper_forget(&helper, 2, 200);
	helper_forget(&helper, 1, 200);
	mem_free(large); /* nobody may look at it any more */
	struct frame_ask ask = pass_on(&helper, theirs, &bytes);
	assert_true(ask.id == 1 && ask.input.len == LARGE_BYTES);
	for (size_t i = 0; i < LARGE_BYTES; i++)
		assert_int_equal(ask.input.ptr[i], i < sent_input ? 'x' : '\0');
	buf_consume(&bytes, FRAME_HEAD_BYTES + 1 + LARGE_BYTES);
	ask = pass_on(&helper, theirs, &bytes);
	assert_true(ask.id == 3 && str_eq(ask.input, STR("3")));
	assert_int_equal(helper.count, 2); /* the cancelled one still has its answer to come */
	buf_fini(&bytes);
	close(helper.fd);
	close(theirs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bound_runs_for_the_first_frame_only),
		cmocka_unit_test(what_was_begun_is_ended_with_zeros),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
