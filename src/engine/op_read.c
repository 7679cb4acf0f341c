/* src/engine/op_read.c: questions that memory answers: waiting for an end, why a job does not run, how queues and groups stand. Their answers
 * leave in order with everything else, so they never tell of what might still be undone. */
#include "engine/engine_priv.h"
#include "base/uid.h"
#include <stdlib.h>

enum err op_barrier_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	(void)engine, (void)request, (void)op, (void)park;
	return E_OK;
}

enum err op_withdraw_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	(void)request, (void)park;
	return park_withdraw(engine, op->withdraw) ? E_OK : E_NOT_FOUND;
}

static uint32_t read_job(struct engine *engine, struct op *op)
{
	uint64_t uid = op->job.uid;
	if (!uid)
		uid = plan_uid_of(engine, op->job.queue, op->job.id, op->result.uid);
	op->result.uid = uid;
	return plan_job(engine, uid);
}

enum err op_wait_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	uint32_t slot = read_job(engine, op);
	if (slot == SLOT_NONE)
		return E_JOB_NOT_FOUND;
	const struct job *job = job_at(&engine->index, slot);
	op->result.state = job_state_of(job);
	if (job_state_is_final(job_state_of(job)) || !op->job.wait_ms || request->op_count > 1 || engine->quiesced)
		return E_OK;
	enum err err = park_wait(engine, request, op, job->uid);
	*park = err == E_OK;
	return err;
}

/* ---- explain ---- */

static int64_t read_wall_us(const struct index *index, int64_t engine_us) /* likewise when nobody knows */
{
	return engine_us == INT64_MAX ? 0 : index_wall_us(index, engine_us);
}

static uint64_t read_ahead(const struct group *group, const struct job *job)
{
	uint64_t ahead = 0;
	uint32_t look = group->ready.count < 100000 ? group->ready.count : 100000; /* bounded: about is enough */
	for (uint32_t i = 0; i < look; i++) {
		const struct heap_entry *entry = &group->ready.entries[i];
		ahead += entry->major < job->priority || (entry->major == job->priority && entry->minor < job->rank);
	}
	return ahead;
}

static bool explain_limits(struct index *index, const struct lane *lane, struct explanation *out)
{
	int64_t until_us = 0;
	uint32_t slot;
	enum explain_code code = lane_blocker(index, lane, &until_us, &slot);
	if (code == EXPLAIN_READY)
		return false;
	const struct limit *limit = limit_at(index, slot);
	uint64_t taken = limit->active + limit->held;
	out->code = code;
	out->limit_name = limit->name;
	out->active = (uint32_t)(taken < UINT32_MAX ? taken : UINT32_MAX);
	out->limit = limit->settings.concurrency;
	out->until_us = read_wall_us(index, until_us);
	return true;
}

static struct str explain_limit_text(const struct engine *engine, const struct job *job, const struct explanation *why, struct arena *arena)
{
	const struct queue *queue = queue_at(&engine->index, job->queue);
	uint32_t slot = limit_find(&engine->index, (struct queue_name){ queue->namespace_name, why->limit_name });
	const struct rate rate = slot == SLOT_NONE ? (struct rate){ 0 } : limit_at(&engine->index, slot)->settings.rate;
	const char *text;
	if (why->code == EXPLAIN_LIMIT_CONCURRENCY)
		text = arena_printf(arena, "Limit '" STR_FMT "' is taken: %u jobs and permits, as many as its concurrency of %u allows; the next job starts "
		                    "when one ends.", STR_ARG(why->limit_name), why->active, why->limit);
	else if (why->code == EXPLAIN_LIMIT_RATE)
		text = arena_printf(arena, "Limit '" STR_FMT "' has let %u start within %lld ms, as many as its rate allows.", STR_ARG(why->limit_name),
		                    rate.max, (long long)rate.per_ms);
	else if (why->limit_name.len)
		text = arena_printf(arena, "Limit '" STR_FMT "' is backed off: somebody behind it asked for a pause ('ruche limits back-off " STR_FMT
		                    " 0' ends it).",
		                    STR_ARG(why->limit_name), STR_ARG(why->limit_name));
	else
		text = arena_printf(arena, "Its queue or group is backed off: somebody behind it asked for a pause (a back_off of 0 ms ends it).");
	return str_of(text);
}

static void explain_waiting(struct engine *engine, const struct job *job, struct explanation *out)
{
	struct index *index = &engine->index;
	struct queue *queue = queue_at(index, job->queue);
	const struct group *group = group_at(index, job->group);
	int64_t until_us = 0;
	enum explain_code code;
	out->ahead = read_ahead(group, job);
	code = queue_blocker(index, job->queue, &until_us);
	if (code != EXPLAIN_READY) {
		out->code = code;
		out->active = queue->active;
		out->limit = queue->settings->concurrency;
		out->until_us = read_wall_us(index, until_us);
		return;
	}
	code = group_blocker(index, group, &until_us);
	if (code != EXPLAIN_READY) {
		out->code = code;
		out->active = group->active;
		out->limit = group_limit(index, group);
		if (code == EXPLAIN_DELIVERY_SHARE) {
			out->active = (uint32_t)index->doubtful_calls;
			out->limit = (uint32_t)index->doubtful_max;
		}
		out->until_us = read_wall_us(index, until_us);
		return;
	}
	if (explain_limits(index, lane_at(index, group->lane), out))
		return;
	out->code = EXPLAIN_READY;
	if (queue->settings->target == TARGET_HTTP) {
		out->active = (uint32_t)index->deliveries;
		out->limit = engine->config.deliveries_max;
		if (index->deliveries >= engine->config.deliveries_max)
			out->code = EXPLAIN_DELIVERY_SLOTS;
	} else if (!queue->waiters && !queue->active) {
		out->code = EXPLAIN_NO_WORKER;
	}
}

#define CHILDREN_TOLD 3

static struct str explain_children(struct request *request, const struct engine *engine, const struct job *job)
{
	const struct index *index = &engine->index;
	uint32_t kin = kin_find(index, job->uid), told = 0;
	char uids[CHILDREN_TOLD * (UID_TEXT_BYTES + 2)], *at = uids;
	uint32_t slot = kin == SLOT_NONE ? SLOT_NONE : kin_at(index, kin)->first_child;
	for (; slot != SLOT_NONE && told < CHILDREN_TOLD; slot = edge_at(index, slot)->next_child) {
		if (edge_at(index, slot)->state != EDGE_PENDING)
			continue;
		if (told++)
			at = (char *)memcpy(at, ", ", 2) + 2;
		uid_text(edge_child(index, slot), at);
		at += UID_TEXT_BYTES - 1;
	}
	uint32_t pending = edges_pending(index, job->uid);
	return str_of(arena_printf(&request->arena, "It waits for %u of its children to end: %.*s%s.", pending, (int)(at - uids), uids,
	                           pending > told ? " and others" : ""));
}

static struct str explain_follower(struct request *request, const struct engine *engine, const struct job *job)
{
	uint64_t ahead = follow_ahead(&engine->index, job->uid);
	uint32_t slot = job_find(&engine->index, ahead);
	bool ended = slot == SLOT_NONE || job_state_is_final(job_state_of(job_at(&engine->index, slot)));
	char uid[UID_TEXT_BYTES];
	uid_text(ahead, uid);
	return str_of(arena_printf(&request->arena, ended ? "It comes after %s, which failed and holds it: retry that one, or delete it to go on without."
	                                                  : "It comes after %s under their dedup key, and starts when that one has ended.", uid));
}

static enum job_outcome read_outcome(const struct engine *engine, const struct job *job) /* of one that has ended */
{
	const struct job_row *row = plan_final_row(engine, job);
	return row ? row->outcome : OUTCOME_NONE;
}

/* So many at once now: as its concurrency says, or fewer, since it is not known, or no more, to answer well. */
static struct str explain_endpoint(const struct engine *engine, const struct group *group, const struct explanation *why, struct arena *arena)
{
	bool cautious = group_endpoint(&engine->index, group)->health.allowed == why->limit;
	return str_of(arena_printf(arena, "Endpoint '" STR_FMT "' is called %u times at once, %s; %llu of its deliveries go before this one.",
				   STR_ARG(group->key), why->active,
				   cautious ? "as often as it is trusted with now (one more for each success, half after a failure)"
					    : "as often as its concurrency allows", (unsigned long long)why->ahead));
}

static struct str explain_text(struct request *request, const struct engine *engine, const struct job *job, const struct explanation *why)
{
	const struct queue *queue = queue_at(&engine->index, job->queue);
	const struct group *group = group_at(&engine->index, job->group);
	struct arena *arena = &request->arena;
	const char *text = NULL;
	unsigned long long ahead = why->ahead;
	switch (why->code) {
	case EXPLAIN_READY:
		text = arena_printf(arena, "It may run as soon as a worker is free; %llu jobs of its group go before it.", ahead);
		break;
	case EXPLAIN_NO_WORKER:
		text = arena_printf(arena, "No worker is asking for jobs of queue '" STR_FMT "': start one ('ruche work " STR_FMT " -- COMMAND').",
		                    STR_ARG(queue->name), STR_ARG(queue->name));
		break;
	case EXPLAIN_QUEUE_PAUSED:
		text = arena_printf(arena,
				    "Queue '" STR_FMT "' is paused: resume it ('ruche queues resume " STR_FMT "').",
				    STR_ARG(queue->name), STR_ARG(queue->name));
		break;
	case EXPLAIN_GROUP_PAUSED:
		text = arena_printf(arena, "Group '" STR_FMT "' is paused: resume it.", STR_ARG(group->key));
		break;
	case EXPLAIN_QUEUE_CONCURRENCY:
		text = arena_printf(
			arena,
			"The queue runs %u jobs, as many as its concurrency of %u allows; the next one starts when one ends.",
			why->active, why->limit);
		break;
	case EXPLAIN_GROUP_CONCURRENCY:
		if (group->endpoint != SLOT_NONE)
			return explain_endpoint(engine, group, why, arena);
		text = arena_printf(
			arena,
			"Group '" STR_FMT
			"' runs %u jobs, as many as its concurrency of %u allows; %llu jobs of the group go before this one.",
			STR_ARG(group->key), why->active, why->limit, ahead);
		break;
	case EXPLAIN_QUEUE_RATE:
		text = arena_printf(arena, "The queue has started %u jobs within %lld ms, as many as its rate allows.", queue->settings->rate.max,
		                    (long long)queue->settings->rate.per_ms);
		break;
	case EXPLAIN_GROUP_RATE: {
		struct rate rate = group_rate(queue, group);
		text = arena_printf(arena, "Group '" STR_FMT "' has started %u jobs within %lld ms, as many as its rate allows.", STR_ARG(group->key), rate.max,
		                    (long long)rate.per_ms);
		break;
	}
	case EXPLAIN_DELIVERY_SLOTS:
		text = arena_printf(
			arena,
			"The daemon makes %u HTTP calls at once, its maximum (deliver.in_flight); this job's call comes as one ends.",
			why->limit);
		break;
	case EXPLAIN_DELAYED: text = "It was asked to run later."; break;
	case EXPLAIN_RETRY_BACKOFF:
		text = arena_printf(
			arena,
			"Attempt %u failed; the next one starts when the back-off has passed ('ruche jobs promote' starts it now).",
			job->attempts_made);
		break;
	case EXPLAIN_RUNNING:
		text = arena_printf(arena, "It is running, attempt %u, held by worker '" STR_FMT "'.", job->attempts_started, STR_ARG(why->worker));
		break;
	case EXPLAIN_CANCELLING:
		text = arena_printf(arena, "It is running and was asked to stop; worker '" STR_FMT "' hears it at its next heartbeat.", STR_ARG(why->worker));
		break;
	case EXPLAIN_FINISHED:
		text = read_outcome(engine, job) == OUTCOME_SUPERSEDED
			       ? "It has ended: a newer one under its dedup key took its place."
			       : arena_printf(arena, "It has ended: %s.", job_state_name(job_state_of(job)));
		break;
	case EXPLAIN_EMPTY: text = "Its group has nothing to run."; break;
	case EXPLAIN_LIMIT_CONCURRENCY: case EXPLAIN_LIMIT_RATE: case EXPLAIN_BACKED_OFF: return explain_limit_text(engine, job, why, arena);
	case EXPLAIN_CHILDREN: return follow_ahead(&engine->index, job->uid) ? explain_follower(request, engine, job) : explain_children(request, engine, job);
	case EXPLAIN_ENDPOINT_PAUSED:
		text = "Its endpoint is paused: deliveries are kept until somebody resumes it ('ruche endpoints resume').";
		break;
	case EXPLAIN_ENDPOINT_DISABLED:
		text = "Its endpoint is disabled: deliveries are kept until somebody enables it ('ruche endpoints enable'); 'ruche endpoints show' says why.";
		break;
	case EXPLAIN_BREAKER_OPEN:
		text = "Its endpoint failed too often in a row: the next call is made when the pause is over, to see whether it works again.";
		break;
	case EXPLAIN_SLOWED_DOWN:
		text = "A gateway before its endpoint answered that it is overloaded (502, 504): calls are held back for a while, longer each time.";
		break;
	case EXPLAIN_DELIVERY_SHARE:
		text = arena_printf(arena, "Its endpoint has not answered yet, or failed lately: such endpoints have at most %u calls at once, all together, "
				    "half of deliver.in_flight, and %u are under way; this one's call comes as one ends.", why->limit, why->active);
		break;
	case EXPLAIN_PARKED:
		text = dedup_find_next(&engine->index, job->uid) == SLOT_NONE
			       ? "Its workflow waits for an event."
		       : group->endpoint != SLOT_NONE
			       ? "It is the newest delivery about its entity, and starts when the one that is under way has ended."
			       : "It follows the job that owns its dedup key, and starts when that one has ended.";
		break;
	case EXPLAIN_GROUP_MIN:
		text = "It waits for more messages to go in one call with them; then, or when the endpoint's batch.wait_ms have passed, it is sent.";
		break;
	case EXPLAIN_CODE_COUNT: break;
	}
	return str_of(text);
}

enum err op_explain_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	uint32_t slot = read_job(engine, op);
	(void)park;
	if (slot == SLOT_NONE)
		return E_JOB_NOT_FOUND;
	const struct job *job = job_at(index, slot);
	struct explanation *out = ARENA_NEW(&request->arena, struct explanation);
	if (!out)
		return E_NOMEM;
	*out = (struct explanation){ .uid = job->uid, .state = job_state_of(job) };
	switch (job_state_of(job)) {
	case JOB_WAITING: explain_waiting(engine, job, out); break;
	case JOB_DELAYED:
		out->code = job->attempts_made && !(job->flags & ROW_SNOOZED) ? EXPLAIN_RETRY_BACKOFF : EXPLAIN_DELAYED;
		out->until_us = job->flags & ROW_DUE_WALL ? job->due_us : read_wall_us(index, job->due_us);
		break;
	case JOB_ACTIVE: {
		const struct lease *lease = lease_at(index, job->lease);
		out->code = job->flags & ROW_CANCEL ? EXPLAIN_CANCELLING : EXPLAIN_RUNNING;
		out->worker = lease->delivery ? STR("ruche (HTTP delivery)") : arena_str(&request->arena, name_text(index, lease->worker));
		out->until_us = read_wall_us(index, lease_due_us(lease));
		break;
	}
	case JOB_WAITING_CHILDREN: out->code = EXPLAIN_CHILDREN; break;
	case JOB_PARKED: out->code = EXPLAIN_PARKED; break;
	default: out->code = EXPLAIN_FINISHED; break;
	}
	out->text = explain_text(request, engine, job, out);
	out->limit_name = arena_str(&request->arena, out->limit_name);
	op->result.state = out->state;
	op->result.explanation = out;
	return out->text.ptr && out->limit_name.ptr ? E_OK : E_NOMEM;
}

/* ---- queues ---- */

static int priority_compare(const void *a, const void *b)
{
	int32_t x = ((const struct priority_count *)a)->priority, y = ((const struct priority_count *)b)->priority;
	return (x > y) - (x < y);
}

static enum err read_priorities(struct engine *engine, struct request *request, const struct queue *queue, struct queue_info *out)
{
	uint32_t count = 0, at = 0;
	for (uint32_t slot = queue->first_priority; slot != SLOT_NONE; count++)
		slot = ((struct priority_entry *)pool_at(&engine->index.priorities, slot))->next;
	if (!count)
		return E_OK;
	struct priority_count *all = ARENA_ARRAY(&request->arena, struct priority_count, count);
	if (!all)
		return E_NOMEM;
	for (uint32_t slot = queue->first_priority; slot != SLOT_NONE;) {
		const struct priority_entry *entry = pool_at(&engine->index.priorities, slot);
		uint64_t sum = 0;
		for (int state = 0; state < JOB_STATE_COUNT; state++)
			sum += entry->live[state];
		if (sum + entry->far) {
			all[at].priority = entry->priority;
			memcpy(all[at].live, entry->live, sizeof(entry->live));
			all[at++].live[JOB_DELAYED] += entry->far;
		}
		slot = entry->next;
	}
	qsort(all, at, sizeof(*all), priority_compare);
	out->priorities = all;
	out->priority_count = at < 1000 ? at : 1000;
	return E_OK;
}

static enum err read_asked_priorities(struct engine *engine, struct request *request, uint32_t queue, const struct op_queue *asked,
                                      struct queue_info *out)
{
	out->priorities = ARENA_ARRAY(&request->arena, struct priority_count, asked->priority_count);
	if (!out->priorities)
		return E_NOMEM;
	out->priority_count = asked->priority_count;
	for (uint32_t i = 0; i < asked->priority_count; i++) {
		const struct priority_entry *entry = priority_find(&engine->index, queue, asked->priorities[i]);
		out->priorities[i].priority = asked->priorities[i];
		if (!entry)
			continue;
		memcpy(out->priorities[i].live, entry->live, sizeof(entry->live));
		out->priorities[i].live[JOB_DELAYED] += entry->far;
	}
	return E_OK;
}

/* asked: NULL for one of a list. */
static enum err read_queue(struct engine *engine, struct request *request, uint32_t slot, const struct op_queue *asked, struct queue_info *out)
{
	struct index *index = &engine->index;
	const struct queue *queue = queue_at(index, slot);
	*out = (struct queue_info){
		.queue = { arena_str(&request->arena, queue->namespace_name), arena_str(&request->arena, queue->name) },
		.number = queue->number, .paused = queue->paused, .version = queue->version, .created_us = queue->created_us,
		.settings = arena_str(&request->arena, (struct str){ queue->kept->text->bytes, queue->kept->text->len }),
		.groups = queue->groups, .groups_ready = lanes_ready(index, queue, false), .waiters = queue->waiters,
		.enqueued = queue->counts.enqueued, .started = queue->counts.started,
	};
	if (!out->queue.namespace_name.ptr || !out->queue.name.ptr || !out->settings.ptr)
		return E_NOMEM;
	for (int state = 0; state < JOB_STATE_COUNT; state++) {
		out->states[state] = queue->live[state] + keep_told(engine, slot, (enum job_state)state);
		out->ended[state] = queue->counts.ended[state];
	}
	out->states[JOB_DELAYED] += queue_far_jobs(queue);
	const struct priority_entry *usual = priority_find(index, slot, 0);
	out->prioritised = queue->live[JOB_WAITING] - (usual ? usual->live[JOB_WAITING] : 0);
	if (queue->oldest != SLOT_NONE)
		out->oldest_waiting_us = read_wall_us(index, job_at(index, queue->oldest)->since_us);
	int64_t delayed_us = queue_next_due_us(engine, slot, false), wall_us = queue_next_due_us(engine, slot, true);
	if (delayed_us != INT64_MAX)
		out->next_due_us = read_wall_us(index, delayed_us);
	if (wall_us != INT64_MAX && (delayed_us == INT64_MAX || wall_us < out->next_due_us))
		out->next_due_us = wall_us;
	flow_report(&queue->flow, index->now_us, out);
	out->has_rate_ttl = asked && queue->settings->compat;
	if (out->has_rate_ttl)
		out->rate_ttl_ms = limiter_ttl_ms(index, queue, asked->rate_max ? asked->rate_max : queue->settings->rate.max);
	if (!asked)
		return E_OK;
	return asked->priority_count ? read_asked_priorities(engine, request, slot, asked, out) : read_priorities(engine, request, queue, out);
}

struct queue_order {
	const struct queue *queue;
	uint32_t slot;
};

static int queue_order_compare(const void *a, const void *b)
{
	const struct queue *x = ((const struct queue_order *)a)->queue, *y = ((const struct queue_order *)b)->queue;
	int order = str_cmp(x->namespace_name, y->namespace_name);
	return order ? order : str_cmp(x->name, y->name);
}

/* "namespace/name" of the last one seen; namespaces hold no slash. */
static bool queue_is_after(const struct queue *queue, struct str after)
{
	if (!after.len)
		return true;
	size_t slash = str_index(after, '/');
	int order = str_cmp(queue->namespace_name, (struct str){ after.ptr, slash });
	return order > 0 || (order == 0 && str_cmp(queue->name, str_from(after, slash + 1)) > 0);
}

static enum err read_queues(struct engine *engine, struct request *request, struct op *op)
{
	struct index *index = &engine->index;
	struct queue_order *order = ARENA_ARRAY(&engine->scratch, struct queue_order, index->queues.live + 1);
	uint32_t count = 0, limit = op->queue.limit ? op->queue.limit : 100;
	if (!order)
		return E_NOMEM;
	for (uint32_t i = 0; i < index->queues_by_number.capacity; i++) { /* sorted below: the map's order decides nothing */
		uint32_t slot = index->queues_by_number.slots[i].item;
		if (slot == MAP_NONE || queue_at(index, slot)->deleted || !queue_is_after(queue_at(index, slot), op->queue.after))
			continue;
		if (op->queue.queue.namespace_name.len && !str_eq(queue_at(index, slot)->namespace_name, op->queue.queue.namespace_name))
			continue;
		order[count++] = (struct queue_order){ queue_at(index, slot), slot };
	}
	qsort(order, count, sizeof(*order), queue_order_compare);
	op->result.more = count > limit;
	op->result.count = count < limit ? count : limit;
	op->result.queues = ARENA_ARRAY(&request->arena, struct queue_info, op->result.count + 1);
	enum err err = op->result.queues ? E_OK : E_NOMEM;
	for (uint32_t i = 0; i < op->result.count && !err; i++)
		err = read_queue(engine, request, order[i].slot, NULL, &op->result.queues[i]);
	return err;
}

enum err op_queues_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	(void)park;
	if (op->kind == OP_QUEUES)
		return read_queues(engine, request, op);
	uint32_t slot = queue_find(&engine->index, op->queue.queue);
	if (slot == SLOT_NONE || queue_at(&engine->index, slot)->deleted)
		return E_QUEUE_NOT_FOUND;
	op->result.queues = ARENA_NEW(&request->arena, struct queue_info);
	op->result.count = 1;
	return op->result.queues ? read_queue(engine, request, slot, &op->queue, op->result.queues) : E_NOMEM;
}

/* ---- groups ---- */

static int group_order_compare(const void *a, const void *b)
{
	return str_cmp((*(const struct group *const *)a)->key, (*(const struct group *const *)b)->key);
}

static enum err read_group(struct engine *engine, struct request *request, const struct group *group, struct group_info *out)
{
	int64_t until_us;
	*out = (struct group_info){
		.key = arena_str(&request->arena, group->key), .paused = group->paused, .waiting = group->ready.count, .active = group->active,
		.delayed = group->delayed, .code = group_blocker(&engine->index, group, &until_us),
	};
	if (group->has_row) {
		struct buf text;
		buf_init(&text, 4096);
		struct group_settings settings = group->settings;
		struct limit_names names;
		lane_names(&engine->index, group, &settings, &names);
		group_settings_write(&settings, &text);
		out->settings = buf_ok(&text) ? arena_str(&request->arena, buf_str(&text)) : (struct str){ 0 };
		buf_fini(&text);
		if (!out->settings.ptr)
			return E_NOMEM;
	}
	return out->key.ptr ? E_OK : E_NOMEM;
}

/* The first so many by key, out of perhaps 100,000: no more than twice as many are ever sorted at once. */
struct group_page {
	const struct group **groups; /* room for twice `wanted` */
	uint32_t count, wanted;
	const struct group *last;    /* once there are enough: whoever comes after it does not count */
};

static void group_page_cut(struct group_page *page)
{
	qsort(page->groups, page->count, sizeof(*page->groups), group_order_compare);
	if (page->count < page->wanted)
		return;
	page->count = page->wanted;
	page->last = page->groups[page->count - 1];
}

static void group_page_add(struct group_page *page, const struct group *group)
{
	if (page->last && str_cmp(group->key, page->last->key) > 0)
		return;
	page->groups[page->count++] = group;
	if (page->count == 2 * page->wanted)
		group_page_cut(page);
}

enum err op_groups_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	uint32_t queue = queue_find(index, op->queue.queue), limit = op->queue.limit ? op->queue.limit : 100;
	(void)park;
	if (queue == SLOT_NONE || queue_at(index, queue)->deleted)
		return E_QUEUE_NOT_FOUND;
	struct group_page page = { .wanted = limit + 1 }; /* one more tells that there is more */
	page.groups = ARENA_ARRAY(&engine->scratch, const struct group *, 2 * page.wanted);
	if (!page.groups)
		return E_NOMEM;
	for (uint32_t slot = 0; slot < index->groups.used; slot++) {
		const struct group *group = group_at(index, slot);
		if (!group->key.ptr || group->queue != queue || !group->key.len)
			continue;
		if (op->queue.group.len ? str_eq(group->key, op->queue.group) : str_cmp(group->key, op->queue.after) > 0)
			group_page_add(&page, group);
	}
	group_page_cut(&page);
	op->result.more = page.count > limit;
	op->result.count = page.count < limit ? page.count : limit;
	op->result.groups = ARENA_ARRAY(&request->arena, struct group_info, op->result.count + 1);
	enum err err = op->result.groups ? E_OK : E_NOMEM;
	for (uint32_t i = 0; i < op->result.count && !err; i++)
		err = read_group(engine, request, page.groups[i], &op->result.groups[i]);
	return err;
}
