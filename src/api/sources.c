/* src/api/sources.c: sources of incoming webhooks: who may send to /in/{source}, and what becomes of it. */
#include "api/body.h"
#include "api/cursor.h"
#include "api/name.h"
#include "api/routes.h"
#include "rules/url_template.h"
#include "secret/secret.h"

#define PAGE_DEFAULT 100

/* ---- decoding ---- */

static bool sources_identify(struct call *call, struct op *op)
{
	op->named.kind = NAMED_SOURCE;
	op->named.named = body_queue(call);
	const char *why = name_refusal(op->named.named.name, false);
	if (!why && memchr(op->named.named.name.ptr, '/', op->named.named.name.len))
		why = "A source's name has no '/': it stands in the address to which is sent.";
	return !why || problem_set(&call->problem, E_INVALID, "source", "%s", why) == E_OK;
}

bool sources_decode(struct call *call)
{
	struct op *op = call_op(call, call->route->kind);
	return op && sources_identify(call, op);
}

/* PUT says all of it, PATCH what changes: sources_put looks at what that comes to. */
bool sources_decode_put(struct call *call)
{
	struct json json;
	struct op *op = call_op(call, OP_NAMED_PUT);
	if (!op || !sources_identify(call, op))
		return false;
	op->named.text = str_trim(buf_str(&call->request.body));
	op->named.replace = call->route->method != HTTP_M_PATCH;
	body_json(call, &json);
	return json_skip(&json) && json_finish(&json);
}

bool sources_decode_list(struct call *call)
{
	const struct param_value *limit = call_param(call, "limit");
	struct op *op = call_op(call, OP_NAMEDS);
	if (!op)
		return false;
	op->named.kind = NAMED_SOURCE;
	op->named.limit = limit->given ? (uint32_t)limit->number : PAGE_DEFAULT;
	op->named.named.namespace_name = call_param(call, "namespace")->text;
	return !cursor_parse(call_param(call, "cursor")->text, &call->request.arena, &op->named.after, &call->problem);
}

/* ---- looked at, then stored ---- */

/* Is there such a secret, and could a sender have signed with each of its values? Nothing of a value is told. */
static enum err source_check_secret(struct call *call, const struct source_settings *settings)
{
	struct str space = namespace_of(call->request.ops[0].named.named.namespace_name), name = str_cut(settings->secret, 60);
	struct problem why = { 0 };
	struct secret secret;
	enum err err = E_OK;
	if (!verifier_needs_secret(settings->verifier))
		return E_OK;
	struct secret_snapshot *held = secrets_hold(call->api->config.secrets);
	if (!secret_find(held, space, settings->secret, call_now_us(call), &secret))
		err = problem_set(&call->problem, E_INVALID, "verify.secret", "There is no secret '" STR_FMT "': store it first, then name it here.",
				  STR_ARG(name));
	for (uint32_t i = 0; !err && i < secret.count; i++) {
		err = verifier_check_secret(settings->verifier, secret.values[i].bytes, &why);
		if (err == E_INVALID)
			problem_set(&call->problem, err, "verify.secret", "Secret '" STR_FMT "' cannot be used here: %s", STR_ARG(name), why.detail);
	}
	secret_snapshot_drop(held);
	return err;
}

/* What the source will do, its maker must be allowed to do, and able to. */
static enum err source_check_queue(struct call *call, const struct source_settings *settings)
{
	struct queue_name queue = { call->request.ops[0].named.named.namespace_name, settings->queue };
	const char *why = settings->into == SOURCE_INTO_JOB ? name_refusal(queue.name, false) : NULL;
	if (!why && settings->into == SOURCE_INTO_JOB && str_eq(queue.name, STR("webhooks")))
		why = "The deliveries of webhooks that go out are there: choose another, or make messages of it.";
	if (why)
		return problem_set(&call->problem, E_INVALID, "into.job.queue", "%s", why);
	if (settings->into != SOURCE_INTO_JOB || token_allows(call->token, queue))
		return E_OK;
	return problem_set(&call->problem, E_FORBIDDEN, "into.job.queue", "This token is limited to other queues than \"" STR_FMT "\".",
			   STR_ARG(str_cut(settings->queue, 100)));
}

static enum err source_check(struct call *call)
{
	const struct op_named *named = &call->request.ops[0].named;
	const struct source *present = named->replace ? NULL : source_table_find(&call->api->sources, named->named);
	struct source_settings settings;
	struct json json;
	source_settings_default(&settings);
	if (!named->replace && !present)
		return E_SOURCE_NOT_FOUND;
	if (present && !present->readable)
		return E_OK; /* the engine says so */
	if (present)
		settings = present->settings;
	json_init(&json, named->text, &call->request.arena, &call->problem);
	if (!source_settings_read(&json, &settings))
		return call->problem.err;
	enum err err = source_check_secret(call, &settings);
	return err ? err : source_check_queue(call, &settings);
}

/* Who may not do it learns nothing of which sources and secrets there are. */
void sources_put(struct call *call)
{
	enum err err = access_check(call) ? source_check(call) : call->problem.err;
	if (err)
		call_refuse(call, err);
	else
		call_run(call);
}

/* ---- answers ---- */

static void source_put_path(struct buf *out, const struct named_info *info)
{
	struct str space = namespace_of(info->named.namespace_name);
	json_put_key(out, "path");
	buf_add_lit(out, "\"/in/");
	if (!str_eq(space, NAMESPACE_DEFAULT)) {
		url_encode(out, space);
		buf_add_byte(out, '/');
	}
	url_encode(out, info->named.name);
	buf_add_byte(out, '"');
}

static void source_write(struct buf *out, const struct named_info *info)
{
	buf_add_byte(out, '{');
	json_put_field_str(out, "name", info->named.name);
	json_put_field_str(out, "namespace", namespace_of(info->named.namespace_name));
	source_put_path(out, info);
	json_put_field_raw(out, "settings", info->text);
	json_put_field_instant(out, "created_at", info->created_us);
	json_put_field_instant(out, "changed_at", info->changed_us);
	json_put_field_u64(out, "version", info->version);
	buf_add_byte(out, '}');
}

static void sources_write(struct buf *out, struct call *call, const struct op_result *result)
{
	buf_add_lit(out, "{\"sources\":[");
	for (uint32_t i = 0; i < result->count; i++) {
		json_put_comma(out);
		source_write(out, &result->nameds[i]);
	}
	buf_add_byte(out, ']');
	cursor_put_next(out, &call->request.arena, result->more && result->count ? &result->nameds[result->count - 1].named.name : NULL);
	buf_add_byte(out, '}');
}

void sources_encode(struct call *call, struct buf *out)
{
	const struct op *op = &call->request.ops[0];
	if (op->kind == OP_NAMEDS)
		sources_write(out, call, &op->result);
	else if (op->kind != OP_NAMED_DELETE)
		source_write(out, op->result.nameds);
}
