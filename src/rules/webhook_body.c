#include "rules/webhook_body.h"
#include "base/json_tree.h"
#include "base/time_text.h"

static const char *const words[] = {
#define X(name, word) word,
	WEBHOOK_FORMATS(X)
#undef X
};

const char *webhook_format_word(enum webhook_format format)
{
	return words[format];
}

bool webhook_format_is_json(enum webhook_format format)
{
	return format == WEBHOOK_FORMAT_DEFAULT || format == WEBHOOK_FORMAT_RAW || format == WEBHOOK_FORMAT_CLOUDEVENTS;
}

bool webhook_format_parse(struct str word, enum webhook_format *out)
{
	for (enum webhook_format format = 0; format < WEBHOOK_FORMAT_COUNT; format++)
		if (str_eq(word, str_of(words[format]))) {
			*out = format;
			return true;
		}
	return false;
}

static void put_default(const struct webhook_input *input, struct buf *body)
{
	buf_add_byte(body, '{');
	json_put_field_str(body, "type", input->type);
	json_put_field_instant(body, "timestamp", input->at_us);
	json_put_field_raw(body, "data", input->payload);
	buf_add_byte(body, '}');
}

/* ---- CloudEvents ---- */

static void put_event(const struct webhook_input *input, struct buf *body)
{
	buf_add_byte(body, '{');
	json_put_field_str(body, "specversion", STR("1.0"));
	json_put_field_str(body, "id", input->id);
	json_put_field_str(body, "source", input->source);
	json_put_field_str(body, "type", input->type);
	json_put_field_instant(body, "time", input->at_us);
	if (input->entity.len)
		json_put_field_str(body, "subject", input->entity);
	json_put_field_str(body, "datacontenttype", STR("application/json"));
	json_put_field_raw(body, "data", input->payload);
	buf_add_byte(body, '}');
}

/* HTTP binding 3.1.3.2: blank, quote, percent and all that is not printable ASCII are percent-encoded. */
static enum err add_event_header(struct arena *arena, struct webhook_shape *shape, const char *name, struct str value)
{
	struct buf text = { .max_bytes = 3 * value.len + 1 };
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];
		if (c > ' ' && c < 0x7f && c != '"' && c != '%')
			buf_add_byte(&text, c);
		else
			buf_add_percent(&text, c);
	}
	struct str copy = buf_ok(&text) ? arena_str(arena, buf_str(&text)) : (struct str){ 0 };
	shape->headers[shape->header_count++] = (struct webhook_header){ str_of(name), copy };
	buf_fini(&text);
	return copy.ptr ? E_OK : E_NOMEM;
}

static enum err put_event_headers(const struct webhook_input *input, struct arena *arena, struct webhook_shape *shape)
{
	char at[TIME_TEXT_BYTES];
	time_text(input->at_us, at);
	const struct webhook_header headers[] = {
		{ STR("ce-specversion"), STR("1.0") }, { STR("ce-id"), input->id },       { STR("ce-source"), input->source },
		{ STR("ce-type"), input->type },       { STR("ce-time"), str_of(at) }, { STR("ce-subject"), input->entity },
	};
	_Static_assert(ARRAY_COUNT(headers) <= WEBHOOK_HEADERS, "there is room for them");
	enum err err = E_OK;
	for (size_t i = 0; !err && i < ARRAY_COUNT(headers); i++)
		if (headers[i].value.len)
			err = add_event_header(arena, shape, headers[i].name.ptr, headers[i].value);
	return err;
}

/* ---- form ---- */

static void add_form_text(struct buf *out, struct str text) /* https://url.spec.whatwg.org/#urlencoded-serializing */
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*' || c == '-' || c == '.' || c == '_')
			buf_add_byte(out, c);
		else if (c == ' ')
			buf_add_byte(out, '+');
		else
			buf_add_percent(out, c);
	}
}

static enum err put_form(const struct webhook_input *input, struct arena *arena, struct buf *body, struct problem *problem)
{
	struct json_node *payload;
	enum err err = json_tree_read(input->payload, arena, &payload, problem);
	if (err)
		return err == E_NOMEM ? err : E_INVALID;
	if (payload->type != JSON_OBJECT)
		return problem_set(problem, E_INVALID, "payload", "The format form sends an object's members, and this payload is none.");
	for (const struct json_node *member = payload->first; member; member = member->next) {
		if (member != payload->first)
			buf_add_byte(body, '&');
		add_form_text(body, member->key);
		buf_add_byte(body, '=');
		if (member->type != JSON_NULL)
			add_form_text(body, member->text);
	}
	return E_OK;
}

/* ---- all of them ---- */

enum err webhook_body(enum webhook_format format, const struct webhook_input *input, struct arena *arena, struct buf *body,
		      struct webhook_shape *shape, struct problem *problem)
{
	enum err err = E_OK;
	*shape = (struct webhook_shape){ .content_type = STR("application/json") };
	switch (format) {
	case WEBHOOK_FORMAT_DEFAULT: put_default(input, body); break;
	case WEBHOOK_FORMAT_CLOUDEVENTS:
		shape->content_type = STR("application/cloudevents+json");
		put_event(input, body);
		break;
	case WEBHOOK_FORMAT_CLOUDEVENTS_BINARY: err = put_event_headers(input, arena, shape); /* fall through */
	case WEBHOOK_FORMAT_RAW: buf_add(body, input->payload); break;
	case WEBHOOK_FORMAT_FORM:
		shape->content_type = STR("application/x-www-form-urlencoded");
		err = put_form(input, arena, body, problem);
		break;
	case WEBHOOK_FORMAT_COUNT: break;
	}
	return err ? err : buf_ok(body) ? E_OK : E_NOMEM;
}
