#include "format/frame.h"

#define LENGTH_BYTES 4u /* of the number that leads a frame and does not count itself */

static void put_number(char *at, uint64_t number, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (char)(unsigned char)(number >> (8 * i));
}

static uint64_t get_number(const char *at, size_t bytes)
{
	uint64_t number = 0;
	for (size_t i = bytes; i-- > 0;)
		number = number << 8 | (unsigned char)at[i];
	return number;
}

void frame_ask_head(const struct frame_ask *ask, char head[FRAME_HEAD_BYTES])
{
	put_number(head, FRAME_HEAD_BYTES - LENGTH_BYTES + ask->program.len + ask->input.len, 4);
	put_number(head + 4, ask->id, 8);
	put_number(head + 12, ask->kind, 1);
	put_number(head + 13, ask->program.len, 4);
}

void frame_answer_head(const struct frame_answer *answer, char head[FRAME_HEAD_BYTES])
{
	put_number(head, FRAME_HEAD_BYTES - LENGTH_BYTES + answer->text.len, 4);
	put_number(head + 4, answer->id, 8);
	put_number(head + 12, answer->status, 1);
	put_number(head + 13, answer->us, 4);
}

/* How long the frame is as a whole, once its head is there. */
static enum frame_read frame_measure(struct str bytes, size_t texts_max, size_t *out_bytes)
{
	*out_bytes = FRAME_HEAD_BYTES;
	if (bytes.len < LENGTH_BYTES)
		return FRAME_SHORT;
	uint64_t whole = LENGTH_BYTES + get_number(bytes.ptr, 4);
	if (whole < FRAME_HEAD_BYTES || whole > FRAME_HEAD_BYTES + texts_max)
		return FRAME_BROKEN;
	*out_bytes = (size_t)whole;
	return bytes.len < whole ? FRAME_SHORT : FRAME_WHOLE;
}

enum frame_read frame_ask_read(struct str bytes, struct frame_ask *out, size_t *out_bytes)
{
	enum frame_read read = frame_measure(bytes, FRAME_PROGRAM_BYTES + FRAME_INPUT_BYTES, out_bytes);
	if (read != FRAME_WHOLE)
		return read;
	struct str texts = { bytes.ptr + FRAME_HEAD_BYTES, *out_bytes - FRAME_HEAD_BYTES };
	uint64_t kind = get_number(bytes.ptr + 12, 1), program_bytes = get_number(bytes.ptr + 13, 4);
	if ((kind != FRAME_COMPILE && kind != FRAME_RUN) || program_bytes > texts.len || program_bytes > FRAME_PROGRAM_BYTES)
		return FRAME_BROKEN;
	*out = (struct frame_ask){ .id = get_number(bytes.ptr + 4, 8), .kind = (enum frame_kind)kind,
				   .program = { texts.ptr, (size_t)program_bytes }, .input = str_from(texts, (size_t)program_bytes) };
	return out->input.len > FRAME_INPUT_BYTES ? FRAME_BROKEN : FRAME_WHOLE;
}

enum frame_read frame_answer_read(struct str bytes, struct frame_answer *out, size_t *out_bytes)
{
	enum frame_read read = frame_measure(bytes, FRAME_OUTPUT_BYTES, out_bytes);
	if (read != FRAME_WHOLE)
		return read;
	uint64_t status = get_number(bytes.ptr + 12, 1);
	if (status >= FRAME_STATUS_COUNT)
		return FRAME_BROKEN;
	*out = (struct frame_answer){ .id = get_number(bytes.ptr + 4, 8), .status = (enum frame_status)status,
				      .us = (uint32_t)get_number(bytes.ptr + 13, 4),
				      .text = { bytes.ptr + FRAME_HEAD_BYTES, *out_bytes - FRAME_HEAD_BYTES } };
	return FRAME_WHOLE;
}
