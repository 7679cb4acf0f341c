#include "api/call.h"
#include "api/cursor.h"
#include "api/op_codec.h"
#include "base/check.h"
#include <stdio.h>

void put_uid(struct buf *out, const char *key, uint64_t uid)
{
	char text[UID_TEXT_BYTES];
	uid_text(uid, text);
	json_put_field_str(out, key, (struct str){ text, UID_TEXT_BYTES - 1 });
}

static void put_state(struct buf *out, enum job_state state)
{
	json_put_field_str(out, "state", str_of(job_state_name(state)));
}

static void put_queue(struct buf *out, struct queue_name queue)
{
	json_put_field_str(out, "queue", queue.name);
	json_put_field_str(out, "namespace", namespace_of(queue.namespace_name));
}

static void put_micros(struct buf *out, const char *key, int64_t us) /* as milliseconds; -1: unknown */
{
	if (us < 0) {
		json_put_field_null(out, key);
		return;
	}
	json_put_key(out, key);
	buf_addf(out, "%lld.%03lld", (long long)(us / 1000), (long long)(us % 1000));
}

static void put_rate(struct buf *out, const char *key, double per_s)
{
	json_put_key(out, key);
	buf_addf(out, "%.2f", per_s >= 0 && per_s < 1e15 ? per_s : 0.0);
}

/* ---- enqueue: the hottest answer, written by hand ---- */

static void enqueue_result_write(struct buf *out, const struct op *op, bool with_queue)
{
	char uid[UID_TEXT_BYTES];
	struct str id = op->result.deduplicated ? op->result.id : op->enqueue.id;
	uid_text(op->result.uid, uid);
	buf_add_lit(out, "{\"uid\":\"");
	buf_add(out, (struct str){ uid, UID_TEXT_BYTES - 1 });
	buf_add_lit(out, "\",\"id\":");
	if (op->result.number && !id.len)
		buf_addf(out, "\"%llu\"", (unsigned long long)op->result.number);
	else
		json_put_str(out, id.len ? id : (struct str){ uid, UID_TEXT_BYTES - 1 });
	if (with_queue) {
		buf_add_lit(out, ",\"queue\":");
		json_put_str(out, op->enqueue.queue.name);
	}
	if (op->result.deduplicated) {
		if (op->result.state == JOB_STATE_COUNT) /* the owner was removed; the key outlives it */
			json_put_field_null(out, "state");
		else
			put_state(out, op->result.state);
		buf_add_lit(out, ",\"duplicate\":true,\"deduplicated\":true}");
		return;
	}
	buf_add_lit(out, ",\"state\":\"");
	buf_add(out, str_of(job_state_name(op->result.state)));
	buf_add(out, op->result.duplicate ? STR("\",\"duplicate\":true}") : STR("\",\"duplicate\":false}"));
}

static void dedup_write(struct buf *out, const struct op *op)
{
	const struct op_result *result = &op->result;
	char uid[UID_TEXT_BYTES];
	uid_text(result->uid, uid);
	struct str text = { uid, UID_TEXT_BYTES - 1 };
	buf_add_byte(out, '{');
	json_put_field_str(out, "key", op->dedup_key.key);
	json_put_field_u64(out, "count", result->count);
	if (result->count) {
		json_put_field_str(out, "uid", text);
		json_put_field_str(out, "id", result->id.len ? result->id : text);
		json_put_field_instant(out, "until_at", result->until_us);
		if (result->next)
			put_uid(out, "next_uid", result->next);
		else
			json_put_field_null(out, "next_uid");
	}
	buf_add_byte(out, '}');
}

/* ---- chains ---- */

static void chain_info_write(struct buf *out, const struct chain_info *info)
{
	buf_add_byte(out, '{');
	json_put_field_str(out, "key", info->key);
	put_queue(out, info->queue);
	json_put_field_raw(out, "schedule", info->schedule);
	json_put_field_raw(out, "job", info->job);
	json_put_field_raw(out, "payload", info->payload);
	if (info->metadata.len)
		json_put_field_raw(out, "metadata", info->metadata);
	json_put_field_instant(out, "next_at", info->next_us);
	if (info->pending)
		put_uid(out, "next_uid", info->pending);
	else
		json_put_field_null(out, "next_uid");
	if (info->next_id.len)
		json_put_field_str(out, "next_id", info->next_id);
	json_put_field_i64(out, "offset_ms", info->offset_ms);
	json_put_field_u64(out, "count", info->count);
	buf_add_byte(out, '}');
}

static void chain_write_next(struct buf *out, const struct op *op) /* the one that was made, or none */
{
	if (op->result.uid)
		put_uid(out, "next_uid", op->result.uid);
	else
		json_put_field_null(out, "next_uid");
	if (op->result.id.len)
		json_put_field_str(out, "next_id", op->result.id);
	else
		json_put_field_null(out, "next_id");
}

static void chain_write(struct buf *out, const struct op *op)
{
	bool whole = op->kind == OP_CHAIN_PUT || op->kind == OP_CHAIN_GET;
	if (whole && op->result.chains) {
		chain_info_write(out, op->result.chains);
		return;
	}
	buf_add_byte(out, '{'); /* a replayed answer knows no more */
	json_put_field_str(out, "key", op->chain.key);
	put_queue(out, op->chain.queue);
	if (op->kind == OP_CHAIN_DELETE)
		json_put_field_bool(out, "deleted", true);
	else
		chain_write_next(out, op);
	buf_add_byte(out, '}');
}

static void chains_write(struct buf *out, struct call *call, const struct op *op)
{
	const struct op_result *result = &op->result;
	buf_add_lit(out, "{\"chains\":[");
	for (uint32_t i = 0; i < result->count; i++) {
		json_put_comma(out);
		chain_info_write(out, &result->chains[i]);
	}
	buf_add_byte(out, ']');
	cursor_put_next(out, &call->request.arena,
			result->more && result->count && op->chain.order == CHAINS_BY_KEY ? &result->chains[result->count - 1].key : NULL);
	json_put_field_u64(out, "total", result->number);
	buf_add_byte(out, '}');
}

/* ---- queues and groups ---- */

static void put_states(struct buf *out, const char *key, const uint64_t counts[JOB_STATE_COUNT])
{
	json_put_key(out, key);
	buf_add_byte(out, '{');
	for (int state = 0; state < JOB_STATE_COUNT; state++)
		json_put_field_u64(out, job_state_name((enum job_state)state), counts[state]);
	buf_add_byte(out, '}');
}

static void put_priorities(struct buf *out, const struct queue_info *info)
{
	json_put_key(out, "priorities");
	buf_add_byte(out, '[');
	for (uint32_t i = 0; i < info->priority_count; i++) {
		const struct priority_count *priority = &info->priorities[i];
		json_put_comma(out);
		buf_add_byte(out, '{');
		json_put_field_i64(out, "priority", priority->priority);
		for (int state = 0; state < JOB_STATE_COUNT; state++)
			if (!job_state_is_final((enum job_state)state))
				json_put_field_u64(out, job_state_name((enum job_state)state), priority->live[state]);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void put_percentiles(struct buf *out, const char *key, int64_t p50_us, int64_t p95_us, int64_t p99_us)
{
	json_put_key(out, key);
	buf_add_byte(out, '{');
	put_micros(out, "p50", p50_us);
	put_micros(out, "p95", p95_us);
	put_micros(out, "p99", p99_us);
	buf_add_byte(out, '}');
}

static void put_flow(struct buf *out, const struct queue_info *info)
{
	json_put_field_u64(out, "enqueued", info->enqueued);
	json_put_field_u64(out, "started", info->started);
	json_put_key(out, "ended");
	buf_add_byte(out, '{');
	for (int state = 0; state < JOB_STATE_COUNT; state++)
		if (job_state_is_final((enum job_state)state))
			json_put_field_u64(out, job_state_name((enum job_state)state), info->ended[state]);
	buf_add_byte(out, '}');
	put_rate(out, "enqueued_per_s", info->enqueued_per_s);
	put_rate(out, "started_per_s", info->started_per_s);
	put_rate(out, "completed_per_s", info->completed_per_s);
	put_rate(out, "failed_per_s", info->failed_per_s);
}

void queue_info_write(struct buf *out, const struct queue_info *info, bool whole)
{
	buf_add_byte(out, '{');
	json_put_field_str(out, "name", info->queue.name);
	json_put_field_str(out, "namespace", namespace_of(info->queue.namespace_name));
	json_put_field_bool(out, "paused", info->paused);
	put_states(out, "states", info->states);
	json_put_field_u64(out, "prioritised", info->prioritised);
	json_put_field_instant(out, "oldest_waiting_at", info->oldest_waiting_us);
	json_put_field_instant(out, "next_due_at", info->next_due_us);
	json_put_field_u64(out, "groups", info->groups);
	json_put_field_u64(out, "groups_ready", info->groups_ready);
	json_put_field_u64(out, "waiters", info->waiters);
	put_flow(out, info);
	put_percentiles(out, "wait_ms", info->wait_p50_us, info->wait_p95_us, info->wait_p99_us);
	put_percentiles(out, "run_ms", info->run_p50_us, info->run_p95_us, info->run_p99_us);
	if (whole)
		put_priorities(out, info);
	if (info->has_rate_ttl)
		json_put_field_i64(out, "rate_ttl_ms", info->rate_ttl_ms);
	json_put_field_raw(out, "settings", info->settings.len ? info->settings : STR("{}"));
	json_put_field_u64(out, "version", info->version);
	json_put_field_instant(out, "created_at", info->created_us);
	buf_add_byte(out, '}');
}

void group_info_write(struct buf *out, const struct group_info *info)
{
	buf_add_byte(out, '{');
	json_put_field_str(out, "key", info->key);
	json_put_field_bool(out, "paused", info->paused);
	json_put_field_u64(out, "waiting", info->waiting);
	json_put_field_u64(out, "active", info->active);
	json_put_field_u64(out, "delayed", info->delayed);
	json_put_field_str(out, "code", str_of(explain_code_name(info->code)));
	json_put_field_raw(out, "settings", info->settings.len ? info->settings : STR("{}"));
	buf_add_byte(out, '}');
}

static void queue_answer_write(struct buf *out, const struct op *op)
{
	buf_add_byte(out, '{');
	json_put_field_str(out, "name", op->queue.queue.name);
	json_put_field_str(out, "namespace", namespace_of(op->queue.queue.namespace_name));
	if (op->kind == OP_QUEUE_DELETE)
		json_put_field_bool(out, "deleted", true);
	else if (op->kind == OP_QUEUE_RESET)
		json_put_field_bool(out, "more", op->result.more);
	else if (op->kind != OP_QUEUE_PUT) /* of which a replayed answer knows no more */
		json_put_field_bool(out, "paused", op->kind == OP_QUEUE_PAUSE);
	buf_add_byte(out, '}');
}

/* A repeat knows no more how many went. */
static void event_answer_write(struct buf *out, const struct op *op, bool replayed)
{
	buf_add_byte(out, '{');
	put_queue(out, op->event.queue);
	if (op->kind == OP_EVENT)
		json_put_field_str(out, "event", op->event.name);
	else if (replayed)
		json_put_field_null(out, "count");
	else
		json_put_field_u64(out, "count", op->result.count);
	if (op->kind == OP_EVENTS_TRIM)
		json_put_field_bool(out, "more", op->result.more);
	buf_add_byte(out, '}');
}

static void group_answer_write(struct buf *out, const struct op *op)
{
	buf_add_byte(out, '{');
	put_queue(out, op->queue.queue);
	json_put_field_str(out, "key", op->queue.group);
	if (op->kind == OP_GROUP_DELETE)
		json_put_field_bool(out, "deleted", true);
	else if (op->kind == OP_GROUP_PUT)
		json_put_field_raw(out, "settings", op->queue.settings);
	else
		json_put_field_bool(out, "paused", op->kind == OP_GROUP_PAUSE);
	buf_add_byte(out, '}');
}

/* A page of queues: the next one begins after the last that is shown or hidden from a limited token. */
static void queues_write(struct buf *out, struct call *call, const struct op *op)
{
	const struct op_result *result = &op->result;
	struct str space = op->queue.queue.namespace_name; /* only of this one; empty: all */
	bool more = result->more;
	buf_add_lit(out, "{\"queues\":[");
	for (uint32_t i = 0; i < result->count; i++) {
		const struct queue_info *info = &result->queues[i];
		if (space.len && !str_eq(namespace_of(info->queue.namespace_name), space)) {
			more = false; /* sorted by namespace: the rest is another's */
			break;
		}
		if (!token_allows(call->token, info->queue))
			continue;
		json_put_comma(out);
		queue_info_write(out, info, false);
	}
	buf_add_lit(out, "],\"next_cursor\":");
	if (more && result->count) {
		const struct queue_name *last = &result->queues[result->count - 1].queue;
		struct arena *arena = &call->request.arena;
		struct str space_name = namespace_of(last->namespace_name);
		char *after = arena_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(space_name), STR_ARG(last->name));
		cursor_write(out, arena, after ? str_of(after) : (struct str){ 0 });
	} else {
		buf_add_lit(out, "null");
	}
	buf_add_byte(out, '}');
}

static void groups_write(struct buf *out, struct call *call, const struct op *op)
{
	const struct op_result *result = &op->result;
	buf_add_lit(out, "{\"groups\":[");
	for (uint32_t i = 0; i < result->count; i++) {
		json_put_comma(out);
		group_info_write(out, &result->groups[i]);
	}
	buf_add_byte(out, ']');
	cursor_put_next(out, &call->request.arena, result->more && result->count ? &result->groups[result->count - 1].key : NULL);
	buf_add_byte(out, '}');
}

/* ---- jobs, leases, bulk operations ---- */

void explanation_write(struct buf *out, const struct explanation *explanation)
{
	buf_add_byte(out, '{');
	put_uid(out, "uid", explanation->uid);
	put_state(out, explanation->state);
	json_put_field_str(out, "code", str_of(explain_code_name(explanation->code)));
	json_put_field_str(out, "text", explanation->text);
	json_put_field_instant(out, "until_at", explanation->until_us);
	json_put_field_u64(out, "ahead", explanation->ahead);
	json_put_field_u64(out, "active", explanation->active);
	json_put_field_u64(out, "limit", explanation->limit);
	if (explanation->limit_name.len)
		json_put_field_str(out, "limit_name", explanation->limit_name);
	else
		json_put_field_null(out, "limit_name");
	if (explanation->worker.len)
		json_put_field_str(out, "worker", explanation->worker);
	else
		json_put_field_null(out, "worker");
	buf_add_byte(out, '}');
}

void operation_write(struct buf *out, const struct operation_row *row)
{
	static const char *const states[] = { "running", "paused", "done", "cancelled" };
	CHECK(row->state < ARRAY_COUNT(states));
	buf_add_byte(out, '{');
	put_uid(out, "uid", row->number);
	json_put_field_str(out, "action", row->action);
	json_put_field_raw(out, "filter", row->filter.len ? row->filter : STR("{}"));
	json_put_field_raw(out, "arguments", row->arguments.len ? row->arguments : STR("{}"));
	json_put_field_str(out, "state", str_of(states[row->state]));
	json_put_field_u64(out, "done", row->done);
	json_put_field_u64(out, "skipped", row->skipped);
	json_put_field_u64(out, "failed", row->failed);
	json_put_field_instant(out, "created_at", row->created_us);
	json_put_field_instant(out, "finished_at", row->finished_us);
	buf_add_byte(out, '}');
}

/* What became of a job: {"uid":…,"state":…}. */
static void job_answer_write(struct buf *out, const struct op *op, uint64_t uid)
{
	char text[UID_TEXT_BYTES];
	uid_text(uid, text);
	buf_add_lit(out, "{\"uid\":\"");
	buf_add(out, (struct str){ text, UID_TEXT_BYTES - 1 });
	if (op->kind == OP_DELETE) {
		buf_add_lit(out, "\",\"deleted\":true");
		if (op->job.tree)
			json_put_field_u64(out, "count", op->result.count);
		buf_add_byte(out, '}');
		return;
	}
	buf_add_lit(out, "\",\"state\":\"");
	buf_add(out, str_of(job_state_name(op->result.state)));
	buf_add_byte(out, '"');
	if (op->kind == OP_HEARTBEAT || op->kind == OP_PROGRESS || op->kind == OP_CANCEL)
		json_put_field_bool(out, "cancel_requested", op->result.cancel_requested);
	if (op->kind == OP_RELEASE && op->result.rate_ttl_ms)
		json_put_field_i64(out, "rate_ttl_ms", op->result.rate_ttl_ms);
	if (op->kind == OP_DETACH || op->kind == OP_CHILDREN_DELETE || ((op->kind == OP_CANCEL || op->kind == OP_RETRY) && op->job.tree))
		json_put_field_u64(out, "count", op->result.count);
	buf_add_byte(out, '}');
}

static uint64_t op_uid(const struct op *op)
{
	if (op->result.uid)
		return op->result.uid;
	switch (op->kind) {
	case OP_HEARTBEAT: case OP_COMPLETE: case OP_FAIL: case OP_RELEASE: case OP_SNOOZE: case OP_PROGRESS: case OP_LOG: case OP_AWAIT_CHILDREN:
		return op->lease.uid;
	case OP_CANCEL: case OP_RETRY: case OP_PROMOTE: case OP_REPRIORITISE: case OP_MOVE: case OP_DELETE: case OP_DETACH: case OP_EDIT:
	case OP_CHILDREN_DELETE: case OP_RESCHEDULE: case OP_EXPLAIN:
		return op->job.uid;
	default:
		return 0;
	}
}

void op_refusal_write(struct buf *out, const struct op *op, bool atomic)
{
	struct problem undone = { .err = E_CANCELLED, .detail = "Not done: another operation of this atomic request was refused." };
	uint64_t uid = op->kind == OP_ENQUEUE ? 0 : op_uid(op);
	buf_add_byte(out, '{');
	if (uid)
		put_uid(out, "uid", uid);
	json_put_key(out, "problem");
	problem_write(out, op->result.err, atomic && op->result.err == E_CANCELLED ? &undone : op->result.problem);
	buf_add_byte(out, '}');
}

void op_result_write(struct buf *out, struct call *call, const struct op *op)
{
	switch (op->kind) {
	case OP_ENQUEUE:
		enqueue_result_write(out, op, call->single);
		return;
	case OP_MESSAGE:
		message_result_write(out, op);
		return;
	case OP_QUEUE_GET:
	case OP_QUEUE_PUT:
		if (op->result.queues)
			queue_info_write(out, op->result.queues, true);
		else
			queue_answer_write(out, op);
		return;
	case OP_QUEUES:
		queues_write(out, call, op);
		return;
	case OP_GROUPS:
		groups_write(out, call, op);
		return;
	case OP_QUEUE_PAUSE: case OP_QUEUE_RESUME: case OP_QUEUE_DELETE: case OP_QUEUE_RESET:
		queue_answer_write(out, op);
		return;
	case OP_GROUP_PUT: case OP_GROUP_DELETE: case OP_GROUP_PAUSE: case OP_GROUP_RESUME:
		group_answer_write(out, op);
		return;
	case OP_BACK_OFF: case OP_LIMIT_PUT: case OP_LIMIT_DELETE: case OP_LIMIT_ACQUIRE: case OP_LIMIT_RELEASE: case OP_LIMIT_GET: case OP_LIMITS:
		limit_result_write(out, call, op);
		return;
	case OP_EVENT: case OP_EVENTS_TRIM:
		event_answer_write(out, op, call->request.replayed);
		return;
	case OP_SWEEP:
		buf_add_byte(out, '{');
		json_put_field_raw(out, "ids", op->result.id);
		buf_add_byte(out, '}');
		return;
	case OP_OPERATION_START: case OP_OPERATION_PAUSE: case OP_OPERATION_RESUME: case OP_OPERATION_CANCEL:
		if (op->result.operation)
			operation_write(out, op->result.operation);
		else
			buf_add_lit(out, "{}");
		return;
	case OP_DEDUP_GET: case OP_DEDUP_RELEASE:
		dedup_write(out, op);
		return;
	case OP_CHAIN_PUT: case OP_CHAIN_NEXT: case OP_CHAIN_DELETE: case OP_CHAIN_GET:
		chain_write(out, op);
		return;
	case OP_CHAINS:
		chains_write(out, call, op);
		return;
	case OP_EXPLAIN:
		explanation_write(out, op->result.explanation);
		return;
	default:
		job_answer_write(out, op, op_uid(op));
	}
}
