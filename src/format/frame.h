/* src/format/frame.h: what the pool and its helper `ruche-jq` say to each other over one socket: frames, each led by the number of bytes that
 * follow it. Numbers are little-endian. Both ends read with care: a helper may have been broken by the program that it ran.
 *
 *     ask:    u32 bytes, u64 id, u8 kind, u32 program_bytes, program, input
 *     answer: u32 bytes, u64 id, u8 status, u32 us, text
 */
#pragma once
#include "base/str.h"

#define FRAME_HEAD_BYTES    17u                       /* of an ask as of an answer: all before the texts */
#define FRAME_PROGRAM_BYTES (64u * 1024u)
#define FRAME_INPUT_BYTES   (16u * 1024u * 1024u)     /* what one program may be given */
#define FRAME_OUTPUT_BYTES  (4u * 1024u * 1024u)      /* what it may make of it */

enum frame_kind { FRAME_COMPILE = 1, FRAME_RUN = 2 }; /* COMPILE: say whether it compiles; the input is empty */
struct frame_ask {
	uint64_t id;
	enum frame_kind kind;
	struct str program, input;
};

#define FRAME_STATUSES(X)                                                                              \
	X(VALUE)     /* text: the one output, as JSON */                                               \
	X(NOTHING)   /* no output, or null; also: it compiles */                                       \
	X(ERROR)     /* text: what jq says */                                                          \
	X(MANY)      /* more than one output */                                                        \
	X(NO_MEMORY) /* the helper's last frame: the program wanted more than there is */              \
	X(UNFIT)     /* the helper's only frame, of id 0: it cannot run; text: why */
#define X(name) FRAME_##name,
enum frame_status { FRAME_STATUSES(X) FRAME_STATUS_COUNT };
#undef X
struct frame_answer {
	uint64_t id;
	enum frame_status status;
	uint32_t us; /* the program's run, without its way */
	struct str text;
};

/* The head; the texts follow it on the wire, program before input. */
void frame_ask_head(const struct frame_ask *ask, char head[FRAME_HEAD_BYTES]);
void frame_answer_head(const struct frame_answer *answer, char head[FRAME_HEAD_BYTES]);

/* Reads the frame that bytes begin with. WHOLE: *out_bytes is its length, the texts are slices. SHORT: at least *out_bytes are needed to go on.
 * BROKEN: no frame begins like this. */
enum frame_read { FRAME_WHOLE, FRAME_SHORT, FRAME_BROKEN };
MUST_USE enum frame_read frame_ask_read(struct str bytes, struct frame_ask *out, size_t *out_bytes);
MUST_USE enum frame_read frame_answer_read(struct str bytes, struct frame_answer *out, size_t *out_bytes);
