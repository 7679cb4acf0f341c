/* fuzz/frame_fuzz.c: any bytes as what the pool of formats and its helpers read from each other, at both ends: the first byte says which. A frame
 * lies within the bytes, means the same when it is written again, and is not read from less than all of it. */
#include "fuzz.h"
#include "format/frame.h"

static bool within(struct str text, struct str bytes)
{
	return text.ptr >= bytes.ptr && text.len <= bytes.len && text.ptr + text.len <= bytes.ptr + bytes.len;
}

static enum frame_read read_ask(struct str bytes, size_t *out_bytes)
{
	struct frame_ask ask;
	char head[FRAME_HEAD_BYTES];
	enum frame_read read = frame_ask_read(bytes, &ask, out_bytes);
	if (read == FRAME_WHOLE) {
		CHECK(within(ask.program, bytes) && within(ask.input, bytes));
		CHECK(FRAME_HEAD_BYTES + ask.program.len + ask.input.len == *out_bytes);
		frame_ask_head(&ask, head);
		CHECK(!memcmp(head, bytes.ptr, sizeof(head)));
	}
	return read;
}

static enum frame_read read_answer(struct str bytes, size_t *out_bytes)
{
	struct frame_answer answer;
	char head[FRAME_HEAD_BYTES];
	enum frame_read read = frame_answer_read(bytes, &answer, out_bytes);
	if (read == FRAME_WHOLE) {
		CHECK(within(answer.text, bytes) && FRAME_HEAD_BYTES + answer.text.len == *out_bytes);
		frame_answer_head(&answer, head);
		CHECK(!memcmp(head, bytes.ptr, sizeof(head)));
	}
	return read;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	enum frame_read (*read_one)(struct str, size_t *) = data[0] == 'a' ? read_answer : read_ask;
	struct str left = fuzz_str(data + 1, size - 1);
	for (;;) {
		size_t bytes, less;
		enum frame_read read = read_one(left, &bytes);
		CHECK(read != FRAME_SHORT || bytes > left.len);
		if (read != FRAME_WHOLE)
			return 0;
		CHECK(bytes >= FRAME_HEAD_BYTES && bytes <= left.len);
		CHECK(read_one((struct str){ left.ptr, bytes - 1 }, &less) == FRAME_SHORT && less <= bytes);
		left = str_from(left, bytes);
	}
}
