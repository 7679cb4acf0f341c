/* src/api/stats.c: sums over queues, which the engine keeps: the whole house in one answer, and counts of jobs that need no looking. */
#include "api/body.h"
#include "api/routes.h"
#include "base/limits.h"

struct totals {
	uint64_t queues, paused, groups, waiters;
	uint64_t states[JOB_STATE_COUNT], ended[JOB_STATE_COUNT];
	uint64_t enqueued, started;
	double enqueued_per_s, started_per_s, completed_per_s, failed_per_s;
	int64_t oldest_waiting_us;
};

static void totals_add(struct totals *totals, const struct queue_info *info)
{
	totals->queues++;
	totals->paused += info->paused;
	totals->groups += info->groups;
	totals->waiters += info->waiters;
	for (int state = 0; state < JOB_STATE_COUNT; state++) {
		totals->states[state] += info->states[state];
		totals->ended[state] += info->ended[state];
	}
	totals->enqueued += info->enqueued;
	totals->started += info->started;
	totals->enqueued_per_s += info->enqueued_per_s;
	totals->started_per_s += info->started_per_s;
	totals->completed_per_s += info->completed_per_s;
	totals->failed_per_s += info->failed_per_s;
	if (info->oldest_waiting_us && (!totals->oldest_waiting_us || info->oldest_waiting_us < totals->oldest_waiting_us))
		totals->oldest_waiting_us = info->oldest_waiting_us;
}

static void stats_replied(struct call *call)
{
	struct request *request = &call->request;
	struct op *op = request->ops;
	const struct op_result *result = &op->result;
	enum err err = request->err ? request->err : result->err;
	if (err) {
		call_refuse(call, err);
		return;
	}
	for (uint32_t i = 0; i < result->count; i++)
		if (token_allows(call->token, result->queues[i].queue))
			totals_add(call->totals, &result->queues[i]);
	if (!result->more || !result->count) {
		call_encode(call);
		return;
	}
	const struct queue_name *last = &result->queues[result->count - 1].queue;
	struct str space = namespace_of(last->namespace_name);
	char *after = arena_printf(&request->arena, STR_FMT "/" STR_FMT, STR_ARG(space), STR_ARG(last->name));
	if (!after) {
		call_refuse(call, E_NOMEM);
		return;
	}
	op->result = (struct op_result){ 0 };
	op->queue.after = str_of(after);
	call_submit(call, stats_replied);
}

void stats_ask(struct call *call, struct queue_name of)
{
	struct op *op = call_op(call, of.name.len ? OP_QUEUE_GET : OP_QUEUES);
	call->totals = ARENA_NEW(&call->request.arena, struct totals);
	if (!op || !call->totals) {
		call_refuse(call, E_NOMEM);
		return;
	}
	op->queue.queue = of;
	op->queue.limit = LIMIT_PAGE;
	call_submit(call, stats_replied);
}

void stats_get(struct call *call)
{
	stats_ask(call, (struct queue_name){ 0 });
}

uint64_t stats_jobs(const struct call *call, uint32_t states)
{
	uint64_t sum = 0;
	for (int state = 0; state < JOB_STATE_COUNT; state++)
		sum += !states || (states & 1u << state) ? call->totals->states[state] : 0;
	return sum;
}

static void put_counts(struct buf *out, const char *key, const uint64_t counts[JOB_STATE_COUNT], bool only_final)
{
	json_put_key(out, key);
	buf_add_byte(out, '{');
	for (int state = 0; state < JOB_STATE_COUNT; state++)
		if (!only_final || job_state_is_final((enum job_state)state))
			json_put_field_u64(out, job_state_name((enum job_state)state), counts[state]);
	buf_add_byte(out, '}');
}

static void put_per_s(struct buf *out, const char *key, double per_s)
{
	json_put_key(out, key);
	buf_addf(out, "%.2f", per_s);
}

void stats_encode(struct call *call, struct buf *out)
{
	const struct totals *totals = call->totals;
	const struct api *api = call->api;
	int64_t now_us = call_now_us(call);
	buf_add_byte(out, '{');
	json_put_field_str(out, "version", str_of(api->config.version));
	json_put_field_instant(out, "at", now_us);
	json_put_field_i64(out, "uptime_ms", now_us > api->started_us ? (now_us - api->started_us) / 1000 : 0);
	json_put_field_u64(out, "queues", totals->queues);
	json_put_field_u64(out, "paused", totals->paused);
	json_put_field_u64(out, "groups", totals->groups);
	json_put_field_u64(out, "waiters", totals->waiters);
	put_counts(out, "states", totals->states, false);
	json_put_field_instant(out, "oldest_waiting_at", totals->oldest_waiting_us);
	json_put_field_u64(out, "enqueued", totals->enqueued);
	json_put_field_u64(out, "started", totals->started);
	put_counts(out, "ended", totals->ended, true);
	put_per_s(out, "enqueued_per_s", totals->enqueued_per_s);
	put_per_s(out, "started_per_s", totals->started_per_s);
	put_per_s(out, "completed_per_s", totals->completed_per_s);
	put_per_s(out, "failed_per_s", totals->failed_per_s);
	buf_add_byte(out, '}');
}
