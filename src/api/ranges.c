/* src/api/ranges.c: GET /v1/queues/{queue}/range: a stretch of a queue's jobs in one state, by their places in the order in which they go. */
#include "api/body.h"
#include "api/routes.h"
#include "api/view.h"

#define RANGE_LAST_DEFAULT 99

const char *const range_words[] = { "waiting", "prioritised", "delayed", "active", "waiting_children", "parked", "completed", "failed", "cancelled",
	                            "expired", NULL };
_Static_assert(ARRAY_COUNT(range_words) == RANGE_ORDER_COUNT + 1, "in the order of enum range_order");
const char *const range_what_words[] = { "ids", "jobs", "none", NULL };
const char *const part_words[] = { "payload", "result", "progress", "errors", "parents", NULL };

void query_set_parts(struct query *query, uint32_t bits)
{
	query->with_payload = bits & 1u << PART_PAYLOAD;
	query->with_result = bits & 1u << PART_RESULT;
	query->with_history = bits & 1u << PART_ERRORS;
	query->with_parents = bits & 1u << PART_PARENTS;
}

struct view_parts query_parts(const struct query *query)
{
	return (struct view_parts){ query->with_payload, query->with_result, query->with_history, query->with_parents };
}

void ranges_get(struct call *call)
{
	static const enum range_what whats[] = { RANGE_IDS, RANGE_JOBS, RANGE_NONE };
	struct query *query = &call->question.query;
	struct queue_name queue = body_queue(call);
	const struct param_value *to = call_param(call, "to");
	query->kind = QUERY_RANGE;
	query->namespace_name = queue.namespace_name;
	query->queue = queue.name;
	query->range = (struct range){
		.order = (enum range_order)call_param(call, "state")->number, .what = whats[call_param(call, "what")->number],
		.from = call_param(call, "from")->number, .to = to->number, .descending = call_param(call, "order")->number == 1,
		.before_us = call_param(call, "before")->number,
	};
	if (!to->given)
		query->range.to = query->range.from < 0 ? -1 : query->range.from + RANGE_LAST_DEFAULT;
	query_set_parts(query, (uint32_t)call_param(call, "parts")->number);
	if (!call_param(call, "state")->given)
		call_fail(call, E_INVALID, "state", "Say which state: waiting, prioritised, delayed, active, completed, failed, …");
	else if (!access_list(call, queue))
		call_refuse(call, call->problem.err);
	else
		jobs_ask_behind(call);
}

static void name_write(struct buf *out, const struct job_view *view)
{
	char uid[UID_TEXT_BYTES];
	uid_text(view->row.uid, uid);
	struct str text = { uid, UID_TEXT_BYTES - 1 };
	buf_add_byte(out, '{');
	json_put_field_str(out, "uid", text);
	json_put_field_str(out, "id", view->definition.id.len ? view->definition.id : text);
	buf_add_byte(out, '}');
}

void ranges_encode(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	const struct query *query = &call->question.query;
	buf_add_byte(out, '{');
	json_put_field_u64(out, "total", answer->count);
	if (query->range.what != RANGE_NONE) {
		json_put_key(out, query->range.what == RANGE_IDS ? "ids" : "jobs");
		buf_add_byte(out, '[');
		for (uint32_t i = 0; i < answer->job_count; i++) {
			json_put_comma(out);
			if (query->range.what == RANGE_IDS)
				name_write(out, &answer->jobs[i]);
			else
				job_view_write(out, &answer->jobs[i], query_parts(query));
		}
		buf_add_byte(out, ']');
	}
	buf_add_byte(out, '}');
}
