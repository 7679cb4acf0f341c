/* src/jq/program.h: jq programs: compiled once, kept by their text, the one longest unused makes room; and their run over one input. */
#pragma once
#include "base/buf.h"
#include "format/frame.h"

#define PROGRAMS_KEPT 64u

/* Called when libjq finds no memory; it must not return. */
void programs_on_no_memory(void (*report)(void));
/* Adds the text of the answer to `out`. A buf that could not take it has failed, and there is no memory. */
MUST_USE enum frame_status program_answer(const struct frame_ask *ask, struct buf *out);
