/* src/rules/source.h: a source of incoming webhooks: who is believed, and what becomes of what he sends. Values, with JSON in and out: the same text in
 * the API and in the store. It names a secret; whether there is one is for who knows them. Pure. */
#pragma once
#include "base/json.h"
#include "rules/endpoint.h"
#include "rules/verifier.h"

#define SOURCE_HEADERS        32          /* kept with what they brought */
#define SOURCE_BODY_BYTES     (1024 * 1024)

enum source_into { SOURCE_INTO_NOTHING, SOURCE_INTO_MESSAGE, SOURCE_INTO_JOB };
struct source_settings { /* strings are slices of the text that was read, or of its arena */
	enum verifier verifier;         /* VERIFIER_COUNT: not said */
	struct str secret;              /* its name; empty where the verifier needs none */
	struct str id;                  /* source_text.h; empty: what the verifier knows as the sender's id */
	struct endpoint_words headers;  /* their names */
	enum source_into into;
	struct str type, entity;        /* MESSAGE: source_text.h; entity may be empty */
	struct endpoint_words channels; /* MESSAGE */
	struct str queue;               /* JOB */
	struct str name, group;         /* JOB: source_text.h; empty: the source's name; none */
	uint32_t body_bytes;            /* larger ones are refused */
};

void source_settings_default(struct source_settings *out);
/* Reads an object over *out's present values (PATCH; for PUT start from the default), and looks whether the whole makes sense. `verify` and `into` are
 * said whole. Refuses with the field's path; *out is then untouched. */
bool source_settings_read(struct json *json, struct source_settings *out);
void source_settings_write(const struct source_settings *settings, struct buf *buf); /* whole object, canonical order */
