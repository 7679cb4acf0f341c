#include "jq/program.h"
#include "base/mem.h"
#include <jq.h>
#include <jv.h>

#define SAYS_BYTES 4096u /* of a message; longer is cut */

struct kept {
	jq_state *jq;
	char *text; /* ends in NUL too, as jq_compile wants it */
	size_t text_bytes;
	uint64_t used; /* when, in programs asked for */
};
static struct kept kept[PROGRAMS_KEPT];
static uint64_t asked;
static void (*no_memory)(void);

void programs_on_no_memory(void (*report)(void))
{
	no_memory = report;
}

static void out_of_memory(void *context)
{
	(void)context;
	no_memory();
}

static void say(struct buf *out, struct str text)
{
	buf_add(out, str_cut(text, SAYS_BYTES));
}

static void say_jv(struct buf *out, jv message) /* an error may be any value */
{
	if (jv_get_kind(message) != JV_KIND_STRING)
		message = jv_dump_string(message, 0);
	say(out, (struct str){ jv_string_value(message), (size_t)jv_string_length_bytes(jv_copy(message)) });
	jv_free(message);
}

/* jq tells each mistake, and in the end how many they were, which nobody needs. */
static void keep_message(void *context, jv message)
{
	struct buf *out = context;
	message = jq_format_error(message);
	struct str text = str_of(jv_string_value(message)), lead = STR("jq: error: ");
	if (str_starts(text, lead)) {
		if (out->len > FRAME_HEAD_BYTES)
			buf_add_byte(out, '\n');
		say(out, str_from(text, lead.len));
	}
	jv_free(message);
}

static jv no_input(jq_state *jq, void *context)
{
	(void)jq;
	(void)context;
	return jv_invalid_with_msg(jv_string("there is no further input: a format is given one, as '.'"));
}

static void kept_drop(struct kept *one)
{
	if (one->jq)
		jq_teardown(&one->jq);
	mem_free(one->text);
	*one = (struct kept){ 0 };
}

static bool kept_compile(struct kept *one, struct str program, struct buf *out)
{
	one->text = mem_alloc(program.len + 1);
	one->jq = one->text ? jq_init() : NULL;
	if (!one->jq) {
		no_memory();
		return false;
	}
	memcpy(one->text, program.ptr, program.len);
	one->text[program.len] = '\0';
	one->text_bytes = program.len;
	jq_set_nomem_handler(one->jq, out_of_memory, NULL);
	jq_set_error_cb(one->jq, keep_message, out);
	jq_set_input_cb(one->jq, no_input, NULL);
	jq_set_attr(one->jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	jq_set_attr(one->jq, jv_string("JQ_ORIGIN"), jv_string("/"));
	jq_set_attr(one->jq, jv_string("PROGRAM_ORIGIN"), jv_string("/"));
	return jq_compile(one->jq, one->text) != 0;
}

/* The compiled program, or NULL: `out` says what is wrong with it. */
static jq_state *program_find(struct str program, struct buf *out)
{
	struct kept *oldest = &kept[0];
	for (struct kept *one = kept; one < kept + PROGRAMS_KEPT; one++) {
		if (one->jq && str_eq((struct str){ one->text, one->text_bytes }, program)) {
			one->used = ++asked;
			jq_set_error_cb(one->jq, keep_message, out);
			return one->jq;
		}
		if (one->used < oldest->used)
			oldest = one;
	}
	kept_drop(oldest);
	if (!kept_compile(oldest, program, out)) {
		kept_drop(oldest);
		return NULL;
	}
	oldest->used = ++asked;
	return oldest->jq;
}

/* How a run ends that has no further output: as it should, by an error, or by a halt of its own. */
static enum frame_status run_end(jq_state *jq, jv last, struct buf *out)
{
	if (jq_halted(jq)) {
		jv_free(last);
		say(out, STR("the program halted; a format ends with its output, or with 'empty' when there is nothing to send"));
		return FRAME_ERROR;
	}
	if (!jv_invalid_has_msg(jv_copy(last))) {
		jv_free(last);
		return FRAME_NOTHING;
	}
	say_jv(out, jv_invalid_get_msg(last));
	return FRAME_ERROR;
}

static enum frame_status run_value(jv value, struct buf *out)
{
	if (jv_get_kind(value) == JV_KIND_NULL) {
		jv_free(value);
		return FRAME_NOTHING;
	}
	jv text = jv_dump_string(value, 0);
	size_t bytes = (size_t)jv_string_length_bytes(jv_copy(text));
	enum frame_status status = bytes > FRAME_OUTPUT_BYTES ? FRAME_ERROR : FRAME_VALUE;
	if (status == FRAME_VALUE)
		buf_add(out, (struct str){ jv_string_value(text), bytes });
	else
		buf_addf(out, "the output has %zu bytes; %u are the most", bytes, FRAME_OUTPUT_BYTES);
	jv_free(text);
	return status;
}

static enum frame_status program_run(jq_state *jq, struct str text, struct buf *out)
{
	jv input = jv_parse_sized(text.ptr, (int)text.len);
	if (!jv_is_valid(input)) {
		say(out, STR("the input cannot be read by jq: "));
		say_jv(out, jv_invalid_get_msg(input));
		return FRAME_ERROR;
	}
	jq_start(jq, input, 0);
	jv first = jq_next(jq);
	if (!jv_is_valid(first))
		return run_end(jq, first, out);
	jv second = jq_next(jq);
	if (jv_is_valid(second)) {
		jv_free(first);
		jv_free(second);
		say(out, STR("the program has more than one output; take one by first(…), or make a list of them by […]"));
		return FRAME_MANY;
	}
	enum frame_status end = run_end(jq, second, out);
	if (end == FRAME_NOTHING)
		return run_value(first, out);
	jv_free(first);
	return end;
}

enum frame_status program_answer(const struct frame_ask *ask, struct buf *out)
{
	if (str_index(ask->program, '\0') < ask->program.len) {
		say(out, STR("the program holds a NUL byte"));
		return FRAME_ERROR;
	}
	jq_state *jq = program_find(ask->program, out);
	if (!jq)
		return FRAME_ERROR;
	return ask->kind == FRAME_COMPILE ? FRAME_NOTHING : program_run(jq, ask->input, out);
}
