#include "secret/values.h"
#include "base/time_text.h"

#define VALUES_LARGEST "A value has at most 64 KiB."

const char *secret_value_refusal(struct str bytes)
{
	_Static_assert(SECRET_BYTES_MAX == 64 * 1024, "as the sentence says");
	if (!bytes.len)
		return "A value is empty.";
	if (bytes.len > SECRET_BYTES_MAX)
		return VALUES_LARGEST;
	return memchr(bytes.ptr, '\0', bytes.len) ? "A value holds a NUL byte." : NULL;
}

/* A string takes room only when it has an escape, thus at least 4 bytes of the text for at most 16 more than it has. */
size_t secret_values_arena_bytes(size_t text_bytes)
{
	return 5 * text_bytes + 4096;
}

static bool read_text(struct json *json, void *out, void *context)
{
	struct str *text = out;
	(void)context;
	if (!json_read_str(json, SECRET_BYTES_MAX, text))
		return false;
	const char *why = secret_value_refusal(*text);
	return why ? json_refuse(json, E_INVALID, "%s", why) : true;
}

/* What stands here is not echoed: who mixes the two up has put the value there. */
static bool read_until(struct json *json, void *out, void *context)
{
	struct str text;
	(void)context;
	if (!json_read_str(json, 64, &text))
		return false;
	return time_parse(text, out) == E_OK || json_refuse(json, E_INVALID, "Expected an instant such as \"2026-11-23T19:11:12Z\", or null.");
}

static const struct json_field value_fields[] = {
	{ "value", JSON_F_CUSTOM, offsetof(struct secret_value, bytes), .flags = JSON_F_REQUIRED, .read = read_text, .doc = "The secret." },
	{ "until_at", JSON_F_CUSTOM, offsetof(struct secret_value, until_us), .flags = JSON_F_NULL, .read = read_until,
	  .doc = "When it counts no more; null: for ever." },
};

/* Texts, or objects when they have instants. */
static bool read_list(struct json *json, bool objects, struct secret *out)
{
	uint32_t index;
	*out = (struct secret){ 0 };
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (out->count == SECRET_VALUES)
			return json_refuse(json, E_INVALID, "A secret has at most %d values.", SECRET_VALUES);
		struct secret_value *value = &out->values[out->count++];
		bool read = objects ? json_read_fields(json, value_fields, ARRAY_COUNT(value_fields), value, NULL, NULL) : read_text(json, &value->bytes, NULL);
		if (!read)
			return false;
	}
	if (json->failed)
		return false;
	return out->count || json_refuse(json, E_INVALID, "A secret needs a value.");
}

static bool read_values(struct json *json, void *out, void *context)
{
	(void)context;
	return read_list(json, true, out);
}

static const struct json_field secret_fields[] = {
	{ "values", JSON_F_CUSTOM, 0, .flags = JSON_F_REQUIRED, .read = read_values, .doc = "The current one first." },
};

bool secret_values_read(struct json *json, struct secret *out)
{
	switch (json_peek(json)) {
	case JSON_ARRAY: return read_list(json, false, out);
	case JSON_OBJECT: return json_read_fields(json, secret_fields, ARRAY_COUNT(secret_fields), out, NULL, NULL);
	default:
		*out = (struct secret){ .count = 1 };
		return read_text(json, &out->values[0].bytes, NULL);
	}
}

struct body {
	struct str value;
	struct secret values;
};
static const struct json_field body_fields[] = {
	{ "value", JSON_F_CUSTOM, offsetof(struct body, value), .read = read_text, .doc = "The secret, which counts from now on alone." },
	{ "values", JSON_F_CUSTOM, offsetof(struct body, values), .read = read_values, .doc = "Several, the current one first." },
};

bool secret_body_read(struct json *json, struct secret *out)
{
	struct body body = { 0 };
	if (!json_read_fields(json, body_fields, ARRAY_COUNT(body_fields), &body, NULL, NULL) || !json_finish(json))
		return false;
	if ((body.value.len > 0) == (body.values.count > 0))
		return json_refuse_field(json, E_INVALID, "value", "Say either value or values.");
	*out = body.values;
	if (body.value.len)
		*out = (struct secret){ .values = { { .bytes = body.value } }, .count = 1 };
	return true;
}

static bool read_make(struct json *json, void *out, void *context)
{
	static const char *const words[] = { "v1", "v1a" };
	enum secret_make *make = out;
	unsigned chosen;
	(void)context;
	if (!json_read_word(json, 16, words, ARRAY_COUNT(words), "Expected \"v1\" or \"v1a\".", &chosen))
		return false;
	*make = chosen ? SECRET_MAKE_V1A : SECRET_MAKE_V1;
	return true;
}

static const struct json_field rotation_fields[] = {
	{ "value", JSON_F_CUSTOM, offsetof(struct rotation_body, value), .flags = JSON_F_NULL, .read = read_text, .doc = "The new one." },
	{ "make", JSON_F_CUSTOM, offsetof(struct rotation_body, make), .flags = JSON_F_NULL, .read = read_make, .doc = "The kind of signing key to make." },
	{ "overlap_ms", JSON_F_I64, offsetof(struct rotation_body, overlap_ms), 0, SECRET_OVERLAP_MS_MAX, .doc = "How long the old ones count." },
};

bool secret_rotation_read(struct json *json, struct rotation_body *out)
{
	*out = (struct rotation_body){ .overlap_ms = SECRET_OVERLAP_MS };
	if (!json_read_fields(json, rotation_fields, ARRAY_COUNT(rotation_fields), out, NULL, NULL) || !json_finish(json))
		return false;
	return !out->value.ptr || !out->make || json_refuse_field(json, E_INVALID, "make", "Say either value or make.");
}
