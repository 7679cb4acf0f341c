#include "daemon/bulk.h"
#include "api/op_codec.h"
#include "api/filter.h"
#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "rules/replay.h"
#include "store/filter.h"

#define BULK_ARENA_MAX (1024 * 1024)

enum bulk_state { BULK_IDLE, BULK_LEARN, BULK_FETCH, BULK_PAGE, BULK_SLICE, BULK_REST };

struct bulk {
	struct bulk_ports ports;
	enum bulk_state state;
	bool quiesced, learnt;
	struct str learn_cursor; /* in learn_arena */
	struct arena learn_arena;
	uint64_t *numbers; /* operations that want work, oldest first */
	uint32_t count, capacity;
	uint64_t current;  /* being worked on; 0: none */
	struct operation_row row; /* of current; its texts in row_arena */
	struct arena row_arena;
	struct op_job template;
	enum op_kind action;
	struct job_filter filter; /* of a replay only its endpoint's name, and its namespace */
	struct replay replay;    /* action RESEND */
	struct question question;
	struct request request;
	struct op op;
};

static void bulk_step(struct bulk *bulk);

struct bulk *bulk_new(const struct bulk_ports *ports)
{
	struct bulk *bulk = mem_zalloc(sizeof(*bulk));
	if (bulk)
		bulk->ports = *ports;
	return bulk;
}

void bulk_free(struct bulk *bulk)
{
	if (!bulk)
		return;
	CHECK(bulk_is_idle(bulk));
	arena_fini(&bulk->learn_arena);
	arena_fini(&bulk->row_arena);
	arena_fini(&bulk->question.arena);
	arena_fini(&bulk->request.arena);
	mem_free(bulk->numbers);
	mem_free(bulk);
}

bool bulk_is_idle(const struct bulk *bulk)
{
	return bulk->state == BULK_IDLE || bulk->state == BULK_REST;
}

/* ---- the list ---- */

static bool bulk_add(struct bulk *bulk, uint64_t number) /* false: no memory */
{
	uint32_t at = 0;
	while (at < bulk->count && bulk->numbers[at] < number)
		at++;
	if (at < bulk->count && bulk->numbers[at] == number)
		return true;
	if (bulk->count == bulk->capacity) {
		uint32_t capacity = bulk->capacity ? bulk->capacity * 2 : 16;
		uint64_t *numbers = mem_realloc(bulk->numbers, capacity * sizeof(*numbers));
		if (!numbers)
			return false;
		bulk->numbers = numbers;
		bulk->capacity = capacity;
	}
	memmove(bulk->numbers + at + 1, bulk->numbers + at, (bulk->count - at) * sizeof(*bulk->numbers));
	bulk->numbers[at] = number;
	bulk->count++;
	return true;
}

static void bulk_remove(struct bulk *bulk, uint64_t number)
{
	for (uint32_t at = 0; at < bulk->count; at++) {
		if (bulk->numbers[at] == number) {
			memmove(bulk->numbers + at, bulk->numbers + at + 1, (bulk->count - at - 1) * sizeof(*bulk->numbers));
			bulk->count--;
			break;
		}
	}
	if (bulk->current == number)
		bulk->current = 0;
}

/* ---- asking ---- */

static void bulk_ask(struct bulk *bulk, enum bulk_state state, const struct query *query)
{
	bulk->state = state;
	bulk->question.query = *query;
	bulk->question.answer = (struct answer){ 0 };
	bulk->question.err = E_OK;
	bulk->ports.ask(bulk->ports.context, &bulk->question);
}

static void bulk_rest(struct bulk *bulk)
{
	bulk->state = BULK_REST;
}

static void bulk_learn(struct bulk *bulk) /* the next page of all operations, newest first */
{
	arena_reset(&bulk->question.arena);
	bulk_ask(bulk, BULK_LEARN, &(struct query){ .kind = QUERY_OPERATIONS, .limit = LIMIT_PAGE, .cursor = bulk->learn_cursor });
}

static void bulk_fetch(struct bulk *bulk)
{
	bulk->current = bulk->numbers[0];
	arena_reset(&bulk->question.arena);
	struct str cursor = number_cursor_text(&bulk->question.arena, bulk->current + 1); /* the newest one below it */
	if (cursor.ptr)
		bulk_ask(bulk, BULK_FETCH, &(struct query){ .kind = QUERY_OPERATIONS, .limit = 1, .cursor = cursor });
	else
		bulk_rest(bulk);
}

static void bulk_page(struct bulk *bulk)
{
	struct query query = { .kind = QUERY_MATCHES, .limit = LIMIT_SLICE_JOBS, .cursor_uid = bulk->row.cursor_uid, .cursor_phase = bulk->row.cursor_phase };
	arena_reset(&bulk->question.arena);
	if (bulk->action == OP_RESEND) {
		query.kind = QUERY_REPLAY;
		query.namespace_name = bulk->filter.namespace_name;
		query.id = bulk->filter.endpoint;
		query.replay = &bulk->replay;
		query.as_of = bulk->row.as_of;
	} else {
		query.filter = bulk->filter;
	}
	bulk_ask(bulk, BULK_PAGE, &query);
}

/* The page that was read becomes one request; its arrays live in the question's arena until it is back. */
static void bulk_slice(struct bulk *bulk, const struct answer *page)
{
	uint64_t *uids = ARENA_ARRAY(&bulk->question.arena, uint64_t, page->match_count + 1);
	uint64_t *versions = ARENA_ARRAY(&bulk->question.arena, uint64_t, page->match_count + 1);
	if (!uids || !versions) {
		bulk_rest(bulk);
		return;
	}
	for (uint32_t i = 0; i < page->match_count; i++) {
		uids[i] = page->matches[i].uid;
		versions[i] = page->matches[i].version;
	}
	arena_fini(&bulk->request.arena);
	bulk->op = (struct op){ .kind = OP_SLICE,
				.operation = { .number = bulk->current, .action = bulk->action, .template = bulk->template,
					       .replay = bulk->action == OP_RESEND ? &bulk->replay : NULL, .uids = uids,
					       .versions = versions, .count = page->match_count, .next_uid = page->next_uid,
					       .next_phase = page->next_phase, .last = page->match_count == 0 && page->next_phase >= 2 } };
	bulk->request = (struct request){ .ops = &bulk->op, .op_count = 1, .dice = bulk->current };
	bulk->state = BULK_SLICE;
	bulk->ports.submit(bulk->ports.context, &bulk->request);
}

/* ---- hearing ---- */

static void bulk_learnt(struct bulk *bulk)
{
	const struct answer *answer = &bulk->question.answer;
	bool kept = true;
	for (uint32_t i = 0; i < answer->operation_count; i++) {
		if (answer->operations[i].state == OPERATION_RUNNING)
			kept = bulk_add(bulk, answer->operations[i].number) && kept;
	}
	arena_reset(&bulk->learn_arena);
	bulk->learn_cursor = arena_str(&bulk->learn_arena, answer->next_cursor);
	if (!kept || !bulk->learn_cursor.ptr) {
		bulk->learn_cursor = STR("");
		bulk_rest(bulk); /* once more from the start */
		return;
	}
	bulk->learnt = answer->next_cursor.len == 0;
	bulk_step(bulk);
}

/* A row that this version cannot read (a filter of another one) would be tried for ever: it is ended, with what it did so far. */
static void bulk_give_up(struct bulk *bulk)
{
	const struct answer nothing = { .next_uid = bulk->row.cursor_uid, .next_phase = 2 };
	bulk_slice(bulk, &nothing);
}

static bool bulk_decode_arguments(struct bulk *bulk)
{
	struct problem problem;
	struct json json;
	if (bulk->action != OP_RESEND)
		return op_read_arguments(bulk->action, bulk->row.arguments, &bulk->row_arena, &bulk->template, &problem) == E_OK;
	json_init(&json, bulk->row.arguments, &bulk->row_arena, &problem);
	return replay_read(&json, true, &bulk->replay) && json_finish(&json);
}

static bool bulk_decode(struct bulk *bulk)
{
	struct problem problem;
	struct json json;
	bulk->template = (struct op_job){ 0 };
	bulk->filter = (struct job_filter){ 0 };
	json_init(&json, bulk->row.filter, &bulk->row_arena, &problem);
	return operation_action_parse(bulk->row.action, &bulk->action) == E_OK && bulk_decode_arguments(bulk) && filter_read(&json, &bulk->filter) &&
	       json_finish(&json);
}

/* The endpoint of a replay was deleted, or nobody knows any more what it wants: there is nobody to send anything to. */
static bool bulk_is_pointless(const struct bulk *bulk, enum bulk_state state)
{
	enum err err = bulk->question.err;
	return state == BULK_PAGE && bulk->action == OP_RESEND && bulk->current && (err == E_ENDPOINT_NOT_FOUND || err == E_INVALID);
}

static void bulk_fetched(struct bulk *bulk)
{
	const struct answer *answer = &bulk->question.answer;
	const struct operation_row *row = answer->operation_count ? &answer->operations[0] : NULL;
	if (!row || row->number != bulk->current || row->state != OPERATION_RUNNING) {
		bulk_remove(bulk, bulk->current);
		bulk_step(bulk);
		return;
	}
	arena_reset(&bulk->row_arena);
	bulk->row = *row;
	bulk->row.action = arena_str(&bulk->row_arena, row->action);
	bulk->row.arguments = arena_str(&bulk->row_arena, row->arguments);
	bulk->row.filter = arena_str(&bulk->row_arena, row->filter);
	if (!bulk->row.action.ptr || !bulk->row.arguments.ptr || !bulk->row.filter.ptr)
		bulk_rest(bulk);
	else if (!bulk_decode(bulk))
		bulk_give_up(bulk);
	else
		bulk_page(bulk);
}

bool bulk_asked(const struct bulk *bulk, const struct question *question)
{
	return question == &bulk->question;
}

void bulk_answer(struct bulk *bulk, struct question *question)
{
	CHECK(question == &bulk->question);
	enum bulk_state state = bulk->state;
	bulk->state = BULK_IDLE;
	if (bulk->quiesced)
		return;
	if (bulk_is_pointless(bulk, state))
		bulk_give_up(bulk);
	else if (question->err)
		bulk_rest(bulk);
	else if (state == BULK_LEARN)
		bulk_learnt(bulk);
	else if (bulk->current == 0) /* stopped meanwhile */
		bulk_step(bulk);
	else if (state == BULK_FETCH)
		bulk_fetched(bulk);
	else
		bulk_slice(bulk, &question->answer);
}

void bulk_reply(struct bulk *bulk, struct request *request)
{
	CHECK(request == &bulk->request);
	enum err err = request->err ? request->err : bulk->op.result.err;
	const struct operation_row *row = bulk->op.result.operation;
	bulk->state = BULK_IDLE;
	if (bulk->quiesced)
		return;
	if (err == E_STATE || err == E_NOT_FOUND || (!err && row->state != OPERATION_RUNNING)) {
		if (bulk->current)
			bulk_remove(bulk, bulk->current);
		bulk_step(bulk);
	} else if (err) {
		bulk_rest(bulk);
	} else if (bulk->current == 0) {
		bulk_step(bulk);
	} else {
		bulk->row.cursor_uid = row->cursor_uid;
		bulk->row.cursor_phase = row->cursor_phase;
		bulk_page(bulk);
	}
}

/* ---- going on ---- */

static void bulk_step(struct bulk *bulk)
{
	bulk->state = BULK_IDLE;
	if (bulk->quiesced)
		return;
	if (!bulk->learnt)
		bulk_learn(bulk);
	else if (bulk->count)
		bulk_fetch(bulk);
}

void bulk_begin(struct bulk *bulk)
{
	bulk_step(bulk);
}

void bulk_effect(struct bulk *bulk, uint64_t number, enum operation_state state)
{
	if (bulk->quiesced)
		return;
	if (state != OPERATION_RUNNING)
		bulk_remove(bulk, number);
	else if (!bulk_add(bulk, number))
		bulk->learnt = false; /* looked for anew at the next tick */
	if (bulk->state == BULK_IDLE)
		bulk_step(bulk);
}

void bulk_tick(struct bulk *bulk)
{
	if (bulk_is_idle(bulk))
		bulk_step(bulk);
}

void bulk_quiesce(struct bulk *bulk)
{
	bulk->quiesced = true;
}
