/* src/api/deliveries.c: /v1/deliveries: messages on their way to endpoints, which are jobs of the queue webhooks; sent again, and tried out. */
#include "api/body.h"
#include "api/filter.h"
#include "api/routes.h"
#include "api/view.h"
#include "base/json.h"
#include "base/limits.h"
#include "rules/endpoint.h"

#define DELIVERY_QUEUE STR("webhooks")
#define PAGE_DEFAULT   100

/* ---- lists ---- */

static void deliveries_page(struct call *call)
{
	struct query *query = &call->question.query;
	query->oldest_first = call_param(call, "order")->number == 1;
	query->cursor = call_param(call, "cursor")->text;
	query->limit = call_param(call, "limit")->given ? (uint32_t)call_param(call, "limit")->number : PAGE_DEFAULT;
}

/* Where there never was an endpoint, there is no queue either. */
static void deliveries_answered(struct call *call)
{
	if (call->question.err == E_QUEUE_NOT_FOUND)
		call->question.err = E_OK;
	call_answered(call);
}

void deliveries_list(struct call *call)
{
	struct query *query = &call->question.query;
	struct job_filter *filter = &query->filter;
	query->kind = QUERY_JOBS;
	deliveries_page(call);
	*filter = (struct job_filter){
		.namespace_name = call_param(call, "namespace")->text, .queue = DELIVERY_QUEUE, .deliveries = true,
		.states = (uint32_t)call_param(call, "state")->number,
		.name = call_param(call, "type")->text, .error = call_param(call, "error")->text,
		.created_after_us = call_param(call, "created_after")->number, .created_before_us = call_param(call, "created_before")->number,
		.finished_after_us = call_param(call, "finished_after")->number, .finished_before_us = call_param(call, "finished_before")->number,
	};
	if (filter_from_delivery_params(call, filter) && access_list(call, (struct queue_name){ filter->namespace_name, DELIVERY_QUEUE }))
		call_ask(call, deliveries_answered);
	else
		call_refuse(call, call->problem.err);
}

void deliveries_encode_list(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	buf_add_lit(out, "{\"deliveries\":[");
	for (uint32_t i = 0; i < answer->job_count; i++) {
		json_put_comma(out);
		job_view_write(out, &answer->jobs[i], (struct view_parts){ 0 });
	}
	buf_add_byte(out, ']');
	call_put_next_cursor(call, out);
}

/* ---- of a message ---- */

static void message_deliveries_ask(struct call *call) /* it is there, and the caller's to see */
{
	struct query *query = &call->question.query;
	struct job_filter filter = { .queue = DELIVERY_QUEUE, .message = call->number,
		                     .namespace_name = arena_str(&call->request.arena, call->question.answer.messages[0].namespace_name) };
	arena_reset(&call->question.arena);
	*query = (struct query){ .kind = QUERY_JOBS, .filter = filter };
	deliveries_page(call);
	if (filter.namespace_name.ptr)
		call_ask(call, deliveries_answered);
	else
		call_refuse(call, E_NOMEM);
}

void deliveries_of_message(struct call *call)
{
	messages_seek(call, message_deliveries_ask);
}

/* ---- once more ---- */

static const struct json_field resend_fields[] = {
	{ "endpoint", JSON_F_STR, offsetof(struct op_resend, endpoint), 1, LIMIT_NAME_BYTES, JSON_F_REQUIRED, .doc = "To whom." },
};

bool resend_decode(struct call *call)
{
	struct json json;
	struct op *op = call_op(call, OP_RESEND);
	if (!op || !message_uid_of_path(call, &op->resend.message))
		return false;
	body_json(call, &json);
	return json_read_fields(&json, resend_fields, ARRAY_COUNT(resend_fields), &op->resend, NULL, NULL) && json_finish(&json);
}

/* Whose message it is, only the message tells. */
void resend_run(struct call *call)
{
	if (call->token && call->token->queue_count)
		messages_seek(call, call_run);
	else
		call_run(call);
}

/* ---- tried out ---- */

struct test_body {
	struct str type, payload;
};
static const struct json_field test_fields[] = {
	{ "type", JSON_F_STR, offsetof(struct test_body, type), 1, MESSAGE_TYPE_BYTES, .doc = NULL },
	{ "payload", JSON_F_RAW, offsetof(struct test_body, payload), .doc = NULL },
};

bool test_decode(struct call *call)
{
	struct test_body body = { .type = STR("endpoint.test") }; /* the engine knows what it says */
	struct json json;
	struct op *op = call_op(call, OP_MESSAGE);
	if (!op)
		return false;
	body_json(call, &json);
	if (!json_read_fields(&json, test_fields, ARRAY_COUNT(test_fields), &body, NULL, NULL) || !json_finish(&json))
		return false;
	op->message = (struct op_message){ .namespace_name = body_queue(call).namespace_name, .type = body.type, .payload = body.payload,
		                           .only = body_queue(call).name, .flags = MESSAGE_TEST };
	return true;
}

void test_encode(struct call *call, struct buf *out)
{
	const struct op_result *result = &call->request.ops[0].result;
	buf_add_byte(out, '{');
	put_message_id(out, "id", result->uid);
	if (result->next)
		put_uid(out, "delivery", result->next);
	else
		json_put_field_null(out, "delivery");
	buf_add_byte(out, '}');
}
