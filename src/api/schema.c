#include "api/schema.h"
#include "base/json.h"

/* ---- writing ---- */

static void schema_put_raw(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_add_byte(out, *text == '\'' ? '"' : *text);
}

static void schema_put_words(struct buf *out, struct str words, bool nullable)
{
	buf_add_lit(out, "{\"enum\":[");
	while (words.len) {
		size_t comma = str_index(words, ',');
		json_put_comma(out);
		json_put_str(out, (struct str){ words.ptr, comma });
		words = str_from(words, comma + 1);
	}
	if (nullable)
		buf_add_lit(out, ",null");
	buf_add_lit(out, "]}");
}

static const char *schema_primitive(struct str type, const char **more)
{
	static const struct {
		const char *name, *type, *more;
	} primitives[] = {
		{ "string", "string", "" }, { "integer", "integer", "" }, { "count", "integer", ",\"minimum\":0" }, { "number", "number", "" },
		{ "boolean", "boolean", "" }, { "object", "object", "" },
		{ "instant", "string",
		  ",\"pattern\":\"^\\\\d{4}-\\\\d\\\\d-\\\\d\\\\dT\\\\d\\\\d:\\\\d\\\\d:\\\\d\\\\d(\\\\.\\\\d{1,9})?(Z|[+-]\\\\d\\\\d:\\\\d\\\\d)$\"" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(primitives); i++) {
		if (!str_eq(type, str_of(primitives[i].name)))
			continue;
		*more = primitives[i].more;
		return primitives[i].type;
	}
	return NULL;
}

static void schema_put_ref(struct buf *out, struct str name, bool nullable)
{
	buf_add(out, nullable ? STR("{\"anyOf\":[{\"$ref\":\"#/components/schemas/") : STR("{\"$ref\":\"#/components/schemas/"));
	buf_add(out, name);
	buf_add(out, nullable ? STR("\"},{\"type\":\"null\"}]}") : STR("\"}"));
}

void schema_write_type(struct buf *out, struct str type)
{
	bool nullable = type.len > 5 && memcmp(type.ptr + type.len - 5, "|null", 5) == 0;
	const char *primitive, *more = "";
	if (nullable)
		type.len -= 5;
	if (type.len > 2 && memcmp(type.ptr + type.len - 2, "[]", 2) == 0) {
		buf_add(out, nullable ? STR("{\"type\":[\"array\",\"null\"],\"items\":") : STR("{\"type\":\"array\",\"items\":"));
		schema_write_type(out, (struct str){ type.ptr, type.len - 2 });
		buf_add_byte(out, '}');
	} else if (type.len && type.ptr[0] == '=') {
		schema_put_words(out, str_from(type, 1), nullable);
	} else if (str_eq(type, STR("any"))) {
		buf_add_lit(out, "{}");
	} else if ((primitive = schema_primitive(type, &more)) != NULL) {
		buf_addf(out, nullable ? "{\"type\":[\"%s\",\"null\"]%s}" : "{\"type\":\"%s\"%s}", primitive, more);
	} else {
		schema_put_ref(out, type, nullable);
	}
}

/* The next member of an object's notation: false at the end. */
static bool schema_member(struct str *text, struct str *name, struct str *type, bool *optional)
{
	while (text->len && (text->ptr[0] == ' ' || text->ptr[0] == '\n'))
		*text = str_from(*text, 1);
	if (!text->len)
		return false;
	size_t end = str_index(*text, ' ');
	struct str member = { text->ptr, end };
	size_t colon = str_index(member, ':');
	*optional = colon && member.ptr[colon - 1] == '?';
	*name = (struct str){ member.ptr, colon - *optional };
	*type = str_from(member, colon + 1);
	*text = str_from(*text, end);
	return true;
}

static void schema_write_object(struct buf *out, const struct schema *schema)
{
	struct str text = str_of(schema->text), name, type;
	bool optional;
	buf_add_lit(out, "{\"type\":\"object\",\"additionalProperties\":false");
	if (schema->doc)
		json_put_field_str(out, "description", str_of(schema->doc));
	buf_add_lit(out, ",\"required\":[");
	while (schema_member(&text, &name, &type, &optional)) {
		if (optional)
			continue;
		json_put_comma(out);
		json_put_str(out, name);
	}
	buf_add_lit(out, "],\"properties\":{");
	text = str_of(schema->text);
	for (bool first = true; schema_member(&text, &name, &type, &optional); first = false) {
		if (!first)
			buf_add_byte(out, ',');
		json_put_str(out, name);
		buf_add_byte(out, ':');
		schema_write_type(out, type);
	}
	buf_add_lit(out, "}}");
}

void schema_write(struct buf *out, const struct schema *schema)
{
	if (schema->text[0] == '{')
		schema_put_raw(out, schema->text);
	else
		schema_write_object(out, schema);
}
