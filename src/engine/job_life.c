/* src/engine/job_life.c: what can happen to a job that is in memory, each with its event and its attempt. Every function journals
 * first; on a refusal its caller's mark undoes what was done. */
#include "engine/engine_priv.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "base/uid.h"

static enum event_type life_final_event(enum job_state state, enum job_outcome outcome)
{
	switch (state) {
	case JOB_COMPLETED: return EVENT_COMPLETED;
	case JOB_CANCELLED: return outcome == OUTCOME_SUPERSEDED ? EVENT_SUPERSEDED : EVENT_CANCELLED;
	case JOB_EXPIRED: return EVENT_EXPIRED;
	default: return EVENT_FAILED;
	}
}

struct str life_details_of(struct engine *engine, const char *name, struct str json)
{
	size_t name_len = strlen(name), len = 0;
	char *text = arena_alloc(&engine->open->cs.arena, name_len + json.len + 5);
	if (!text)
		return (struct str){ 0 };
	text[len++] = '{';
	text[len++] = '"';
	memcpy(text + len, name, name_len);
	len += name_len;
	text[len++] = '"';
	text[len++] = ':';
	memcpy(text + len, json.ptr, json.len);
	len += json.len;
	text[len++] = '}';
	return (struct str){ text, len };
}

static const struct retention *life_retention(const struct queue *queue, enum job_state state)
{
	return state == JOB_COMPLETED ? &queue->settings->keep_completed : &queue->settings->keep_failed;
}

/* What the row of a job that leaves ACTIVE keeps of its lease. */
static enum err life_keep_lease(struct engine *engine, const struct job *job, struct dirty *dirty)
{
	if (job->lease == SLOT_NONE)
		return E_OK;
	const struct lease *lease = lease_at(&engine->index, job->lease);
	struct str worker = name_text(&engine->index, lease->worker);
	dirty->started_us = lease->started_us;
	dirty->worker = worker.len ? arena_str(&engine->open->cs.arena, worker) : worker;
	struct queue *queue = queue_at(&engine->index, job->queue);
	int64_t run_us = skew_now_us(&engine->index, queue) - lease->started_us; /* their clock may have gone back */
	flow_run(&queue->flow, engine->index.now_us, run_us > 0 ? run_us : 0);
	return worker.len && !dirty->worker.ptr ? E_NOMEM : E_OK;
}

static enum err life_abort_delivery(struct engine *engine, const struct job *job)
{
	struct effect *effect;
	if (job->lease == SLOT_NONE || !lease_at(&engine->index, job->lease)->delivery)
		return E_OK;
	enum err err = batch_effect(engine->open, &effect);
	if (!err)
		*effect = (struct effect){ .kind = EFFECT_ABORT, .uid = job->uid, .fence = job->fence };
	return err;
}

enum err life_finish(struct engine *engine, uint32_t slot, enum job_state state, const struct ending *ending)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	bool was_active = job->state == JOB_ACTIVE, compat = job_is_compat(index, job);
	enum err err = job_touch(engine->open, index, slot);
	if (err)
		return err;
	struct dirty *dirty = job_dirty(engine->open, job);
	uint32_t chain;
	err = life_keep_lease(engine, job, dirty);
	err = err ? err : chain_leave(engine, slot, &chain);
	err = err ? err : deferred_leave(engine, slot);
	if (!err && (ending->outcome == OUTCOME_BY_HAND || ending->outcome == OUTCOME_STALLED || ending->outcome == OUTCOME_CHILD_FAILED))
		err = life_abort_delivery(engine, job);
	if (err)
		return err;
	job_move(index, job, state);
	if (state == JOB_COMPLETED)
		job->attempts_made++;
	job->expire_us = 0;
	job->flags &= (uint16_t)~(ROW_CANCEL | (compat ? 0 : ROW_LOST_CHILD)); /* there it goes when the child is retried */
	dirty->outcome = ending->outcome;
	/* As starts are: the wall clock may jump, and retention goes by the order of ends. */
	dirty->finished_us = skew_now_us(index, queue_at(index, job->queue));
	if (!engine->open->earliest_finish_us || dirty->finished_us < engine->open->earliest_finish_us)
		engine->open->earliest_finish_us = dirty->finished_us;
	dirty->result = NULL;
	if (ending->result.len || ending->result_body || ending->error.len || job->table == TABLE_DONE) { /* there: an earlier run's goes */
		dirty->result = ARENA_NEW(&engine->open->cs.arena, struct job_result);
		if (!dirty->result)
			return E_NOMEM;
		*dirty->result = (struct job_result){ .result = ending->result, .result_body = ending->result_body,
			                              .result_bytes = ending->result_body ? ending->result_bytes : ending->result.len, .error = ending->error };
		uint64_t bytes = job->bytes + dirty->result->result_bytes + ending->error.len;
		job->bytes = (uint32_t)(bytes > UINT32_MAX ? UINT32_MAX : bytes);
		engine->open->bytes += ending->result.len + ending->error.len;
	}
	if (life_retention(queue_at(index, job->queue), state)->none || (ending->keep && ending->keep->none))
		job->flags |= JOB_DELETED;
	dirty->keep = ending->keep && !ending->keep->none ? ending->keep : NULL;
	engine->open->keeps |= dirty->keep != NULL;
	err = job_place(index, slot);
	err = err ? err : job_event(engine, job, life_final_event(state, ending->outcome), ending->details);
	err = err ? err : chain_follow(engine, chain);
	err = err ? err : follow_leave(engine, job);
	err = err ? err : dedup_ended(engine, job->uid, false);
	err = err ? err : family_ended(engine, job, ending);
	return err || !was_active ? err : compat_drained(engine, job->queue);
}

static int64_t life_rank(struct queue *queue, bool head)
{
	return head ? --queue->rank_head : ++queue->rank_tail;
}

/* The successor that takes the place of a job that has run and would wait to run again; 0: none. */
static uint64_t life_newer(const struct index *index, const struct job *job)
{
	return job->state == JOB_ACTIVE ? dedup_newer(index, job->uid) : 0;
}

enum err life_wait(struct engine *engine, uint32_t slot, bool head, enum event_type event, struct str details)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	uint64_t newer = life_newer(index, job);
	if (newer)
		return life_supersede(engine, slot, newer, NULL);
	enum err err = job_touch(engine->open, index, slot);
	err = err ? err : life_keep_lease(engine, job, job_dirty(engine->open, job));
	if (err)
		return err;
	job_move(index, job, JOB_WAITING);
	job->rank = life_rank(queue_at(index, job->queue), head);
	err = job_place(index, slot);
	return err ? err : job_event(engine, job, event, details);
}

enum err life_delay(struct engine *engine, uint32_t slot, int64_t due_us, bool wall, enum event_type event, struct str details)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	uint64_t newer = life_newer(index, job);
	if (newer)
		return life_supersede(engine, slot, newer, NULL);
	enum err err = job_touch(engine->open, index, slot);
	err = err ? err : life_keep_lease(engine, job, job_dirty(engine->open, job));
	if (err)
		return err;
	skew_due(index, queue_at(index, job->queue), &due_us, &wall);
	job_move(index, job, JOB_DELAYED);
	job->due_us = due_us;
	job->flags = (uint16_t)((job->flags & ~(ROW_DUE_WALL | ROW_SNOOZED)) | (wall ? ROW_DUE_WALL : 0) | (event == EVENT_SNOOZED ? ROW_SNOOZED : 0));
	err = job_place(index, slot);
	return err ? err : job_event(engine, job, event, details);
}

void life_set_due(struct index *index, struct job *job, int64_t due_us)
{
	bool wall = false;
	skew_due(index, queue_at(index, job->queue), &due_us, &wall);
	job->due_us = due_us;
	job->flags = (uint16_t)(wall ? job->flags | ROW_DUE_WALL : job->flags & ~ROW_DUE_WALL);
}

static struct str life_woken_details(struct engine *engine, int64_t due_us) /* wall time */
{
	struct buf buf;
	buf_init(&buf, 128);
	buf_add_lit(&buf, "{\"from\":\"waiting_children\"");
	json_put_field_instant(&buf, "due_at", due_us);
	buf_add_byte(&buf, '}');
	struct str copy = buf_ok(&buf) ? arena_str(&engine->open->cs.arena, buf_str(&buf)) : (struct str){ 0 };
	buf_fini(&buf);
	return copy;
}

static enum err life_begin_to_wait(struct engine *engine, uint32_t slot, bool in_its_place)
{
	struct index *index = &engine->index;
	if (slot == SLOT_NONE || (job_at(index, slot)->state != JOB_PARKED && job_at(index, slot)->state != JOB_WAITING_CHILDREN))
		return E_OK;
	struct job *job = job_at(index, slot);
	bool parent = job->state == JOB_WAITING_CHILDREN;
	in_its_place |= !parent && job->rank; /* the newest of its key (dedup.c) */
	enum err err = job_touch(engine->open, index, slot);
	if (err)
		return err;
	struct queue *queue = queue_at(index, job->queue);
	bool wall = job->flags & ROW_DUE_WALL;
	int64_t delay_us = wall ? job->due_us - skew_wall_us(index, queue) : job->due_us;
	job_move(index, job, delay_us > 0 ? JOB_DELAYED : JOB_WAITING);
	if (job->expire_us)
		job->expire_us += index->now_us + (delay_us > 0 ? delay_us : 0);
	if (delay_us > 0 && !wall)
		life_set_due(index, job, index->now_us + delay_us);
	else if (delay_us <= 0 && !in_its_place)
		job->rank = life_rank(queue, parent ? compat_head(queue, job->priority, true) : job->flags & ROW_LIFO);
	err = job_place(index, slot);
	if (err || !parent)
		return err ? err : compat_enqueued(engine, (struct str){ 0 }, job);
	struct str details = STR("{\"from\":\"waiting_children\"}");
	if (delay_us > 0)
		details = life_woken_details(engine, skew_wall_us(index, queue) + delay_us);
	return details.ptr ? job_event(engine, job, EVENT_WAITING, details) : E_NOMEM;
}

enum err life_unpark(struct engine *engine, uint32_t slot)
{
	return life_begin_to_wait(engine, slot, false);
}

enum err life_follow(struct engine *engine, uint32_t slot)
{
	return life_begin_to_wait(engine, slot, true);
}

enum err life_await(struct engine *engine, uint32_t slot)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	if (!edges_pending(index, job->uid))
		return E_OK;
	enum err err = job_touch(engine->open, index, slot);
	err = err ? err : life_keep_lease(engine, job, job_dirty(engine->open, job));
	err = err ? err : life_abort_delivery(engine, job);
	if (err)
		return err;
	job_move(index, job, JOB_WAITING_CHILDREN);
	job->due_us = 0;
	job->flags &= (uint16_t)~ROW_DUE_WALL;
	err = job_place(index, slot);
	return err ? err : job_event(engine, job, EVENT_WAITING_CHILDREN, (struct str){ 0 });
}

enum err life_attempt(struct engine *engine, uint32_t slot, struct str error, struct str exchange, enum job_state next, int64_t retry_us)
{
	const struct job *job = job_at(&engine->index, slot);
	const struct lease *lease = job->lease == SLOT_NONE ? NULL : lease_at(&engine->index, job->lease);
	int64_t now_us = skew_now_us(&engine->index, queue_at(&engine->index, job->queue));
	struct attempt_row *row = change_add(&engine->open->cs, attempts);
	if (!row)
		return E_NOMEM;
	*row = (struct attempt_row){
		.uid = job->uid, .number = job->attempts_started, .fence = job->fence, .finished_us = now_us, .next = next,
		.started_us = lease ? lease->started_us : now_us, .retry_us = retry_us, .error = error, .exchange = exchange,
	};
	if (lease) {
		struct str worker = name_text(&engine->index, lease->worker);
		row->worker = worker.len ? arena_str(&engine->open->cs.arena, worker) : worker;
		if (worker.len && !row->worker.ptr)
			return E_NOMEM;
	}
	engine->open->bytes += error.len + exchange.len;
	return E_OK;
}

/* ---- failing ---- */

static struct str life_details(struct engine *engine, const struct job *job, struct str error, int64_t due_us)
{
	struct buf buf;
	buf_init(&buf, LIMIT_ERROR_BYTES + 256);
	buf_add_byte(&buf, '{');
	json_put_field_u64(&buf, "attempts_made", job->attempts_made);
	if (job->flags & JOB_LABELLED)
		json_put_field_u64(&buf, "max_attempts", job->max_attempts);
	if (due_us)
		json_put_field_instant(&buf, "due_at", due_us);
	if (error.len)
		json_put_field_raw(&buf, "error", error);
	buf_add_byte(&buf, '}');
	struct str copy = buf_ok(&buf) ? arena_str(&engine->open->cs.arena, buf_str(&buf)) : (struct str){ 0 };
	buf_fini(&buf);
	return copy;
}

static enum err life_fail_finally(struct engine *engine, uint32_t slot, enum job_state state, enum job_outcome outcome, const struct failure *failure)
{
	const struct job *job = job_at(&engine->index, slot);
	struct ending ending = { .outcome = outcome, .error = failure->error, .details = life_details(engine, job, failure->error, 0),
		                 .keep = failure->keep };
	enum err err = life_attempt(engine, slot, failure->error, failure->exchange, state, 0);
	return err ? err : life_finish(engine, slot, state, &ending);
}

enum err life_supersede(struct engine *engine, uint32_t slot, uint64_t by, const struct failure *failure)
{
	char uid[UID_TEXT_BYTES];
	uid_text(by, uid);
	struct ending ending = { .outcome = OUTCOME_SUPERSEDED,
		                 .details = str_of(arena_printf(&engine->open->cs.arena, "{\"by\":\"%s\"}", uid)) };
	if (!ending.details.ptr)
		return E_NOMEM;
	if (failure) {
		ending.error = failure->error;
		ending.keep = failure->keep;
	}
	enum err err = failure ? life_attempt(engine, slot, failure->error, failure->exchange, JOB_CANCELLED, 0) : E_OK;
	return err ? err : life_finish(engine, slot, JOB_CANCELLED, &ending);
}

enum err life_fail(struct engine *engine, uint32_t slot, const struct failure *failure)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	/* Journalled here, so that attempts_made may change; the second touch of the same job inside is only a second entry. */
	enum err err = job_touch(engine->open, index, slot);
	if (err)
		return err;
	if (!failure->costs_nothing)
		job->attempts_made++;
	err = job_place(index, slot);
	if (err)
		return err;
	bool judged = failure->verdict != VERDICT_POLICY && job_is_compat(index, job); /* by the caller, who counts for himself */
	bool spent = !judged && retry_is_spent(job_max_attempts(index, job), job->attempts_made);
	if (job->flags & ROW_CANCEL)
		return life_fail_finally(engine, slot, JOB_CANCELLED, OUTCOME_BY_HAND, failure);
	if (job->flags & ROW_LOST_CHILD && !job_is_compat(index, job))
		return life_fail_finally(engine, slot, JOB_FAILED, OUTCOME_CHILD_FAILED, failure);
	if (failure->verdict == VERDICT_FINAL)
		return life_fail_finally(engine, slot, JOB_FAILED, OUTCOME_FINAL_ERROR, failure);
	if (spent)
		return life_fail_finally(engine, slot, JOB_FAILED, OUTCOME_ATTEMPTS_SPENT, failure);
	uint64_t newer = life_newer(index, job);
	if (newer)
		return life_supersede(engine, slot, newer, failure);
	int64_t wait_us = 0;
	if (failure->verdict == VERDICT_DELAY)
		wait_us = failure->delay_us;
	else if (failure->verdict == VERDICT_POLICY)
		wait_us = failure->costs_nothing ? 1000000 : retry_wait_us(job_policy(index, job), job->attempts_made, failure->dice);
	int64_t due_us = wait_us > 0 ? index->now_us + wait_us : 0;
	struct str details = life_details(engine, job, failure->error, wait_us > 0 ? skew_wall_us(index, queue_at(index, job->queue)) + wait_us : 0);
	err = life_attempt(engine, slot, failure->error, failure->exchange, due_us ? JOB_DELAYED : JOB_WAITING, due_us);
	if (err)
		return err;
	if (due_us)
		return life_delay(engine, slot, due_us, false, EVENT_RETRYING, details);
	return life_wait(engine, slot, failure->verdict == VERDICT_HEAD, EVENT_RETRYING, details);
}

enum err life_stall(struct engine *engine, uint32_t slot, uint32_t max_stalls)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	struct failure failure = { .error = STR("{\"type\":\"stalled\",\"message\":\"The worker stopped renewing its lease.\"}") };
	enum err err = job_touch(engine->open, index, slot);
	err = err ? err : life_abort_delivery(engine, job);
	if (err)
		return err;
	if (job->stalls < UINT16_MAX)
		job->stalls++;
	err = job_place(index, slot);
	if (err)
		return err;
	if (job->flags & ROW_CANCEL)
		return life_fail_finally(engine, slot, JOB_CANCELLED, OUTCOME_BY_HAND, &failure);
	if (job->flags & ROW_LOST_CHILD && !job_is_compat(index, job))
		return life_fail_finally(engine, slot, JOB_FAILED, OUTCOME_CHILD_FAILED, &failure);
	if (job->stalls > max_stalls && !job_is_compat(index, job))
		return life_fail_finally(engine, slot, JOB_FAILED, OUTCOME_STALLED, &failure);
	uint64_t newer = life_newer(index, job);
	if (newer)
		return life_supersede(engine, slot, newer, &failure);
	if (job->stalls > max_stalls)
		err = deferred_stall(engine, slot);
	err = err ? err : life_attempt(engine, slot, failure.error, (struct str){ 0 }, JOB_WAITING, 0);
	return err ? err : life_wait(engine, slot, true, EVENT_STALLED, (struct str){ 0 });
}

enum err life_time_out(struct engine *engine, uint32_t slot)
{
	struct failure failure = {
		.error = STR("{\"type\":\"timeout\",\"message\":\"The attempt took longer than timeout_ms allows.\"}"),
		.dice = (uint32_t)map_mix(job_at(&engine->index, slot)->uid + job_at(&engine->index, slot)->fence),
	};
	enum err err = life_abort_delivery(engine, job_at(&engine->index, slot));
	return err ? err : life_fail(engine, slot, &failure);
}

enum err life_expire(struct engine *engine, uint32_t slot)
{
	struct ending ending = { .outcome = OUTCOME_TTL };
	return life_finish(engine, slot, JOB_EXPIRED, &ending);
}

/* An active one loses its lease: whoever holds it hears so at his next word. */
enum err life_delete(struct engine *engine, uint32_t slot)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, slot);
	struct str from = compat_from(job);
	enum err err = job_touch(engine->open, index, slot);
	err = err ? err : life_abort_delivery(engine, job);
	if (err)
		return err;
	if (job->state == JOB_ACTIVE)
		job_move(index, job, JOB_CANCELLED);
	job->flags |= JOB_DELETED;
	err = job_event(engine, job, EVENT_DELETED, from);
	err = err ? err : follow_leave(engine, job);
	err = err ? err : dedup_ended(engine, job->uid, true);
	return err ? err : family_deleted(engine, job);
}
