/* src/engine/dedup.c: keys of dedup in memory: found by key, by owner and by successor, changed so that it can be undone. A key that is gone
 * keeps its slot until the commit that says so; an enqueue may take it up again before. */
#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "engine/engine_priv.h"
#include "engine/journal.h"

struct dedup_wanted {
	uint32_t queue;
	struct str key;
};

static struct dedup *dedup_at(const struct index *index, uint32_t slot)
{
	return pool_at(&index->dedups, slot);
}

static bool dedup_is(void *context, uint32_t slot, const void *wanted)
{
	const struct dedup *dedup = dedup_at(context, slot);
	const struct dedup_wanted *want = wanted;
	return dedup->queue == want->queue && str_eq(name_text(context, dedup->key), want->key);
}

static bool dedup_is_owned_by(void *context, uint32_t slot, const void *uid)
{
	return dedup_at(context, slot)->owner == *(const uint64_t *)uid;
}

static bool dedup_is_followed_by(void *context, uint32_t slot, const void *uid)
{
	return dedup_at(context, slot)->next == *(const uint64_t *)uid;
}

static uint64_t dedup_hash(uint32_t queue, struct str key)
{
	return str_hash(key, UINT64_C(37) + queue);
}

uint32_t dedup_find(const struct index *index, uint32_t queue, struct str key)
{
	struct dedup_wanted wanted = { queue, key };
	uint32_t slot = map_find(&index->dedups_by_key, dedup_hash(queue, key), dedup_is, &wanted);
	return slot == SLOT_NONE || dedup_at(index, slot)->gone ? SLOT_NONE : slot;
}

uint32_t dedup_find_owner(const struct index *index, uint64_t uid)
{
	return map_find(&index->dedups_by_owner, map_mix(uid), dedup_is_owned_by, &uid);
}

uint32_t dedup_find_next(const struct index *index, uint64_t uid)
{
	return map_find(&index->dedups_by_next, map_mix(uid), dedup_is_followed_by, &uid);
}

uint64_t dedup_newest(const struct index *index, uint32_t queue, struct str key)
{
	uint32_t slot = dedup_find(index, queue, key);
	if (slot == SLOT_NONE)
		return 0;
	const struct dedup *dedup = dedup_at(index, slot);
	return dedup->next ? dedup->next : dedup->owner;
}

bool dedup_stays_near(const struct index *index, uint64_t uid)
{
	uint32_t slot = index->dedups.live ? dedup_find_owner(index, uid) : SLOT_NONE;
	return slot != SLOT_NONE && dedup_at(index, slot)->flags;
}

int64_t dedup_since_us(const struct index *index, uint64_t uid)
{
	uint32_t slot = index->dedups.live ? dedup_find_owner(index, uid) : SLOT_NONE;
	return slot != SLOT_NONE && dedup_at(index, slot)->flags & DEDUP_LATEST ? dedup_at(index, slot)->since_us : INT64_MAX;
}

uint64_t dedup_newer(const struct index *index, uint64_t uid)
{
	uint32_t slot = index->dedups.live ? dedup_find_owner(index, uid) : SLOT_NONE;
	return slot != SLOT_NONE && dedup_at(index, slot)->flags & DEDUP_LATEST ? dedup_at(index, slot)->next : 0;
}

/* ---- places: whatever is set is found, and nothing else ---- */

static enum err dedup_reserve(struct index *index)
{
	enum err err = map_reserve(&index->dedups_by_key, 1);
	err = err ? err : map_reserve(&index->dedups_by_owner, 1);
	err = err ? err : map_reserve(&index->dedups_by_next, 1);
	return err ? err : heap_reserve(&index->dedups_by_until, index->dedups.live + 1 - index->dedups_by_until.count);
}

static void dedup_attach(struct index *index, uint32_t slot)
{
	struct dedup *dedup = dedup_at(index, slot);
	dedup->position = HEAP_NOWHERE;
	if (dedup->gone)
		return;
	if (dedup->owner)
		CHECK(!map_put(&index->dedups_by_owner, map_mix(dedup->owner), slot)); /* reserved */
	if (dedup->next)
		CHECK(!map_put(&index->dedups_by_next, map_mix(dedup->next), slot));
	if (dedup->until_us)
		CHECK(!heap_push(&index->dedups_by_until, dedup->until_us, slot, slot));
}

static void dedup_detach(struct index *index, uint32_t slot)
{
	struct dedup *dedup = dedup_at(index, slot);
	if (dedup->gone)
		return;
	if (dedup->owner)
		map_remove(&index->dedups_by_owner, map_mix(dedup->owner), slot);
	if (dedup->next)
		map_remove(&index->dedups_by_next, map_mix(dedup->next), slot);
	if (dedup->position != HEAP_NOWHERE)
		heap_remove(&index->dedups_by_until, dedup->position);
}

/* ---- the names that it holds; SLOT_NONE: empty ---- */

static void dedup_keep_names(struct index *index, const struct dedup *dedup)
{
	const uint32_t names[] = { dedup->key, dedup->owner_id, dedup->next_id };
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (names[i] != SLOT_NONE)
			name_keep(index, names[i]);
}

static void dedup_drop_names(struct index *index, const struct dedup *dedup)
{
	const uint32_t names[] = { dedup->key, dedup->owner_id, dedup->next_id };
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (names[i] != SLOT_NONE)
			name_drop(index, names[i]);
}

static enum err dedup_rename(struct index *index, uint32_t *name, struct str text)
{
	uint32_t held = SLOT_NONE;
	enum err err = text.len ? name_hold(index, text, &held) : E_OK;
	if (err)
		return err;
	if (*name != SLOT_NONE)
		name_drop(index, *name);
	*name = held;
	return E_OK;
}

static struct str dedup_text(const struct index *index, uint32_t name)
{
	return name == SLOT_NONE ? (struct str){ 0 } : name_text(index, name);
}

static struct str dedup_owner_id(const struct index *index, uint32_t slot)
{
	return dedup_text(index, dedup_at(index, slot)->owner_id);
}

/* ---- made and freed ---- */

static void dedup_free(struct index *index, uint32_t slot)
{
	struct dedup *dedup = dedup_at(index, slot);
	dedup_detach(index, slot);
	map_remove(&index->dedups_by_key, dedup->hash, slot);
	dedup_drop_names(index, dedup);
	queue_at(index, dedup->queue)->dedups--;
	dedup->live = dedup->gone = false;
	pool_give(&index->dedups, slot);
}

static enum err dedup_new(struct index *index, uint32_t queue, struct str key, uint32_t *out_slot)
{
	struct dedup fresh = { .live = true, .gone = true, .queue = queue, .hash = dedup_hash(queue, key), .owner_id = SLOT_NONE, .next_id = SLOT_NONE };
	enum err err = dedup_reserve(index);
	err = err ? err : name_hold(index, key, &fresh.key);
	if (err)
		return err;
	err = pool_take(&index->dedups, out_slot);
	if (err) {
		name_drop(index, fresh.key);
		return err;
	}
	*dedup_at(index, *out_slot) = fresh;
	queue_at(index, queue)->dedups++;
	CHECK(!map_put(&index->dedups_by_key, fresh.hash, *out_slot));
	return E_OK;
}

/* Journals it and takes it out of its places: dedup_place ends the change. */
static enum err dedup_touch(struct engine *engine, uint32_t slot)
{
	struct index *index = &engine->index;
	struct undo *undo = dedup_reserve(index) ? NULL : journal_add(engine->open, UNDO_DEDUP, slot);
	if (!undo)
		return E_NOMEM;
	undo->dedup = *dedup_at(index, slot);
	dedup_keep_names(index, &undo->dedup);
	dedup_detach(index, slot);
	dedup_at(index, slot)->version = index->open_seq;
	return E_OK;
}

static enum err dedup_write(struct engine *engine, const struct dedup *dedup)
{
	struct index *index = &engine->index;
	struct arena *arena = &engine->open->cs.arena;
	struct str owner_id = dedup_text(index, dedup->owner_id), next_id = dedup_text(index, dedup->next_id);
	struct dedup_row *row = change_add(&engine->open->cs, dedups);
	if (!row)
		return E_NOMEM;
	*row = (struct dedup_row){
		.queue = queue_at(index, dedup->queue)->number, .key = arena_str(arena, name_text(index, dedup->key)), .owner = dedup->owner,
		.owner_id = arena_str(arena, owner_id), .next = dedup->next, .next_id = arena_str(arena, next_id), .until_us = dedup->until_us,
		.since_us = dedup->since_us, .flags = dedup->flags, .gone = dedup->gone,
	};
	return row->key.ptr && row->owner_id.ptr && row->next_id.ptr ? E_OK : E_NOMEM;
}

static enum err dedup_place(struct engine *engine, uint32_t slot)
{
	dedup_attach(&engine->index, slot);
	return dedup_write(engine, dedup_at(&engine->index, slot));
}

/* The key is free. Nobody is left for its successor to follow: that one begins to wait. */
static enum err dedup_end(struct engine *engine, uint32_t slot)
{
	const uint64_t next = dedup_at(&engine->index, slot)->next;
	enum err err = dedup_touch(engine, slot);
	if (err)
		return err;
	dedup_at(&engine->index, slot)->gone = true;
	err = dedup_place(engine, slot);
	return err || !next ? err : life_unpark(engine, plan_job(engine, next));
}

/* ---- backwards, and after the commit ---- */

static bool dedup_is_over(const struct index *index, const struct dedup *dedup)
{
	return dedup->live && dedup->gone && dedup->version <= index->committed_seq;
}

void dedup_undo(struct index *index, const struct undo *undo)
{
	struct dedup *dedup = dedup_at(index, undo->slot);
	if (undo->kind == UNDO_DEDUP_NEW) {
		dedup_free(index, undo->slot);
		return;
	}
	dedup_detach(index, undo->slot);
	dedup_drop_names(index, dedup);
	*dedup = undo->dedup; /* with the names that the entry held */
	dedup_attach(index, undo->slot);
	if (dedup_is_over(index, dedup))
		dedup_free(index, undo->slot);
}

void dedup_forget(struct index *index, const struct undo *undo)
{
	dedup_drop_names(index, &undo->dedup);
}

void dedup_settle(struct index *index, uint32_t slot)
{
	if (dedup_is_over(index, dedup_at(index, slot)))
		dedup_free(index, slot);
}

void dedup_drop_queue(struct index *index, uint32_t queue)
{
	for (uint32_t slot = 0; slot < index->dedups.used; slot++)
		if (dedup_at(index, slot)->live && dedup_at(index, slot)->queue == queue)
			dedup_free(index, slot);
}

enum err dedup_restore(struct index *index, uint32_t queue, const struct dedup_row *row)
{
	uint32_t slot;
	enum err err = dedup_new(index, queue, row->key, &slot);
	if (err)
		return err;
	struct dedup *dedup = dedup_at(index, slot);
	dedup->owner = row->owner;
	dedup->next = row->next;
	dedup->until_us = row->until_us;
	dedup->since_us = row->since_us;
	dedup->flags = (uint8_t)row->flags;
	dedup->gone = false;
	err = dedup_rename(index, &dedup->owner_id, row->owner_id);
	err = err ? err : dedup_rename(index, &dedup->next_id, row->next_id);
	dedup_attach(index, slot);
	return err;
}

/* ---- an enqueue meets a key ---- */

/* A row of its own for every enqueue that was not one. */
static enum err dedup_tell(struct engine *engine, const struct op_enqueue *enqueue, uint32_t queue, uint32_t slot)
{
	struct str owner_id = dedup_owner_id(&engine->index, slot);
	struct buf text;
	buf_init(&text, 8192);
	buf_add_byte(&text, '{');
	if (queue_at(&engine->index, queue)->settings->compat && owner_id.len)
		json_put_field_str(&text, "job_id", owner_id);
	json_put_field_str(&text, "key", enqueue->dedup->key);
	if (enqueue->id.len)
		json_put_field_str(&text, "ignored", enqueue->id);
	buf_add_byte(&text, '}');
	struct str details = buf_ok(&text) ? arena_str(&engine->open->cs.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return details.ptr ? batch_event(engine->open, EVENT_DEDUPLICATED, queue, dedup_at(&engine->index, slot)->owner, details) : E_NOMEM;
}

/* The owner's turn comes later, or sooner, than it was. */
static enum err dedup_reschedule(struct engine *engine, const struct op_enqueue *enqueue, int64_t latest_us, uint32_t owner)
{
	struct index *index = &engine->index;
	struct job *job = job_at(index, owner);
	int64_t due_us = index->now_us + enqueue->delay_ms * 1000;
	enum err err = job_touch(engine->open, index, owner);
	if (err)
		return err;
	job->due_us = latest_us && due_us > latest_us ? latest_us : due_us;
	job->flags &= (uint16_t)~ROW_DUE_WALL;
	err = job_place(index, owner);
	return err ? err : job_event(engine, job, EVENT_RESCHEDULED, (struct str){ 0 });
}

static enum err dedup_ignore(struct engine *engine, struct op *op, uint32_t queue, uint32_t slot)
{
	struct index *index = &engine->index;
	const struct op_enqueue *enqueue = &op->enqueue;
	const struct op_dedup *want = enqueue->dedup;
	struct dedup *dedup = dedup_at(index, slot);
	uint32_t owner = plan_job(engine, dedup->owner);
	enum err err = E_OK;
	if (want->extend && dedup->until_us) {
		err = dedup_touch(engine, slot);
		if (err)
			return err;
		dedup->until_us = index->now_us + want->ttl_ms * 1000;
		err = dedup_place(engine, slot);
	}
	if (!err && want->reschedule && owner != SLOT_NONE && job_at(index, owner)->state == JOB_DELAYED)
		err = dedup_reschedule(engine, enqueue, want->max_wait_ms ? dedup->since_us + want->max_wait_ms * 1000 : 0, owner);
	op->result.uid = dedup->owner;
	op->result.id = dedup_owner_id(index, slot);
	op->result.duplicate = op->result.deduplicated = true;
	op->result.state = owner == SLOT_NONE ? JOB_STATE_COUNT : job_state_of(job_at(index, owner));
	return err ? err : dedup_tell(engine, enqueue, queue, slot);
}

/* The key lets go of the job, then the job goes: its end finds nothing to pass on. */
static enum err dedup_discard(struct engine *engine, uint32_t slot, uint64_t *place)
{
	uint32_t job = plan_job(engine, *place);
	enum err err = dedup_touch(engine, slot);
	if (err)
		return err;
	*place = 0;
	dedup_attach(&engine->index, slot); /* written when it has its new job */
	return job == SLOT_NONE ? E_OK : life_delete(engine, job);
}

/* The key lets go of the job first, likewise. */
static enum err dedup_supersede(struct engine *engine, uint32_t slot, uint64_t *place, uint64_t by)
{
	uint32_t job = plan_job(engine, *place);
	enum err err = dedup_touch(engine, slot);
	if (err)
		return err;
	*place = 0;
	dedup_attach(&engine->index, slot); /* written when it has its new job */
	return job == SLOT_NONE ? E_OK : life_supersede(engine, job, by, NULL);
}

/* One that is not in memory, whose key ends with it, has not ended: it is delayed, and far. */
static enum job_state dedup_owner_state(struct engine *engine, const struct dedup *dedup)
{
	uint32_t owner = plan_job(engine, dedup->owner);
	if (owner != SLOT_NONE)
		return job_state_of(job_at(&engine->index, owner));
	return dedup->until_us || dedup->flags & DEDUP_HELD ? JOB_COMPLETED : JOB_ACTIVE;
}

/* Where in line one of order `latest` stands, before something newer takes its place; 0: nowhere. */
static int64_t dedup_rank(struct engine *engine, uint64_t uid, uint32_t queue, enum job_state wanted)
{
	uint32_t slot = uid ? plan_job(engine, uid) : SLOT_NONE;
	const struct job *job = slot == SLOT_NONE ? NULL : job_at(&engine->index, slot);
	return job && job->queue == queue && job_state_of(job) == wanted ? job->rank : 0; /* in another queue ranks mean nothing here */
}

static enum err dedup_supersede_next(struct engine *engine, uint32_t slot, uint64_t by)
{
	struct dedup *dedup = dedup_at(&engine->index, slot);
	return dedup->next ? dedup_supersede(engine, slot, &dedup->next, by) : E_OK;
}

/* Of those under the key only the newest counts, besides one that has begun: it is not stopped, and the newest follows it. What is newest stands
 * where the first one stood that was not sent: at the end of the line it would never go, were it to change faster than the line gets shorter. */
static enum err dedup_meet_latest(struct engine *engine, uint64_t by, struct dedup_meeting *out)
{
	struct index *index = &engine->index;
	const struct dedup *dedup = dedup_at(index, out->slot);
	enum job_state state = dedup_owner_state(engine, dedup);
	bool waits = state == JOB_WAITING || state == JOB_DELAYED;
	out->rank = dedup_rank(engine, dedup->owner, dedup->queue, JOB_WAITING);
	out->rank = out->rank ? out->rank : dedup_rank(engine, dedup->next, dedup->queue, JOB_PARKED);
	enum err err = dedup_supersede_next(engine, out->slot, by);
	out->kind = waits || job_state_is_final(state) ? DEDUP_SUPERSEDES : DEDUP_SUCCEEDS;
	if (waits)
		out->since_us = dedup_at(index, out->slot)->since_us; /* what it is about has waited as long */
	return err || !waits ? err : dedup_supersede(engine, out->slot, &dedup_at(index, out->slot)->owner, by);
}

/* After the last one, also if that has failed and holds the key. A successor is left of another mode, which let only the newest count. */
static enum err dedup_meet_fifo(struct engine *engine, uint64_t by, struct dedup_meeting *out)
{
	const struct dedup *dedup = dedup_at(&engine->index, out->slot);
	uint32_t owner = plan_job(engine, dedup->owner);
	enum job_state state = dedup_owner_state(engine, dedup);
	out->ahead = dedup->owner;
	if (dedup->flags & DEDUP_HELD || (owner != SLOT_NONE && !job_state_is_final(state)))
		out->kind = DEDUP_FOLLOWS;
	else
		out->kind = job_state_is_final(state) ? DEDUP_SUPERSEDES : DEDUP_SUCCEEDS;
	return dedup_supersede_next(engine, out->slot, by);
}

enum err dedup_meet(struct engine *engine, struct op *op, uint32_t queue, struct dedup_meeting *out)
{
	struct index *index = &engine->index;
	const struct op_dedup *want = op->enqueue.dedup;
	*out = (struct dedup_meeting){ .kind = DEDUP_FREE, .slot = dedup_find(index, queue, want->key), .since_us = index->now_us };
	if (out->slot == SLOT_NONE)
		return E_OK;
	struct dedup *dedup = dedup_at(index, out->slot);
	if (dedup->until_us && dedup->until_us <= index->now_us)
		return dedup_end(engine, out->slot);
	if (want->latest)
		return dedup_meet_latest(engine, op->enqueue.uid, out);
	if (want->fifo)
		return dedup_meet_fifo(engine, op->enqueue.uid, out);
	uint32_t owner = plan_job(engine, dedup->owner);
	if (want->replace && owner != SLOT_NONE && job_at(index, owner)->state == JOB_DELAYED) {
		out->kind = DEDUP_REPLACES;
		out->since_us = dedup->since_us;
		enum err err = dedup->next ? dedup_discard(engine, out->slot, &dedup->next) : E_OK; /* it was put off by a retry, and is older too */
		return err ? err : dedup_discard(engine, out->slot, &dedup->owner);
	}
	if (want->keep_last && owner != SLOT_NONE && job_at(index, owner)->state == JOB_ACTIVE) {
		out->kind = DEDUP_SUCCEEDS;
		return dedup->next ? dedup_discard(engine, out->slot, &dedup->next) : E_OK;
	}
	out->kind = DEDUP_IGNORED;
	return dedup_ignore(engine, op, queue, out->slot);
}

static enum err dedup_open(struct engine *engine, uint32_t queue, struct str key, uint32_t *slot)
{
	struct index *index = &engine->index;
	struct dedup_wanted wanted = { queue, key };
	*slot = map_find(&index->dedups_by_key, dedup_hash(queue, key), dedup_is, &wanted); /* a gone one too */
	if (*slot != SLOT_NONE)
		return dedup_touch(engine, *slot);
	struct undo *undo = journal_add(engine->open, UNDO_DEDUP_NEW, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = dedup_new(index, queue, key, slot);
	if (err) {
		journal_take_back(engine->open);
		return err;
	}
	undo->slot = *slot;
	dedup_at(index, *slot)->version = index->open_seq;
	return E_OK;
}

enum err dedup_take(struct engine *engine, struct op *op, struct str id, uint32_t queue, const struct dedup_meeting *meeting, uint32_t job)
{
	struct index *index = &engine->index;
	const struct op_enqueue *enqueue = &op->enqueue;
	const struct op_dedup *want = enqueue->dedup;
	uint32_t slot;
	enum err err = dedup_open(engine, queue, want->key, &slot);
	if (err)
		return err;
	struct dedup *dedup = dedup_at(index, slot);
	dedup->gone = false;
	dedup->flags = want->latest ? DEDUP_LATEST : want->fifo ? DEDUP_FIFO : 0;
	if (meeting->kind == DEDUP_SUCCEEDS) {
		dedup->next = enqueue->uid;
		dedup->until_us = dedup->flags ? 0 : dedup->until_us;
		err = dedup_rename(index, &dedup->next_id, id);
	} else {
		dedup->owner = enqueue->uid;
		dedup->next = 0;
		dedup->since_us = meeting->since_us;
		if (meeting->kind == DEDUP_FREE || dedup->flags || want->extend || !dedup->until_us)
			dedup->until_us = want->ttl_ms && !want->keep_last ? index->now_us + want->ttl_ms * 1000 : 0;
		err = dedup_rename(index, &dedup->owner_id, id);
	}
	enum err placed = dedup_place(engine, slot);
	err = err ? err : placed;
	if (!err && meeting->kind == DEDUP_FOLLOWS)
		err = follow_begin(engine, job, meeting->ahead);
	if (err || meeting->kind == DEDUP_FREE || dedup->flags) /* who was superseded told so */
		return err;
	return dedup_tell(engine, enqueue, queue, slot);
}

/* ---- the owner ends ---- */

static enum err dedup_hand_over(struct engine *engine, uint32_t slot)
{
	struct index *index = &engine->index;
	struct dedup *dedup = dedup_at(index, slot);
	uint64_t uid = dedup->next;
	enum err err = dedup_touch(engine, slot);
	if (err)
		return err;
	dedup->owner = uid;
	dedup->next = 0;
	dedup->since_us = index->now_us;
	if (dedup->owner_id != SLOT_NONE)
		name_drop(index, dedup->owner_id);
	dedup->owner_id = dedup->next_id;
	dedup->next_id = SLOT_NONE;
	err = dedup_place(engine, slot);
	return err ? err : life_unpark(engine, plan_job(engine, uid));
}

static enum err dedup_lose_next(struct engine *engine, uint32_t slot) /* the successor goes by itself */
{
	struct dedup *dedup = dedup_at(&engine->index, slot);
	enum err err = dedup_touch(engine, slot);
	if (err)
		return err;
	dedup->next = 0;
	err = dedup_rename(&engine->index, &dedup->next_id, (struct str){ 0 });
	enum err placed = dedup_place(engine, slot);
	return err ? err : placed;
}

/* Those that come later are to wait behind it, too. */
static bool dedup_is_held(struct engine *engine, const struct dedup *dedup)
{
	uint32_t owner = dedup->flags & DEDUP_FIFO ? plan_job(engine, dedup->owner) : SLOT_NONE;
	if (owner == SLOT_NONE)
		return false;
	const struct job *job = job_at(&engine->index, owner);
	return (job->state == JOB_FAILED || job->state == JOB_EXPIRED) && follow_holds(&engine->index, job->group);
}

static enum err dedup_hold(struct engine *engine, uint32_t slot)
{
	struct dedup *dedup = dedup_at(&engine->index, slot);
	uint32_t owner = plan_job(engine, dedup->owner);
	enum err err = dedup_touch(engine, slot);
	if (err)
		return err;
	dedup->flags |= DEDUP_HELD;
	engine->line_held = engine->line_seen = true;
	err = dedup_place(engine, slot);
	return err || owner == SLOT_NONE ? err : family_flag(engine, owner, ROW_CHILD); /* it will be asked for once it has been retried */
}

/* Who has the key again has one of order `latest` behind it: it gives way unless it has begun, or waits in a line itself. */
static enum err dedup_close_up(struct engine *engine, uint32_t slot, uint32_t owner)
{
	enum job_state state = owner == SLOT_NONE ? JOB_FAILED : job_state_of(job_at(&engine->index, owner));
	if (job_state_is_final(state))
		return dedup_hand_over(engine, slot);
	bool waits = state == JOB_WAITING || state == JOB_DELAYED;
	return waits ? life_supersede(engine, owner, dedup_at(&engine->index, slot)->next, NULL) : E_OK;
}

enum err dedup_pass_back(struct engine *engine, uint64_t uid, uint64_t ahead)
{
	struct index *index = &engine->index;
	uint32_t slot = dedup_find_owner(index, uid), job = plan_job(engine, ahead);
	enum err err = slot == SLOT_NONE ? E_OK : dedup_touch(engine, slot);
	if (err || slot == SLOT_NONE)
		return err;
	struct dedup *dedup = dedup_at(index, slot);
	dedup->owner = ahead;
	if (!dedup->next && (job == SLOT_NONE || job_state_is_final(job_state_of(job_at(index, job)))))
		dedup->flags |= DEDUP_HELD; /* who is still waited for and has ended has failed, and holds */
	err = dedup_rename(index, &dedup->owner_id, (struct str){ 0 });
	enum err placed = dedup_place(engine, slot);
	err = err ? err : placed;
	return err || !dedup->next ? err : dedup_close_up(engine, slot, job);
}

enum err dedup_ended(struct engine *engine, uint64_t uid, bool deleted)
{
	struct index *index = &engine->index;
	if (!index->dedups.live)
		return E_OK;
	uint32_t slot = dedup_find_next(index, uid);
	if (slot != SLOT_NONE)
		return dedup_lose_next(engine, slot);
	slot = dedup_find_owner(index, uid);
	if (slot == SLOT_NONE)
		return E_OK;
	struct dedup *dedup = dedup_at(index, slot);
	if (dedup->next && !deleted)
		return dedup_hand_over(engine, slot);
	if (dedup->until_us && !deleted)
		return E_OK; /* until then, whatever becomes of the owner */
	if (!deleted && dedup_is_held(engine, dedup))
		return dedup_hold(engine, slot);
	enum err err = dedup->next ? dedup_discard(engine, slot, &dedup->next) : E_OK;
	return err ? err : dedup_end(engine, slot);
}

enum err dedup_free_all(struct engine *engine, uint32_t queue)
{
	enum err err = E_OK;
	for (uint32_t slot = 0; slot < engine->index.dedups.used && !err; slot++)
		if (dedup_at(&engine->index, slot)->live && !dedup_at(&engine->index, slot)->gone && dedup_at(&engine->index, slot)->queue == queue)
			err = dedup_end(engine, slot);
	return err;
}

/* ---- held keys ---- */

#define DEDUP_LOOKS  500
#define DEDUP_PASSED 20000 /* looked at in a step */

static bool dedup_holds_no_more(const struct index *index, const struct dedup *dedup, const struct job_row *owner)
{
	return !owner->uid || (job_state_is_final(owner->state) && !follow_holds(index, group_find(index, dedup->queue, owner->group)));
}

enum err dedup_look(struct engine *engine, bool *more, bool *again)
{
	struct index *index = &engine->index;
	uint64_t uids[DEDUP_LOOKS];
	uint32_t slots[DEDUP_LOOKS];
	struct load load = { .uids = uids };
	uint32_t until = engine->dedups_looked + DEDUP_PASSED;
	for (; engine->dedups_looked < index->dedups.used && engine->dedups_looked < until && load.uid_count < DEDUP_LOOKS; engine->dedups_looked++) {
		const struct dedup *dedup = dedup_at(index, engine->dedups_looked);
		if (!dedup->live || dedup->gone || !(dedup->flags & DEDUP_HELD))
			continue;
		uint32_t owner = job_find(index, dedup->owner);
		*again |= owner != SLOT_NONE && job_state_is_final(job_state_of(job_at(index, owner)));
		engine->line_seen = true;
		if (owner != SLOT_NONE)
			continue;
		slots[load.uid_count] = engine->dedups_looked;
		uids[load.uid_count++] = dedup->owner;
	}
	*more = engine->dedups_looked < index->dedups.used;
	enum err err = load.uid_count ? engine->store->verbs->load(engine->store, &load, &engine->scratch) : E_OK;
	for (uint32_t i = 0; i < load.uid_count && !err; i++)
		if (dedup_holds_no_more(index, dedup_at(index, slots[i]), &load.rows[i]))
			err = dedup_end(engine, slots[i]);
	return err;
}

enum err dedup_due(struct engine *engine, uint32_t slot)
{
	return dedup_end(engine, slot);
}

/* ---- operations ---- */

enum err op_dedup_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	(void)park;
	uint32_t queue = queue_find(index, op->dedup_key.queue);
	if (queue == SLOT_NONE || queue_at(index, queue)->deleted)
		return E_QUEUE_NOT_FOUND;
	uint32_t slot = dedup_find(index, queue, op->dedup_key.key);
	const struct dedup *dedup = slot == SLOT_NONE ? NULL : dedup_at(index, slot);
	if (!dedup || (dedup->until_us && dedup->until_us <= index->now_us) || (op->dedup_key.uid && op->dedup_key.uid != dedup->owner))
		return E_OK; /* nobody owns it, or not that job */
	op->result.uid = dedup->owner;
	op->result.id = arena_str(&request->arena, dedup_owner_id(index, slot));
	op->result.count = 1;
	op->result.until_us = dedup->until_us ? index->wall_us + dedup->until_us - index->now_us : 0;
	op->result.next = dedup->next;
	if (!op->result.id.ptr)
		return E_NOMEM;
	if (op->kind == OP_DEDUP_GET)
		return E_OK;
	return dedup_end(engine, slot);
}
