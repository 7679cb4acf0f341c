/* src/api/leases.c: what the holder of a lease says: alive, done, failed, give back, later, how far, a line of log. One lease by its
 * path, or many in a list; finishing may claim the next jobs in the same call. */
#include "api/body.h"
#include "api/routes.h"
#include "base/limits.h"

/* ---- many ---- */

struct lease_list {
	struct call *call;
	enum op_kind kind;
	struct str token; /* for leases that bring none */
	struct op_rider rider;
};

static bool read_leases(struct json *json, void *out, void *context)
{
	struct lease_list *list = context;
	(void)out;
	return body_read_list(json, list->call, list->kind);
}

static bool read_list_token(struct json *json, void *out, void *context)
{
	struct lease_list *list = context;
	(void)out;
	if (!json_read_str(json, LIMIT_ID_BYTES, &list->token))
		return false;
	if (!list->token.len)
		return json_refuse(json, E_INVALID, "A lease token must not be empty.");
	return !lease_token_is_ours(list->token) || json_refuse(json, E_INVALID, "This lease token is the daemon's own; choose another.");
}

static bool read_list_claim(struct json *json, void *out, void *context)
{
	struct lease_list *list = context;
	(void)out;
	list->rider.given = true;
	list->rider.claim.kind = OP_CLAIM;
	return op_read(json, &list->rider.claim, OP_IN_LIST, NULL);
}

static const struct json_field lease_list_fields[] = {
	{ "token", JSON_F_CUSTOM, .read = read_list_token },
	{ "leases", JSON_F_CUSTOM, .flags = JSON_F_REQUIRED, .read = read_leases },
	{ "claim", JSON_F_CUSTOM, .read = read_list_claim }, /* the last: heartbeats have none */
};

static bool leases_have_tokens(struct call *call, struct str token)
{
	for (uint32_t i = 0; i < call->request.op_count; i++) {
		struct op_lease *lease = &call->request.ops[i].lease;
		if (!lease->token.len)
			lease->token = token;
		if (lease->token.len)
			continue;
		problem_set(&call->problem, E_INVALID, "token", "The lease token of the claim is needed, here or beside the list.");
		problem_nest(&call->problem, "leases", i);
		return false;
	}
	return true;
}

bool leases_decode_list(struct call *call)
{
	struct lease_list list = { .call = call, .kind = call->route->kind };
	struct json json;
	size_t fields = ARRAY_COUNT(lease_list_fields) - (list.kind == OP_HEARTBEAT);
	body_json(call, &json);
	if (!json_read_fields(&json, lease_list_fields, fields, &list, &list, NULL) || !json_finish(&json))
		return false;
	return leases_have_tokens(call, list.token) && (!list.rider.given || body_add_rider(call, &list.rider));
}

/* ---- log lines: one or several of one lease ---- */

struct log_lines {
	struct call *call;
	struct op_lease lease;
};

static bool log_add(struct log_lines *lines, struct json *json)
{
	struct op *op = call_op(lines->call, OP_LOG);
	if (!op)
		return json_refuse(json, lines->call->problem.err, "%s", lines->call->problem.detail);
	return json_read_str(json, LIMIT_LOG_LINE_BYTES, &op->lease.body);
}

static bool read_log_line(struct json *json, void *out, void *context)
{
	(void)out;
	return log_add(context, json);
}

static bool read_log_lines(struct json *json, void *out, void *context)
{
	uint32_t index;
	(void)out;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index))
		if (!log_add(context, json))
			return false;
	return !json->failed;
}

static bool read_log_keep(struct json *json, void *out, void *context)
{
	struct op_lease *lease = out;
	int64_t lines;
	(void)context;
	lease->trims = true;
	if (!json_read_i64(json, 0, LIMIT_LOG_LINES, &lines))
		return false;
	lease->keep_lines = (uint32_t)lines;
	return true;
}

static bool read_log_token(struct json *json, void *out, void *context)
{
	(void)context;
	return json_read_str(json, LIMIT_ID_BYTES, out);
}

#define AT(member) offsetof(struct log_lines, member)
static const struct json_field log_fields[] = {
	{ "token", JSON_F_CUSTOM, AT(lease.token), 0, 0, 0, read_log_token, NULL },
	{ "fence", JSON_F_I64, AT(lease.fence), 1, INT64_MAX },
	{ "line", JSON_F_CUSTOM, 0, .read = read_log_line },
	{ "lines", JSON_F_CUSTOM, 0, .read = read_log_lines },
	{ "keep", JSON_F_CUSTOM, AT(lease), .read = read_log_keep },
};
#undef AT

bool leases_decode_log(struct call *call)
{
	struct log_lines lines = { .call = call };
	struct json json;
	body_json(call, &json);
	if (!body_uid(call, E_JOB_NOT_FOUND, &lines.lease.uid) || !json_read_fields(&json, log_fields, ARRAY_COUNT(log_fields), &lines, &lines, NULL)
	    || !json_finish(&json))
		return false;
	if (!call->request.op_count && lines.lease.trims && !call_op(call, OP_LOG)) /* only trims */
		return false;
	if (!call->request.op_count)
		return json_refuse_field(&json, E_INVALID, "line", "Say line or lines.");
	if (lease_token_is_ours(lines.lease.token))
		return json_refuse_field(&json, E_INVALID, "token", "The lease token of the claim is needed.");
	for (uint32_t i = 0; i < call->request.op_count; i++) {
		struct op_lease *lease = &call->request.ops[i].lease;
		struct str line = lease->body;
		*lease = lines.lease;
		lease->body = line;
	}
	call->request.atomic = true; /* all lines or none */
	return true;
}
