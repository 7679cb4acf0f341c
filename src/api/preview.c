/* src/api/preview.c: what a format would make of messages that are stored. The format need not be stored itself: a program may come with the request.
 * Nothing is kept, nobody is called. One message is looked at after the other, so that one payload is in memory at a time:
 *
 *     named (engine) → compiled → chosen (reader) → [ read (reader) → known entity (reader) → run (pool) ] for each → answered */
#include "api/body.h"
#include "api/name.h"
#include "api/filter.h"
#include "api/routes.h"
#include "base/json_tree.h"
#include "format/pool.h"
#include "rules/endpoint.h"
#include "rules/format_input.h"
#include "rules/match.h"
#include "rules/webhook_body.h"

#define PREVIEW_DEFAULT     5
#define PREVIEW_MAX         20
#define PREVIEW_LOOKED_AT   1000                /* messages, for those that an endpoint wants */
#define PREVIEW_BYTES       (8u * 1024 * 1024)  /* of all outputs together */
#define PREVIEW_INPUT_BYTES (FRAME_INPUT_BYTES + 1u)

struct preview_body {
	struct str program, endpoint, type, entity, message;
	uint32_t last;
};
static const struct json_field body_fields[] = { /* that of an endpoint begins at the second */
	{ "endpoint", JSON_F_STR, offsetof(struct preview_body, endpoint), 1, LIMIT_NAME_BYTES, JSON_F_NULL },
	{ "program", JSON_F_STR, offsetof(struct preview_body, program), 1, LIMIT_NAMED_BYTES, JSON_F_NULL },
	{ "type", JSON_F_STR, offsetof(struct preview_body, type), 1, MESSAGE_TYPE_BYTES + 1, JSON_F_NULL },
	{ "entity", JSON_F_STR, offsetof(struct preview_body, entity), 1, LIMIT_ID_BYTES, JSON_F_NULL },
	{ "message", JSON_F_STR, offsetof(struct preview_body, message), 1, 64, JSON_F_NULL },
	{ "last", JSON_F_U32, offsetof(struct preview_body, last), 1, PREVIEW_MAX },
};

struct preview {
	struct preview_body body;
	struct str format, program;         /* program empty: a built-in format, or not known yet */
	bool has_built_in;
	enum webhook_format built_in;
	bool has_endpoint;
	uint32_t endpoint_number;
	struct endpoint_settings settings;  /* of the endpoint; otherwise the default */
	uint64_t uids[PREVIEW_MAX];
	uint32_t count, at;
	struct message_row message;         /* the one that is looked at; slices of question.arena */
	struct str external_id;
	bool running;                       /* its program; otherwise it is compiled only */
	bool stopped;                       /* by a bound: the others are not tried */
	struct buf input, items;
};

void preview_fini(struct preview *preview)
{
	buf_fini(&preview->input);
	buf_fini(&preview->items);
}

/* ---- decoding ---- */

static bool preview_of_endpoint(const struct call *call)
{
	return strcmp(call->route->tag, "endpoints") == 0;
}

static bool preview_refuse(struct call *call, const char *field, const char *detail)
{
	return problem_set(&call->problem, E_INVALID, field, "%s", detail) == E_OK;
}

static bool preview_check(struct call *call, struct preview *preview)
{
	bool of_endpoint = preview_of_endpoint(call);
	const char *why = name_refusal(call->pieces[0], false);
	if (why)
		return preview_refuse(call, of_endpoint ? "endpoint" : "format", why);
	if (preview->body.message.len && (preview->body.type.len || preview->body.entity.len))
		return preview_refuse(call, "message", "It names one message: leave type and entity out.");
	if (preview->body.message.len && !message_id_parse(preview->body.message, &preview->uids[0]))
		return preview_refuse(call, "message", "This is no message's id: those look like msg_0r4k2m7x9q3zt.");
	if (of_endpoint)
		return true;
	preview->has_built_in = webhook_format_parse(preview->format, &preview->built_in);
	return !preview->has_built_in || !preview->body.program.len ||
	       preview_refuse(call, "program", "A built-in format has this name: take another one.");
}

bool previews_decode(struct call *call)
{
	bool of_endpoint = preview_of_endpoint(call);
	struct json json;
	struct preview *preview = ARENA_NEW(&call->request.arena, struct preview);
	if (!preview)
		return problem_set(&call->problem, E_NOMEM, "", "There was no memory for it.") == E_OK;
	preview->body.last = PREVIEW_DEFAULT;
	endpoint_settings_default(&preview->settings);
	body_json(call, &json);
	if (!json_read_fields(&json, body_fields + of_endpoint, ARRAY_COUNT(body_fields) - of_endpoint, &preview->body, NULL, NULL) || !json_finish(&json))
		return false;
	if (of_endpoint)
		preview->body.endpoint = call->pieces[0];
	else
		preview->format = call->pieces[0];
	preview->program = preview->body.program;
	if (!preview_check(call, preview))
		return false;
	buf_init(&preview->input, PREVIEW_INPUT_BYTES);
	buf_init(&preview->items, PREVIEW_BYTES + 64 * 1024 * PREVIEW_MAX);
	call->preview = preview;
	return true;
}

/* ---- the endpoint and the format, from the engine ---- */

static void preview_ask_pool(struct call *call);
static void preview_choose(struct call *call);
static void preview_next(struct call *call);

static bool preview_may_go_on(struct call *call) /* the request or question is back, and this daemon stays */
{
	if (!call->api->quiescing)
		return true;
	call_fail(call, E_UNAVAILABLE, "", "The daemon is stopping; ask again shortly.");
	return false;
}

static struct op *preview_get(struct call *call, enum named_kind kind, struct str name)
{
	struct op *op = call_op(call, OP_NAMED_GET);
	if (op)
		op->named = (struct op_named){ .kind = kind, .named = { call_param(call, "namespace")->text, name } };
	return op;
}

/* Of what the engine answered last. False: the call has ended. */
static bool preview_named(struct call *call, const struct op *op)
{
	const struct request *request = &call->request;
	if (!preview_may_go_on(call))
		return false;
	if (request->err || (op && op->result.err == E_NOMEM)) {
		call_refuse(call, request->err ? request->err : E_NOMEM);
		return false;
	}
	return true;
}

static void preview_got_format(struct call *call)
{
	const struct op *op = &call->request.ops[0];
	struct preview *preview = call->preview;
	if (!preview_named(call, op))
		return;
	if (op->result.err) {
		call_refuse(call, op->result.err);
		return;
	}
	enum err err = format_program(call, op->result.nameds->text, &preview->program);
	if (!err)
		preview_choose(call);
	else if (err == E_NOMEM)
		call_refuse(call, err);
	else
		call_fail(call, E_STATE, "", "The program of this format cannot be read: put it anew.");
}

static void preview_find_format(struct call *call)
{
	struct preview *preview = call->preview;
	if (preview->program.len) {
		preview_ask_pool(call);
	} else if (preview->has_built_in) {
		preview_choose(call);
	} else {
		call->request.op_count = 0;
		call->request.err = E_OK;
		if (preview_get(call, NAMED_FORMAT, preview->format))
			call_submit(call, preview_got_format);
		else
			call_refuse(call, call->problem.err);
	}
}

static bool preview_read_endpoint(struct call *call, const struct named_info *info)
{
	struct preview *preview = call->preview;
	struct problem problem = { 0 };
	struct json json;
	preview->has_endpoint = true;
	preview->endpoint_number = info->number;
	json_init(&json, info->text, &call->request.arena, &problem);
	if (endpoint_settings_read(&json, &preview->settings))
		return true;
	if (problem.err == E_NOMEM)
		call_refuse(call, E_NOMEM);
	else
		call_fail(call, E_STATE, "endpoint", "The settings of this endpoint cannot be read: put them anew.");
	return false;
}

static void preview_got_endpoint(struct call *call)
{
	struct preview *preview = call->preview;
	const struct op *op = preview->body.endpoint.len ? &call->request.ops[1] : NULL;
	if (!preview_named(call, op))
		return;
	if (op && op->result.err && preview_of_endpoint(call)) {
		call_refuse(call, op->result.err);
		return;
	}
	if (op && op->result.err) {
		call_fail(call, E_INVALID, "endpoint", "There is no endpoint \"" STR_FMT "\".", STR_ARG(str_cut(preview->body.endpoint, 60)));
		return;
	}
	if (op && !preview_read_endpoint(call, op->result.nameds))
		return;
	if (preview_of_endpoint(call)) {
		preview->format = preview->settings.format;
		preview->has_built_in = !preview->program.len && webhook_format_parse(preview->format, &preview->built_in);
	}
	preview_find_format(call);
}

/* The barrier: messages that were sent before are found. */
void previews_begin(struct call *call)
{
	const struct preview *preview = call->preview;
	struct queue_name queue = { call_param(call, "namespace")->text, STR("webhooks") };
	if (call->token && !scopes_include(call->token->scopes, SCOPE_READ))
		call_fail(call, E_FORBIDDEN, "", "It shows what messages say: this needs a token with the scope \"read\", too.");
	else if (!access_list(call, queue) || !call_op(call, OP_BARRIER) ||
		 (preview->body.endpoint.len && !preview_get(call, NAMED_ENDPOINT, preview->body.endpoint)))
		call_refuse(call, call->problem.err);
	else
		call_submit(call, preview_got_endpoint);
}

/* ---- the program ---- */

static void preview_ask_pool(struct call *call)
{
	const struct api_ports *ports = &call->api->ports;
	buf_fini(&call->compile.output);
	call->compile = (struct compile){ .owner = call, .program = call->preview->program };
	if (call->preview->running) {
		call->compile.input = buf_str(&call->preview->input);
		buf_init(&call->compile.output, FRAME_OUTPUT_BYTES);
	}
	ports->compile(ports->context, &call->compile);
}

/* ---- which messages ---- */

static bool preview_wants(const struct preview *preview, const struct message_row *row, struct arena *arena)
{
	struct message_channels channels;
	if (row->only)
		return row->only == preview->endpoint_number;
	return !message_channels_read(row->channels, arena, &channels) && endpoint_wants_type(&preview->settings, row->type) &&
	       endpoint_wants_channels(&preview->settings, channels.names, channels.count);
}

static void preview_chosen(struct call *call)
{
	struct preview *preview = call->preview;
	const struct answer *answer = &call->question.answer;
	bool wanted_only = preview->has_endpoint && !preview->body.type.len;
	if (!preview_may_go_on(call))
		return;
	if (call->question.err) {
		call_refuse(call, call->question.err);
		return;
	}
	for (uint32_t i = 0; i < answer->message_count && preview->count < preview->body.last; i++) {
		const struct message_row *row = &answer->messages[i];
		if (!(row->flags & MESSAGE_EXPUNGED) && (!wanted_only || preview_wants(preview, row, &call->question.arena)))
			preview->uids[preview->count++] = row->uid;
	}
	preview_next(call);
}

static void preview_choose(struct call *call)
{
	struct preview *preview = call->preview;
	struct query *query = &call->question.query;
	if (preview->body.message.len) {
		preview->count = 1;
		preview_next(call);
		return;
	}
	query->kind = QUERY_MESSAGES;
	query->message = (struct message_filter){ .namespace_name = call_param(call, "namespace")->text, .type = preview->body.type,
						  .entity = preview->body.entity };
	query->limit = PREVIEW_LOOKED_AT;
	call_ask(call, preview_chosen);
}

/* ---- one of them ---- */

static void preview_put_item(struct call *call) /* all that is said of it, whatever comes of it: the object stays open */
{
	struct preview *preview = call->preview;
	const struct message_row *row = &preview->message;
	struct buf *out = &preview->items;
	json_put_comma(out);
	buf_add_byte(out, '{');
	put_message_id(out, "message", row->uid);
	json_put_field_str(out, "type", row->type);
	if (row->entity.len)
		json_put_field_str(out, "entity", row->entity);
	else
		json_put_field_null(out, "entity");
	json_put_field_instant(out, "created_at", uid_time_us(row->uid));
}

/* By its content filter, too. */
static enum err preview_put_wanted(struct call *call)
{
	struct preview *preview = call->preview;
	struct arena *arena = &call->question.arena;
	struct json_node *filter = NULL, *payload = NULL;
	if (!preview->has_endpoint)
		return E_OK;
	enum err err = preview->settings.filter.len ? json_tree_read(preview->settings.filter, arena, &filter, NULL) : E_OK;
	if (!err && filter && preview->message.payload.len)
		err = json_tree_read(preview->message.payload, arena, &payload, NULL);
	if (err)
		return err;
	bool wanted = preview_wants(preview, &preview->message, arena) && (!filter || preview->message.only || match(filter, payload));
	json_put_field_bool(&preview->items, "wanted", wanted);
	return E_OK;
}

static bool preview_has_room(const struct preview *preview, size_t bytes)
{
	return preview->items.len + bytes <= PREVIEW_BYTES;
}

static void preview_put_too_large(struct preview *preview, size_t bytes)
{
	buf_addf(&preview->items, ",\"error\":\"the body has %zu bytes: too many to show with the others; name its message alone\"", bytes);
}

static void preview_close_item(struct call *call)
{
	buf_add_byte(&call->preview->items, '}');
	call->preview->at++;
	preview_next(call);
}

static void preview_put_headers(struct buf *out, const struct webhook_shape *shape)
{
	if (!shape->header_count)
		return;
	json_put_key(out, "headers");
	buf_add_byte(out, '{');
	for (uint32_t i = 0; i < shape->header_count; i++)
		json_put_field_str(out, shape->headers[i].name.ptr, shape->headers[i].value);
	buf_add_byte(out, '}');
}

static void preview_put_body(struct preview *preview, struct str body, const struct webhook_shape *shape)
{
	if (!preview_has_room(preview, 6 * body.len))
		preview_put_too_large(preview, body.len);
	else if (preview->built_in == WEBHOOK_FORMAT_FORM)
		json_put_field_str(&preview->items, "output", body);
	else
		json_put_field_raw(&preview->items, "output", body);
	preview_put_headers(&preview->items, shape);
}

static void preview_shape(struct call *call, struct str id)
{
	struct preview *preview = call->preview;
	const struct message_row *row = &preview->message;
	struct arena *arena = &call->question.arena;
	struct problem problem = { 0 };
	struct webhook_shape shape;
	struct buf body;
	const char *source = arena_printf(arena, "/ruche/" STR_FMT, STR_ARG(namespace_of(row->namespace_name)));
	const struct webhook_input input = { .id = id, .type = row->type, .entity = row->entity, .source = str_of(source), .payload = row->payload,
					     .at_us = uid_time_us(row->uid) };
	buf_init(&body, 4 * (size_t)LIMIT_BODY_MAX);
	enum err err = source ? webhook_body(preview->built_in, &input, arena, &body, &shape, &problem) : E_NOMEM;
	if (!err)
		preview_put_body(preview, buf_str(&body), &shape);
	else if (err != E_NOMEM)
		json_put_field_str(&preview->items, "error", str_of(problem.detail));
	buf_fini(&body);
	if (err == E_NOMEM)
		call_refuse(call, E_NOMEM);
	else
		preview_close_item(call);
}

static void preview_run(struct call *call, struct str id)
{
	struct preview *preview = call->preview;
	const struct message_row *row = &preview->message;
	const struct endpoint_settings *settings = &preview->settings;
	const struct format_input input = {
		.id = id, .type = row->type, .entity = row->entity, .at_us = uid_time_us(row->uid), .channels = row->channels, .metadata = row->metadata,
		.deleted = row->flags & MESSAGE_DELETED, .endpoint = preview->body.endpoint, .tags = settings->tags,
		.endpoint_metadata = settings->metadata, .external_id = preview->external_id, .attempt = 1, .payload = row->payload,
	};
	buf_clear(&preview->input);
	format_input_write(&input, &preview->input);
	if (buf_ok(&preview->input)) {
		preview->running = true;
		preview_ask_pool(call);
	} else if (row->payload.len + (size_t)LIMIT_NAMED_BYTES > FRAME_INPUT_BYTES) {
		json_put_field_str(&preview->items, "error", STR("the message is larger than a program takes"));
		preview_close_item(call);
	} else {
		call_refuse(call, E_NOMEM);
	}
}

static void preview_make(struct call *call)
{
	struct preview *preview = call->preview;
	char text[4 + UID_TEXT_BYTES] = "msg_";
	uid_text(preview->message.uid, text + 4);
	struct str id = arena_str(&call->question.arena, str_of(text));
	preview_put_item(call);
	enum err err = id.ptr ? preview_put_wanted(call) : E_NOMEM;
	if (err)
		call_refuse(call, err);
	else if (preview->program.len)
		preview_run(call, id);
	else
		preview_shape(call, id);
}

/* What the endpoint calls this entity. */
static void preview_got_entity(struct call *call)
{
	const struct answer *answer = &call->question.answer;
	bool known = answer->entity_count && answer->entities[0].state == ENTITY_DELIVERED;
	if (!preview_may_go_on(call))
		return;
	if (call->question.err) {
		call_refuse(call, call->question.err);
		return;
	}
	call->preview->external_id = known ? answer->entities[0].external_id : (struct str){ 0 };
	preview_make(call);
}

/* False: it cannot be looked at; one that was chosen from a list may have gone since, and is passed over. */
static bool preview_may_look(struct call *call)
{
	struct preview *preview = call->preview;
	const struct message_row *row = call->question.answer.messages;
	bool one = preview->body.message.len;
	enum err err = call->question.err;
	bool elsewhere = !err && !str_eq(namespace_of(row->namespace_name), namespace_of(call_param(call, "namespace")->text));
	if (err == E_MESSAGE_NOT_FOUND || elsewhere) {
		if (one)
			call_fail(call, E_INVALID, "message", "There is no such message in this namespace; 'ruche messages list' shows them.");
	} else if (err) {
		call_refuse(call, err);
		return false;
	} else if (row->flags & MESSAGE_EXPUNGED) {
		if (one)
			call_fail(call, E_INVALID, "message", "What this message said was removed on request.");
	} else {
		return true;
	}
	if (!one) {
		preview->at++;
		preview_next(call);
	}
	return false;
}

static void preview_read(struct call *call)
{
	struct preview *preview = call->preview;
	struct query *query = &call->question.query;
	if (!preview_may_go_on(call) || !preview_may_look(call))
		return;
	preview->message = call->question.answer.messages[0];
	preview->external_id = (struct str){ 0 };
	if (!preview->has_endpoint || !preview->message.entity.len) {
		preview_make(call);
		return;
	}
	*query = (struct query){ .kind = QUERY_ENTITIES, .endpoint = preview->endpoint_number, .id = preview->message.entity, .limit = 1 };
	call_ask(call, preview_got_entity);
}

static void preview_next(struct call *call)
{
	struct preview *preview = call->preview;
	if (preview->at == preview->count || preview->stopped) {
		if (buf_ok(&preview->items))
			call_encode(call);
		else
			call_refuse(call, E_NOMEM);
		return;
	}
	arena_reset(&call->question.arena);
	call->question.query = (struct query){ .kind = QUERY_MESSAGE, .uids = &preview->uids[preview->at], .uid_count = 1, .with_payload = true };
	call_ask(call, preview_read);
}

/* ---- back from the pool ---- */

static void preview_ran(struct call *call)
{
	struct preview *preview = call->preview;
	const struct compile *compile = &call->compile;
	struct buf *out = &preview->items;
	if (compile->err)
		json_put_field_str(out, "error", str_of(compile->why));
	else if (compile->nothing)
		json_put_field_bool(out, "filtered", true);
	else if (preview_has_room(preview, compile->output.len))
		json_put_field_raw(out, "output", buf_str(&compile->output));
	else
		preview_put_too_large(preview, compile->output.len);
	json_put_field_i64(out, "us", compile->us);
	preview->stopped = compile->killed; /* the others would cost as much, and the pool has others to serve */
	preview_close_item(call);
}

void previews_compiled(struct call *call)
{
	struct compile *compile = &call->compile;
	bool running = call->preview->running;
	call->preview->running = false;
	if (compile->err && compile->err != E_INVALID)
		call_fail(call, compile->err, "", "The program could not be run: %s.", compile->why);
	else if (compile->err && !running)
		call_fail(call, E_INVALID, "program", "The program does not compile: %s.", compile->why);
	else if (preview_may_go_on(call)) {
		if (running)
			preview_ran(call);
		else
			preview_choose(call);
	}
}

/* ---- the answer ---- */

void previews_encode(struct call *call, struct buf *out)
{
	const struct preview *preview = call->preview;
	buf_add_byte(out, '{');
	json_put_field_str(out, "format", preview->format);
	json_put_field_bool(out, "stopped", preview->stopped);
	json_put_key(out, "previews");
	buf_add_byte(out, '[');
	buf_add(out, buf_str(&preview->items));
	buf_add_lit(out, "]}");
}
