/* src/api/limits.c: limits: settings, what is taken, permits for holders outside, penalties. */
#include "api/body.h"
#include "api/cursor.h"
#include "api/routes.h"

#define PAGE_DEFAULT 100

/* The body is the settings object itself. PUT says all of it, PATCH says what changes. */
bool limits_decode_put(struct call *call)
{
	struct limit_settings settings = { 0 };
	struct json json;
	struct op *op = call_op(call, OP_LIMIT_PUT);
	if (!op || !body_identify(call, op))
		return false;
	struct str body = str_trim(buf_str(&call->request.body));
	body_json(call, &json);
	op->limit.settings = body.len ? body : STR("{}");
	op->limit.replace = call->route->method == HTTP_M_PUT;
	return limit_settings_read(&json, &settings) && json_finish(&json);
}

bool limits_decode_list(struct call *call)
{
	const struct param_value *limit = call_param(call, "limit");
	struct op *op = call_op(call, OP_LIMITS);
	if (!op)
		return false;
	op->limit.page = limit->given ? (uint32_t)limit->number : PAGE_DEFAULT;
	op->limit.limit.namespace_name = call_param(call, "namespace")->text;
	return !cursor_parse(call_param(call, "cursor")->text, &call->request.arena, &op->limit.after, &call->problem);
}

/* ---- answers ---- */

static void limit_put_name(struct buf *out, struct queue_name limit)
{
	json_put_field_str(out, "name", limit.name);
	json_put_field_str(out, "namespace", namespace_of(limit.namespace_name));
}

static void limit_info_write(struct buf *out, const struct limit_info *info)
{
	buf_add_byte(out, '{');
	limit_put_name(out, info->limit);
	json_put_field_u64(out, "active", info->active);
	json_put_field_u64(out, "held", info->held);
	json_put_field_u64(out, "waiting", info->lanes);
	json_put_field_str(out, "code", str_of(explain_code_name(info->code)));
	json_put_field_instant(out, "until_at", info->until_us);
	json_put_field_raw(out, "settings", info->settings.len ? info->settings : STR("{}"));
	buf_add_byte(out, '}');
}

static void limits_write(struct buf *out, struct call *call, const struct op *op)
{
	const struct op_result *result = &op->result;
	buf_add_lit(out, "{\"limits\":[");
	for (uint32_t i = 0; i < result->count; i++) {
		json_put_comma(out);
		limit_info_write(out, &result->limits[i]);
	}
	buf_add_lit(out, "],\"next_cursor\":");
	if (result->more && result->count) {
		struct queue_name last = result->limits[result->count - 1].limit;
		struct str space = namespace_of(last.namespace_name);
		char *after = arena_printf(&call->request.arena, STR_FMT "/" STR_FMT, STR_ARG(space), STR_ARG(last.name));
		cursor_write(out, &call->request.arena, after ? str_of(after) : (struct str){ 0 });
	} else {
		buf_add_lit(out, "null");
	}
	buf_add_byte(out, '}');
}

static void permit_write(struct buf *out, const struct op *op)
{
	buf_add_byte(out, '{');
	if (op->kind == OP_LIMIT_RELEASE) {
		json_put_field_u64(out, "released", op->result.units);
	} else {
		json_put_field_bool(out, "granted", op->result.granted);
		if (!op->result.granted && op->result.retry_ms)
			json_put_field_u64(out, "retry_in_ms", op->result.retry_ms - 1);
		else
			json_put_field_null(out, "retry_in_ms");
	}
	buf_add_byte(out, '}');
}

static void back_off_write(struct buf *out, const struct op_back_off *back_off)
{
	buf_add_byte(out, '{');
	json_put_field_str(out, "namespace", namespace_of(back_off->queue.namespace_name));
	if (back_off->queue.name.len)
		json_put_field_str(out, "queue", back_off->queue.name);
	if (back_off->group.len)
		json_put_field_str(out, "group", back_off->group);
	if (!back_off->queue.name.len)
		json_put_field_str(out, "limit", back_off->limit);
	json_put_field_i64(out, "delay_ms", back_off->delay_ms);
	buf_add_byte(out, '}');
}

void limit_result_write(struct buf *out, struct call *call, const struct op *op)
{
	if (op->kind == OP_LIMITS) {
		limits_write(out, call, op);
	} else if (op->kind == OP_BACK_OFF) {
		back_off_write(out, &op->back_off);
	} else if (op->kind == OP_LIMIT_ACQUIRE || op->kind == OP_LIMIT_RELEASE) {
		permit_write(out, op);
	} else if (op->kind != OP_LIMIT_DELETE && op->result.limits) {
		limit_info_write(out, op->result.limits);
	} else { /* gone; or a replayed answer, which knows no more */
		buf_add_byte(out, '{');
		limit_put_name(out, op->limit.limit);
		if (op->kind == OP_LIMIT_DELETE)
			json_put_field_bool(out, "deleted", true);
		buf_add_byte(out, '}');
	}
}
