/* src/engine/job_place.c: a job's one place in memory, and the counters that go with it. */
#include "base/check.h"
#include "base/mem.h"
#include "engine/index.h"
#include <stdlib.h>

static bool job_has_uid(void *context, uint32_t slot, const void *key)
{
	return job_at(context, slot)->uid == *(const uint64_t *)key;
}

uint32_t job_find(const struct index *index, uint64_t uid)
{
	return map_find(&index->jobs_by_uid, map_mix(uid), job_has_uid, &uid);
}

enum err job_create(struct index *index, uint64_t uid, uint32_t *out_slot)
{
	uint32_t slot;
	enum err err = map_reserve(&index->jobs_by_uid, 1);
	if (!err)
		err = pool_take(&index->jobs, &slot);
	if (err)
		return err;
	*job_at(index, slot) = (struct job){
		.uid = uid, .heap_position = HEAP_NOWHERE, .expire_position = HEAP_NOWHERE, .lease = SLOT_NONE,
		.older = SLOT_NONE, .newer = SLOT_NONE, .dirty = DIRTY_NONE, .queue = SLOT_NONE, .group = SLOT_NONE,
	};
	err = map_put(&index->jobs_by_uid, map_mix(uid), slot);
	CHECK(!err);
	*out_slot = slot;
	return E_OK;
}

enum err job_restore(struct index *index, const struct job_row *row, uint32_t *out_slot)
{
	uint32_t slot, group, queue = queue_find_number(index, row->queue);
	if (queue == SLOT_NONE)
		return E_STORE_CORRUPT;
	enum err err = group_open(index, queue, row->group, &group);
	err = err ? err : job_create(index, row->uid, &slot);
	if (err)
		return err;
	struct job *job = job_at(index, slot);
	job->queue = queue;
	job->group = group;
	job->state = (uint8_t)row->state;
	job->table = job_state_is_final(row->state) ? TABLE_DONE : TABLE_LIVE;
	job->flags = (uint16_t)(row->flags & JOB_ROW_FLAGS);
	job->rank = row->rank;
	job->due_us = row->due_us;
	job->since_us = row->since_us;
	job->expire_us = row->expire_us;
	job->timeout_ms = row->timeout_ms;
	job->version = row->version;
	job->fence = row->fence;
	job->edited_body = row->edited_body;
	job->policy = row->policy <= index->policy_count ? row->policy : 0;
	job->priority = row->priority;
	job->max_attempts = row->max_attempts;
	job->attempts_started = row->attempts_started;
	job->attempts_made = row->attempts_made;
	job->stalls = (uint16_t)(row->stalls > UINT16_MAX ? UINT16_MAX : row->stalls);
	job->bytes = (uint32_t)(row->bytes > UINT32_MAX ? UINT32_MAX : row->bytes);
	err = label_set(index, slot, row->label);
	if (!err && row->deferred.len)
		err = deferred_restore(index, slot, row->deferred);
	if (err)
		job_destroy(index, slot);
	else
		*out_slot = slot;
	return err;
}

void job_destroy(struct index *index, uint32_t slot)
{
	aside_drop(index, job_at(index, slot));
	label_drop(index, job_at(index, slot));
	map_remove(&index->jobs_by_uid, map_mix(job_at(index, slot)->uid), slot);
	pool_give(&index->jobs, slot);
}

int64_t lease_due_us(const struct lease *lease)
{
	return !lease->stays && lease->deadline_us < lease->hard_us ? lease->deadline_us : lease->hard_us;
}

void lease_renew(struct index *index, const struct job *job)
{
	struct lease *lease = lease_at(index, job->lease);
	lease->deadline_us = index->now_us + lease->lease_ms * 1000;
	heap_change(&index->leases_by_deadline, job->heap_position, lease_due_us(lease), (int64_t)job->uid);
	if (lease->stays)
		heap_change(&queue_at(index, job->queue)->leases, lease->position, lease->deadline_us, (int64_t)job->uid);
}

/* ---- the list of waiting jobs by age ----
 *
 * Who begins to wait is the youngest. Who only left for a change, or is put back by undoing, finds his neighbours as he left them: what
 * happened since was undone before. After a restart jobs come in the order of their uids, and the lists are put in order once. */

static void job_link_between(struct index *index, struct queue *queue, uint32_t slot, uint32_t older, uint32_t newer)
{
	struct job *job = job_at(index, slot);
	job->older = older;
	job->newer = newer;
	*(older == SLOT_NONE ? &queue->oldest : &job_at(index, older)->newer) = slot;
	*(newer == SLOT_NONE ? &queue->newest : &job_at(index, newer)->older) = slot;
	job->flags |= JOB_LISTED;
}

static bool job_is_listed_in(const struct index *index, uint32_t slot, uint32_t queue)
{
	return job_at(index, slot)->flags & JOB_LISTED && job_at(index, slot)->queue == queue;
}

/* Are the neighbours that it had still side by side, and of its age? */
static bool job_fits_between(const struct index *index, const struct job *job)
{
	const struct queue *queue = queue_at(index, job->queue);
	uint32_t older = job->older, newer = job->newer;
	if (older == SLOT_NONE ? queue->oldest != newer : !job_is_listed_in(index, older, job->queue) || job_at(index, older)->newer != newer)
		return false;
	if (newer == SLOT_NONE ? queue->newest != older : !job_is_listed_in(index, newer, job->queue) || job_at(index, newer)->older != older)
		return false;
	return (older == SLOT_NONE || job_at(index, older)->since_us <= job->since_us) &&
	       (newer == SLOT_NONE || job_at(index, newer)->since_us >= job->since_us);
}

static void job_link(struct index *index, uint32_t slot)
{
	const struct job *job = job_at(index, slot);
	struct queue *queue = queue_at(index, job->queue);
	if (job_fits_between(index, job))
		job_link_between(index, queue, slot, job->older, job->newer);
	else
		job_link_between(index, queue, slot, queue->newest, SLOT_NONE);
}

static void job_unlink(struct index *index, uint32_t slot) /* it keeps its neighbours in mind */
{
	struct job *job = job_at(index, slot);
	struct queue *queue = queue_at(index, job->queue);
	*(job->older == SLOT_NONE ? &queue->oldest : &job_at(index, job->older)->newer) = job->newer;
	*(job->newer == SLOT_NONE ? &queue->newest : &job_at(index, job->newer)->older) = job->older;
	job->flags &= (uint16_t)~JOB_LISTED;
}

struct aged {
	int64_t since_us;
	uint64_t uid;
	uint32_t slot;
};

static int aged_compare(const void *a, const void *b)
{
	const struct aged *x = a, *y = b;
	return x->since_us != y->since_us ? (x->since_us > y->since_us) - (x->since_us < y->since_us) : (x->uid > y->uid) - (x->uid < y->uid);
}

enum err queue_sort_waiting(struct index *index, uint32_t queue_slot)
{
	struct queue *queue = queue_at(index, queue_slot);
	uint32_t count = 0, slot = queue->oldest;
	bool sorted = true;
	for (int64_t since_us = INT64_MIN; slot != SLOT_NONE; slot = job_at(index, slot)->newer, count++) {
		sorted &= since_us <= job_at(index, slot)->since_us;
		since_us = job_at(index, slot)->since_us;
	}
	if (sorted)
		return E_OK;
	struct aged *jobs = mem_alloc(count * sizeof(*jobs));
	if (!jobs)
		return E_NOMEM;
	slot = queue->oldest;
	for (uint32_t i = 0; i < count; i++, slot = job_at(index, slot)->newer)
		jobs[i] = (struct aged){ job_at(index, slot)->since_us, job_at(index, slot)->uid, slot };
	qsort(jobs, count, sizeof(*jobs), aged_compare);
	queue->oldest = queue->newest = SLOT_NONE;
	for (uint32_t i = 0; i < count; i++)
		job_link_between(index, queue, jobs[i].slot, queue->newest, SLOT_NONE);
	mem_free(jobs);
	return E_OK;
}

/* ---- counters ---- */

void job_count_final(struct index *index, const struct job *job, int sign)
{
	struct queue_counts *counts = &queue_at(index, job->queue)->counts;
	counts->final[job->state] += (uint64_t)(int64_t)sign;
	counts->final_bytes[job->state] += (uint64_t)(sign * (int64_t)job->bytes);
}

static void job_count(struct index *index, const struct job *job, int sign)
{
	if (job_state_is_final(job_state_of(job))) {
		job_count_final(index, job, sign);
		return;
	}
	uint64_t step = (uint64_t)(int64_t)sign;
	struct queue *queue = queue_at(index, job->queue);
	struct group *group = group_at(index, job->group);
	struct priority_entry *entry = priority_open(index, job->queue, job->priority);
	CHECK(entry); /* reserved */
	entry->live[job->state] += step;
	queue->live[job->state] += step;
	group->jobs += (uint32_t)step;
	group->touched = index->open_seq;
	index->live_jobs += step;
	if (job->state == JOB_ACTIVE && !lease_at(index, job->lease)->rides) {
		queue->active += (uint32_t)step;
		group->active += (uint32_t)step;
		limits_count(index, lease_at(index, job->lease), sign);
		if (lease_at(index, job->lease)->delivery)
			index->deliveries += step;
		if (group->doubtful)
			index->doubtful_calls += step;
	} else if (job->state == JOB_DELAYED) {
		group->delayed += (uint32_t)step;
	}
}

/* ---- in and out ---- */

static struct heap *job_heap(struct index *index, const struct job *job)
{
	switch (job_state_of(job)) {
	case JOB_WAITING: return &group_at(index, job->group)->ready;
	case JOB_DELAYED: return job->flags & ROW_DUE_WALL ? &queue_at(index, job->queue)->delayed_wall : &queue_at(index, job->queue)->delayed;
	case JOB_ACTIVE: return &index->leases_by_deadline;
	default: return NULL;
	}
}

static struct heap *job_lease_heap(struct index *index, const struct job *job) /* NULL: its lease ends by time, or it has none */
{
	return job->state == JOB_ACTIVE && lease_at(index, job->lease)->stays ? &queue_at(index, job->queue)->leases : NULL;
}

static bool job_expires(const struct job *job)
{
	return job->expire_us && job->state == JOB_WAITING; /* time-to-live counts from the due time on */
}

enum err job_reserve(struct index *index, const struct job *job)
{
	struct heap *heap = job_heap(index, job);
	enum err err = heap ? heap_reserve(heap, 1) : E_OK;
	if (!err && (heap = job_lease_heap(index, job)))
		err = heap_reserve(heap, 1);
	if (!err && job_expires(job))
		err = heap_reserve(&index->expiring, 1);
	if (!err && !job_state_is_final(job_state_of(job)) && !priority_open(index, job->queue, job->priority))
		err = E_NOMEM;
	return err;
}

void job_attach_sure(struct index *index, uint32_t slot)
{
	struct job *job = job_at(index, slot);
	struct heap *heap = job_heap(index, job);
	int64_t major = 0, minor = (int64_t)job->uid;
	enum err err = E_OK;
	if (job->state == JOB_WAITING) {
		major = job->priority;
		minor = job->rank;
		job_link(index, slot);
	} else if (job->state == JOB_DELAYED) {
		major = job->due_us;
	} else if (job->state == JOB_ACTIVE) {
		major = lease_due_us(lease_at(index, job->lease));
	}
	if (heap)
		err = heap_push(heap, major, minor, slot);
	CHECK(!err);
	if ((heap = job_lease_heap(index, job)))
		err = heap_push(heap, lease_at(index, job->lease)->deadline_us, minor, slot);
	CHECK(!err);
	if (job_expires(job))
		err = heap_push(&index->expiring, job->expire_us, (int64_t)job->uid, slot);
	CHECK(!err);
	job_count(index, job, +1);
	if (job_state_is_final(job_state_of(job)))
		return;
	group_refresh(index, job->group);
	if (job->state == JOB_DELAYED)
		queue_refresh(index, job->queue);
}

enum err job_attach(struct index *index, uint32_t slot)
{
	enum err err = job_reserve(index, job_at(index, slot));
	if (!err)
		job_attach_sure(index, slot);
	return err;
}

void job_detach(struct index *index, uint32_t slot)
{
	struct job *job = job_at(index, slot);
	struct heap *heap = job_heap(index, job);
	if (heap) {
		CHECK(job->heap_position != HEAP_NOWHERE);
		heap_remove(heap, job->heap_position);
	}
	if ((heap = job_lease_heap(index, job)))
		heap_remove(heap, lease_at(index, job->lease)->position);
	if (job->state == JOB_WAITING)
		job_unlink(index, slot);
	if (job->expire_position != HEAP_NOWHERE)
		heap_remove(&index->expiring, job->expire_position);
	job_count(index, job, -1);
	if (job_state_is_final(job_state_of(job)))
		return;
	group_refresh(index, job->group);
	if (job->state == JOB_DELAYED)
		queue_refresh(index, job->queue);
	if (job->state == JOB_ACTIVE)
		queue_flag(index, job->queue); /* its place in the queue may be another group's */
}

/* ---- far jobs: counted by their queue, in no place. Leaving and coming back change nothing that a journal would have to know. ---- */

static struct priority_entry *job_priority(struct index *index, const struct job *job)
{
	struct priority_entry *entry = priority_open(index, job->queue, job->priority);
	CHECK(entry); /* it was counted there before */
	return entry;
}

void job_leave(struct index *index, uint32_t slot)
{
	struct job *job = job_at(index, slot);
	struct group *group = group_at(index, job->group);
	uint64_t touched = group->touched;
	CHECK(job->flags & ROW_FAR);
	job_detach(index, slot);
	group->touched = touched;
	far_add(index, job->queue, job_priority(index, job), job->flags, job->due_us);
	job_destroy(index, slot);
}

enum err job_return(struct index *index, uint32_t slot)
{
	struct job *job = job_at(index, slot);
	struct group *group = group_at(index, job->group);
	uint64_t touched = group->touched;
	uint32_t owed = queue_at(index, job->queue)->owed[job->flags & ROW_DUE_WALL ? FAR_WALL : FAR_ENGINE];
	CHECK(job->state == JOB_DELAYED);
	enum err err = heap_reserve(job_heap(index, job), owed + 1);
	if (err)
		return err;
	far_remove(index, job->queue, job_priority(index, job), job->flags, job->due_us);
	job_attach_sure(index, slot);
	group->touched = touched;
	return E_OK;
}
