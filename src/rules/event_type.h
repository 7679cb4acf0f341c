/* src/rules/event_type.h: what is said of a type of messages, for those who write endpoints: an entry of the catalogue. Values, with JSON in and out: the
 * same text in the API and in the store. A schema is kept and shown, never enforced. Pure. */
#pragma once
#include "base/json.h"

#define EVENT_TYPE_DESCRIPTION_BYTES 4096
#define EVENT_TYPES_BUILT_IN         5

struct event_type_settings { /* strings are slices of the text that was read, or of its arena */
	bool archived;           /* it is history: left out of lists, and of what may be sent where only listed types may */
	struct str description;  /* for people; or empty */
	struct str tags;         /* JSON array of texts; empty: none */
	struct str schema;       /* the JSON Schema of a payload, verbatim; empty: none */
	struct str example;      /* a payload, verbatim; empty: none. Tests of this type send it */
};

/* Reads an object over *out's present values (PATCH; for PUT start from zeroes). Refuses with the field's path; *out is then untouched. */
bool event_type_settings_read(struct json *json, struct event_type_settings *out);
bool event_type_read_new(struct json *json, struct event_type_settings *out, struct str *name); /* the same, and of which type */
void event_type_settings_write(const struct event_type_settings *settings, struct buf *buf); /* whole object, canonical order */
bool event_type_is_archived(struct str text); /* by settings as they were written above */

/* Those that ruche sends itself (message_type_is_ours), in the order of their names. */
const char *event_type_built_in(uint32_t place);
void event_type_built_in_write(struct str type, struct buf *buf); /* the settings of one of them */
