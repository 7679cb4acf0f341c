#include "rules/event_type.h"
#include "base/limits.h"
#include "rules/endpoint.h"

#define ARCHIVED "{\"archived\":true"

/* ---- in ---- */

static bool read_none(struct json *json, struct str *out)
{
	*out = (struct str){ 0 };
	return json_read_null(json);
}

static bool read_description(struct json *json, void *out, void *context)
{
	(void)context;
	return json_peek(json) == JSON_NULL ? read_none(json, out) : json_read_str(json, EVENT_TYPE_DESCRIPTION_BYTES, out);
}

static bool read_tags(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_tags_read(json, out);
}

static bool read_example(struct json *json, void *out, void *context)
{
	(void)context;
	return json_peek(json) == JSON_NULL ? read_none(json, out) : json_read_raw(json, out);
}

static bool read_schema(struct json *json, void *out, void *context)
{
	enum json_type type = json_peek(json);
	if (type != JSON_OBJECT && type != JSON_BOOL && type != JSON_NULL)
		return json_refuse(json, E_INVALID, "A JSON Schema is an object, or true or false; null: there is none.");
	return read_example(json, out, context);
}

static bool read_name(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_read_checked(json, out, LIMIT_NAMED_BYTES, message_type_refusal);
}

#define AT(member) offsetof(struct event_type_settings, member)
#define FIELDS                                                                                                                                \
	{ "archived", JSON_F_BOOL, AT(archived), .doc = "It is history: left out of lists unless asked for." },                               \
	{ "description", JSON_F_CUSTOM, AT(description), .read = read_description, .doc = "For people." },                                    \
	{ "tags", JSON_F_CUSTOM, AT(tags), .read = read_tags, .doc = "For people and boards." },                                              \
	{ "schema", JSON_F_CUSTOM, AT(schema), .read = read_schema, .doc = "The JSON Schema of a payload; kept and shown, not enforced." },   \
	{ "example", JSON_F_CUSTOM, AT(example), .read = read_example, .doc = "A payload: what a test of this type sends." }
static const struct json_field event_type_fields[] = { FIELDS };

struct new_event_type {
	struct event_type_settings settings; /* first: FIELDS are its */
	struct str name;
};
static const struct json_field new_fields[] = {
	{ "name", JSON_F_CUSTOM, offsetof(struct new_event_type, name), .flags = JSON_F_REQUIRED, .read = read_name, .doc = "Such as fiche.updated." }, FIELDS,
};

bool event_type_settings_read(struct json *json, struct event_type_settings *out)
{
	struct event_type_settings settings = *out;
	if (!json_read_fields(json, event_type_fields, ARRAY_COUNT(event_type_fields), &settings, NULL, NULL))
		return false;
	*out = settings;
	return true;
}

bool event_type_read_new(struct json *json, struct event_type_settings *out, struct str *name)
{
	struct new_event_type wanted = { 0 };
	if (!json_read_fields(json, new_fields, ARRAY_COUNT(new_fields), &wanted, NULL, NULL))
		return false;
	if (!wanted.name.len)
		return json_refuse_field(json, E_INVALID, "name", "Of which type? Such as fiche.updated.");
	*out = wanted.settings;
	*name = wanted.name;
	return true;
}

/* ---- out ---- */

/* `archived` comes first: event_type_is_archived looks no further. */
void event_type_settings_write(const struct event_type_settings *settings, struct buf *buf)
{
	json_put_comma(buf);
	buf_add_byte(buf, '{');
	json_put_field_bool(buf, "archived", settings->archived);
	json_put_field_text(buf, "description", settings->description);
	json_put_field_raw(buf, "tags", settings->tags.len ? settings->tags : STR("[]"));
	json_put_field_raw(buf, "schema", settings->schema);
	json_put_field_raw(buf, "example", settings->example);
	buf_add_byte(buf, '}');
}

bool event_type_is_archived(struct str text)
{
	return str_starts(text, STR(ARCHIVED));
}

/* ---- ruche's own ---- */

static const struct {
	const char *type, *description;
} built_ins[] = {
#define X(type, description) { type, description },
	MESSAGE_TYPES_OURS(X)
#undef X
};

_Static_assert(ARRAY_COUNT(built_ins) == EVENT_TYPES_BUILT_IN, "as many as are told");

const char *event_type_built_in(uint32_t place)
{
	return built_ins[place].type;
}

void event_type_built_in_write(struct str type, struct buf *buf)
{
	struct event_type_settings settings = { 0 };
	for (size_t i = 0; i < ARRAY_COUNT(built_ins); i++)
		if (str_eq(str_of(built_ins[i].type), type))
			settings.description = str_of(built_ins[i].description);
	event_type_settings_write(&settings, buf);
}
