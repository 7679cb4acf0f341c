/* src/engine/op_limit.c: limits, permits that holders outside take from them, and penalties: "back off" of a queue, a group or a limit. */
#include "engine/engine_priv.h"
#include "base/json.h"
#include <stdlib.h>

#define PERMIT_LEASE_MS  30000
#define BUSY_MS_MIN      1000 /* a third party that asks to wait and does not say how long is left alone at least so long */

static enum err limit_write(struct engine *engine, uint32_t slot)
{
	const struct limit *limit = limit_at(&engine->index, slot);
	struct arena *arena = &engine->open->cs.arena;
	struct budget_row *row = change_add(&engine->open->cs, budgets);
	struct buf text;
	if (!row)
		return E_NOMEM;
	buf_init(&text, 4096);
	limit_settings_write(&limit->settings, &text);
	*row = (struct budget_row){ .number = limit->number, .blocked_us = limit->blocked_us, .gone = limit->gone,
		                    .namespace_name = arena_str(arena, limit->namespace_name), .name = arena_str(arena, limit->name),
		                    .settings = arena_str(arena, buf_str(&text)) };
	bool written = buf_ok(&text) && row->namespace_name.ptr && row->name.ptr && row->settings.ptr;
	buf_fini(&text);
	return written ? E_OK : E_NOMEM;
}

static uint32_t limit_there(const struct engine *engine, struct queue_name name) /* SLOT_NONE: there is none */
{
	uint32_t slot = limit_find(&engine->index, name);
	return slot == SLOT_NONE || limit_at(&engine->index, slot)->gone ? SLOT_NONE : slot;
}

static bool queue_is_there(const struct index *index, uint32_t slot)
{
	return queue_find_number(index, queue_at(index, slot)->number) == slot && !queue_at(index, slot)->deleted;
}

static bool queue_takes_from(const struct index *index, uint32_t queue, uint32_t limit)
{
	for (uint32_t slot = queue_at(index, queue)->lane; slot != SLOT_NONE; slot = lane_at(index, slot)->next) {
		const struct lane *lane = lane_at(index, slot);
		for (uint32_t i = 0; i < lane->limit_count; i++)
			if (lane->limits[i] == limit && (slot == queue_at(index, queue)->lane || lane->groups))
				return true;
	}
	return false;
}

/* ---- reading ---- */

static enum err limit_read(struct engine *engine, struct request *request, uint32_t slot, struct limit_info *out)
{
	struct index *index = &engine->index;
	const struct limit *limit = limit_at(index, slot);
	int64_t until_us = 0;
	struct buf text;
	*out = (struct limit_info){
		.limit = { arena_str(&request->arena, limit->namespace_name), arena_str(&request->arena, limit->name) },
		.active = limit->active, .held = limit->held, .code = limit_blocker(index, limit, 1, &until_us),
	};
	out->until_us = until_us ? index->wall_us + (until_us - index->now_us) : 0;
	for (uint32_t lane = limit->first_lane; lane != SLOT_NONE; lane = lane_at(index, lane)->after)
		out->lanes++;
	buf_init(&text, 4096);
	limit_settings_write(&limit->settings, &text);
	out->settings = buf_ok(&text) ? arena_str(&request->arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return out->limit.namespace_name.ptr && out->limit.name.ptr && out->settings.ptr ? E_OK : E_NOMEM;
}

static enum err limit_get(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	op->result.limits = ARENA_NEW(&request->arena, struct limit_info);
	op->result.count = 1;
	return op->result.limits ? limit_read(engine, request, slot, op->result.limits) : E_NOMEM;
}

static int limit_order_compare(const void *a, const void *b)
{
	const struct limit *x = *(const struct limit *const *)a, *y = *(const struct limit *const *)b;
	int order = str_cmp(x->namespace_name, y->namespace_name);
	return order ? order : str_cmp(x->name, y->name);
}

/* "namespace/name" of the last one seen; namespaces hold no slash. */
static bool limit_is_after(const struct limit *limit, struct str after)
{
	if (!after.len)
		return true;
	size_t slash = str_index(after, '/');
	int order = str_cmp(limit->namespace_name, (struct str){ after.ptr, slash });
	return order > 0 || (order == 0 && str_cmp(limit->name, str_from(after, slash + 1)) > 0);
}

static enum err limits_read(struct engine *engine, struct request *request, struct op *op)
{
	struct index *index = &engine->index;
	uint32_t count = 0, page = op->limit.page ? op->limit.page : 100;
	struct str space = op->limit.limit.namespace_name;
	const struct limit **order = ARENA_ARRAY(&engine->scratch, const struct limit *, index->limits.live + 1);
	if (!order)
		return E_NOMEM;
	for (uint32_t slot = 0; slot < index->limits.used; slot++) {
		const struct limit *limit = limit_at(index, slot);
		if (limit->name.ptr && !limit->gone && limit_is_after(limit, op->limit.after) && (!space.len || str_eq(limit->namespace_name, space)))
			order[count++] = limit;
	}
	qsort(order, count, sizeof(*order), limit_order_compare);
	op->result.more = count > page;
	op->result.count = count < page ? count : page;
	op->result.limits = ARENA_ARRAY(&request->arena, struct limit_info, op->result.count + 1);
	enum err err = op->result.limits ? E_OK : E_NOMEM;
	for (uint32_t i = 0; i < op->result.count && !err; i++)
		err = limit_read(engine, request, limit_find_number(index, order[i]->number), &op->result.limits[i]);
	return err;
}

/* ---- changing ---- */

static enum err limit_put(struct engine *engine, struct request *request, struct op *op)
{
	struct problem problem = { 0 };
	struct limit_settings settings = { 0 };
	struct json json;
	uint32_t slot;
	if (limit_name_is_word(op->limit.limit.name))
		return refuse(request, op, E_INVALID, "limit", "A limit cannot be named \"" STR_FMT "\": that word says whom a penalty is for.",
		              STR_ARG(op->limit.limit.name));
	enum err err = limit_begin(engine->open, &engine->index, op->limit.limit, &slot);
	if (err)
		return err;
	struct limit *limit = limit_at(&engine->index, slot);
	if (!op->limit.replace && !limit->gone)
		settings = limit->settings;
	json_init(&json, op->limit.settings.len ? op->limit.settings : STR("{}"), &request->arena, &problem);
	if (!limit_settings_read(&json, &settings) || !json_finish(&json))
		return refuse(request, op, problem.err ? problem.err : E_INVALID, problem.field, "%s", problem.detail);
	limit->settings = settings;
	limit->gone = false;
	limit_refresh(&engine->index, slot);
	err = limit_write(engine, slot);
	return err ? err : limit_get(engine, request, op, slot);
}

static bool limit_is_used_by(const struct index *index, uint32_t queue, uint32_t slot)
{
	const struct queue *q = queue_at(index, queue);
	const struct limit *limit = limit_at(index, slot);
	return queue_takes_from(index, queue, slot) ||
	       (str_eq(q->settings->retry_after, limit->name) && str_eq(q->namespace_name, limit->namespace_name));
}

/* The endpoint whose 429 holds it back, or NULL. */
static const struct named *limit_endpoint(const struct index *index, const struct limit *limit)
{
	for (uint32_t i = 0; i < index->endpoints.count; i++) {
		const struct named *named = named_at(index, index->endpoints.slots[i]);
		if (!named->gone && named->endpoint && str_eq(named->endpoint->value.retry_after, limit->name) &&
		    str_eq(named->namespace_name, limit->namespace_name))
			return named;
	}
	return NULL;
}

static enum err limit_delete(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct index *index = &engine->index;
	for (uint32_t queue = 0; queue < index->queues.used; queue++)
		if (queue_is_there(index, queue) && limit_is_used_by(index, queue, slot))
			return refuse(request, op, E_CONFLICT, "",
			              "Queue '" STR_FMT "' or a group of it takes from this limit: take it out of their settings first.",
			              STR_ARG(str_cut(queue_at(index, queue)->name, 60)));
	const struct named *endpoint = limit_endpoint(index, limit_at(index, slot));
	if (endpoint)
		return refuse(request, op, E_CONFLICT, "", "Endpoint '" STR_FMT "' holds it back with retry_after: change that first.",
		              STR_ARG(str_cut(endpoint->name, 60)));
	enum err err = limit_touch(engine->open, index, slot);
	if (err)
		return err;
	struct limit *limit = limit_at(index, slot);
	for (uint32_t permit = 0; permit < index->permits.used && limit->held && !err; permit++)
		if (permit_at(index, permit)->touched != UINT64_MAX && permit_at(index, permit)->limit == slot && permit_at(index, permit)->units)
			err = permit_end(engine, permit);
	limit->gone = true;
	limit->blocked_us = 0;
	index->sweep_limits = true;
	return err ? err : limit_write(engine, slot);
}

/* ---- permits ---- */

static enum err permit_write(struct engine *engine, uint32_t slot)
{
	const struct permit *permit = permit_at(&engine->index, slot);
	struct permit_row *row = change_add(&engine->open->cs, permits);
	if (!row)
		return E_NOMEM;
	*row = (struct permit_row){ .budget = limit_at(&engine->index, permit->limit)->number, .token = permit->token, .units = permit->units,
		                    .lease_ms = permit->lease_ms, .gone = permit->units == 0 };
	return E_OK;
}

enum err permit_end(struct engine *engine, uint32_t slot)
{
	enum err err = permit_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	permit_set(&engine->index, slot, 0, 0);
	return permit_write(engine, slot);
}

/* The same token again: its lease goes on, as by a heartbeat, in memory only unless it is another one. */
static enum err permit_renew(struct engine *engine, struct request *request, struct op *op, uint32_t slot, int64_t lease_ms)
{
	struct permit *permit = permit_at(&engine->index, slot);
	int64_t deadline_us = engine->index.now_us + lease_ms * 1000;
	if (permit->units != op->limit.units)
		return refuse(request, op, E_CONFLICT, "units", "This token holds %u units: repeat with as many, or release them first.", permit->units);
	op->result.granted = true;
	if (permit->lease_ms == lease_ms) {
		permit->deadline_us = deadline_us;
		heap_change(&engine->index.permits_by_deadline, permit->position, deadline_us, slot);
		return E_OK;
	}
	enum err err = permit_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	permit->lease_ms = lease_ms;
	permit_set(&engine->index, slot, permit->units, deadline_us);
	return permit_write(engine, slot);
}

static enum err limit_fits(struct request *request, struct op *op, const struct limit_settings *settings)
{
	uint32_t units = op->limit.units;
	if (settings->concurrency && units > settings->concurrency)
		return refuse(request, op, E_INVALID, "units", "The limit's concurrency is %u: %u units can never be granted.", settings->concurrency, units);
	if (settings->rate.max && units > settings->rate.max)
		return refuse(request, op, E_INVALID, "units", "The limit's rate starts at most %u: %u units can never be granted.", settings->rate.max, units);
	return E_OK;
}

static enum err limit_acquire(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct index *index = &engine->index;
	const struct limit *limit = limit_at(index, slot);
	uint64_t token = lease_token_hash(op->limit.token);
	uint32_t units = op->limit.units, permit = permit_find(index, slot, token);
	int64_t until_us = 0, lease_ms = op->limit.lease_ms ? op->limit.lease_ms : PERMIT_LEASE_MS;
	if (permit != SLOT_NONE && permit_at(index, permit)->units)
		return permit_renew(engine, request, op, permit, lease_ms);
	enum err err = limit_fits(request, op, &limit->settings);
	if (err)
		return err;
	if (limit_blocker(index, limit, units, &until_us) != EXPLAIN_READY) {
		op->result.retry_ms = until_us ? 1 + (uint64_t)(until_us - index->now_us + 999) / 1000 : 0;
		return E_OK;
	}
	op->result.granted = true;
	err = limit_start(index, slot, units);
	if (err || !limit->settings.concurrency)
		return err; /* a start is all there is to count: nothing is held */
	err = permit_begin(engine->open, index, slot, token, &permit);
	if (err)
		return err;
	permit_at(index, permit)->lease_ms = lease_ms;
	permit_set(index, permit, units, index->now_us + lease_ms * 1000);
	return permit_write(engine, permit);
}

static enum err limit_release(struct engine *engine, struct op *op, uint32_t slot)
{
	uint32_t permit = permit_find(&engine->index, slot, lease_token_hash(op->limit.token));
	if (permit == SLOT_NONE || !permit_at(&engine->index, permit)->units)
		return E_OK; /* its lease is over, or it was given back before */
	op->result.units = permit_at(&engine->index, permit)->units;
	return permit_end(engine, permit);
}

enum err op_limit_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	(void)park;
	if (op->kind == OP_LIMITS)
		return limits_read(engine, request, op);
	if (op->kind == OP_LIMIT_PUT)
		return limit_put(engine, request, op);
	uint32_t slot = limit_there(engine, op->limit.limit);
	if (slot == SLOT_NONE)
		return E_LIMIT_NOT_FOUND;
	switch (op->kind) {
	case OP_LIMIT_DELETE: return limit_delete(engine, request, op, slot);
	case OP_LIMIT_ACQUIRE: return limit_acquire(engine, request, op, slot);
	case OP_LIMIT_RELEASE: return limit_release(engine, op, slot);
	default: return limit_get(engine, request, op, slot);
	}
}

/* ---- penalties: a later one never shortens an earlier one; 0 opens again ---- */

struct penalty {
	struct str scope;     /* of its event */
	const struct group *group;
	int64_t delay_us;
	int64_t until_us;     /* set when there is something to change; 0: open */
};

static bool penalty_changes(const struct index *index, struct penalty *penalty, int64_t blocked_us)
{
	penalty->until_us = penalty->delay_us > 0 ? index->now_us + penalty->delay_us : 0;
	return penalty->until_us ? penalty->until_us > blocked_us : blocked_us != 0;
}

static enum err penalty_event(struct engine *engine, uint32_t queue, const struct penalty *penalty)
{
	const struct index *index = &engine->index;
	struct buf buf;
	buf_init(&buf, LIMIT_ID_BYTES * 6 + LIMIT_NAME_BYTES * 6 + 128);
	buf_add_byte(&buf, '{');
	json_put_field_str(&buf, "scope", penalty->scope);
	if (penalty->group)
		json_put_field_str(&buf, "group", penalty->group->key);
	json_put_field_instant(&buf, "until_at", penalty->until_us ? index->wall_us + (penalty->until_us - index->now_us) : 0);
	buf_add_byte(&buf, '}');
	struct str details = buf_ok(&buf) ? arena_str(&engine->open->cs.arena, buf_str(&buf)) : (struct str){ 0 };
	buf_fini(&buf);
	return details.ptr ? batch_event(engine->open, EVENT_BACKED_OFF, queue, 0, details) : E_NOMEM;
}

static enum err back_off_queue(struct engine *engine, uint32_t slot, int64_t delay_us)
{
	struct queue *queue = queue_at(&engine->index, slot);
	struct penalty penalty = { .scope = STR("queue"), .delay_us = delay_us };
	bool changes = penalty_changes(&engine->index, &penalty, queue->blocked_us);
	if (queue->settings->compat) { /* the last word counts, and the window begins anew after it */
		changes = penalty.until_us != queue->blocked_us;
		limiter_open(queue);
		queue_flag(&engine->index, slot);
	}
	if (!changes)
		return E_OK;
	enum err err = queue_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	queue->blocked_us = penalty.until_us;
	queue->version = engine->index.open_seq;
	queue_flag(&engine->index, slot);
	err = queue_write(engine, slot);
	return err ? err : penalty_event(engine, slot, &penalty);
}

enum err group_hold(struct engine *engine, uint32_t slot, int64_t until_us)
{
	struct group *group = group_at(&engine->index, slot);
	const struct penalty penalty = { .scope = STR("group"), .group = group, .until_us = until_us };
	if (until_us == group->blocked_us)
		return E_OK;
	enum err err = group_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	group->blocked_us = until_us;
	group_refresh(&engine->index, slot);
	err = group_write(engine, group);
	return err ? err : penalty_event(engine, group->queue, &penalty);
}

static enum err back_off_group(struct engine *engine, uint32_t slot, int64_t delay_us)
{
	const struct group *group = group_at(&engine->index, slot);
	struct penalty penalty = { .delay_us = delay_us };
	bool changes = penalty_changes(&engine->index, &penalty, group->blocked_us);
	enum err err = health_asked(engine, group->endpoint, penalty.until_us);
	return err || !changes ? err : group_hold(engine, slot, penalty.until_us);
}

static int64_t limit_cut_us(const struct limit *limit, int64_t delay_us)
{
	int64_t max_us = limit->settings.penalty_ms_max * 1000;
	return max_us && delay_us > max_us ? max_us : delay_us;
}

static enum err back_off_limit(struct engine *engine, uint32_t slot, int64_t delay_us)
{
	struct index *index = &engine->index;
	struct limit *limit = limit_at(index, slot);
	struct penalty penalty = { .scope = limit->name, .delay_us = limit_cut_us(limit, delay_us) };
	if (!penalty_changes(index, &penalty, limit->blocked_us))
		return E_OK;
	enum err err = limit_touch(engine->open, index, slot);
	if (err)
		return err;
	limit->blocked_us = penalty.until_us;
	limit_refresh(index, slot);
	err = limit_write(engine, slot);
	for (uint32_t queue = 0; queue < index->queues.used && !err; queue++)
		if (queue_is_there(index, queue) && queue_takes_from(index, queue, slot))
			err = penalty_event(engine, queue, &penalty);
	return err;
}

enum err group_end_penalty(struct engine *engine, uint32_t slot)
{
	struct group *group = group_at(&engine->index, slot);
	enum err err = group_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	group->blocked_us = 0;
	err = group_write(engine, group);
	group_refresh(&engine->index, slot);
	return err;
}

enum err op_back_off_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	const struct op_back_off *want = &op->back_off;
	uint32_t slot;
	(void)park, (void)request;
	if (!want->queue.name.len) {
		slot = limit_there(engine, (struct queue_name){ want->queue.namespace_name, want->limit });
		return slot == SLOT_NONE ? E_LIMIT_NOT_FOUND : back_off_limit(engine, slot, want->delay_ms * 1000);
	}
	slot = queue_find(&engine->index, want->queue);
	if (slot == SLOT_NONE || queue_at(&engine->index, slot)->deleted)
		return E_QUEUE_NOT_FOUND;
	if (!want->group.len)
		return back_off_queue(engine, slot, want->delay_ms * 1000);
	enum err err = group_open(&engine->index, slot, want->group, &slot);
	return err ? err : back_off_group(engine, slot, want->delay_ms * 1000);
}

enum err back_off_scope(struct engine *engine, uint32_t group, struct str scope, int64_t *delay_us)
{
	uint32_t queue = group_at(&engine->index, group)->queue;
	if (str_eq(scope, STR("queue")))
		return back_off_queue(engine, queue, *delay_us);
	if (str_eq(scope, STR("group")))
		return back_off_group(engine, group, *delay_us);
	uint32_t slot = limit_there(engine, (struct queue_name){ queue_at(&engine->index, queue)->namespace_name, scope });
	if (slot == SLOT_NONE)
		return E_LIMIT_NOT_FOUND;
	*delay_us = limit_cut_us(limit_at(&engine->index, slot), *delay_us);
	return back_off_limit(engine, slot, *delay_us);
}

static int64_t busy_delay_us(struct engine *engine, const struct op_lease *lease, const struct job *job)
{
	if (lease->busy_ms)
		return lease->busy_ms * 1000;
	struct retry_policy policy = *job_policy(&engine->index, job);
	policy.jitter = JITTER_NONE; /* it spreads those who wait each for himself; one pause for all is no shorter than what was said */
	int64_t wait_us = retry_wait_us(&policy, job->attempts_made, 0);
	return wait_us > BUSY_MS_MIN * 1000 ? wait_us : BUSY_MS_MIN * 1000;
}

enum err back_off_after(struct engine *engine, struct request *request, struct op *op, uint32_t job_slot)
{
	const struct op_lease *lease = &op->lease;
	const struct job *job = job_at(&engine->index, job_slot);
	const struct queue *queue = queue_at(&engine->index, job->queue);
	const struct endpoint_settings *endpoint = group_endpoint_settings(&engine->index, group_at(&engine->index, job->group));
	struct str said = endpoint ? endpoint->retry_after : queue->settings->retry_after;
	struct str scope = lease->back_off ? lease->back_off->scope : lease->busy ? said : (struct str){ 0 };
	if (!scope.len || str_eq(scope, STR("job")))
		return E_OK;
	int64_t delay_us = lease->back_off ? lease->back_off->delay_ms * 1000 : busy_delay_us(engine, lease, job);
	enum err err = back_off_scope(engine, job->group, scope, &delay_us);
	if (err != E_LIMIT_NOT_FOUND)
		return err;
	if (!lease->back_off)
		return E_OK; /* an answer is worth more than whom it should have held back */
	return refuse(request, op, E_INVALID, "back_off.scope", "There is no limit '" STR_FMT "' here: say \"group\", \"queue\" or a limit's name.",
	              STR_ARG(str_cut(scope, 60)));
}
