#include "rules/url_template.h"
#include "rules/http_url.h"

static const struct {
	const char *name;
	size_t at;
} places[] = {
	{ "external_id", offsetof(struct url_values, external_id) },
	{ "entity", offsetof(struct url_values, entity) },
	{ "type", offsetof(struct url_values, type) },
	{ "message", offsetof(struct url_values, message) },
};

/* The name between the braces that text begins with; false: there is none. */
static bool place_name(struct str text, struct str *name)
{
	size_t end = str_index(text, '}');
	*name = (struct str){ text.ptr + 1, end ? end - 1 : 0 };
	return end < text.len;
}

static const struct str *place_value(const struct url_values *values, struct str name)
{
	for (size_t i = 0; i < ARRAY_COUNT(places); i++)
		if (str_eq(name, str_of(places[i].name)))
			return (const struct str *)((const char *)values + places[i].at);
	return NULL;
}

const char *url_template_refusal(struct str text)
{
	static const struct url_values none;
	struct http_url parts;
	struct str name;
	const char *why = http_url_split(text, &parts);
	if (why)
		return why;
	for (struct str rest = parts.rest; rest.len; rest = str_from(rest, 1)) {
		if (rest.ptr[0] == '}')
			return "A closing brace stands alone; write %7D for the character.";
		if (rest.ptr[0] != '{')
			continue;
		if (!place_name(rest, &name))
			return "A brace is not closed; write %7B for the character.";
		if (!place_value(&none, name))
			return "A URL has places for {external_id}, {entity}, {type} and {message} only.";
		rest = str_from(rest, name.len + 1);
	}
	return NULL;
}

bool url_template_has(struct str text, struct str name)
{
	struct str found;
	for (struct str rest = text; rest.len; rest = str_from(rest, 1))
		if (rest.ptr[0] == '{' && place_name(rest, &found) && str_eq(found, name))
			return true;
	return false;
}

void url_encode(struct buf *out, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' || c == '~';
		if (plain)
			buf_add_byte(out, c);
		else
			buf_add_percent(out, c);
	}
}

enum err url_template_fill(struct str text, const struct url_values *values, struct buf *out, struct problem *problem)
{
	struct str name;
	for (struct str rest = text; rest.len;) {
		size_t plain = str_index(rest, '{');
		buf_add(out, (struct str){ rest.ptr, plain });
		rest = str_from(rest, plain);
		if (!rest.len)
			break;
		const struct str *value = place_name(rest, &name) ? place_value(values, name) : NULL;
		if (!value || !value->len)
			return problem_set(problem, E_INVALID, "url", "The URL needs {" STR_FMT "}, and none is known for this delivery.", STR_ARG(name));
		if (str_eq(*value, STR(".")) || str_eq(*value, STR("..")))
			return problem_set(problem, E_INVALID, "url", "{" STR_FMT "} is \"" STR_FMT "\", which would lead to another path.", STR_ARG(name),
					   STR_ARG(*value));
		url_encode(out, *value);
		rest = str_from(rest, name.len + 2);
	}
	return buf_ok(out) ? E_OK : E_NOMEM;
}
