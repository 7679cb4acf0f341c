/* src/base/json.h: strict JSON (RFC 8259): a reader that pulls values from a text in one pass, and a writer onto a buf.
 *
 * The reader never builds a tree. It decodes an envelope field by field; a payload is checked once while it is skipped and
 * handed out as the caller's own bytes. It refuses: bad UTF-8, lone surrogates, control characters in strings, numbers
 * outside the grammar, depth above LIMIT_JSON_DEPTH, anything after the value, a byte-order mark. Errors stick: after the
 * first, every call answers false and the problem names the field path and the byte offset. Strings are decoded into the
 * arena only when they hold escapes; otherwise they are slices of the text, which must outlive them. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT, JSON_INVALID };

#define JSON_PATH_STEPS 16 /* of the path told in problems; deeper ones are left out */

struct json_step {
	struct str key; /* ptr NULL: an item of an array */
	uint32_t index; /* UINT32_MAX: before the first */
};
struct json {
	const char *begin, *next, *end;
	struct arena *arena;
	struct problem *problem; /* filled once, on the first error; may be NULL */
	uint32_t depth;          /* containers entered and not yet left */
	uint32_t depth_max;      /* LIMIT_JSON_DEPTH; a reader of answers may raise it to LIMIT_JSON_ANSWER_DEPTH after json_init */
	bool failed;
	bool fresh; /* a container was just entered: next_item and next_key expect no comma */
	struct json_step steps[JSON_PATH_STEPS]; /* where we are, innermost last; made into text only for a problem */
};

void json_init(struct json *json, struct str text, struct arena *arena, struct problem *problem);
/* What stands next, after blanks, without consuming it. JSON_INVALID after an error or at the end. */
enum json_type json_peek(struct json *json);
/* Arrays: enter, then while (json_next_item(json, &index)) read one value. Objects: enter, then while (json_next_key(json, &key))
 * read its value. enter consumes the bracket; next consumes separators and, answering false, the closing bracket. next knows
 * the first by itself: index and key need no value before. Keys are decoded; a key with NUL is an error. */
bool json_enter_array(struct json *json);
bool json_next_item(struct json *json, uint32_t *out_index);
bool json_enter_object(struct json *json);
bool json_next_key(struct json *json, struct str *out_key);
bool json_read_null(struct json *json);
bool json_read_bool(struct json *json, bool *out);
/* An integer without fraction or exponent, within [min, max]; anything else is E_INVALID that says the range. */
bool json_read_i64(struct json *json, int64_t min, int64_t max, int64_t *out);
bool json_read_double(struct json *json, double min, double max, double *out);
/* A string of at most max_bytes after decoding. NUL inside is refused. */
bool json_read_str(struct json *json, size_t max_bytes, struct str *out);
/* One of these words (a NULL among them is none): its place into *out. Otherwise E_INVALID with `expected`, a sentence. max_bytes as above. */
bool json_read_word(struct json *json, size_t max_bytes, const char *const *words, unsigned count, const char *expected, unsigned *out);
/* Any value, checked, verbatim as it stands in the text (no surrounding blanks). */
bool json_read_raw(struct json *json, struct str *out);
/* Any value, checked and passed over. */
bool json_skip(struct json *json);
/* Only blanks may be left. */
bool json_finish(struct json *json);
/* Records an error at the current path, so that decoders of meanings can refuse in the reader's voice. Answers false. */
bool json_refuse(struct json *json, enum err err, const char *detail_format, ...) PRINTF_LIKE(3, 4);
/* The same about a field of the object at the current path (once the object is left: "jobs[3]", "run_at" → "jobs[3].run_at"). */
bool json_refuse_field(struct json *json, enum err err, const char *field, const char *detail_format, ...)
	PRINTF_LIKE(4, 5);
/* The whole text is one valid value? On failure the problem says where. For payloads that arrive bare. */
enum err json_check(struct str text, struct problem *problem);

/* ---- objects by table ----
 * json_read_fields reads one object into a struct by a table: each known field at most once, unknown fields refused with the
 * nearest known name, required ones present. `null` is allowed only where JSON_F_NULL says so, leaves the default, satisfies
 * JSON_F_REQUIRED and counts as not present (a JSON_F_RAW or JSON_F_CUSTOM without JSON_F_NULL takes null as a value).
 * Which fields were present is told by bits in the order of the table; at most 64 fields; out_present may be NULL. */
enum json_field_type {
	JSON_F_BOOL,     /* bool */
	JSON_F_I32,      /* int32_t within [min, max] */
	JSON_F_U32,      /* uint32_t within [min, max] */
	JSON_F_I64,      /* int64_t within [min, max] */
	JSON_F_STR,      /* struct str of at most max bytes (min: at least) */
	JSON_F_INSTANT,  /* int64_t: RFC 3339 text to microseconds since 1970 UTC */
	JSON_F_RAW,      /* struct str: any value, checked, verbatim */
	JSON_F_CUSTOM,   /* read(json, field's address in out, context) */
};
struct json_field {
	const char *name;
	enum json_field_type type;
	size_t offset;
	int64_t min, max;
	unsigned flags; /* JSON_F_REQUIRED | JSON_F_NULL */
	bool (*read)(struct json *json, void *out, void *context); /* JSON_F_CUSTOM */
	const char *doc; /* one line, for the OpenAPI document; may be NULL */
};
#define JSON_F_REQUIRED 1u
#define JSON_F_NULL     2u
bool json_read_fields(struct json *json, const struct json_field *fields, size_t count, void *out, void *context,
		      uint64_t *out_present);

/* ---- writing ----
 * Appends to a buf; commas are put where needed by looking at the last byte written, so that there is no state to keep:
 * json_put_key writes a comma unless the buf ends in '{', json_put_comma unless it ends in '[' or '{' or ':' or is empty. */
void json_put_comma(struct buf *buf);
void json_put_str(struct buf *buf, struct str s); /* quoted and escaped; s must be UTF-8, bad bytes become U+FFFD */
size_t json_str_bytes(struct str s); /* so many of them json_put_str adds; s is UTF-8 */
void json_put_key(struct buf *buf, const char *key); /* [,]"key": */
void json_put_field_str(struct buf *buf, const char *key, struct str s);
void json_put_field_i64(struct buf *buf, const char *key, int64_t n);
void json_put_field_u64(struct buf *buf, const char *key, uint64_t n);
void json_put_field_bool(struct buf *buf, const char *key, bool value);
void json_put_field_null(struct buf *buf, const char *key);
void json_put_field_text(struct buf *buf, const char *key, struct str s);       /* the empty one as null */
void json_put_field_raw(struct buf *buf, const char *key, struct str json_text); /* empty text writes null */
void json_put_field_instant(struct buf *buf, const char *key, int64_t at_us);    /* RFC 3339, or null when at_us is 0 */
