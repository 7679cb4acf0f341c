/* src/deliver/header_builder.h: the header lines of a call, one after the other, in an arena. */
#pragma once
#include "base/arena.h"

struct header_builder {
	struct arena *arena;
	const char **lines;     /* as curl takes them */
	uint32_t count, capacity;
	bool failed;            /* no memory */
};

void header_builder_init(struct header_builder *builder, struct arena *arena, uint32_t capacity);
void header_builder_add_line(struct header_builder *builder, const char *line);                       /* NULL: there was no memory for it */
void header_builder_add(struct header_builder *builder, struct str name, struct str value);           /* value.ptr NULL: as above */
/* traceparent and tracestate of a job's trace (JSON, or empty), if they can stand in a header. At most two lines. */
void header_builder_add_trace(struct header_builder *builder, struct str trace);
