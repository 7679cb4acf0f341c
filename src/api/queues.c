/* src/api/queues.c: queues and their groups: settings, pausing, counts. */
#include "api/body.h"
#include "api/cursor.h"
#include "api/routes.h"
#include <stdio.h>

#define PAGE_DEFAULT 100

/* ---- settings: the body is the settings object itself ---- */

static struct str queues_body(const struct call *call)
{
	struct str body = str_trim(buf_str(&call->request.body));
	return body.len ? body : STR("{}");
}

/* PUT says all of it, PATCH says what changes. */
bool queues_decode_put(struct call *call)
{
	struct queue_settings settings;
	struct json json;
	struct op *op = call_op(call, OP_QUEUE_PUT);
	if (!op || !body_identify(call, op))
		return false;
	queue_settings_default(&settings);
	body_json(call, &json);
	op->queue.settings = queues_body(call);
	op->queue.replace = call->route->method == HTTP_M_PUT;
	return queue_settings_read(&json, &settings) && json_finish(&json);
}

bool groups_decode_put(struct call *call)
{
	struct group_settings settings = { 0 };
	struct json json;
	struct op *op = call_op(call, OP_GROUP_PUT);
	if (!op || !body_identify(call, op))
		return false;
	body_json(call, &json);
	op->queue.settings = queues_body(call);
	op->queue.replace = true;
	return group_settings_read(&json, &settings) && json_finish(&json);
}

/* ---- lists ---- */

static bool queues_page(struct call *call, struct op *op)
{
	const struct param_value *limit = call_param(call, "limit");
	op->queue.limit = limit->given ? (uint32_t)limit->number : PAGE_DEFAULT;
	return !cursor_parse(call_param(call, "cursor")->text, &call->request.arena, &op->queue.after, &call->problem);
}

/* Sorted by namespace, then name: one namespace is a stretch of the list. */
bool queues_decode_list(struct call *call)
{
	struct op *op = call_op(call, OP_QUEUES);
	struct str space = call_param(call, "namespace")->text;
	if (!op || !queues_page(call, op))
		return false;
	op->queue.queue.namespace_name = space;
	if (!space.len || op->queue.after.len)
		return true;
	char *after = arena_printf(&call->request.arena, STR_FMT "/", STR_ARG(space));
	op->queue.after = str_of(after);
	if (!after)
		problem_set(&call->problem, E_NOMEM, "", "There was no memory for it.");
	return after != NULL;
}

bool groups_decode_list(struct call *call)
{
	struct op *op = call_op(call, OP_GROUPS);
	return op && body_identify(call, op) && queues_page(call, op);
}

bool chains_decode_list(struct call *call)
{
	struct op *op = call_op(call, OP_CHAINS);
	const struct param_value *limit = call_param(call, "limit");
	if (!op || !body_identify(call, op))
		return false;
	op->chain.limit = limit->given ? (uint32_t)limit->number : PAGE_DEFAULT;
	return !cursor_parse(call_param(call, "cursor")->text, &call->request.arena, &op->chain.after, &call->problem);
}

/* ---- one group ---- */

bool groups_decode_get(struct call *call)
{
	struct op *op = call_op(call, OP_GROUPS);
	if (!op || !body_identify(call, op))
		return false;
	op->queue.limit = 1;
	return true;
}

/* A group that nothing is known about is an idle one with the queue's settings: it costs nothing and always "exists". */
void groups_encode_one(struct call *call, struct buf *out)
{
	const struct op *op = &call->request.ops[0];
	struct group_info idle = { .key = op->queue.group, .code = EXPLAIN_EMPTY };
	const struct group_info *info = &idle;
	for (uint32_t i = 0; i < op->result.count; i++)
		if (str_eq(op->result.groups[i].key, op->queue.group))
			info = &op->result.groups[i];
	group_info_write(out, info);
}
