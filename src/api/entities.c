/* src/api/entities.c: what an endpoint was told of entities, and the other side's names for them. */
#include "api/body.h"
#include "api/cursor.h"
#include "api/filter.h"
#include "api/routes.h"
#include "base/limits.h"

#define PAGE_DEFAULT 100

/* The endpoint's number is the engine's to tell. */
static void entities_ask(struct call *call)
{
	const struct request *request = &call->request;
	enum err err = request->err ? request->err : request->ops[0].result.err;
	call->question.query.endpoint = err ? 0 : request->ops[0].result.nameds[0].number;
	if (err)
		call_refuse(call, err);
	else
		call_ask(call, call->checked);
}

static void entities_begin(struct call *call, void (*answered)(struct call *call))
{
	call->question.query.kind = QUERY_ENTITIES;
	call->checked = answered;
	if (access_check(call))
		call_submit(call, entities_ask);
	else
		call_refuse(call, call->problem.err);
}

void entities_list(struct call *call)
{
	struct query *query = &call->question.query;
	query->limit = call_param(call, "limit")->given ? (uint32_t)call_param(call, "limit")->number : PAGE_DEFAULT;
	if (cursor_parse(call_param(call, "cursor")->text, &call->request.arena, &query->cursor, &call->problem))
		call_refuse(call, call->problem.err);
	else
		entities_begin(call, call_answered);
}

static void entities_got(struct call *call)
{
	if (!call->question.err && !call->question.answer.entity_count)
		call_fail(call, E_NOT_FOUND, "entity", "The endpoint was told nothing of it yet.");
	else
		call_answered(call);
}

void entities_get(struct call *call)
{
	struct query *query = &call->question.query;
	query->id = call->pieces[1];
	query->limit = 1;
	entities_begin(call, entities_got);
}

bool entities_decode_delete(struct call *call)
{
	struct op *op = call_op(call, OP_ENTITY_DELETE);
	if (op)
		op->entity = (struct op_entity){ body_queue(call), call->pieces[1] };
	return op;
}

static void entity_write(struct buf *out, const struct entity_row *row)
{
	buf_add_byte(out, '{');
	json_put_field_str(out, "entity", row->entity);
	if (row->external_id.len)
		json_put_field_str(out, "external_id", row->external_id);
	else
		json_put_field_null(out, "external_id");
	json_put_field_str(out, "state", row->state == ENTITY_DELIVERED ? STR("delivered") : STR("retracted"));
	put_message_id(out, "message", row->message);
	json_put_field_instant(out, "told_at", row->at_us);
	buf_add_byte(out, '}');
}

void entities_encode_one(struct call *call, struct buf *out)
{
	entity_write(out, &call->question.answer.entities[0]);
}

void entities_encode_list(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	buf_add_lit(out, "{\"entities\":[");
	for (uint32_t i = 0; i < answer->entity_count; i++) {
		json_put_comma(out);
		entity_write(out, &answer->entities[i]);
	}
	buf_add_byte(out, ']');
	cursor_put_next(out, &call->request.arena, answer->next_cursor.len ? &answer->next_cursor : NULL);
	buf_add_byte(out, '}');
}
