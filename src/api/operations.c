/* src/api/operations.c: bulk work: "retry all that match", durable, followed and stopped here. */
#include "api/body.h"
#include "api/filter.h"
#include "api/routes.h"
#include "base/limits.h"

#define PAGE_DEFAULT 100

/* Is it about one of the caller's queues? Others do not exist for it. */
static bool operation_is_ours(struct call *call, const struct operation_row *row)
{
	struct job_filter filter = { 0 };
	struct json json;
	if (!call->token || !call->token->queue_count)
		return true;
	json_init(&json, row->filter, &call->request.arena, NULL);
	return filter_read(&json, &filter) && filter.queue.len
	       && token_allows(call->token, (struct queue_name){ filter.namespace_name, filter.queue });
}

/* ---- the list ---- */

void operations_list(struct call *call)
{
	struct query *query = &call->question.query;
	query->kind = QUERY_OPERATIONS;
	query->cursor = call_param(call, "cursor")->text;
	query->limit = call_param(call, "limit")->given ? (uint32_t)call_param(call, "limit")->number : PAGE_DEFAULT;
	call_ask(call, call_answered);
}

void operations_encode_list(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	buf_add_lit(out, "{\"operations\":[");
	for (uint32_t i = 0; i < answer->operation_count; i++) {
		if (!operation_is_ours(call, &answer->operations[i]))
			continue;
		json_put_comma(out);
		operation_write(out, &answer->operations[i]);
	}
	buf_add_byte(out, ']');
	call_put_next_cursor(call, out);
}

/* ---- one: found by paging, newest first: there are few ---- */

static const struct operation_row *operations_find(struct call *call)
{
	const struct answer *answer = &call->question.answer;
	for (uint32_t i = 0; i < answer->operation_count; i++)
		if (answer->operations[i].number == call->number)
			return operation_is_ours(call, &answer->operations[i]) ? &answer->operations[i] : NULL;
	return NULL;
}

static void operations_found(struct call *call)
{
	const struct answer *answer = &call->question.answer;
	if (call->question.err) {
		call_refuse(call, call->question.err);
		return;
	}
	if (operations_find(call)) {
		call->checked(call);
		return;
	}
	struct str cursor = arena_str(&call->request.arena, answer->next_cursor);
	if (!cursor.len) {
		call_fail(call, E_NOT_FOUND, "uid", "No such operation.");
		return;
	}
	arena_reset(&call->question.arena);
	call->question.query.cursor = cursor;
	call_ask(call, operations_found);
}

static void operations_seek(struct call *call, void (*found)(struct call *call))
{
	call->question.query = (struct query){ .kind = QUERY_OPERATIONS, .uids = &call->number, .uid_count = 1, .limit = LIMIT_PAGE };
	call->checked = found;
	if (body_uid(call, E_NOT_FOUND, &call->number))
		call_ask(call, operations_found);
	else
		call_refuse(call, call->problem.err);
}

void operations_get(struct call *call)
{
	operations_seek(call, call_encode);
}

void operations_encode_one(struct call *call, struct buf *out)
{
	operation_write(out, operations_find(call));
}

/* ---- stopping and going on ---- */

void operations_steer(struct call *call)
{
	if (call->token && call->token->queue_count)
		operations_seek(call, call_run);
	else
		call_run(call);
}
