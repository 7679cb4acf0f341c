#include "format/frame.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define WIRE_BYTES 64u

static struct str wire_of(const char head[FRAME_HEAD_BYTES], struct str first, struct str second, char out[WIRE_BYTES])
{
	assert_true(FRAME_HEAD_BYTES + first.len + second.len <= WIRE_BYTES);
	memcpy(out, head, FRAME_HEAD_BYTES);
	memcpy(out + FRAME_HEAD_BYTES, first.ptr, first.len);
	memcpy(out + FRAME_HEAD_BYTES + first.len, second.ptr, second.len);
	return (struct str){ out, FRAME_HEAD_BYTES + first.len + second.len };
}

static struct str an_ask(char out[WIRE_BYTES])
{
	struct frame_ask ask = { .id = UINT64_C(0x1122334455667788), .kind = FRAME_RUN, .program = STR(".a"), .input = STR("{\"a\":1}") };
	char head[FRAME_HEAD_BYTES];
	frame_ask_head(&ask, head);
	return wire_of(head, ask.program, ask.input, out);
}

static void an_ask_has_these_bytes(void **state)
{
	static const char expected[] = "\x16\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11\x02\x02\0\0\0.a{\"a\":1}";
	char bytes[WIRE_BYTES];
	struct frame_ask ask;
	size_t used;
	(void)state;
	struct str wire = an_ask(bytes);
	assert_int_equal(wire.len, sizeof(expected) - 1);
	assert_memory_equal(wire.ptr, expected, wire.len);
	assert_int_equal(frame_ask_read(wire, &ask, &used), FRAME_WHOLE);
	assert_int_equal(used, wire.len);
	assert_true(ask.id == UINT64_C(0x1122334455667788) && ask.kind == FRAME_RUN);
	assert_true(str_eq(ask.program, STR(".a")) && str_eq(ask.input, STR("{\"a\":1}")));
}

static void an_answer_is_read_as_it_was_written(void **state)
{
	struct frame_answer answer = { .id = 5, .status = FRAME_ERROR, .us = 123456, .text = STR("no") }, read;
	char head[FRAME_HEAD_BYTES], bytes[WIRE_BYTES];
	size_t used;
	(void)state;
	frame_answer_head(&answer, head);
	struct str wire = wire_of(head, answer.text, STR(""), bytes);
	assert_int_equal(frame_answer_read(wire, &read, &used), FRAME_WHOLE);
	assert_true(read.id == 5 && read.status == FRAME_ERROR && read.us == 123456 && str_eq(read.text, STR("no")));
	assert_int_equal(used, wire.len);
}

static void a_start_asks_for_more(void **state)
{
	char bytes[WIRE_BYTES];
	struct frame_ask ask;
	size_t needed;
	(void)state;
	struct str wire = an_ask(bytes);
	for (size_t length = 0; length < wire.len; length++) {
		struct str start = { wire.ptr, length };
		assert_int_equal(frame_ask_read(start, &ask, &needed), FRAME_SHORT);
		assert_int_equal(needed, length < 4 ? FRAME_HEAD_BYTES : wire.len);
	}
}

static void nonsense_is_broken(void **state)
{
	static const struct {
		size_t at;
		const char *bytes;
		size_t count;
	} changes[] = {
		{ 0, "\x0c\0\0\0", 4 },         /* shorter than a head */
		{ 0, "\xff\xff\xff\x7f", 4 },   /* longer than any */
		{ 12, "\0", 1 },                /* no such kind */
		{ 12, "\x03", 1 },
		{ 13, "\x0a\0\0\0", 4 },        /* the program goes beyond the frame */
		{ 13, "\xff\xff\xff\xff", 4 },
	};
	struct frame_ask ask;
	size_t used;
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
		char bytes[WIRE_BYTES];
		struct str wire = an_ask(bytes);
		memcpy(bytes + changes[i].at, changes[i].bytes, changes[i].count);
		assert_int_equal(frame_ask_read(wire, &ask, &used), FRAME_BROKEN);
	}
	struct frame_answer answer = { .status = FRAME_STATUS_COUNT };
	char head[FRAME_HEAD_BYTES];
	frame_answer_head(&answer, head);
	assert_int_equal(frame_answer_read((struct str){ head, sizeof(head) }, &answer, &used), FRAME_BROKEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ask_has_these_bytes),
		cmocka_unit_test(an_answer_is_read_as_it_was_written),
		cmocka_unit_test(a_start_asks_for_more),
		cmocka_unit_test(nonsense_is_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
