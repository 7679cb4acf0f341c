/* src/engine/recover.c: memory from rows: one scan. Leases get a full term, so that workers notice nothing; rates stay shut for the rest of the
 * window that may have been used before. Then, as the first changes: bulk operations go on, and deliveries that were under way go back to the head of
 * their queue, for their thread is gone. */
#include "engine/engine_priv.h"
#include "base/check.h"
#include "base/json.h"
#include "base/mem.h"
#include <stdlib.h>

static struct queue_name recover_name(const struct queue_row *row)
{
	return (struct queue_name){ row->namespace_name, row->name };
}

static enum err recover_queue(void *context, const struct queue_row *row)
{
	struct index *index = &((struct engine *)context)->index;
	uint32_t slot, next = index->next_queue_number;
	index->next_queue_number = row->number;
	enum err err = queue_create(index, recover_name(row), &slot);
	if (err)
		return err;
	struct queue *queue = queue_at(index, slot);
	index->next_queue_number = row->number >= next ? row->number + 1 : next;
	queue->paused = row->paused;
	queue->created_us = row->created_us;
	queue->version = row->version;
	queue->blocked_us = row->blocked_us;
	err = queue_use_text(index, slot, row->settings);
	return err == E_INVALID || err == E_UNKNOWN_FIELD || err == E_MALFORMED ? E_OK : err; /* unreadable settings: the defaults stand */
}

static enum err recover_budget(void *context, const struct budget_row *row)
{
	struct engine *engine = context;
	struct problem problem = { 0 };
	struct json json;
	uint32_t slot;
	enum err err = limit_create(&engine->index, (struct queue_name){ row->namespace_name, row->name }, row->number, &slot);
	if (err)
		return err;
	struct limit *limit = limit_at(&engine->index, slot);
	json_init(&json, row->settings, &engine->scratch, &problem);
	if (!limit_settings_read(&json, &limit->settings))
		limit->settings = (struct limit_settings){ 0 };
	limit->blocked_us = row->blocked_us;
	return E_OK;
}

static enum err recover_permit(void *context, const struct permit_row *row)
{
	struct index *index = &((struct engine *)context)->index;
	uint32_t slot, limit = limit_find_number(index, row->budget);
	if (limit == SLOT_NONE)
		return E_OK;
	enum err err = permit_create(index, limit, row->token, &slot);
	if (err)
		return err;
	permit_at(index, slot)->lease_ms = row->lease_ms;
	permit_set(index, slot, row->units, index->now_us + row->lease_ms * 1000); /* a full term, as every lease */
	return E_OK;
}

/* Its own limits, when it has some: a lane of them. */
static enum err recover_group_lane(struct engine *engine, uint32_t slot)
{
	struct group *group = group_at(&engine->index, slot);
	const struct limit_names *names = group->settings.limits;
	uint32_t limits[LIMITS_A_JOB], lane;
	group->settings.limits = NULL;
	if (!group->settings.has_limits)
		return E_OK;
	enum err err = limits_resolve(&engine->index, queue_at(&engine->index, group->queue)->namespace_name, names, limits);
	err = err ? err : lane_open(&engine->index, group->queue, limits, names->count, &lane);
	return err ? err : group_use_lane(&engine->index, slot, lane);
}

static enum err recover_group(void *context, const struct group_row *row)
{
	struct engine *engine = context;
	struct problem problem = { 0 };
	struct json json;
	uint32_t slot, queue = queue_find_number(&engine->index, row->queue);
	if (queue == SLOT_NONE)
		return E_OK;
	enum err err = group_open(&engine->index, queue, row->key, &slot);
	if (err)
		return err;
	struct group *group = group_at(&engine->index, slot);
	json_init(&json, row->settings, &engine->scratch, &problem);
	group->paused = row->paused;
	if (!group_settings_read(&json, &group->settings))
		group->settings = (struct group_settings){ 0 };
	group->blocked_us = row->blocked_us;
	group->has_row = (!group->paused && !group->blocked_us) || group->settings.has_concurrency || group->settings.has_rate ||
	                 group->settings.has_limits || group->settings.weight;
	err = recover_group_lane(engine, slot);
	group_refresh(&engine->index, slot);
	return err;
}

/* Behind its queue and group. What other threads must know of the others leaves with recover_resume. */
static enum err recover_named(void *context, const struct named_row *row)
{
	struct index *index = &((struct engine *)context)->index;
	uint32_t slot, group, queue = queue_find(index, (struct queue_name){ row->namespace_name, ENDPOINT_QUEUE });
	enum err err = named_restore(index, row, &slot);
	struct named *named = err ? NULL : named_at(index, slot);
	bool pushed = named && row->kind == NAMED_ENDPOINT && (!named->endpoint || named->endpoint->value.kind == ENDPOINT_PUSH);
	if (err || !pushed || queue == SLOT_NONE)
		return err;
	err = group_open(index, queue, named->name, &group);
	if (err)
		return err;
	group_at(index, group)->endpoint = slot;
	group_at(index, group)->paused = named->state != NAMED_ENABLED;
	named->group = group;
	group_refresh(index, group);
	return E_OK;
}

static enum err recover_expansion(void *context, const struct message_row *row)
{
	uint32_t slot;
	return expansion_create(&((struct engine *)context)->index, row, &slot);
}

static enum err recover_policy(void *context, const struct policy_row *row)
{
	struct engine *engine = context;
	struct retry_policy policy;
	struct problem problem = { 0 };
	struct json json;
	memset(&policy, 0, sizeof(policy));
	retry_policy_default(&policy);
	json_init(&json, row->json, &engine->scratch, &problem);
	if (!retry_policy_read(&json, &policy))
		retry_policy_default(&policy);
	return policy_restore(&engine->index, row->number, &policy);
}

static enum err recover_counts(void *context, const struct queue_counts *counts)
{
	struct index *index = &((struct engine *)context)->index;
	uint32_t slot = queue_find_number(index, counts->queue);
	if (slot != SLOT_NONE)
		queue_at(index, slot)->counts = queue_at(index, slot)->sent = *counts;
	return E_OK;
}

static enum err recover_token(void *context, const struct token_row *row)
{
	(void)context;
	(void)row; /* tokens live in the API's cache */
	return E_OK;
}

static enum err recover_operation(void *context, const struct operation_row *row)
{
	struct engine *engine = context;
	uint32_t slot;
	return row->state == OPERATION_DONE || row->state == OPERATION_CANCELLED ? E_OK : operation_add(&engine->index, row, &slot);
}

static enum err recover_lease(struct index *index, struct job *job, const struct job_row *row)
{
	uint32_t name;
	enum err err = name_hold(index, row->worker, &name);
	if (err)
		return err;
	err = pool_take(&index->leases, &job->lease);
	if (err) {
		name_drop(index, name);
		return err;
	}
	const struct queue *queue = queue_at(index, job->queue);
	const struct lane *lane = lane_at(index, group_at(index, job->group)->lane);
	int64_t timeout_ms = job->timeout_ms ? job->timeout_ms : queue->settings->timeout_ms;
	int64_t term_us = index->now_us + row->lease_ms * 1000;
	struct lease *lease = lease_at(index, job->lease);
	bool rides = row->lease_token == lease_token_hash(RIDER_TOKEN);
	bool delivery = rides || row->lease_token == lease_token_hash(DELIVERY_TOKEN);
	*lease = (struct lease){ .token = row->lease_token, .lease_ms = row->lease_ms, .deadline_us = term_us, .started_us = row->started_us,
		                 .hard_us = INT64_MAX, .worker = name, .delivery = delivery, .rides = rides,
		                 .stays = queue->settings->compat && !delivery, .limit_count = rides ? 0 : (uint8_t)lane->limit_count };
	memcpy(lease->limits, lane->limits, sizeof(lane->limits));
	if (timeout_ms && !lease->delivery) {
		lease->hard_us = row->started_us + timeout_ms * 1000;
		if (lease->hard_us < term_us)
			lease->hard_us = term_us; /* while the daemon was away the worker could not report */
	}
	return E_OK;
}

static enum err recover_job(void *context, const struct job_row *row)
{
	struct index *index = &((struct engine *)context)->index;
	uint32_t slot;
	enum err err = job_restore(index, row, &slot);
	if (err)
		return err;
	struct job *job = job_at(index, slot);
	struct queue *queue = queue_at(index, job->queue);
	if (row->rank > queue->rank_tail)
		queue->rank_tail = row->rank;
	if (row->rank < queue->rank_head)
		queue->rank_head = row->rank;
	if (job->state == JOB_ACTIVE)
		err = recover_lease(index, job, row);
	return err ? err : job_attach(index, slot);
}

/* Far ones are counted and stay on disk. Their ranks are past: each gets a new one when it begins to wait. */
static enum err recover_far(void *context, const struct job_row *row, bool *whole)
{
	struct index *index = &((struct engine *)context)->index;
	uint32_t queue = queue_find_number(index, row->queue);
	if (queue == SLOT_NONE)
		return E_STORE_CORRUPT;
	*whole = row->due_us <= far_limit_us(index, row->flags & ROW_DUE_WALL);
	struct priority_entry *entry = *whole ? NULL : priority_open(index, queue, row->priority);
	if (entry)
		far_add(index, queue, entry, row->flags, row->due_us);
	return entry || *whole ? E_OK : E_NOMEM;
}

static enum err recover_dedup(void *context, const struct dedup_row *row)
{
	struct index *index = &((struct engine *)context)->index;
	uint32_t queue = queue_find_number(index, row->queue);
	return queue == SLOT_NONE ? E_STORE_CORRUPT : dedup_restore(index, queue, row);
}

static enum err recover_edge(void *context, const struct edge_row *row)
{
	return edge_restore(&((struct engine *)context)->index, row);
}

static enum err recover_chain(void *context, const struct chain_row *row)
{
	struct engine *engine = context;
	uint32_t queue = queue_find_number(&engine->index, row->queue);
	struct chain_terms *terms;
	if (queue == SLOT_NONE)
		return E_STORE_CORRUPT;
	bool told = queue_at(&engine->index, queue)->settings->compat != COMPAT_NONE;
	struct chain_text text = { row->key, row->schedule, row->job, row->payload, row->metadata, told };
	struct problem problem = { 0 };
	enum err err = chain_terms_new(engine, &text, &terms, &problem);
	if (err == E_NOMEM)
		return err;
	if (err) /* its time zone has gone from this machine, for one: other times than were asked for would be worse than none */
		return problem_set(engine->recover_problem, E_CONFIG, "store", "Chain '" STR_FMT "' of queue '" STR_FMT "': %s", STR_ARG(str_cut(row->key, 40)),
				   STR_ARG(str_cut(queue_at(&engine->index, queue)->name, 40)), problem.detail);
	return chain_restore(&engine->index, queue, row, terms);
}

/* ---- calls of the process that is gone ----
 *
 * They go back into their lines, the last one first, a slice in each change-set: thousands of messages may have been under way in calls of several.
 * Until the last of them is back no new call begins, so those that are still active are exactly the ones to be handed back, and none overtakes
 * another. What was handed back in a change-set that is refused is active again, and looked for anew. */

static int called_compare(const void *a, const void *b) /* the last one first */
{
	const struct called *x = a, *y = b;
	return x->rank != y->rank ? (x->rank < y->rank) - (x->rank > y->rank) : (x->uid < y->uid) - (x->uid > y->uid);
}

static bool job_is_called(const struct index *index, const struct job *job)
{
	return job->state == JOB_ACTIVE && lease_at(index, job->lease)->delivery;
}

static enum err called_find(struct engine *engine)
{
	const struct index *index = &engine->index;
	const struct heap *leases = &index->leases_by_deadline;
	engine->called = mem_zalloc_array((size_t)leases->count + 1, sizeof(*engine->called));
	engine->called_count = engine->called_next = 0;
	if (!engine->called)
		return E_NOMEM;
	for (uint32_t i = 0; i < leases->count; i++) {
		const struct job *job = job_at(index, leases->entries[i].item);
		if (job_is_called(index, job))
			engine->called[engine->called_count++] = (struct called){ job->rank, job->uid };
	}
	qsort(engine->called, engine->called_count, sizeof(*engine->called), called_compare);
	return E_OK;
}

void recover_forget_called(struct engine *engine, bool again)
{
	mem_free(engine->called);
	engine->called = NULL;
	engine->handing_back = again;
	if (again)
		engine->handed_seq = 0;
}

/* No attempt is consumed: whatever became of the call, nobody will tell. They stand first in line in the order that they had, so that a call of
 * several messages has the same ones, and the same id, when it is made again. */
static enum err recover_called(struct engine *engine, uint64_t uid)
{
	struct index *index = &engine->index;
	uint32_t slot = job_find(index, uid);
	if (slot == SLOT_NONE || !job_is_called(index, job_at(index, slot)))
		return E_OK; /* what became of another one, or somebody's word, has ended it */
	if (job_at(index, slot)->flags & ROW_CANCEL)
		return life_finish(engine, slot, JOB_CANCELLED, &(struct ending){ .outcome = OUTCOME_BY_HAND });
	return life_wait(engine, slot, true, EVENT_RELEASED, (struct str){ 0 });
}

enum err recover_hand_back(struct engine *engine)
{
	enum err err = engine->called ? E_OK : called_find(engine);
	uint32_t room = engine->config.handed_back_max;
	for (; !err && room && engine->called_next < engine->called_count && !batch_is_large(engine->open); room--) {
		struct mark mark = batch_mark(engine->open);
		err = recover_called(engine, engine->called[engine->called_next].uid);
		if (err) {
			batch_undo(engine->open, &engine->index, mark);
			break;
		}
		engine->called_next++;
		engine->handed_seq = engine->next_seq;
	}
	if (!err && engine->called_next == engine->called_count)
		recover_forget_called(engine, false);
	return err;
}

static enum err recover_operations(struct engine *engine)
{
	struct index *index = &engine->index;
	for (uint32_t slot = 0; slot < index->operations.used; slot++) {
		const struct running *running = pool_at(&index->operations, slot);
		struct effect *effect;
		if (!running->live || running->row.state != OPERATION_RUNNING)
			continue;
		enum err err = batch_effect(engine->open, &effect);
		if (err)
			return err;
		*effect = (struct effect){ .kind = EFFECT_OPERATION, .uid = running->row.number, .operation_state = OPERATION_RUNNING };
	}
	return E_OK;
}

enum err recover_resume(struct engine *engine)
{
	struct mark mark = batch_mark(engine->open);
	enum err err = named_effects(engine);
	err = err ? err : recover_operations(engine);
	if (err)
		batch_undo(engine->open, &engine->index, mark);
	else
		engine->resumed_seq = engine->next_seq;
	return err;
}

static const struct scan_visitor *recover_visitor(struct engine *engine, struct scan_visitor *visitor)
{
	*visitor = (struct scan_visitor){
		.context = engine, .budget = recover_budget, .permit = recover_permit, .queue = recover_queue, .group = recover_group,
		.policy = recover_policy, .counts = recover_counts, .token = recover_token, .operation = recover_operation, .job = recover_job,
		.far = recover_far, .dedup = recover_dedup, .edge = recover_edge, .chain = recover_chain,
		.named = recover_named, .expansion = recover_expansion,
	};
	return visitor;
}

enum err recover(struct engine *engine, struct problem *problem)
{
	struct index *index = &engine->index;
	struct scan_visitor visitor;
	struct store_meta meta;
	gaps_forget(&engine->gaps);
	enum err err = engine->store->verbs->take(engine->store, &meta);
	if (err)
		return problem_set(problem, err, "store", "%s", err_sentence(err));
	int64_t from_us = meta.engine_us > index->wall_us ? meta.engine_us : index->wall_us;
	if (from_us < index->now_us)
		from_us = index->now_us; /* a rebuild: time goes on */
	engine->engine_base_us = from_us;
	engine->boot_base_us = engine->boot_us;
	index->now_us = from_us;
	index->caution_us = meta.engine_us;
	index->horizon_us = engine->config.horizon_ms * 1000;
	engine->far_pause_us = from_us;
	index->committed_seq = meta.commit_seq;
	engine->next_seq = index->open_seq = meta.commit_seq + 1;
	engine->term = meta.term;
	engine->last_uid = meta.last_uid;
	engine->next_body = meta.next_body ? meta.next_body : 1;
	index->next_queue_number = meta.last_queue + 1;
	index->next_named_number = meta.last_named + 1;
	engine->expand_pause_us = 0;
	engine->messages_looked = 0;
	engine->messages_us = from_us + MESSAGES_FIRST_US;
	engine->orphans_from = 1;
	engine->maintain_us = from_us;
	engine->sample_count = 0;
	engine->trimmed_seq = 0;
	engine->full_until_us = 0;
	engine->resumed_seq = 0;
	recover_forget_called(engine, true);
	engine->line_held = true;
	family_look_again(engine);
	engine->recover_problem = problem;
	err = engine->store->verbs->scan(engine->store, recover_visitor(engine, &visitor));
	engine->recover_problem = NULL;
	arena_reset(&engine->scratch);
	if (err == E_CONFIG)
		return err; /* told already */
	if (err)
		return problem_set(problem, err, "store", "Reading the store failed: %s", err_sentence(err));
	for (uint32_t slot = 0; slot < index->queues.used && !err; slot++)
		err = queue_sort_waiting(index, slot);
	return err ? problem_set(problem, err, "store", "%s", err_sentence(err)) : E_OK;
}
