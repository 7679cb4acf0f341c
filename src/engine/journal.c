/* src/engine/journal.c: changing the index so that it can be undone.
 *
 * A job's entry is its whole image before, and undoing is: out of its place, image back, into its place. Since counters move with the
 * places, nothing else has to be remembered. Places are never shrunk, so putting back cannot fail. */
#include "engine/journal.h"
#include "base/check.h"
#include "base/mem.h"

static enum err list_grow(void **items, uint32_t *capacity, uint32_t count, size_t item_bytes)
{
	if (count < *capacity)
		return E_OK;
	uint32_t wanted = *capacity ? *capacity * 2 : 64;
	void *grown = mem_realloc(*items, wanted * item_bytes);
	if (!grown)
		return E_NOMEM;
	*items = grown;
	*capacity = wanted;
	return E_OK;
}

struct undo *journal_add(struct batch *batch, enum undo_kind kind, uint32_t slot)
{
	if (list_grow((void **)&batch->journal, &batch->journal_capacity, batch->journal_count, sizeof(*batch->journal)))
		return NULL;
	struct undo *undo = &batch->journal[batch->journal_count++];
	undo->kind = kind;
	undo->slot = slot;
	return undo;
}

void journal_take_back(struct batch *batch)
{
	batch->journal_count--;
}

static enum err dirty_add(struct batch *batch, struct job *job, uint32_t slot)
{
	if (job->dirty != DIRTY_NONE)
		return E_OK;
	enum err err = list_grow((void **)&batch->dirty, &batch->dirty_capacity, batch->dirty_count, sizeof(*batch->dirty));
	if (err)
		return err;
	job->dirty = batch->dirty_count;
	batch->dirty[batch->dirty_count++] = (struct dirty){ .slot = slot };
	return E_OK;
}

struct dirty *job_dirty(struct batch *batch, const struct job *job)
{
	CHECK(job->dirty != DIRTY_NONE);
	return &batch->dirty[job->dirty];
}

/* ---- jobs ---- */

/* Undoing puts a delayed job back without asking for memory. What it left must stay free of jobs that come from disk meanwhile. */
static void journal_owe(struct index *index, const struct job *before, int sign)
{
	struct queue *queue = queue_at(index, before->queue);
	if (before->state != JOB_DELAYED || queue_find_number(index, queue->number) != before->queue)
		return; /* or its queue is gone */
	queue->owed[before->flags & ROW_DUE_WALL ? FAR_WALL : FAR_ENGINE] += (uint32_t)sign;
}

enum err job_touch(struct batch *batch, struct index *index, uint32_t slot)
{
	struct job *job = job_at(index, slot);
	struct undo *undo = journal_add(batch, UNDO_JOB, slot);
	if (!undo)
		return E_NOMEM;
	undo->job.before = *job;
	journal_owe(index, job, +1);
	if (job->lease != SLOT_NONE) {
		undo->job.lease = *lease_at(index, job->lease);
		name_keep(index, undo->job.lease.worker);
	}
	if (job->dirty != DIRTY_NONE)
		undo->job.dirty = batch->dirty[job->dirty];
	if (dirty_add(batch, job, slot)) {
		journal_forget(batch, index, batch->journal_count - 1);
		return E_NOMEM;
	}
	group_at(index, job->group)->touched = index->open_seq; /* the entry names it */
	job_detach(index, slot);
	job->flags |= JOB_LIFTED;
	return E_OK;
}

enum err job_place(struct index *index, uint32_t slot)
{
	struct job *job = job_at(index, slot);
	if (job->flags & JOB_DELETED)
		return E_OK; /* in no place, in no count */
	enum err err = job_attach(index, slot);
	if (!err)
		job->flags &= (uint16_t)~JOB_LIFTED;
	return err; /* E_NOMEM: still lifted; the caller refuses, and undoing the entry puts the old image back */
}

void job_move(struct index *index, struct job *job, enum job_state next)
{
	CHECK(job_may_become(job_state_of(job), next));
	if (job->state == JOB_ACTIVE) {
		name_drop(index, lease_at(index, job->lease)->worker);
		pool_give(&index->leases, job->lease);
		job->lease = SLOT_NONE;
	}
	job->state = (uint8_t)next;
	job->since_us = index->now_us;
}

enum err job_begin(struct batch *batch, struct index *index, uint64_t uid, const struct job_definition *definition, uint32_t *out_slot)
{
	uint32_t slot;
	struct undo *undo = journal_add(batch, UNDO_JOB_NEW, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = job_create(index, uid, &slot);
	if (err) {
		journal_take_back(batch);
		return err;
	}
	undo->slot = slot;
	struct job *job = job_at(index, slot);
	job->flags = JOB_LIFTED;
	err = dirty_add(batch, job, slot);
	if (err)
		return err; /* undone by the caller's mark */
	job_dirty(batch, job)->definition = definition;
	*out_slot = slot;
	return E_OK;
}

static bool job_is_placed(const struct job *job)
{
	return !(job->flags & (JOB_LIFTED | JOB_DELETED));
}

static void undo_job(struct batch *batch, struct index *index, const struct undo *undo)
{
	struct job *job = job_at(index, undo->slot);
	if (job_is_placed(job))
		job_detach(index, undo->slot);
	if (job->lease != SLOT_NONE) {
		name_drop(index, lease_at(index, job->lease)->worker);
		pool_give(&index->leases, job->lease);
	}
	*job = undo->job.before;
	journal_owe(index, job, -1);
	if (job->lease != SLOT_NONE) {
		enum err err = pool_take(&index->leases, &job->lease);
		CHECK(!err); /* its room was given back by whoever dropped it, or by us just now */
		*lease_at(index, job->lease) = undo->job.lease; /* with the hold that the entry had */
	}
	job->heap_position = job->expire_position = HEAP_NOWHERE;
	job->flags &= (uint16_t)~JOB_LISTED; /* not yet; its neighbours are those it had */
	if (batch->closed)
		job->dirty = DIRTY_NONE;
	else if (job->dirty != DIRTY_NONE)
		batch->dirty[job->dirty] = undo->job.dirty;
	if (job_is_placed(job))
		job_attach_sure(index, undo->slot);
}

static void undo_job_new(struct index *index, uint32_t slot)
{
	struct job *job = job_at(index, slot);
	if (job_is_placed(job))
		job_detach(index, slot);
	if (job->lease != SLOT_NONE) {
		name_drop(index, lease_at(index, job->lease)->worker);
		pool_give(&index->leases, job->lease);
	}
	job_destroy(index, slot);
}

/* ---- queues, groups, keys, policies ---- */

enum err queue_touch(struct batch *batch, struct index *index, uint32_t slot)
{
	struct queue *queue = queue_at(index, slot);
	struct undo *undo = journal_add(batch, UNDO_QUEUE, slot);
	if (!undo)
		return E_NOMEM;
	undo->queue.kept = kept_settings_hold(queue->kept);
	undo->queue.paused = queue->paused;
	undo->queue.deleted = queue->deleted;
	undo->queue.version = queue->version;
	undo->queue.blocked_us = queue->blocked_us;
	return E_OK;
}

static void undo_queue(struct index *index, const struct undo *undo)
{
	struct queue *queue = queue_at(index, undo->slot);
	queue->paused = undo->queue.paused;
	queue->deleted = undo->queue.deleted;
	queue->version = undo->queue.version;
	queue->blocked_us = undo->queue.blocked_us;
	queue_use_settings(index, undo->slot, undo->queue.kept); /* takes the entry's hold */
}

enum err queue_begin(struct batch *batch, struct index *index, struct queue_name name, uint32_t *out_slot)
{
	uint32_t slot = queue_find(index, name);
	if (slot != SLOT_NONE && !queue_at(index, slot)->deleted) {
		*out_slot = slot;
		return E_OK;
	}
	if (slot != SLOT_NONE)
		return E_CONFLICT; /* its deletion is not on disk yet */
	struct undo *undo = journal_add(batch, UNDO_QUEUE_NEW, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = queue_create(index, name, &slot);
	if (err) {
		journal_take_back(batch);
		return err;
	}
	undo->slot = slot;
	struct queue *queue = queue_at(index, slot);
	queue->created_us = index->wall_us;
	queue->version = index->open_seq;
	struct queue_row *row = change_add(&batch->cs, queues);
	if (!row)
		return E_NOMEM;
	*row = (struct queue_row){
		.number = queue->number, .created_us = queue->created_us, .version = queue->version,
		.namespace_name = arena_str(&batch->cs.arena, queue->namespace_name),
		.name = arena_str(&batch->cs.arena, queue->name),
		.settings = arena_str(&batch->cs.arena, (struct str){ queue->kept->text->bytes, queue->kept->text->len }),
	};
	if (!row->namespace_name.ptr || !row->name.ptr || !row->settings.ptr)
		return E_NOMEM;
	*out_slot = slot;
	return E_OK;
}

enum err group_touch(struct batch *batch, struct index *index, uint32_t slot)
{
	struct group *group = group_at(index, slot);
	struct undo *undo = journal_add(batch, UNDO_GROUP, slot);
	if (!undo)
		return E_NOMEM;
	undo->group.settings = group->settings;
	undo->group.paused = group->paused;
	undo->group.has_row = group->has_row;
	undo->group.blocked_us = group->blocked_us;
	undo->group.lane = group->lane;
	undo->group.endpoint = group->endpoint;
	group->touched = index->open_seq;
	return E_OK;
}

static void undo_group(struct index *index, const struct undo *undo)
{
	struct group *group = group_at(index, undo->slot);
	group->settings = undo->group.settings;
	group->paused = undo->group.paused;
	group->has_row = undo->group.has_row;
	group->blocked_us = undo->group.blocked_us;
	group->endpoint = undo->group.endpoint;
	group_back_to_lane(index, undo->slot, undo->group.lane);
	group_refresh(index, undo->slot);
}

/* ---- limits ---- */

enum err limit_touch(struct batch *batch, struct index *index, uint32_t slot)
{
	struct limit *limit = limit_at(index, slot);
	struct undo *undo = journal_add(batch, UNDO_LIMIT, slot);
	if (!undo)
		return E_NOMEM;
	undo->limit.settings = limit->settings;
	undo->limit.blocked_us = limit->blocked_us;
	undo->limit.gone = limit->gone;
	limit->touched = index->open_seq;
	return E_OK;
}

static void undo_limit(struct index *index, const struct undo *undo)
{
	struct limit *limit = limit_at(index, undo->slot);
	limit->settings = undo->limit.settings;
	limit->blocked_us = undo->limit.blocked_us;
	limit->gone = undo->limit.gone;
	limit_refresh(index, undo->slot);
}

enum err limit_begin(struct batch *batch, struct index *index, struct queue_name name, uint32_t *out_slot)
{
	*out_slot = limit_find(index, name);
	if (*out_slot != SLOT_NONE)
		return limit_touch(batch, index, *out_slot);
	struct undo *undo = journal_add(batch, UNDO_LIMIT_NEW, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = limit_create(index, name, 0, out_slot);
	if (err)
		journal_take_back(batch);
	else
		undo->slot = *out_slot;
	return err;
}

enum err permit_touch(struct batch *batch, struct index *index, uint32_t slot)
{
	const struct permit *permit = permit_at(index, slot);
	struct undo *undo = journal_add(batch, UNDO_PERMIT, slot);
	if (!undo)
		return E_NOMEM;
	undo->permit.units = permit->units;
	undo->permit.deadline_us = permit->deadline_us;
	undo->permit.lease_ms = permit->lease_ms;
	return E_OK;
}

static void undo_permit(struct index *index, const struct undo *undo)
{
	permit_at(index, undo->slot)->lease_ms = undo->permit.lease_ms;
	permit_set(index, undo->slot, undo->permit.units, undo->permit.deadline_us);
}

enum err permit_begin(struct batch *batch, struct index *index, uint32_t limit, uint64_t token, uint32_t *out_slot)
{
	*out_slot = permit_find(index, limit, token);
	if (*out_slot != SLOT_NONE)
		return permit_touch(batch, index, *out_slot);
	struct undo *undo = journal_add(batch, UNDO_PERMIT_NEW, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = permit_create(index, limit, token, out_slot);
	if (err)
		journal_take_back(batch);
	else
		undo->slot = *out_slot;
	return err;
}

static void undo_permit_new(struct index *index, uint32_t slot)
{
	permit_set(index, slot, 0, 0);
	permit_destroy(index, slot);
}

enum err operation_touch(struct batch *batch, struct index *index, uint32_t slot)
{
	struct undo *undo = journal_add(batch, UNDO_OPERATION, slot);
	if (!undo)
		return E_NOMEM;
	struct running *running = pool_at(&index->operations, slot);
	undo->operation = running->row;
	running->touched_seq = index->open_seq;
	return E_OK;
}

enum err operation_begin(struct batch *batch, struct index *index, const struct operation_row *row, uint32_t *out_slot)
{
	struct undo *undo = journal_add(batch, UNDO_OPERATION_NEW, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = operation_add(index, row, &undo->slot);
	if (err)
		journal_take_back(batch);
	else
		*out_slot = undo->slot;
	return err;
}

enum err batch_key(struct batch *batch, struct index *index, uint32_t queue, struct str id, uint64_t uid)
{
	struct undo *undo = journal_add(batch, UNDO_KEY, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = key_add(index, queue, id, uid, &undo->slot);
	if (err)
		journal_take_back(batch);
	return err;
}

enum err batch_policy(struct batch *batch, struct index *index, const struct retry_policy *policy, uint32_t *out_number)
{
	bool is_new;
	enum err err = policy_intern(index, policy, out_number, &is_new);
	if (err || !is_new)
		return err;
	struct undo *undo = journal_add(batch, UNDO_POLICY, *out_number - 1);
	struct policy_row *row = undo ? change_add(&batch->cs, policies) : NULL;
	if (!row)
		return E_NOMEM;
	struct buf text;
	buf_init(&text, 4096);
	retry_policy_write(policy, &text);
	*row = (struct policy_row){ .number = *out_number, .json = arena_str(&batch->cs.arena, buf_str(&text)) };
	bool written = buf_ok(&text) && row->json.ptr;
	buf_fini(&text);
	if (!written)
		return E_NOMEM;
	index->policies[*out_number - 1].saved = true;
	return E_OK;
}

enum err batch_value(struct batch *batch, uint64_t *place)
{
	struct undo *undo = journal_add(batch, UNDO_VALUE, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	undo->value.place = place;
	undo->value.before = *place;
	return E_OK;
}

enum err batch_event(struct batch *batch, enum event_type type, uint32_t queue, uint64_t uid, struct str details)
{
	enum err err = list_grow((void **)&batch->events, &batch->event_capacity, batch->event_count, sizeof(*batch->events));
	if (!err)
		batch->events[batch->event_count++] = (struct event){ .type = type, .queue = queue, .uid = uid, .details = details };
	return err;
}

enum err batch_effect(struct batch *batch, struct effect **out)
{
	enum err err = list_grow((void **)&batch->effects, &batch->effect_capacity, batch->effect_count, sizeof(*batch->effects));
	if (err)
		return err;
	struct effect *effect = mem_zalloc(sizeof(*effect));
	if (!effect)
		return E_NOMEM;
	batch->effects[batch->effect_count++] = effect;
	*out = effect;
	return E_OK;
}

/* ---- backwards ---- */

void journal_undo(struct batch *batch, struct index *index, uint32_t count)
{
	while (batch->journal_count > count) {
		struct undo *undo = &batch->journal[--batch->journal_count];
		switch (undo->kind) {
		case UNDO_JOB: undo_job(batch, index, undo); break;
		case UNDO_JOB_NEW: undo_job_new(index, undo->slot); break;
		case UNDO_QUEUE: undo_queue(index, undo); break;
		case UNDO_QUEUE_NEW: queue_destroy(index, undo->slot); break;
		case UNDO_GROUP: undo_group(index, undo); break;
		case UNDO_KEY: key_remove(index, undo->slot); break;
		case UNDO_OPERATION: ((struct running *)pool_at(&index->operations, undo->slot))->row = undo->operation; break;
		case UNDO_OPERATION_NEW: operation_remove(index, undo->slot); break;
		case UNDO_POLICY: index->policies[undo->slot].saved = false; break;
		case UNDO_ASIDE: aside_undo(index, undo); break;
		case UNDO_DEDUP:
		case UNDO_DEDUP_NEW: dedup_undo(index, undo); break;
		case UNDO_EDGE:
		case UNDO_EDGE_NEW: edge_undo(index, undo); break;
		case UNDO_CHAIN:
		case UNDO_CHAIN_NEW: chain_undo(index, undo); break;
		case UNDO_VALUE: *undo->value.place = undo->value.before; break;
		case UNDO_TURN: turn_undo(index, undo); break;
		case UNDO_LIMIT: undo_limit(index, undo); break;
		case UNDO_LIMIT_NEW: limit_destroy(index, undo->slot); break;
		case UNDO_PERMIT: undo_permit(index, undo); break;
		case UNDO_PERMIT_NEW: undo_permit_new(index, undo->slot); break;
		case UNDO_NAMED:
		case UNDO_NAMED_NEW: named_undo(index, undo); break;
		case UNDO_HEALTH: health_undo(index, undo); break;
		case UNDO_EXPANSION:
		case UNDO_EXPANSION_NEW: expansion_undo(index, undo); break;
		}
	}
}

void journal_forget(struct batch *batch, struct index *index, uint32_t count)
{
	while (batch->journal_count > count) {
		struct undo *undo = &batch->journal[--batch->journal_count];
		if (undo->kind == UNDO_JOB && undo->job.before.lease != SLOT_NONE && index)
			name_drop(index, undo->job.lease.worker);
		if (undo->kind == UNDO_JOB && index)
			journal_owe(index, &undo->job.before, -1);
		if (undo->kind == UNDO_QUEUE)
			kept_settings_drop(undo->queue.kept);
		if (undo->kind == UNDO_ASIDE && index)
			aside_forget(index, undo);
		if (undo->kind == UNDO_DEDUP && index)
			dedup_forget(index, undo);
		if (undo->kind == UNDO_CHAIN)
			chain_terms_drop(undo->chain.terms);
		if (undo->kind == UNDO_NAMED) {
			shared_text_drop(undo->named.text);
			endpoint_drop(undo->named.endpoint);
			kept_source_drop(undo->named.source);
		}
	}
}
