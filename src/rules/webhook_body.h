/* src/rules/webhook_body.h: what a third party is sent for a message, in the formats that need no program. Pure.
 *
 *   default             {"type","timestamp","data"}: what Standard Webhooks advises; timestamp is the message's
 *   raw                 the payload as it came
 *   cloudevents         CloudEvents 1.0, structured: application/cloudevents+json (https://github.com/cloudevents/spec, JSON format 3)
 *   cloudevents-binary  CloudEvents 1.0, binary: attributes are headers ce-…, the payload is the body (HTTP binding 3.1)
 *   form                application/x-www-form-urlencoded of an object's members; values that are no text as JSON */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define WEBHOOK_FORMATS(X) X(DEFAULT, "default") X(RAW, "raw") X(CLOUDEVENTS, "cloudevents") X(CLOUDEVENTS_BINARY, "cloudevents-binary") X(FORM, "form")
#define X(name, word) WEBHOOK_FORMAT_##name,
enum webhook_format { WEBHOOK_FORMATS(X) WEBHOOK_FORMAT_COUNT };
#undef X

struct webhook_input {
	struct str id, type, entity; /* entity may be empty */
	struct str source;           /* CloudEvents: a URI reference, such as "/ruche/default" */
	struct str payload;          /* checked JSON */
	int64_t at_us;               /* when the message came, wall time */
};
struct webhook_header {
	struct str name, value;
};
#define WEBHOOK_HEADERS 6
struct webhook_shape { /* strings of the arena or the input */
	struct str content_type;
	struct webhook_header headers[WEBHOOK_HEADERS];
	uint32_t header_count;
};

const char *webhook_format_word(enum webhook_format format);
bool webhook_format_parse(struct str word, enum webhook_format *out); /* false: none of the built-in ones */
bool webhook_format_is_json(enum webhook_format format); /* its body is JSON by itself, whatever the payload, without headers */
/* The body is appended. E_INVALID with the reason in problem->detail: this payload cannot be sent so. E_NOMEM. */
MUST_USE enum err webhook_body(enum webhook_format format, const struct webhook_input *input, struct arena *arena, struct buf *body,
			       struct webhook_shape *shape, struct problem *problem);
