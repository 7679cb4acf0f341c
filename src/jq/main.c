/* src/jq/main.c: the program `ruche-jq CPU_MS`: the one that knows libjq. It takes its limits, then reads asks from its standard input, a socket,
 * and answers each before it begins the next, so that whoever waits knows by the answers that are missing which program was at work when it died.
 * Its end is the end of that socket. It is started by format/pool.c and of no use by hand. */
#include "base/clock.h"
#include "jq/limits.h"
#include "jq/program.h"
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_BYTES (64u * 1024u)
#define HELD_BYTES (64u * 1024u * 1024u) /* a helper that holds more after an answer ends itself; the next one begins with nothing */

enum { END_WELL = 0, END_USAGE = 64, END_BROKEN = 70 };

static uint64_t at_work; /* the ask's id */

static void write_all(struct str bytes)
{
	while (bytes.len) {
		ssize_t n = write(STDIN_FILENO, bytes.ptr, bytes.len);
		if (n < 0 && errno != EINTR)
			_exit(END_WELL); /* nobody listens any more */
		bytes = str_from(bytes, n < 0 ? 0 : (size_t)n);
	}
}

static void write_answer(const struct frame_answer *answer)
{
	char head[FRAME_HEAD_BYTES];
	frame_answer_head(answer, head);
	write_all((struct str){ head, sizeof(head) });
	write_all(answer->text);
}

static void tell_no_memory(void)
{
	struct frame_answer answer = { .id = at_work, .status = FRAME_NO_MEMORY };
	write_answer(&answer);
	_exit(END_WELL);
}

/* Head and text leave together: `out` begins with room for the head. */
static void answer(const struct frame_ask *ask, int64_t cpu_ms, struct buf *out)
{
	char head[FRAME_HEAD_BYTES] = { 0 };
	at_work = ask->id;
	buf_clear(out);
	buf_add(out, (struct str){ head, sizeof(head) });
	limits_arm(cpu_ms);
	int64_t begun_us = clock_mono_us();
	enum frame_status status = program_answer(ask, out);
	int64_t us = clock_mono_us() - begun_us;
	if (!buf_ok(out))
		tell_no_memory();
	struct frame_answer said = { .id = ask->id, .status = status, .us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us };
	said.text = str_from(buf_str(out), FRAME_HEAD_BYTES);
	frame_answer_head(&said, out->ptr);
	write_all(buf_str(out));
	struct mallinfo2 memory = mallinfo2();
	if (memory.arena + memory.hblkhd > HELD_BYTES)
		_exit(END_WELL);
}

static void serve(int64_t cpu_ms)
{
	struct buf in, out;
	struct frame_ask ask;
	size_t at = 0, bytes = 0;
	buf_init(&in, 2u * (FRAME_HEAD_BYTES + FRAME_PROGRAM_BYTES + FRAME_INPUT_BYTES));
	buf_init(&out, FRAME_HEAD_BYTES + FRAME_OUTPUT_BYTES);
	for (;;) {
		enum frame_read read_as = frame_ask_read(str_from(buf_str(&in), at), &ask, &bytes);
		if (read_as == FRAME_BROKEN)
			_exit(END_BROKEN);
		if (read_as == FRAME_WHOLE) {
			answer(&ask, cpu_ms, &out);
			at += bytes;
			continue;
		}
		buf_consume(&in, at);
		at = 0;
		size_t room = bytes - in.len > READ_BYTES ? bytes - in.len : READ_BYTES;
		char *space = buf_reserve(&in, room);
		if (!space)
			_exit(END_BROKEN);
		ssize_t n = read(STDIN_FILENO, space, room);
		if (n == 0 || (n < 0 && errno != EINTR))
			_exit(END_WELL);
		in.len += n < 0 ? 0 : (size_t)n;
	}
}

int main(int argc, char **argv)
{
	char text[160];
	const char *what;
	uint64_t cpu_ms;
	if (argc != 2 || !str_u64(str_of(argv[1]), &cpu_ms) || cpu_ms < 1 || cpu_ms > 3600000) {
		fputs("ruche-jq runs the jq programs of formats for ruche, which starts it by itself; it is of no use by hand.\n", stderr);
		return END_USAGE;
	}
	if (!limits_take(&what)) {
		snprintf(text, sizeof(text), "it could not limit %s: %s", what, strerror(errno));
		struct frame_answer unfit = { .status = FRAME_UNFIT, .text = str_of(text) };
		write_answer(&unfit);
		return END_BROKEN;
	}
	programs_on_no_memory(tell_no_memory);
	serve((int64_t)cpu_ms);
}
