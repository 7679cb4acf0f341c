/* src/api/formats.c: formats: jq programs that make bodies out of messages. A program is compiled before it is stored. */
#include "api/body.h"
#include "api/cursor.h"
#include "api/name.h"
#include "api/routes.h"
#include "rules/webhook_body.h"

#define PAGE_DEFAULT      100
#define DESCRIPTION_BYTES 4096

struct format_body {
	struct str program, description;
};
static const struct json_field body_fields[] = {
	{ "program", JSON_F_STR, offsetof(struct format_body, program), 1, LIMIT_NAMED_BYTES, JSON_F_REQUIRED, NULL, "jq." },
	{ "description", JSON_F_STR, offsetof(struct format_body, description), 0, DESCRIPTION_BYTES, JSON_F_NULL, NULL, "For people." },
};

/* ---- decoding ---- */

static bool formats_identify(struct call *call, struct op *op)
{
	enum webhook_format built_in;
	op->named.kind = NAMED_FORMAT;
	op->named.named = body_queue(call);
	const char *why = name_refusal(op->named.named.name, false);
	if (!why && op->kind == OP_NAMED_PUT && webhook_format_parse(op->named.named.name, &built_in))
		why = "A built-in format has this name: take another one.";
	return !why || problem_set(&call->problem, E_INVALID, "format", "%s", why) == E_OK;
}

bool formats_decode(struct call *call)
{
	struct op *op = call_op(call, call->route->kind);
	return op && formats_identify(call, op);
}

bool formats_decode_put(struct call *call)
{
	struct format_body body = { 0 };
	struct json json;
	struct op *op = call_op(call, OP_NAMED_PUT);
	if (!op || !formats_identify(call, op))
		return false;
	op->named.text = str_trim(buf_str(&call->request.body));
	op->named.replace = true;
	body_json(call, &json);
	if (!json_read_fields(&json, body_fields, ARRAY_COUNT(body_fields), &body, NULL, NULL) || !json_finish(&json))
		return false;
	call->compile.program = body.program;
	return true;
}

bool formats_decode_list(struct call *call)
{
	const struct param_value *limit = call_param(call, "limit");
	struct op *op = call_op(call, OP_NAMEDS);
	if (!op)
		return false;
	op->named.kind = NAMED_FORMAT;
	op->named.limit = limit->given ? (uint32_t)limit->number : PAGE_DEFAULT;
	op->named.named.namespace_name = call_param(call, "namespace")->text;
	return !cursor_parse(call_param(call, "cursor")->text, &call->request.arena, &op->named.after, &call->problem);
}

/* ---- compiled, then stored ---- */

void formats_put(struct call *call)
{
	const struct api_ports *ports = &call->api->ports;
	call->compile.owner = call;
	if (!access_check(call))
		call_refuse(call, call->problem.err);
	else
		ports->compile(ports->context, &call->compile);
}

void formats_compiled(struct call *call)
{
	const struct compile *compile = &call->compile;
	if (compile->err == E_INVALID)
		call_fail(call, E_INVALID, "program", "The program does not compile: %s.", compile->why);
	else if (compile->err)
		call_fail(call, compile->err, "", "The program could not be looked at: %s.", compile->why);
	else
		call_run(call);
}

/* ---- answers ---- */

enum err format_program(struct call *call, struct str text, struct str *out)
{
	struct format_body body = { 0 };
	struct problem problem = { 0 };
	struct json json;
	json_init(&json, text, &call->request.arena, &problem);
	if (!json_read_fields(&json, body_fields, ARRAY_COUNT(body_fields), &body, NULL, NULL))
		return problem.err == E_NOMEM ? E_NOMEM : E_INVALID;
	*out = body.program;
	return E_OK;
}

static void format_write(struct buf *out, struct call *call, const struct named_info *info)
{
	struct format_body body = { 0 };
	struct problem problem = { 0 };
	struct json json;
	json_init(&json, info->text, &call->request.arena, &problem);
	bool read = json_read_fields(&json, body_fields, ARRAY_COUNT(body_fields), &body, NULL, NULL);
	out->failed |= !read && problem.err == E_NOMEM;
	buf_add_byte(out, '{');
	json_put_field_str(out, "name", info->named.name);
	json_put_field_str(out, "namespace", namespace_of(info->named.namespace_name));
	json_put_field_str(out, "program", body.program);
	if (body.description.len)
		json_put_field_str(out, "description", body.description);
	else
		json_put_field_null(out, "description");
	namers_write(out, info);
	json_put_field_instant(out, "created_at", info->created_us);
	json_put_field_instant(out, "changed_at", info->changed_us);
	json_put_field_u64(out, "version", info->version);
	buf_add_byte(out, '}');
}

static void formats_write(struct buf *out, struct call *call, const struct op_result *result)
{
	buf_add_lit(out, "{\"formats\":[");
	for (uint32_t i = 0; i < result->count; i++) {
		json_put_comma(out);
		format_write(out, call, &result->nameds[i]);
	}
	buf_add_byte(out, ']');
	cursor_put_next(out, &call->request.arena, result->more && result->count ? &result->nameds[result->count - 1].named.name : NULL);
	buf_add_byte(out, '}');
}

void formats_encode(struct call *call, struct buf *out)
{
	const struct op *op = &call->request.ops[0];
	if (op->kind == OP_NAMEDS)
		formats_write(out, call, &op->result);
	else if (op->kind != OP_NAMED_DELETE)
		format_write(out, call, op->result.nameds);
}
