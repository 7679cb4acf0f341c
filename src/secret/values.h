/* src/secret/values.h: a secret's values as JSON: "text", ["current", "old"…] or {"values": [{"value", "until_at"}…]}. Pure. */
#pragma once
#include "base/json.h"
#include "secret/secret.h"

/* Reads the value that stands next; bytes are those of the text, or decoded in the json's arena. Refuses in the json's voice, without a value. */
bool secret_values_read(struct json *json, struct secret *out);
/* {"value": text} or {"values": …}, as a whole text. */
bool secret_body_read(struct json *json, struct secret *out);
/* {"value"?: text, "make"?, "overlap_ms"?}: value.ptr NULL when it is not there; a value, or what kind is to be made, never both. */
struct rotation_body {
	struct str value;
	enum secret_make make;
	int64_t overlap_ms;
};
bool secret_rotation_read(struct json *json, struct rotation_body *out);
/* No NUL, not empty, not too long? Otherwise why not. */
const char *secret_value_refusal(struct str bytes);
/* How many bytes an arena must have so that all strings of a text of this length can be decoded in it. */
size_t secret_values_arena_bytes(size_t text_bytes);
