/* src/rules/format_input.h: what a format's program is given to make a body of. Pure.
 *
 *   {"message": {"id", "type", "timestamp", "entity", "channels", "deleted", "metadata"}, "endpoint": {"name", "tags", "metadata"},
 *    "external_id", "attempt", "payload"} */
#pragma once
#include "base/buf.h"

struct format_input {
	struct str id, type, entity;  /* of the message; entity may be empty: null */
	int64_t at_us;                /* when the message came, wall time */
	struct str channels;          /* JSON array; empty: [] */
	struct str metadata;          /* JSON object; empty: {} */
	bool deleted;                 /* the entity is gone */
	struct str endpoint;          /* its name; empty: null */
	struct str tags;              /* the endpoint's, JSON array; empty: [] */
	struct str endpoint_metadata; /* JSON object; empty: {} */
	struct str external_id;       /* the other side's id of the entity; empty: null */
	uint64_t attempt;             /* from 1 */
	struct str payload;           /* checked JSON, spliced in as it is */
};

void format_input_write(const struct format_input *input, struct buf *out);
