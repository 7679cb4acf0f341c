#include "base/check.h"
#include "base/json.h"
#include "base/suggest.h"
#include "base/time_text.h"

#define JSON_INSTANT_BYTES 64u
#define JSON_NO_FIELD      SIZE_MAX

static bool json_field_is(const struct json_field *field, struct str key)
{
	return key.len && field->name[0] == key.ptr[0] && strncmp(field->name, key.ptr, key.len) == 0 &&
	       field->name[key.len] == '\0';
}

/* Clients tend to write fields in the same order each time, often ours: look first at the one after the last. */
static size_t json_find_field(const struct json_field *fields, size_t count, size_t guess, struct str key)
{
	for (size_t tried = 0; tried < count; tried++, guess++) {
		if (guess >= count)
			guess = 0;
		if (json_field_is(&fields[guess], key))
			return guess;
	}
	return JSON_NO_FIELD;
}

static bool json_refuse_unknown(struct json *json, const struct json_field *fields, size_t count, struct str key)
{
	struct suggest suggest;
	suggest_init(&suggest, key);
	for (size_t i = 0; i < count; i++)
		suggest_offer(&suggest, fields[i].name);
	if (suggest_best(&suggest))
		return json_refuse(json, E_UNKNOWN_FIELD, "Unknown field; did you mean \"%s\"?",
				   suggest_best(&suggest));
	char names[192];
	size_t len = 0;
	for (size_t i = 0; i < count; i++) {
		size_t name_len = strlen(fields[i].name), needed = name_len + (i ? 2 : 0);
		if (len + needed + sizeof(", …") > sizeof(names)) {
			memcpy(names + len, ", …", sizeof(", …") - 1);
			len += sizeof(", …") - 1;
			break;
		}
		memcpy(names + len, ", ", i ? 2 : 0);
		memcpy(names + len + (i ? 2 : 0), fields[i].name, name_len);
		len += needed;
	}
	return json_refuse(json, E_UNKNOWN_FIELD, "Unknown field; known here: " STR_FMT ".", STR_ARG(((struct str){ names, len })));
}

static bool json_read_instant(struct json *json, int64_t *out_us)
{
	struct str text;
	if (json_peek(json) != JSON_STRING && json_peek(json) != JSON_INVALID)
		return json_refuse(json, E_INVALID,
				   "Expected an instant in a string, such as \"2026-11-23T19:11:12.345Z\".");
	if (!json_read_str(json, JSON_INSTANT_BYTES, &text))
		return false;
	if (time_parse(text, out_us))
		return json_refuse(json, E_INVALID,
				   "Expected an instant such as \"2026-11-23T19:11:12.345Z\", got \"" STR_FMT "\".",
				   STR_ARG(text));
	return true;
}

static bool json_read_sized_str(struct json *json, const struct json_field *field, struct str *out)
{
	struct str text;
	if (!json_read_str(json, (size_t)field->max, &text))
		return false;
	if (text.len < (size_t)field->min)
		return field->min == 1 ? json_refuse(json, E_INVALID, "This text must not be empty.")
				       : json_refuse(json, E_INVALID, "This text is shorter than the %zu bytes needed.",
						     (size_t)field->min);
	*out = text;
	return true;
}

static bool json_read_field(struct json *json, const struct json_field *field, void *to, void *context)
{
	int64_t n;
	switch (field->type) {
	case JSON_F_BOOL:
		return json_read_bool(json, to);
	case JSON_F_I32:
		if (!json_read_i64(json, field->min, field->max, &n))
			return false;
		*(int32_t *)to = (int32_t)n;
		return true;
	case JSON_F_U32:
		if (!json_read_i64(json, field->min, field->max, &n))
			return false;
		*(uint32_t *)to = (uint32_t)n;
		return true;
	case JSON_F_I64:
		return json_read_i64(json, field->min, field->max, to);
	case JSON_F_STR:
		return json_read_sized_str(json, field, to);
	case JSON_F_INSTANT:
		return json_read_instant(json, to);
	case JSON_F_RAW:
		return json_read_raw(json, to);
	case JSON_F_CUSTOM:
		if (field->read(json, to, context))
			return !json->failed;
		CHECK(json->failed); /* a reader that refuses says why */
		return false;
	}
	UNREACHABLE();
}

bool json_read_fields(struct json *json, const struct json_field *fields, size_t count, void *out, void *context,
		      uint64_t *out_present)
{
	uint64_t seen = 0, present = 0;
	size_t found = JSON_NO_FIELD;
	struct str key;
	CHECK(count <= 64);
	if (!json_enter_object(json))
		return false;
	while (json_next_key(json, &key)) {
		found = json_find_field(fields, count, found + 1, key);
		if (found == JSON_NO_FIELD)
			return json_refuse_unknown(json, fields, count, key);
		const struct json_field *field = &fields[found];
		uint64_t bit = UINT64_C(1) << found;
		if (seen & bit)
			return json_refuse(json, E_INVALID, "This field is given twice.");
		seen |= bit;
		if ((field->flags & JSON_F_NULL) && json_peek(json) == JSON_NULL) {
			if (!json_read_null(json))
				return false;
			continue;
		}
		if (!json_read_field(json, field, (char *)out + field->offset, context))
			return false;
		present |= bit;
	}
	if (json->failed)
		return false;
	for (size_t i = 0; i < count; i++)
		if ((fields[i].flags & JSON_F_REQUIRED) && !(seen & UINT64_C(1) << i))
			return json_refuse_field(json, E_INVALID, fields[i].name, "This field is required.");
	if (out_present)
		*out_present = present;
	return true;
}
