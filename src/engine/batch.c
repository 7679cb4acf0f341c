/* src/engine/batch.c: marks, closing, settling. The journal itself is in journal.c. */
#include "engine/batch.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/uid.h"
#include "engine/journal.h"

struct batch *batch_new(void)
{
	struct batch *batch = mem_zalloc(sizeof(*batch));
	if (batch)
		batch->last_reply = &batch->first_reply;
	return batch;
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	for (uint32_t i = 0; i < batch->effect_count; i++)
		effect_free(batch->effects[i]);
	journal_forget(batch, NULL, 0);
	mem_free(batch->journal);
	mem_free(batch->dirty);
	mem_free(batch->events);
	mem_free(batch->effects);
	arena_fini(&batch->cs.arena);
	mem_free(batch);
}

bool batch_is_empty(const struct batch *batch)
{
	return batch->dirty_count == 0 && batch->event_count == 0 && changeset_is_empty(&batch->cs);
}

void batch_answer(struct batch *batch, struct request *request)
{
	request->link = NULL;
	*batch->last_reply = request;
	batch->last_reply = (struct request **)(void *)&request->link;
	batch->reply_count++;
}

/* The lists of a change-set that handlers append to, hence those a mark remembers. */
#define MARKED_LISTS(X)                                                                                               \
	X(attempts) X(chunks) X(staged) X(unstaged) X(dropped_bodies) X(logs) X(log_trims) X(progress) X(queues) X(dropped_queues) X(groups) \
	X(budgets) X(permits) X(policies) X(dedups) X(edges) X(chains) X(tokens) X(operations) X(idempotency) X(event_trims) X(metrics) \
	X(nameds) X(messages) X(entities) X(message_ranges) X(entity_ranges)

struct mark batch_mark(const struct batch *batch)
{
	struct mark mark = { .journal = batch->journal_count, .dirty = batch->dirty_count, .events = batch->event_count,
		             .effects = batch->effect_count, .bytes = batch->bytes };
#define X(list) mark.list = batch->cs.list.count;
	MARKED_LISTS(X)
#undef X
	return mark;
}

void batch_undo(struct batch *batch, struct index *index, struct mark mark)
{
	CHECK(!batch->closed);
	journal_undo(batch, index, mark.journal);
	batch->dirty_count = mark.dirty;
	batch->event_count = mark.events;
	while (batch->effect_count > mark.effects)
		effect_free(batch->effects[--batch->effect_count]);
#define X(list) batch->cs.list.count = mark.list;
	MARKED_LISTS(X)
#undef X
	batch->bytes = mark.bytes;
}

/* ---- closing ---- */

/* Bodies that came in this batch and that no row on disk names: they go with the job. */
static enum err batch_drop_bodies(struct batch *batch, const struct job *job, const struct dirty *dirty)
{
	const uint64_t numbers[] = { dirty->definition ? dirty->definition->payload_body : 0, job->edited_body,
				     dirty->result ? dirty->result->result_body : 0 };
	for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
		uint64_t *dropped = numbers[i] ? change_add(&batch->cs, dropped_bodies) : NULL;
		if (numbers[i] && !dropped)
			return E_NOMEM;
		if (dropped)
			*dropped = numbers[i];
	}
	return E_OK;
}

static bool job_keeps_due(const struct job *job) /* while it waits for others: its delay, which begins afterwards */
{
	return job->state == JOB_DELAYED || job->state == JOB_PARKED || job->state == JOB_WAITING_CHILDREN;
}

static enum err batch_copy_deferred(struct batch *batch, const struct index *index, const struct job *job, struct str *out)
{
	struct str reason = deferred_of(index, job);
	if (reason.len)
		*out = arena_str(&batch->cs.arena, reason);
	return reason.len && !out->ptr ? E_NOMEM : E_OK;
}

static enum err batch_close_job(struct batch *batch, struct index *index, const struct dirty *dirty)
{
	struct job *job = job_at(index, dirty->slot);
	job->flags = (uint16_t)(job_is_far(index, job) ? job->flags | ROW_FAR : job->flags & ~ROW_FAR);
	bool deleted = job->flags & JOB_DELETED, final = job_state_is_final(job_state_of(job));
	enum job_table after = deleted ? TABLE_NONE : final ? TABLE_DONE : TABLE_LIVE;
	if (deleted && batch_drop_bodies(batch, job, dirty))
		return E_NOMEM;
	if (job->table == TABLE_NONE && after == TABLE_NONE && !job->attempts_started)
		return E_OK; /* came and went in one batch; what ran may have left lines and attempts, which go with a write that tells of it */
	struct job_write *write = change_add(&batch->cs, jobs);
	if (!write)
		return E_NOMEM;
	const struct group *group = group_at(index, job->group);
	*write = (struct job_write){
		.before = (enum job_table)job->table,
		.after = after,
		.definition = dirty->definition,
		.result = dirty->result,
		.row = { .uid = job->uid, .queue = queue_at(index, job->queue)->number, .state = job_state_of(job), .outcome = dirty->outcome,
		         .flags = job->flags & JOB_ROW_FLAGS, .priority = job->priority, .policy = job->policy, .max_attempts = job->max_attempts,
		         .attempts_started = job->attempts_started, .attempts_made = job->attempts_made, .stalls = job->stalls, .rank = job->rank,
		         .due_us = job_keeps_due(job) ? job->due_us : 0, .expire_us = job->expire_us,
		         .timeout_ms = job->timeout_ms,
		         .fence = job->fence, .version = batch->cs.seq, .since_us = job->since_us, .started_us = dirty->started_us,
		         .finished_us = dirty->finished_us, .edited_body = job->edited_body, .bytes = job->bytes, .worker = dirty->worker,
		         .group = group->key },
	};
	/* The key's text may be freed with its group before the store has written it. */
	if (group->key.len) {
		write->row.group = dirty->definition ? dirty->definition->group : arena_str(&batch->cs.arena, group->key);
		if (!write->row.group.ptr)
			return E_NOMEM;
	}
	if (after == TABLE_LIVE && label_copy(index, job, &batch->cs.arena, &write->row.label))
		return E_NOMEM;
	if (after == TABLE_LIVE && batch_copy_deferred(batch, index, job, &write->row.deferred))
		return E_NOMEM;
	if (job->lease != SLOT_NONE) {
		const struct lease *lease = lease_at(index, job->lease);
		struct str worker = name_text(index, lease->worker);
		write->row.lease_token = lease->token;
		write->row.lease_ms = lease->lease_ms;
		write->row.started_us = lease->started_us;
		write->row.worker = worker.len ? arena_str(&batch->cs.arena, worker) : worker;
		if (worker.len && !write->row.worker.ptr)
			return E_NOMEM;
	}
	return E_OK;
}

/* Raw line ends in JSON are blanks between its words: inside a string they would not be JSON. */
static size_t event_write_details(char *text, struct str details)
{
	for (size_t i = 0; i < details.len; i++)
		text[i] = details.ptr[i] == '\n' || details.ptr[i] == '\r' ? ' ' : details.ptr[i];
	return details.len;
}

static size_t event_write(char *text, const struct event *event) /* its line */
{
	const char *name = event_type_name(event->type);
	size_t len = strlen(name);
	memcpy(text, name, len);
	text[len++] = ' ';
	uid_text(event->uid, text + len);
	len += UID_TEXT_BYTES - 1;
	if (event->details.len) {
		text[len++] = ' ';
		len += event_write_details(text + len, event->details);
	}
	text[len++] = '\n';
	return len;
}

/* Events of one queue become one row. First every row learns its size, then its lines are written. */
static enum err batch_close_events(struct batch *batch, struct index *index)
{
	for (uint32_t i = 0; i < batch->event_count; i++) {
		const struct event *event = &batch->events[i];
		struct queue *queue = queue_at(index, event->queue);
		if (!queue->event_row) {
			struct event_row *row = change_add(&batch->cs, events);
			if (!row)
				return E_NOMEM;
			*row = (struct event_row){ .seq = batch->cs.seq, .queue = queue->number, .at_us = index->wall_us };
			queue->event_row = batch->cs.events.count;
		}
		struct event_row *row = &batch->cs.events.items[queue->event_row - 1];
		row->count++;
		queue->untrimmed += queue->untrimmed != UINT32_MAX;
		row->lines.len += strlen(event_type_name(event->type)) + UID_TEXT_BYTES + event->details.len + 3;
	}
	for (uint32_t i = 0; i < batch->cs.events.count; i++) {
		struct str *lines = &batch->cs.events.items[i].lines;
		*lines = (struct str){ arena_alloc(&batch->cs.arena, lines->len), 0 };
		if (!lines->ptr)
			return E_NOMEM;
	}
	for (uint32_t i = 0; i < batch->event_count; i++) {
		struct str *lines = &batch->cs.events.items[queue_at(index, batch->events[i].queue)->event_row - 1].lines;
		lines->len += event_write((char *)(uintptr_t)lines->ptr + lines->len, &batch->events[i]);
	}
	return E_OK;
}

static void batch_count_event(struct index *index, const struct event *event)
{
	struct queue *queue = queue_at(index, event->queue);
	switch (event->type) {
	case EVENT_ENQUEUED: queue->counts.enqueued++; break;
	case EVENT_ACTIVE: queue->counts.started++; break;
	case EVENT_COMPLETED: queue->counts.ended[JOB_COMPLETED]++; break;
	case EVENT_FAILED: queue->counts.ended[JOB_FAILED]++; break;
	case EVENT_CANCELLED:
	case EVENT_SUPERSEDED: queue->counts.ended[JOB_CANCELLED]++; break;
	case EVENT_EXPIRED: queue->counts.ended[JOB_EXPIRED]++; break;
	default: break;
	}
	flow_count(&queue->flow, index->now_us, event->type);
}

static struct queue_counts counts_minus(const struct queue_counts *a, const struct queue_counts *b)
{
	struct queue_counts delta = { .queue = a->queue, .enqueued = a->enqueued - b->enqueued, .started = a->started - b->started,
		                      .ids = a->ids - b->ids };
	for (int state = 0; state < JOB_STATE_COUNT; state++) {
		delta.final[state] = a->final[state] - b->final[state];
		delta.final_bytes[state] = a->final_bytes[state] - b->final_bytes[state];
		delta.ended[state] = a->ended[state] - b->ended[state];
	}
	return delta;
}

/* What ended, by the minute (of engine time, as ends are). The first row of a minute takes those along that are too old. */
static enum err batch_close_metrics(struct batch *batch, const struct index *index, struct queue *queue, const struct queue_counts *delta)
{
	int64_t minute = (queue->skew_us ? index->wall_us + queue->skew_us : index->now_us) / 60000000, minutes = queue->settings->metric_minutes;
	if (!minutes || !(delta->ended[JOB_COMPLETED] + delta->ended[JOB_FAILED]))
		return E_OK;
	struct metric_add *add = change_add(&batch->cs, metrics);
	if (!add)
		return E_NOMEM;
	add->row = (struct metric_row){ queue->number, minute, delta->ended[JOB_COMPLETED], delta->ended[JOB_FAILED] };
	if (queue->metric_minute != minute)
		add->keep_from = minute - minutes;
	queue->metric_minute = minute;
	return E_OK;
}

/* Every change of a job has an event of its queue, so the events name all queues whose counters moved. */
static enum err batch_close_counts(struct batch *batch, struct index *index)
{
	for (uint32_t i = 0; i < batch->event_count; i++)
		batch_count_event(index, &batch->events[i]);
	for (uint32_t i = 0; i < batch->event_count; i++) {
		struct queue *queue = queue_at(index, batch->events[i].queue);
		if (!queue->event_row)
			continue; /* counted */
		queue->event_row = 0;
		struct queue_counts *row = change_add(&batch->cs, counts);
		if (!row)
			return E_NOMEM;
		*row = counts_minus(&queue->counts, &queue->sent);
		if (batch_close_metrics(batch, index, queue, row))
			return E_NOMEM;
	}
	return E_OK;
}

/* The sums go back to what was sent: nothing but this batch's events has moved them since. */
static void batch_uncount(struct batch *batch, struct index *index)
{
	for (uint32_t i = 0; i < batch->event_count; i++) {
		struct queue *queue = queue_at(index, batch->events[i].queue);
		queue->event_row = 0;
		queue->counts.enqueued = queue->sent.enqueued;
		queue->counts.started = queue->sent.started;
		memcpy(queue->counts.ended, queue->sent.ended, sizeof(queue->sent.ended));
	}
}

enum err batch_close(struct batch *batch, struct index *index, uint64_t seq)
{
	batch->cs.seq = seq;
	enum err err = batch_close_events(batch, index);
	for (uint32_t i = 0; i < batch->dirty_count && !err; i++)
		err = batch_close_job(batch, index, &batch->dirty[i]);
	err = err ? err : batch_close_counts(batch, index);
	if (err) {
		batch_uncount(batch, index);
		return err;
	}
	for (uint32_t i = 0; i < batch->event_count; i++) {
		struct queue *queue = queue_at(index, batch->events[i].queue);
		queue->sent = queue->counts;
	}
	for (uint32_t i = 0; i < batch->dirty_count; i++) {
		struct job *job = job_at(index, batch->dirty[i].slot);
		job->dirty = DIRTY_NONE;
		job->version = seq;
		job->table = (uint8_t)(job->flags & JOB_DELETED ? TABLE_NONE : job_state_is_final(job_state_of(job)) ? TABLE_DONE : TABLE_LIVE);
	}
	batch->closed = true;
	return E_OK;
}

/* ---- settling ---- */

static void batch_settle_job(struct batch *batch, struct index *index, uint32_t slot)
{
	const struct job *job = job_at(index, slot);
	if (job->version != batch->cs.seq || job->dirty != DIRTY_NONE)
		return; /* a later batch holds it */
	if (job->flags & JOB_DELETED || job_state_is_final(job_state_of(job)))
		job_destroy(index, slot);
	else if (job->flags & ROW_FAR && job_is_far(index, job))
		job_leave(index, slot);
}

/* Ended operations leave memory; the store remembers them. One that a later batch ended is that batch's: its end may yet be refused. */
static void batch_settle_operation(const struct batch *batch, struct index *index, const struct undo *undo)
{
	const struct running *running = pool_at(&index->operations, undo->slot);
	if (running->live && running->touched_seq == batch->cs.seq && running->row.finished_us)
		operation_remove(index, undo->slot);
}

/* Who asked for a trim hears what went; a log that is longer than one slice is trimmed on. */
static void batch_settle_trims(const struct batch *batch, struct index *index)
{
	for (uint32_t i = 0; i < batch->cs.event_trims.count; i++) {
		const struct event_trim *trim = &batch->cs.event_trims.items[i];
		uint32_t slot = queue_find_number(index, trim->queue);
		if (trim->more && slot != SLOT_NONE)
			queue_at(index, slot)->untrimmed = UINT32_MAX;
		if (!trim->asker)
			continue;
		trim->asker->count = trim->removed < UINT32_MAX ? (uint32_t)trim->removed : UINT32_MAX;
		trim->asker->more = trim->more;
	}
}

void batch_settle(struct batch *batch, struct index *index)
{
	for (uint32_t i = 0; i < batch->dirty_count; i++)
		batch_settle_job(batch, index, batch->dirty[i].slot);
	for (uint32_t i = 0; i < batch->journal_count; i++) {
		const struct undo *undo = &batch->journal[i];
		if (undo->kind == UNDO_KEY)
			key_remove(index, undo->slot);
		else if (undo->kind == UNDO_OPERATION)
			batch_settle_operation(batch, index, undo);
		else if (undo->kind == UNDO_DEDUP || undo->kind == UNDO_DEDUP_NEW)
			dedup_settle(index, undo->slot);
		else if (undo->kind == UNDO_EDGE || undo->kind == UNDO_EDGE_NEW)
			edge_settle(index, undo->slot);
		else if (undo->kind == UNDO_CHAIN || undo->kind == UNDO_CHAIN_NEW)
			chain_settle(index, undo->slot);
		else if (undo->kind == UNDO_NAMED || undo->kind == UNDO_NAMED_NEW)
			named_settle(index, undo->slot);
		else if (undo->kind == UNDO_EXPANSION || undo->kind == UNDO_EXPANSION_NEW)
			expansion_settle(index, undo->slot);
		else if (undo->kind == UNDO_QUEUE && queue_at(index, undo->slot)->deleted && !undo->queue.deleted)
			queue_destroy(index, undo->slot);
	}
	for (uint32_t i = 0; i < batch->cs.ranges.count; i++) {
		const struct range_delete *range = &batch->cs.ranges.items[i];
		uint32_t slot = queue_find_number(index, range->queue);
		if (slot == SLOT_NONE)
			continue;
		struct queue *queue = queue_at(index, slot);
		queue->counts.final[range->state] -= range->removed;
		queue->counts.final_bytes[range->state] -= range->removed_bytes;
		queue->sent.final[range->state] -= range->removed;
		queue->sent.final_bytes[range->state] -= range->removed_bytes;
	}
	batch_settle_trims(batch, index);
	journal_forget(batch, index, 0);
}

static void batch_undo_counts(const struct batch *batch, struct index *index)
{
	for (uint32_t i = 0; i < batch->cs.counts.count; i++) {
		const struct queue_counts *delta = &batch->cs.counts.items[i];
		uint32_t slot = queue_find_number(index, delta->queue);
		CHECK(slot != SLOT_NONE);
		struct queue *queue = queue_at(index, slot);
		queue->sent = counts_minus(&queue->sent, delta);
		queue->sent.queue = queue->number;
		/* final[] comes back with the jobs; the sums of events only here. */
		queue->counts.enqueued -= delta->enqueued;
		queue->counts.started -= delta->started;
		for (int state = 0; state < JOB_STATE_COUNT; state++)
			queue->counts.ended[state] -= delta->ended[state];
	}
}

void batch_undo_all(struct batch *batch, struct index *index)
{
	uint32_t dirty_count = batch->dirty_count;
	if (batch->closed) {
		batch_undo_counts(batch, index);
		journal_undo(batch, index, 0);
	} else {
		batch_undo(batch, index, (struct mark){ 0 });
	}
	/* Final and far jobs were in memory for this batch's sake only. */
	for (uint32_t i = 0; i < dirty_count; i++) {
		uint32_t slot = batch->dirty[i].slot;
		const struct job *job = job_at(index, slot);
		if (job_find(index, job->uid) != slot || job->version > index->committed_seq)
			continue;
		if (job_state_is_final(job_state_of(job)))
			job_destroy(index, slot);
		else if (job->flags & ROW_FAR && job->dirty == DIRTY_NONE && job_is_far(index, job))
			job_leave(index, slot);
	}
}
