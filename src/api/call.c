#include "api/call.h"
#include "base/crypto.h"
#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>

#define CALL_ARENA_KEPT (16 * 1024) /* of a call that waits for its next use */

/* ---- taking and giving back ---- */

static struct call *call_alloc(struct api *api)
{
	struct call *call = api->free;
	if (call) {
		api->free = call->next;
		api->free_count--;
		return call;
	}
	call = mem_zalloc(sizeof(*call));
	if (call) {
		arena_init(&call->request.arena, CALL_ARENA_MAX);
		arena_init(&call->question.arena, 0);
	}
	return call;
}

struct call *call_take(struct api *api, struct http_exchange *exchange)
{
	struct call *call = call_alloc(api);
	if (!call)
		return NULL;
	call->api = api;
	call->exchange = exchange;
	call->request.owner = call->question.owner = call;
	call->previous = NULL;
	call->next = api->live;
	if (api->live)
		api->live->previous = call;
	api->live = call;
	api->live_count++;
	return call;
}

static void call_tidy(struct arena *arena)
{
	if (arena->used_bytes > CALL_ARENA_KEPT)
		arena_fini(arena);
	else
		arena_reset(arena);
}

static void call_free(struct call *call)
{
	arena_fini(&call->request.arena);
	arena_fini(&call->question.arena);
	mem_free(call);
}

void call_give(struct call *call)
{
	struct api *api = call->api;
	*(call->previous ? &call->previous->next : &api->live) = call->next;
	if (call->next)
		call->next->previous = call->previous;
	api->live_count--;
	roster_drop(call->roster);
	incoming_drop(call);
	poll_drop(call);
	if (call->route && call->route->flags & ROUTE_SECRET && call->request.body.len)
		bytes_wipe(call->request.body.ptr, call->request.body.len);
	if (call->secret_text[0])
		bytes_wipe(call->secret_text, sizeof(call->secret_text));
	buf_fini(&call->request.body);
	buf_fini(&call->compile.output);
	if (call->preview)
		preview_fini(call->preview);
	if (api->free_count == CALLS_KEPT) {
		call_free(call);
		return;
	}
	call_tidy(&call->request.arena);
	call_tidy(&call->question.arena);
	struct arena request = call->request.arena, question = call->question.arena;
	memset(call, 0, sizeof(*call));
	call->request.arena = request;
	call->question.arena = question;
	call->next = api->free;
	api->free = call;
	api->free_count++;
}

void calls_free(struct api *api)
{
	CHECK(api->live == NULL);
	for (struct call *call; (call = api->free) != NULL;) {
		api->free = call->next;
		call_free(call);
	}
}

int64_t call_now_us(const struct call *call)
{
	int64_t now_us = 0;
	call->api->ports.now(call->api->ports.context, &now_us);
	return now_us;
}

/* A system call for many dice: one of 8 bytes for each request would cost more than the rest of it. */
void api_random(struct api *api, void *out, size_t bytes)
{
	CHECK(bytes <= DICE_BYTES);
	if (api->dice_left < bytes) {
		api->ports.random(api->ports.context, api->dice, DICE_BYTES);
		api->dice_left = DICE_BYTES;
	}
	unsigned char *from = api->dice + DICE_BYTES - api->dice_left;
	memcpy(out, from, bytes);
	memset(from, 0, bytes);
	api->dice_left -= (uint32_t)bytes;
}

/* ---- asking ---- */

static bool call_grow_ops(struct call *call)
{
	struct request *request = &call->request;
	uint32_t capacity = call->op_capacity ? 2 * call->op_capacity : 1;
	if (call->op_capacity == 1)
		capacity = 64;
	struct op *ops = arena_alloc(&request->arena, capacity * sizeof(*ops));
	if (!ops)
		return false;
	if (request->op_count)
		memcpy(ops, request->ops, request->op_count * sizeof(*ops));
	request->ops = ops;
	call->op_capacity = capacity;
	return true;
}

struct op *call_op(struct call *call, enum op_kind kind)
{
	struct request *request = &call->request;
	if (request->op_count == LIMIT_OPS) {
		const char *list = call->route && call->route->list ? call->route->list : "";
		problem_set(&call->problem, E_TOO_LARGE, list, "At most %d operations go into one request.", LIMIT_OPS);
		return NULL;
	}
	if (request->op_count == call->op_capacity && !call_grow_ops(call)) {
		problem_set(&call->problem, E_NOMEM, "", "There was no memory for so many operations.");
		return NULL;
	}
	struct op *op = &request->ops[request->op_count++];
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	return op;
}

static void call_stamp(struct call *call)
{
	struct api *api = call->api;
	struct request *request = &call->request;
	int64_t now_us = call_now_us(call);
	api_random(api, &request->dice, sizeof(request->dice));
	for (uint32_t i = 0; i < request->op_count; i++) {
		struct op *op = &request->ops[i];
		if (op->kind == OP_ENQUEUE)
			op->enqueue.uid = uid_next(&api->maker, now_us);
		else if (op->kind == OP_MESSAGE)
			op->message.uid = uid_next(&api->maker, now_us);
		else if (op->kind == OP_OPERATION_START)
			op->operation.number = uid_next(&api->maker, now_us);
	}
}

void call_submit(struct call *call, void (*then)(struct call *call))
{
	struct api *api = call->api;
	call_stamp(call);
	call->request.number = ++api->last_request;
	call->then = then;
	api->ports.submit(api->ports.context, &call->request);
}

void call_ask(struct call *call, void (*then)(struct call *call))
{
	struct api *api = call->api;
	call->then = then;
	call->question.err = E_OK;
	memset(&call->question.answer, 0, sizeof(call->question.answer));
	api->ports.ask(api->ports.context, &call->question);
}

static void call_leave(struct call *call)
{
	const struct op *first = call->request.ops;
	call->patient = call->request.op_count == 1
			&& ((first->kind == OP_CLAIM && first->claim.wait_ms) || (first->kind == OP_WAIT && first->job.wait_ms));
	call_submit(call, call_replied);
}

void call_run(struct call *call)
{
	if (!access_check(call))
		call_refuse(call, call->problem.err);
	else
		access_resolve(call, call_leave);
}

/* What the answer as a whole is when one operation was refused: a single one, or one of an atomic request. NULL: none was. */
static const struct op *call_refused_op(const struct call *call)
{
	const struct request *request = &call->request;
	for (uint32_t i = 0; (call->single || request->atomic) && i < request->op_count; i++)
		if (request->ops[i].result.err && request->ops[i].result.err != E_CANCELLED)
			return &request->ops[i];
	return NULL;
}

static void call_refuse_op(struct call *call, const struct op *op)
{
	if (op->result.problem)
		call->problem = *op->result.problem;
	else
		problem_set(&call->problem, op->result.err, "", "%s", err_sentence(op->result.err));
	if (!call->single)
		problem_nest(&call->problem, call->route->list, call_place(call, (uint32_t)(op - call->request.ops)));
	call_refuse(call, op->result.err);
}

void call_replied(struct call *call)
{
	const struct request *request = &call->request;
	if (request->err == E_CANCELLED && call->api->quiescing) {
		call_fail(call, E_UNAVAILABLE, "", "The daemon is stopping; ask again shortly.");
		return;
	}
	if (request->err) {
		call_refuse(call, request->err);
		return;
	}
	polls_heard(call->api, request);
	const struct op *refused = call_refused_op(call);
	if (refused) {
		call_refuse_op(call, refused);
		return;
	}
	claims_shelve(call);
	if (call_claims(call))
		claims_replied(call);
	else
		call_encode(call);
}

struct call *errand_new(struct api *api, enum op_kind kind, uint32_t count)
{
	struct call *call = call_take(api, NULL);
	while (call && call->request.op_count < count) {
		if (!call_op(call, kind)) {
			call_give(call);
			return NULL;
		}
	}
	return call;
}

void errand_done(struct call *call)
{
	call_give(call);
}

/* ---- problems ---- */

void problem_nest(struct problem *problem, const char *list, uint32_t index)
{
	char field[sizeof(problem->field) + 32];
	snprintf(field, sizeof(field), "%s[%u]%s%s", list ? list : "", index, problem->field[0] && problem->field[0] != '[' ? "." : "", problem->field);
	struct str cut = str_cut(str_of(field), sizeof(problem->field) - 1);
	memcpy(problem->field, cut.ptr, cut.len);
	problem->field[cut.len] = '\0';
}

void problem_write(struct buf *out, enum err err, const struct problem *problem)
{
	bool told = problem && problem->err == err;
	buf_add_lit(out, "{\"type\":\"urn:ruche:problem:");
	buf_add(out, str_of(err_code(err)));
	buf_add_lit(out, "\",\"title\":");
	json_put_str(out, str_of(err_sentence(err)));
	json_put_field_i64(out, "status", err_http_status(err));
	json_put_field_str(out, "code", str_of(err_code(err)));
	json_put_field_str(out, "detail", told && problem->detail[0] ? str_of(problem->detail) : str_of(err_sentence(err)));
	if (told && problem->field[0])
		json_put_field_str(out, "field", str_of(problem->field));
	buf_add_byte(out, '}');
}

static struct str call_refusal_headers(const struct call *call, enum err err, char *out, size_t bytes)
{
	out[0] = '\0';
	if (err == E_UNAUTHORIZED)
		snprintf(out, bytes, "WWW-Authenticate: Bearer realm=\"ruche\"\r\n");
	else if (call->challenge)
		snprintf(out, bytes, "WWW-Authenticate: %s\r\n", call->challenge);
	else if (err == E_METHOD)
		snprintf(out, bytes, "Allow: %s\r\n", call->allow);
	else if (err_may_retry(err))
		snprintf(out, bytes, "Retry-After: %lld\r\n", (long long)(call->retry_after_s ? call->retry_after_s : 1));
	return str_of(out);
}

void call_refuse(struct call *call, enum err err)
{
	char headers[128];
	struct buf *out = &call->api->scratch;
	call->api->refused_tokens += err == E_UNAUTHORIZED;
	buf_clear(out);
	problem_write(out, err, &call->problem);
	struct str type = STR("application/problem+json");
	if (!buf_ok(out)) { /* no memory for words: the status says it alone */
		buf_fini(out);
		type = STR("");
	}
	call_respond(call, err_http_status(err), type, call_refusal_headers(call, err, headers, sizeof(headers)), out);
}

void call_fail(struct call *call, enum err err, const char *field, const char *detail_format, ...)
{
	char detail[sizeof(call->problem.detail) * 2];
	va_list args;
	va_start(args, detail_format);
	vsnprintf(detail, sizeof(detail), detail_format, args);
	va_end(args);
	problem_set(&call->problem, err, field, "%s", detail);
	call_refuse(call, err);
}

/* ---- answering ---- */

/* The call is still to be given back. False: the client will not hear it. */
static bool call_send(struct call *call, int status, struct str content_type, struct str extra_headers, struct buf *body)
{
	struct api *api = call->api;
	if (!buf_ok(body))
		status = 503; /* as the server will answer */
	if (status >= 100 && status < 600)
		api->answers[status / 100]++;
	if (body->len <= ANSWER_COPY_MAX && buf_ok(body))
		return http_respond_str(call->exchange, status, content_type, extra_headers, buf_str(body));
	bool sent = http_respond(call->exchange, status, content_type, extra_headers, body);
	buf_fini(body);
	return sent;
}

void call_respond(struct call *call, int status, struct str content_type, struct str extra_headers, struct buf *body)
{
	call_send(call, status, content_type, extra_headers, body);
	call_give(call);
}

void call_respond_empty(struct call *call, int status)
{
	buf_clear(&call->api->scratch);
	call_respond(call, status, STR(""), STR(""), &call->api->scratch);
}

void call_encode(struct call *call)
{
	struct buf *out = &call->api->scratch;
	struct str headers = call->request.replayed ? STR("Idempotent-Replayed: true\r\n") : STR("");
	buf_clear(out);
	if (call->route->encode)
		call->route->encode(call, out);
	if (!buf_ok(out)) {
		buf_fini(out);
		claims_abandon(call);
		call_fail(call, E_NOMEM, "", "The answer needs more memory than there is; ask for less at once.");
		return;
	}
	int status = call->route->status;
	if ((status == 201 || status == 202) && (!call->single || call->request.ops[0].result.duplicate))
		status = 200; /* nothing new, or several things */
	if (!call_send(call, status, status == 204 ? STR("") : STR("application/json"), headers, out))
		claims_abandon(call);
	call_give(call);
}

/* The usual end of a question: its problem, or the route's encoder. */
void call_answered(struct call *call)
{
	if (call->question.err == E_INVALID && call->question.query.cursor.len)
		call_fail(call, E_INVALID, "cursor", "This is not a cursor of this list; take next_cursor as it came, with the same filters.");
	else if (call->question.err)
		call_refuse(call, call->question.err);
	else
		call_encode(call);
}

void call_put_next_cursor(struct call *call, struct buf *out)
{
	struct str cursor = call->question.answer.next_cursor;
	if (cursor.len)
		json_put_field_str(out, "next_cursor", cursor);
	else
		json_put_field_null(out, "next_cursor");
	buf_add_byte(out, '}');
}
