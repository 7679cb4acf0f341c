/* src/api/jobs.c: /v1/jobs: enqueue, list, look, and change one by hand. */
#include "api/body.h"
#include "api/filter.h"
#include "api/routes.h"
#include "api/view.h"
#include "base/limits.h"
#include <stdio.h>

#define TRACEPARENT_BYTES 55 /* 00-<32>-<16>-<2>: W3C trace context */
#define COUNT_MAX         1000000

/* ---- enqueue ---- */

static bool read_jobs(struct json *json, void *out, void *context)
{
	(void)out;
	return body_read_list(json, context, OP_ENQUEUE);
}

static const struct json_field bulk_fields[] = {
	{ "jobs", JSON_F_CUSTOM, 0, 0, 0, JSON_F_REQUIRED, read_jobs, NULL },
	{ "atomic", JSON_F_BOOL, offsetof(struct request, atomic), .doc = NULL },
};

static bool trace_is_fine(struct str parent, struct str state)
{
	bool fine = parent.len == TRACEPARENT_BYTES && state.len <= LIMIT_TRACE_BYTES / 2;
	for (size_t i = 0; fine && i < parent.len; i++) {
		char c = parent.ptr[i];
		bool dash = i == 2 || i == 35 || i == 52;
		fine = dash ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
	}
	return fine;
}

/* Jobs that bring no trace context of their own take the request's. A malformed header is ignored, as the standard asks. */
void jobs_adopt_trace(struct call *call)
{
	struct str parent = http_header(call->exchange, STR("traceparent")), state = http_header(call->exchange, STR("tracestate"));
	struct buf text;
	if (!parent.len || !trace_is_fine(parent, state))
		return;
	buf_init(&text, 2 * LIMIT_TRACE_BYTES);
	buf_add_byte(&text, '{');
	json_put_field_str(&text, "traceparent", parent);
	if (state.len)
		json_put_field_str(&text, "tracestate", state);
	buf_add_byte(&text, '}');
	struct str trace = buf_ok(&text) && text.len <= LIMIT_TRACE_BYTES ? arena_str(&call->request.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	for (uint32_t i = 0; i < call->request.op_count; i++) {
		struct op *op = &call->request.ops[i];
		if (op->kind == OP_ENQUEUE && !op->enqueue.trace.len)
			op->enqueue.trace = trace;
	}
}

bool jobs_decode_delete(struct call *call)
{
	if (!decode_path(call))
		return false;
	call->request.ops[0].job.force = call_param(call, "force")->number;
	call->request.ops[0].job.tree = call_param(call, "children")->number == 1;
	return true;
}

bool jobs_decode(struct call *call)
{
	struct json json;
	call->single = !body_is_list(call, STR("jobs"));
	if (call->single)
		return decode_alone(call);
	body_json(call, &json);
	return json_read_fields(&json, bulk_fields, ARRAY_COUNT(bulk_fields), &call->request, call, NULL) && json_finish(&json);
}

void jobs_enqueue(struct call *call)
{
	jobs_adopt_trace(call);
	call_run(call);
}

void jobs_encode_enqueued(struct call *call, struct buf *out)
{
	if (call->single)
		encode_alone(call, out);
	else
		encode_results(call, out);
}

/* ---- lists ---- */

static bool jobs_filter(struct call *call)
{
	struct job_filter *filter = &call->question.query.filter;
	return filter_from_params(call, filter) && access_list(call, (struct queue_name){ filter->namespace_name, filter->queue });
}

static void jobs_write_list(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	buf_add_lit(out, "{\"jobs\":[");
	for (uint32_t i = 0; i < answer->job_count; i++) {
		json_put_comma(out);
		job_view_write(out, &answer->jobs[i], (struct view_parts){ 0 });
	}
	buf_add_byte(out, ']');
	call_put_next_cursor(call, out);
}

static void jobs_write_count(struct call *call, struct buf *out)
{
	const struct query *query = &call->question.query;
	buf_add_byte(out, '{');
	json_put_field_u64(out, "count", call->totals ? stats_jobs(call, query->filter.states) : call->question.answer.count);
	json_put_field_bool(out, "at_least", call->question.answer.count_is_least);
	buf_add_byte(out, '}');
}

void jobs_list(struct call *call)
{
	struct query *query = &call->question.query;
	query->oldest_first = call_param(call, "order")->number == 1;
	query->cursor = call_param(call, "cursor")->text;
	query->limit = call_param(call, "limit")->given ? (uint32_t)call_param(call, "limit")->number : 100;
	query->kind = QUERY_JOBS;
	if (!jobs_filter(call))
		call_refuse(call, call->problem.err);
	else
		call_ask(call, call_answered);
}

/* Whether the engine has counted them already: nothing but the queue, the namespace and the states say which. */
static bool jobs_are_counted(const struct job_filter *filter)
{
	return !filter->name.len && !filter->id.len && !filter->group.len && !filter->tag.len && !filter->error.len && !filter->created_after_us &&
	       !filter->created_before_us && !filter->finished_after_us && !filter->finished_before_us && !filter->outcomes && !filter->message &&
	       !filter->entity.len && !filter->endpoint.len && !filter->deliveries;
}

void jobs_count(struct call *call)
{
	struct query *query = &call->question.query;
	const struct job_filter *filter = &query->filter;
	query->kind = QUERY_COUNT;
	query->count_max = call_param(call, "max")->given ? (uint64_t)call_param(call, "max")->number : COUNT_MAX;
	if (!jobs_filter(call))
		call_refuse(call, call->problem.err);
	else if (jobs_are_counted(filter))
		stats_ask(call, (struct queue_name){ namespace_of(filter->namespace_name), filter->queue });
	else
		call_ask(call, call_answered);
}

void jobs_encode_list(struct call *call, struct buf *out)
{
	jobs_write_list(call, out);
}

void jobs_encode_count(struct call *call, struct buf *out)
{
	jobs_write_count(call, out);
}

/* ---- one job: a barrier or a wait through the engine's order, then the readers ---- */

static void jobs_ask_one(struct call *call)
{
	const struct request *request = &call->request;
	if (request->err == E_CANCELLED && call->api->quiescing) {
		call_fail(call, E_UNAVAILABLE, "", "The daemon is stopping; ask again shortly.");
		return;
	}
	enum err err = request->err ? request->err : request->ops[0].result.err;
	if (err && err != E_TIMEOUT) {
		if (!request->err && request->ops[0].result.problem)
			call->problem = *request->ops[0].result.problem;
		call_refuse(call, err);
		return;
	}
	call_ask(call, call_answered);
}

void jobs_ask_behind(struct call *call)
{
	if (call_op(call, OP_BARRIER))
		call_submit(call, jobs_ask_one);
	else
		call_refuse(call, call->problem.err);
}

static void jobs_pass(struct call *call)
{
	call->patient = call->request.ops[0].kind == OP_WAIT;
	call_submit(call, jobs_ask_one);
}

/* Whom the path names: {uid}, or {queue} and {id}. */
static bool jobs_name_one(struct call *call, struct op_job *job)
{
	struct query *query = &call->question.query;
	if (strncmp(call->route->pattern, "/v1/queues/", 11) != 0) {
		uint64_t *uid = ARENA_NEW(&call->request.arena, uint64_t);
		if (!uid) {
			problem_set(&call->problem, E_NOMEM, "", "There was no memory for it.");
			return false;
		}
		query->uids = uid;
		query->uid_count = 1;
		bool fine = body_uid(call, E_JOB_NOT_FOUND, uid);
		job->uid = *uid;
		return fine;
	}
	job->queue = body_queue(call);
	job->id = call->pieces[1];
	query->namespace_name = job->queue.namespace_name;
	query->queue = job->queue.name;
	query->id = job->id;
	return true;
}

/* A limited token resolves the job first, through the same question fields: so they are set once that is over. */
static void jobs_begin_one(struct call *call, enum query_kind kind, int64_t wait_ms)
{
	struct op *op = call_op(call, wait_ms ? OP_WAIT : OP_BARRIER);
	struct op_job who = { 0 };
	if (!op || !jobs_name_one(call, &who)) {
		call_refuse(call, call->problem.err);
		return;
	}
	if (op->kind == OP_WAIT) {
		op->job = who;
		op->job.wait_ms = call->api->quiescing ? 0 : wait_ms;
	}
	call->question.query.kind = kind;
	if (who.id.len && !token_allows(call->token, who.queue))
		call_fail(call, E_FORBIDDEN, "queue", "This token is limited to other queues.");
	else
		access_resolve_one(call, who.uid, jobs_pass);
}

void jobs_get(struct call *call)
{
	struct query *query = &call->question.query;
	bool wants = call_param(call, "wait_ms")->number > 0;
	query->with_parents = true;
	query->with_payload = call_param(call, "payload")->number;
	query->with_result = !call_param(call, "result")->given || call_param(call, "result")->number;
	jobs_begin_one(call, QUERY_JOB, wants ? call_param(call, "wait_ms")->number : 0);
}

void jobs_encode_one(struct call *call, struct buf *out)
{
	const struct query *query = &call->question.query;
	job_view_write(out, &call->question.answer.jobs[0], query_parts(query));
}

static void jobs_body_answered(struct call *call)
{
	struct buf *out = &call->api->scratch;
	const struct job_view *view = call->question.answer.jobs;
	bool result = call->question.query.with_result;
	if (call->question.err) {
		call_refuse(call, call->question.err);
		return;
	}
	if (result && !job_state_is_final(view->row.state)) {
		call_fail(call, E_STATE, "", "The job has no result yet: it is %s.", job_state_name(view->row.state));
		return;
	}
	buf_clear(out);
	if (result)
		buf_add(out, view->result.result.len ? view->result.result : STR("null"));
	else if (call_param(call, "original")->number)
		buf_add(out, job_first_payload(view));
	else
		buf_add(out, job_payload(view));
	if (buf_ok(out))
		call_respond(call, 200, STR("application/json"), STR(""), out);
	else
		call_refuse(call, E_NOMEM);
}

static void jobs_ask_body(struct call *call)
{
	const struct request *request = &call->request;
	enum err err = request->err ? request->err : request->ops[0].result.err;
	if (err)
		call_refuse(call, err);
	else
		call_ask(call, jobs_body_answered);
}

static void jobs_pass_body(struct call *call)
{
	call_submit(call, jobs_ask_body);
}

static void jobs_begin_body(struct call *call)
{
	struct op_job who = { 0 };
	call->question.query.kind = QUERY_JOB;
	if (!call_op(call, OP_BARRIER) || !jobs_name_one(call, &who))
		call_refuse(call, call->problem.err);
	else
		access_resolve_one(call, who.uid, jobs_pass_body);
}

void jobs_payload(struct call *call)
{
	call->question.query.with_payload = true;
	jobs_begin_body(call);
}

void jobs_result(struct call *call)
{
	call->question.query.with_result = true;
	jobs_begin_body(call);
}

/* ---- what happened to it ---- */

static void jobs_begin_page(struct call *call, enum query_kind kind)
{
	struct query *query = &call->question.query;
	query->cursor = call_param(call, "cursor")->text;
	query->limit = call_param(call, "limit")->given ? (uint32_t)call_param(call, "limit")->number : LIMIT_PAGE;
	jobs_begin_one(call, kind, 0);
}

void jobs_attempts(struct call *call)
{
	jobs_begin_page(call, QUERY_ATTEMPTS);
}

/* From a place on, or from a page's cursor on. */
void jobs_logs(struct call *call)
{
	struct query *query = &call->question.query;
	if (call_param(call, "from")->given && call_param(call, "cursor")->given) {
		call_fail(call, E_INVALID, "from", "Say either from or cursor, not both.");
		return;
	}
	query->skip = (uint64_t)call_param(call, "from")->number;
	query->newest_first = call_param(call, "order")->number == 1;
	jobs_begin_page(call, QUERY_LOGS);
}

void jobs_encode_attempts(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	buf_add_lit(out, "{\"attempts\":[");
	for (uint32_t i = 0; i < answer->attempt_count; i++) {
		json_put_comma(out);
		attempt_write(out, &answer->attempts[i]);
	}
	buf_add_byte(out, ']');
	call_put_next_cursor(call, out);
}

void jobs_encode_logs(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	buf_add_lit(out, "{\"logs\":[");
	for (uint32_t i = 0; i < answer->log_count; i++) {
		json_put_comma(out);
		log_line_write(out, &answer->logs[i]);
	}
	buf_add_byte(out, ']');
	json_put_field_u64(out, "count", answer->count);
	call_put_next_cursor(call, out);
}

void jobs_children(struct call *call)
{
	call->question.query.edge_states = (uint32_t)call_param(call, "state")->number;
	jobs_begin_page(call, QUERY_CHILDREN);
}

void jobs_encode_children(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	buf_add_lit(out, "{\"counts\":");
	child_counts_write(out, answer->edge_counts);
	buf_add_lit(out, ",\"children\":[");
	for (uint32_t i = 0; i < answer->child_count; i++) {
		json_put_comma(out);
		child_write(out, &answer->children[i]);
	}
	buf_add_byte(out, ']');
	call_put_next_cursor(call, out);
}
