/* src/api/messages.c: /v1/messages: something happened, and whoever wants to know is told; what was sent, looked at again. */
#include "api/body.h"
#include "api/filter.h"
#include "api/routes.h"

/* ---- sending ---- */

static bool read_messages(struct json *json, void *out, void *context)
{
	(void)out;
	return body_read_list(json, context, OP_MESSAGE);
}

static const struct json_field list_fields[] = {
	{ "messages", JSON_F_CUSTOM, .flags = JSON_F_REQUIRED, .read = read_messages },
	{ "atomic", JSON_F_BOOL, offsetof(struct request, atomic) },
};

bool messages_decode(struct call *call)
{
	struct json json;
	call->single = !body_is_list(call, STR("messages"));
	if (call->single)
		return decode_alone(call);
	call->request.atomic = true;
	body_json(call, &json);
	return json_read_fields(&json, list_fields, ARRAY_COUNT(list_fields), &call->request, call, NULL) && json_finish(&json);
}

/* Of a message that came before nothing is known here but that it did. */
void message_result_write(struct buf *out, const struct op *op)
{
	const struct op_result *result = &op->result;
	buf_add_byte(out, '{');
	put_message_id(out, "id", result->uid);
	put_uid(out, "uid", result->uid);
	if (result->duplicate) {
		json_put_field_null(out, "matched");
		json_put_field_null(out, "deliveries");
		json_put_field_null(out, "expanding");
	} else {
		json_put_field_u64(out, "matched", result->count);
		json_put_field_u64(out, "deliveries", result->units);
		json_put_field_bool(out, "expanding", result->more);
	}
	if (!result->duplicate && !result->count && !result->more)
		json_put_field_str(out, "nothing", STR("no_endpoint"));
	json_put_field_bool(out, "duplicate", result->duplicate);
	buf_add_byte(out, '}');
}

void messages_encode_sent(struct call *call, struct buf *out)
{
	if (call->single)
		encode_alone(call, out);
	else
		encode_results(call, out);
}

/* ---- looking ---- */

static struct queue_name messages_queue(struct str namespace_name)
{
	return (struct queue_name){ namespace_name, STR("webhooks") };
}

void messages_list(struct call *call)
{
	struct query *query = &call->question.query;
	query->kind = QUERY_MESSAGES;
	query->message = (struct message_filter){
		.namespace_name = call_param(call, "namespace")->text, .type = call_param(call, "type")->text, .entity = call_param(call, "entity")->text,
		.created_after_us = call_param(call, "since")->number, .created_before_us = call_param(call, "until")->number,
	};
	query->cursor = call_param(call, "cursor")->text;
	query->limit = call_param(call, "limit")->given ? (uint32_t)call_param(call, "limit")->number : 100;
	if (access_list(call, messages_queue(query->message.namespace_name)))
		call_ask(call, call_answered);
	else
		call_refuse(call, call->problem.err);
}

/* The path's {message}: "msg_" and its uid, or the uid alone. */
bool message_uid_of_path(struct call *call, uint64_t *out)
{
	if (message_id_parse(call->pieces[0], out))
		return true;
	problem_set(&call->problem, E_MESSAGE_NOT_FOUND, "message", MESSAGE_ID_REFUSAL, STR_ARG(str_cut(call->pieces[0], 40)));
	return false;
}

/* A limited token sees those of its namespaces only: others are not there for it. */
static void messages_got(struct call *call)
{
	const struct answer *answer = &call->question.answer;
	if (!call->question.err && !token_allows(call->token, messages_queue(answer->messages[0].namespace_name)))
		call_refuse(call, E_MESSAGE_NOT_FOUND);
	else
		call_answered(call);
}

static void messages_found(struct call *call)
{
	const struct answer *answer = &call->question.answer;
	if (call->question.err)
		call_refuse(call, call->question.err);
	else if (!token_allows(call->token, messages_queue(answer->messages[0].namespace_name)))
		call_refuse(call, E_MESSAGE_NOT_FOUND);
	else
		call->checked(call);
}

void messages_seek(struct call *call, void (*found)(struct call *call))
{
	call->question.query = (struct query){ .kind = QUERY_MESSAGE, .uids = &call->number, .uid_count = 1 };
	call->checked = found;
	if (message_uid_of_path(call, &call->number))
		call_ask(call, messages_found);
	else
		call_refuse(call, call->problem.err);
}

static void messages_ask(struct call *call)
{
	const struct request *request = &call->request;
	enum err err = request->err ? request->err : request->ops[0].result.err;
	if (err)
		call_refuse(call, err);
	else
		call_ask(call, messages_got);
}

void messages_get(struct call *call)
{
	struct query *query = &call->question.query;
	uint64_t *uid = ARENA_NEW(&call->request.arena, uint64_t);
	if (!uid || !call_op(call, OP_BARRIER)) {
		call_refuse(call, E_NOMEM);
		return;
	}
	query->kind = QUERY_MESSAGE;
	query->uids = uid;
	query->uid_count = 1;
	query->with_payload = call_param(call, "payload")->number;
	if (message_uid_of_path(call, uid))
		call_submit(call, messages_ask);
	else
		call_refuse(call, call->problem.err);
}

bool messages_decode_expunge(struct call *call)
{
	struct op *op = call_op(call, OP_MESSAGE_EXPUNGE);
	return op && message_uid_of_path(call, &op->resend.message);
}

static void message_write(struct buf *out, const struct message_row *row, bool with_payload)
{
	buf_add_byte(out, '{');
	put_message_id(out, "id", row->uid);
	put_uid(out, "uid", row->uid);
	json_put_field_str(out, "namespace", namespace_of(row->namespace_name));
	json_put_field_str(out, "type", row->type);
	json_put_field_text(out, "entity", row->entity);
	json_put_field_text(out, "key", row->key);
	json_put_field_raw(out, "channels", row->channels.len ? row->channels : STR("[]"));
	json_put_field_bool(out, "deleted", (row->flags & MESSAGE_DELETED) != 0);
	json_put_field_bool(out, "expunged", (row->flags & MESSAGE_EXPUNGED) != 0);
	json_put_field_u64(out, "deliveries", row->deliveries);
	json_put_field_bool(out, "expanding", row->next_endpoint != MESSAGE_EXPANDED);
	json_put_field_u64(out, "payload_bytes", row->payload_bytes);
	json_put_field_instant(out, "created_at", uid_time_us(row->uid));
	if (with_payload) {
		json_put_field_raw(out, "metadata", row->metadata);
		json_put_field_raw(out, "payload", row->payload);
	}
	buf_add_byte(out, '}');
}

void messages_encode_one(struct call *call, struct buf *out)
{
	message_write(out, &call->question.answer.messages[0], call->question.query.with_payload);
}

void messages_encode_list(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	buf_add_lit(out, "{\"messages\":[");
	for (uint32_t i = 0; i < answer->message_count; i++) {
		json_put_comma(out);
		message_write(out, &answer->messages[i], false);
	}
	buf_add_byte(out, ']');
	call_put_next_cursor(call, out);
}
