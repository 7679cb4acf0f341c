#include "deliver/outbox.h"
#include "base/check.h"
#include "base/mem.h"

#define OUTBOX_SPARE 8 /* requests that rest for the next verdicts */

static void request_free(struct request *request)
{
	arena_fini(&request->arena);
	buf_fini(&request->body);
	mem_free(request);
}

static void request_free_list(struct request *request)
{
	for (struct request *next; request; request = next) {
		next = request->link;
		request_free(request);
	}
}

void outbox_init(struct outbox *outbox, const struct deliver_ports *ports, void *owner)
{
	*outbox = (struct outbox){ .ports = ports, .owner = owner, .again_us = INT64_MAX };
	outbox->refused_last = &outbox->refused;
	buf_init(&outbox->scratch, OUTBOX_SCRATCH_BYTES);
}

void outbox_fini(struct outbox *outbox)
{
	CHECK(outbox->outstanding == 0);
	outbox_give_up(outbox);
	request_free_list(outbox->spare);
	if (outbox->open)
		request_free(outbox->open);
	buf_fini(&outbox->scratch);
}

static struct request *outbox_request(struct outbox *outbox)
{
	struct request *request = outbox->spare;
	if (!request)
		return mem_zalloc(sizeof(*request));
	outbox->spare = request->link;
	outbox->spare_count--;
	struct arena arena = request->arena;
	arena_reset(&arena);
	*request = (struct request){ .arena = arena };
	return request;
}

static void outbox_keep(struct outbox *outbox, struct request *request)
{
	if (outbox->spare_count == OUTBOX_SPARE) {
		request_free(request);
		return;
	}
	request->link = outbox->spare;
	outbox->spare = request;
	outbox->spare_count++;
}

static void outbox_submit(struct outbox *outbox, struct request *request)
{
	outbox->outstanding++;
	outbox->ports->submit(outbox->ports->context, request);
}

void outbox_flush(struct outbox *outbox)
{
	struct request *request = outbox->open;
	outbox->open = NULL;
	if (!request)
		return;
	if (request->op_count)
		outbox_submit(outbox, request);
	else
		outbox_keep(outbox, request);
}

static bool outbox_open(struct outbox *outbox, uint32_t capacity)
{
	struct request *request = outbox_request(outbox);
	if (!request)
		return false;
	outbox->open_capacity = capacity;
	request->ops = ARENA_ARRAY(&request->arena, struct op, outbox->open_capacity);
	if (!request->ops) {
		request_free(request);
		return false;
	}
	request->number = ++outbox->next_number;
	request->dice = outbox->ports->random(outbox->ports->context);
	request->owner = outbox->owner;
	outbox->open = request;
	return true;
}

struct op *outbox_op(struct outbox *outbox, uint32_t expected)
{
	if (outbox->open && outbox->open->op_count == outbox->open_capacity)
		outbox_flush(outbox);
	if (!outbox->open && !outbox_open(outbox, expected < OUTBOX_OPS ? expected + 1 : OUTBOX_OPS))
		return NULL;
	return &outbox->open->ops[outbox->open->op_count];
}

struct op *outbox_ops(struct outbox *outbox, uint32_t count)
{
	outbox_flush(outbox);
	return outbox_open(outbox, count) ? outbox->open->ops : NULL;
}

void outbox_add_all(struct outbox *outbox, uint32_t count)
{
	outbox->open->op_count = count;
	outbox_flush(outbox);
}

void outbox_add(struct outbox *outbox)
{
	outbox->open->op_count++;
}

struct arena *outbox_arena(struct outbox *outbox)
{
	return &outbox->open->arena;
}

/* ---- what comes back ---- */

static bool request_should_go_again(const struct request *request)
{
	if (err_may_retry(request->err))
		return true;
	for (uint32_t i = 0; !request->err && i < request->op_count; i++)
		if (err_may_retry(request->ops[i].result.err))
			return true;
	return false;
}

static void request_forget_answer(struct request *request)
{
	for (uint32_t i = 0; i < request->op_count; i++)
		request->ops[i].result = (struct op_result){ 0 };
	request->err = E_OK;
	request->replayed = false;
	request->commit_seq = 0;
	request->state = NULL;
	request->link = NULL;
}

void outbox_take(struct outbox *outbox, struct request *request, int64_t now_us)
{
	outbox->outstanding--;
	if (!request_should_go_again(request)) {
		outbox_keep(outbox, request);
		return;
	}
	request_forget_answer(request);
	*outbox->refused_last = request;
	outbox->refused_last = (struct request **)&request->link;
	if (outbox->again_us == INT64_MAX)
		outbox->again_us = now_us + OUTBOX_AGAIN_US;
}

void outbox_again(struct outbox *outbox, int64_t now_us)
{
	if (now_us < outbox->again_us)
		return;
	struct request *request = outbox->refused;
	outbox->refused = NULL;
	outbox->refused_last = &outbox->refused;
	outbox->again_us = INT64_MAX;
	for (struct request *next; request; request = next) {
		next = request->link;
		outbox_submit(outbox, request);
	}
}

void outbox_give_up(struct outbox *outbox)
{
	request_free_list(outbox->refused);
	outbox->refused = NULL;
	outbox->refused_last = &outbox->refused;
	outbox->again_us = INT64_MAX;
}
