/* fuzz/api_fuzz.c: any body through the decoder of any route: the first byte names the route, the rest is the body.
 *
 * What is accepted is valid JSON, holds at least one operation, and every text in it is UTF-8 and every verbatim part valid JSON. What
 * is refused says why. */
#include "fuzz.h"
#include "api/call.h"
#include "base/json.h"

static void fuzz_is_text(struct str text)
{
	CHECK(str_is_utf8(text));
	CHECK(text.len == 0 || !memchr(text.ptr, 0, text.len));
}

static void fuzz_is_json(struct str text) /* or nothing */
{
	struct problem problem;
	if (text.len)
		CHECK(json_check(text, &problem) == E_OK);
}

static void fuzz_past(const struct op_past *past)
{
	uint32_t errors = 0;
	fuzz_is_text(past->worker);
	fuzz_is_json(past->progress);
	fuzz_is_json(past->result);
	for (const struct op_past_text *error = past->errors; error; error = error->next, errors++)
		fuzz_is_json(error->text);
	CHECK(errors == past->error_count && (errors == 0) == (past->last_error == NULL));
	for (const struct op_past_text *line = past->lines; line; line = line->next)
		fuzz_is_text(line->text);
	for (const struct op_past_child *child = past->children; child; child = child->next) {
		CHECK(child->queue.name.len > 0 && child->state != EDGE_PENDING);
		fuzz_is_text(child->id);
		fuzz_is_json(child->value);
	}
}

static void fuzz_enqueue(const struct op_enqueue *op)
{
	CHECK(op->queue.name.len > 0);
	fuzz_is_text(op->queue.name);
	fuzz_is_text(op->queue.namespace_name);
	fuzz_is_text(op->id);
	fuzz_is_text(op->name);
	fuzz_is_text(op->group);
	fuzz_is_json(op->tags);
	fuzz_is_json(op->trace);
	fuzz_is_json(op->target);
	fuzz_is_json(op->payload);
	CHECK(op->priority >= 0);
	CHECK(op->delay_ms >= 0);
	CHECK(!op->run_at_us || !op->delay_ms);
	if (op->past)
		fuzz_past(op->past);
}

static void fuzz_claim(const struct op_claim *op)
{
	CHECK(op->queue_count > 0);
	for (uint32_t i = 0; i < op->queue_count; i++) {
		CHECK(op->queues[i].queue.name.len > 0);
		CHECK((op->queues[i].weight > 0) == (op->queues[0].weight > 0));
		fuzz_is_text(op->queues[i].queue.name);
	}
	fuzz_is_text(op->worker);
	fuzz_is_text(op->token);
	CHECK(!str_eq(op->token, DELIVERY_TOKEN));
}

static void fuzz_lease(enum op_kind kind, const struct op_lease *op)
{
	CHECK(op->uid || (op->queue.name.len && op->id.len));
	CHECK(op->token.len > 0);
	CHECK(!str_eq(op->token, DELIVERY_TOKEN));
	fuzz_is_text(op->token);
	if (kind == OP_LOG)
		fuzz_is_text(op->body);
	else
		fuzz_is_json(op->body);
	fuzz_is_json(op->error);
	CHECK(op->error.len <= 16384);
	CHECK(op->delay_ms >= 0);
}

static void fuzz_op(const struct op *op)
{
	CHECK(op->kind < OP_KIND_COUNT);
	switch (op->kind) {
	case OP_ENQUEUE: fuzz_enqueue(&op->enqueue); return;
	case OP_CLAIM: fuzz_claim(&op->claim); return;
	case OP_HEARTBEAT: case OP_COMPLETE: case OP_FAIL: case OP_RELEASE: case OP_SNOOZE: case OP_PROGRESS: case OP_LOG:
		fuzz_lease(op->kind, &op->lease);
		return;
	case OP_CANCEL: case OP_RETRY: case OP_PROMOTE: case OP_REPRIORITISE: case OP_MOVE: case OP_DELETE: case OP_EXPLAIN:
		CHECK(op->job.uid || (op->job.queue.name.len && op->job.id.len));
		fuzz_is_text(op->job.reason);
		fuzz_is_json(op->job.payload);
		return;
	case OP_OPERATION_START:
		CHECK(operation_action_name(op->operation.action) != NULL);
		fuzz_is_json(op->operation.filter);
		fuzz_is_json(op->operation.arguments);
		CHECK(op->operation.filter.len > 0);
		return;
	default:
		fuzz_is_json(op->queue.settings);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	const struct route *route = &routes[data[0] % route_count];
	if (!route->decode || !(route->flags & (ROUTE_BODY | ROUTE_MAY_BODY)))
		return 0;
	struct call call = { .route = route, .single = !route->list, .pieces = { STR("0amfs2br80000"), STR("g") } };
	buf_init(&call.request.body, SIZE_MAX);
	buf_add(&call.request.body, fuzz_str(data + 1, size - 1));
	if (route->decode(&call)) {
		for (uint32_t i = 0; i < call.request.op_count; i++)
			fuzz_op(&call.request.ops[i]);
		fuzz_is_json(buf_str(&call.request.body));
	} else {
		CHECK(call.problem.err != E_OK);
		CHECK(call.problem.err != E_NOMEM);
		CHECK(call.problem.detail[0] != '\0');
		CHECK(str_is_utf8(str_of(call.problem.field)));
	}
	buf_fini(&call.request.body);
	arena_fini(&call.request.arena);
	return 0;
}
