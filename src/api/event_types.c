/* src/api/event_types.c: event types: the catalogue of what messages tell of, for those who write endpoints. Ruche's own are in it, too. */
#include "api/body.h"
#include "api/cursor.h"
#include "api/routes.h"
#include "rules/endpoint.h"
#include "rules/event_type.h"

#define PAGE_DEFAULT 100

/* ---- decoding ---- */

static bool event_types_identify(struct call *call, struct op *op)
{
	op->named.kind = NAMED_EVENT_TYPE;
	op->named.named = body_queue(call);
	const char *why = message_type_refusal(op->named.named.name);
	return !why || problem_set(&call->problem, E_INVALID, "type", "%s", why) == E_OK;
}

bool event_types_decode(struct call *call)
{
	struct op *op = call_op(call, call->route->kind);
	return op && event_types_identify(call, op);
}

/* PUT says all of it, PATCH what changes. */
bool event_types_decode_put(struct call *call)
{
	struct event_type_settings settings = { 0 };
	struct json json;
	struct op *op = call_op(call, OP_NAMED_PUT);
	if (!op || !event_types_identify(call, op))
		return false;
	op->named.text = str_trim(buf_str(&call->request.body));
	op->named.replace = call->route->method != HTTP_M_PATCH;
	body_json(call, &json);
	return event_type_settings_read(&json, &settings) && json_finish(&json);
}

/* Only if there is none yet. */
bool event_types_decode_new(struct call *call)
{
	struct event_type_settings settings = { 0 };
	struct str name;
	struct json json;
	struct buf text;
	struct op *op = call_op(call, OP_NAMED_PUT);
	body_json(call, &json);
	if (!op || !event_type_read_new(&json, &settings, &name) || !json_finish(&json))
		return false;
	buf_init(&text, LIMIT_BODY_MAX);
	event_type_settings_write(&settings, &text);
	op->named = (struct op_named){ .kind = NAMED_EVENT_TYPE, .named = { call_param(call, "namespace")->text, name }, .replace = true,
		                       .over = NAMED_OVER_NOTHING };
	if (buf_ok(&text))
		op->named.text = arena_str(&call->request.arena, buf_str(&text));
	buf_fini(&text);
	return op->named.text.ptr || problem_set(&call->problem, E_NOMEM, "", "There was no memory for it.") == E_OK;
}

bool event_types_decode_list(struct call *call)
{
	const struct param_value *limit = call_param(call, "limit");
	struct op *op = call_op(call, OP_NAMEDS);
	if (!op)
		return false;
	op->named.kind = NAMED_EVENT_TYPE;
	op->named.limit = limit->given ? (uint32_t)limit->number : PAGE_DEFAULT;
	op->named.archived = call_param(call, "archived")->number;
	op->named.named.namespace_name = call_param(call, "namespace")->text;
	return !cursor_parse(call_param(call, "cursor")->text, &call->request.arena, &op->named.after, &call->problem);
}

/* ---- answers ---- */

static void event_type_write(struct buf *out, const struct named_info *info, bool looked_at)
{
	buf_add_byte(out, '{');
	json_put_field_str(out, "name", info->named.name);
	json_put_field_str(out, "namespace", namespace_of(info->named.namespace_name));
	json_put_field_bool(out, "built_in", info->built_in);
	json_put_field_raw(out, "settings", info->text);
	namers_write(out, info);
	if (looked_at)
		json_put_field_u64(out, "wanted_by_count", info->wanted_by);
	json_put_field_instant(out, "created_at", info->created_us);
	json_put_field_instant(out, "changed_at", info->changed_us);
	json_put_field_u64(out, "version", info->version);
	buf_add_byte(out, '}');
}

static void event_types_write(struct buf *out, struct call *call, const struct op_result *result)
{
	buf_add_lit(out, "{\"event_types\":[");
	for (uint32_t i = 0; i < result->count; i++) {
		json_put_comma(out);
		event_type_write(out, &result->nameds[i], false);
	}
	buf_add_byte(out, ']');
	cursor_put_next(out, &call->request.arena, result->more && result->count ? &result->nameds[result->count - 1].named.name : NULL);
	buf_add_byte(out, '}');
}

void event_types_encode(struct call *call, struct buf *out)
{
	const struct op *op = &call->request.ops[0];
	if (op->kind == OP_NAMEDS)
		event_types_write(out, call, &op->result);
	else if (op->kind != OP_NAMED_DELETE)
		event_type_write(out, op->result.nameds, op->kind == OP_NAMED_GET);
}
