/* src/engine/family.c: children and those who wait for them. A parent waits until none of its edges is pending; a child that ends, or goes,
 * resolves its edges, and what that means to a parent is said by the edge's on_failure. Parents that fail in turn are worked off one after
 * the other: however high the tree is, nothing recurses. */
#include "base/buf.h"
#include "base/json.h"
#include "base/uid.h"
#include "engine/engine_priv.h"

struct end { /* of a child; in the batch's arena */
	struct end *next;
	uint64_t uid;
	enum job_state state;
	bool gone;        /* it is not kept */
	struct str value; /* JSON: the result, or the error */
};

/* ---- rows ---- */

struct edge_row *family_row(struct engine *engine, uint64_t parent, uint64_t child, enum edge_state state)
{
	struct edge_row *row = change_add(&engine->open->cs, edges);
	if (row)
		*row = (struct edge_row){ .parent = parent, .child = child, .state = state, .at_us = engine->index.now_us };
	return row;
}

/* Neither the parent nor the edge need be there any more when it is written: retention may have been faster. */
static enum err family_write(struct engine *engine, uint64_t parent, uint64_t child, uint32_t state, struct str value)
{
	struct edge_row *row = family_row(engine, parent, child, state == EDGE_GONE ? EDGE_PENDING : (enum edge_state)state);
	if (!row)
		return E_NOMEM;
	row->gone = state == EDGE_GONE;
	row->update = !row->gone;
	row->value = value;
	engine->open->bytes += value.len;
	return E_OK;
}

enum err family_turn(struct engine *engine, uint32_t slot, uint32_t state, struct str value)
{
	struct index *index = &engine->index;
	uint64_t parent = edge_parent(index, slot), child = edge_child(index, slot);
	enum err err = edge_become(engine->open, index, slot, state, (enum on_failure)edge_at(index, slot)->on_failure);
	return err ? err : family_write(engine, parent, child, state, value);
}

enum err family_flag(struct engine *engine, uint32_t slot, uint32_t flag)
{
	struct job *job = job_at(&engine->index, slot);
	if (job->flags & flag)
		return E_OK;
	enum err err = job_touch(engine->open, &engine->index, slot);
	err = err ? err : job_keep_row(engine, job);
	if (err)
		return err;
	job->flags |= (uint16_t)flag;
	return job_place(&engine->index, slot);
}

/* ---- what becomes of a parent ---- */

/* Its request still adds children. */
static bool family_is_held(const struct engine *engine, uint64_t parent)
{
	const struct request *request = engine->applying;
	for (uint32_t i = 0; request && i < request->op_count; i++)
		if (request->ops[i].kind == OP_ENQUEUE && request->ops[i].enqueue.waits && request->ops[i].enqueue.uid == parent)
			return true;
	return false;
}

static enum err family_wake(struct engine *engine, uint32_t slot)
{
	const struct job *job = job_at(&engine->index, slot);
	return job->state != JOB_WAITING_CHILDREN || family_is_held(engine, job->uid) ? E_OK : life_unpark(engine, slot);
}

static struct str family_text(struct engine *engine, struct buf *buf)
{
	struct str copy = buf_ok(buf) ? arena_str(&engine->open->cs.arena, buf_str(buf)) : (struct str){ 0 };
	buf_fini(buf);
	return copy;
}

static struct str family_child_details(struct engine *engine, uint64_t child)
{
	char text[UID_TEXT_BYTES];
	struct buf buf;
	uid_text(child, text);
	buf_init(&buf, 256);
	buf_add_byte(&buf, '{');
	json_put_field_str(&buf, "child", str_of(text));
	buf_add_byte(&buf, '}');
	return family_text(engine, &buf);
}

static struct str family_child_error(struct engine *engine, uint64_t child)
{
	char text[UID_TEXT_BYTES];
	struct buf buf;
	uid_text(child, text);
	buf_init(&buf, 512);
	buf_addf(&buf, "{\"type\":\"child_failed\",\"message\":\"Its child %s did not complete.\",\"child\":\"%s\"}", text, text);
	return family_text(engine, &buf);
}

/* As BullMQ says it, with the child's key. */
static struct str family_reason(struct engine *engine, uint64_t child)
{
	const struct job *job = job_at(&engine->index, job_find(&engine->index, child));
	const struct queue *queue = queue_at(&engine->index, job->queue);
	char room[LABEL_ROOM];
	char *text = arena_printf(&engine->open->cs.arena, "child " STR_FMT ":" STR_FMT ":" STR_FMT " failed", STR_ARG(queue->namespace_name),
	                          STR_ARG(queue->name), STR_ARG(label_of(&engine->index, job, room)));
	return str_of(text);
}

/* In queues whose workers judge for themselves it goes back to them, first in line, and whoever claims it next lets it fail. */
static enum err family_defer(struct engine *engine, uint32_t slot, uint64_t child)
{
	struct str reason = family_reason(engine, child);
	enum err err = reason.ptr ? family_flag(engine, slot, ROW_LOST_CHILD) : E_NOMEM;
	return err ? err : deferred_fail(engine, slot, reason);
}

/* One that a worker holds is asked to stop, and can only fail from now on; any other fails at once. */
static enum err family_lose(struct engine *engine, uint32_t slot, uint64_t child)
{
	struct job *job = job_at(&engine->index, slot);
	if (job_is_compat(&engine->index, job))
		return family_defer(engine, slot, child);
	struct str details = family_child_details(engine, child);
	if (!details.ptr)
		return E_NOMEM;
	if (job->state == JOB_ACTIVE && !lease_at(&engine->index, job->lease)->delivery) {
		if (job->flags & ROW_LOST_CHILD)
			return E_OK;
		enum err err = family_flag(engine, slot, ROW_LOST_CHILD);
		return err ? err : batch_event(engine->open, EVENT_CANCEL_REQUESTED, job->queue, job->uid, details);
	}
	struct ending ending = { .outcome = OUTCOME_CHILD_FAILED, .error = family_child_error(engine, child), .details = details };
	return ending.error.ptr ? life_finish(engine, slot, JOB_FAILED, &ending) : E_NOMEM;
}

enum err family_lost(struct engine *engine, uint32_t slot)
{
	struct ending ending = { .outcome = OUTCOME_CHILD_FAILED, .error = STR("{\"type\":\"child_failed\",\"message\":\"A child did not complete.\"}") };
	return life_finish(engine, slot, JOB_FAILED, &ending);
}

/* ---- a child ends, or goes ---- */

static uint32_t family_next_state(enum job_state state, enum on_failure on_failure)
{
	if (state == JOB_COMPLETED)
		return EDGE_DONE;
	switch (on_failure) {
	case ON_FAILURE_FAIL: return EDGE_FAILED;
	case ON_FAILURE_FORGET: return EDGE_GONE;
	case ON_FAILURE_HOLD: return EDGE_PENDING;
	default: return EDGE_IGNORED;
	}
}

static enum err family_resolve(struct engine *engine, uint32_t slot, uint32_t next, struct str value)
{
	struct index *index = &engine->index;
	uint64_t parent_uid = edge_parent(index, slot), child = edge_child(index, slot);
	bool goes_on = next == EDGE_IGNORED && edge_at(index, slot)->on_failure == ON_FAILURE_CONTINUE;
	bool follows = edge_at(index, slot)->on_failure == ON_FAILURE_FOLLOW;
	enum err err = family_turn(engine, slot, next, next == EDGE_GONE ? (struct str){ 0 } : value);
	uint32_t parent = plan_job(engine, parent_uid);
	if (err || parent == SLOT_NONE || job_state_is_final(job_state_of(job_at(index, parent))))
		return err;
	if (next == EDGE_FAILED)
		return family_lose(engine, parent, child);
	if (!goes_on && edges_pending(index, parent_uid))
		return E_OK;
	return follows ? life_follow(engine, parent) : family_wake(engine, parent);
}

static enum err family_hear(struct engine *engine, const struct end *end)
{
	struct index *index = &engine->index;
	uint32_t kin = kin_find(index, end->uid);
	enum err err = E_OK;
	uint32_t slot = kin == SLOT_NONE ? SLOT_NONE : kin_at(index, kin)->first_parent; /* edges stay where they are until the batch settles */
	for (; slot != SLOT_NONE && !err; slot = edge_at(index, slot)->next_parent) {
		const struct edge *edge = edge_at(index, slot);
		uint32_t next = edge->on_failure == ON_FAILURE_FOLLOW ? follow_next_state(index, plan_job(engine, edge_parent(index, slot)), end->state)
		                                                       : family_next_state(end->state, (enum on_failure)edge->on_failure);
		if (next == EDGE_PENDING && end->gone)
			next = EDGE_GONE; /* nobody could retry it */
		if (next == EDGE_PENDING && edge->on_failure == ON_FAILURE_FOLLOW)
			engine->line_held = engine->line_seen = true;
		if (edge->state == EDGE_PENDING && next != EDGE_PENDING)
			err = family_resolve(engine, slot, next, end->value);
	}
	return err;
}

static struct str family_error(enum job_state state, struct str error)
{
	if (error.len)
		return error;
	return state == JOB_CANCELLED ? STR("{\"type\":\"cancelled\",\"message\":\"It was cancelled.\"}")
	       : state == JOB_EXPIRED ? STR("{\"type\":\"expired\",\"message\":\"It was not started in time.\"}")
				      : STR("{\"type\":\"failed\",\"message\":\"It failed without saying why.\"}");
}

void family_hold(struct engine *engine)
{
	engine->ending = true;
}

enum err family_let_go(struct engine *engine, enum err err)
{
	while (!err && engine->first_end) {
		const struct end *end = engine->first_end;
		engine->first_end = end->next;
		err = family_hear(engine, end);
	}
	engine->first_end = engine->last_end = NULL;
	engine->ending = false;
	return err;
}

/* The parent is gone: nobody waits for them any more. The rows of its edges go with it, in the store; those that this very change-set has are
 * taken back. */
enum err family_drop_children(struct engine *engine, uint64_t parent)
{
	struct index *index = &engine->index;
	uint32_t kin = kin_find(index, parent);
	enum err err = E_OK;
	uint32_t slot = kin == SLOT_NONE ? SLOT_NONE : kin_at(index, kin)->first_child;
	for (; slot != SLOT_NONE && !err; slot = edge_at(index, slot)->next_child)
		if (edge_at(index, slot)->state != EDGE_GONE)
			err = family_turn(engine, slot, EDGE_GONE, (struct str){ 0 });
	return err;
}

enum err family_ended(struct engine *engine, const struct job *job, const struct ending *ending)
{
	enum job_state state = job_state_of(job);
	enum err err = job->flags & ROW_PARENT && job->flags & JOB_DELETED ? family_drop_children(engine, job->uid) : E_OK;
	if (err || !(job->flags & ROW_CHILD))
		return err;
	struct end *end = ARENA_NEW(&engine->open->cs.arena, struct end);
	if (!end)
		return E_NOMEM;
	*end = (struct end){ .uid = job->uid, .state = state, .gone = job->flags & JOB_DELETED,
		             .value = state == JOB_COMPLETED ? ending->result : family_error(state, ending->error) };
	if (engine->first_end)
		engine->last_end->next = end;
	else
		engine->first_end = end;
	engine->last_end = end;
	if (engine->ending)
		return E_OK;
	family_hold(engine);
	return family_let_go(engine, E_OK);
}

enum err family_deleted(struct engine *engine, const struct job *job)
{
	struct index *index = &engine->index;
	uint64_t uid = job->uid;
	enum err err = job->flags & ROW_PARENT ? family_drop_children(engine, uid) : E_OK;
	uint32_t kin = job->flags & ROW_CHILD ? kin_find(index, uid) : SLOT_NONE;
	uint32_t slot = kin == SLOT_NONE ? SLOT_NONE : kin_at(index, kin)->first_parent;
	for (; slot != SLOT_NONE && !err; slot = edge_at(index, slot)->next_parent)
		if (edge_at(index, slot)->state == EDGE_PENDING)
			err = family_resolve(engine, slot, EDGE_GONE, (struct str){ 0 });
	return err;
}

enum err family_detach(struct engine *engine, uint64_t parent, uint64_t child, uint32_t *count)
{
	uint32_t slot = edge_find(&engine->index, parent, child);
	*count = slot != SLOT_NONE && edge_at(&engine->index, slot)->state == EDGE_PENDING;
	return *count ? family_resolve(engine, slot, EDGE_GONE, (struct str){ 0 }) : E_OK;
}

/* ---- a child runs once more: those who did without it wait for it again, if they are still there ---- */

/* BullMQ takes results back, too, and lets a parent forget that this child failed. */
static bool family_takes_back(uint32_t state, bool compat)
{
	return state == EDGE_FAILED || state == EDGE_IGNORED || (state == EDGE_DONE && compat);
}

static enum err family_forgive(struct engine *engine, uint64_t parent, uint32_t state)
{
	uint32_t slot = state == EDGE_FAILED ? plan_job(engine, parent) : SLOT_NONE;
	if (slot == SLOT_NONE || !(job_at(&engine->index, slot)->flags & ROW_LOST_CHILD) || !job_is_compat(&engine->index, job_at(&engine->index, slot)))
		return E_OK;
	enum err err = job_touch(engine->open, &engine->index, slot);
	err = err ? err : job_keep_row(engine, job_at(&engine->index, slot));
	if (err)
		return err;
	job_at(&engine->index, slot)->flags &= (uint16_t)~ROW_LOST_CHILD;
	return job_place(&engine->index, slot);
}

enum err family_retried(struct engine *engine, uint64_t uid, bool compat)
{
	struct index *index = &engine->index;
	uint32_t kin = kin_find(index, uid);
	enum err err = E_OK;
	uint32_t slot = kin == SLOT_NONE ? SLOT_NONE : kin_at(index, kin)->first_parent;
	for (; slot != SLOT_NONE && !err; slot = edge_at(index, slot)->next_parent) {
		uint32_t state = edge_at(index, slot)->state;
		if (!family_takes_back(state, compat))
			continue;
		err = family_turn(engine, slot, EDGE_PENDING, (struct str){ 0 });
		err = err ? err : family_forgive(engine, edge_parent(index, slot), state);
	}
	for (uint32_t i = 0; i < engine->above_count && !err; i++) {
		const struct edge_row *row = &engine->above[i];
		if (row->child != uid || !family_takes_back(row->state, compat) || edge_find(index, row->parent, uid) != SLOT_NONE)
			continue; /* memory knows better */
		err = edge_begin(engine->open, index, row->parent, uid, row->on_failure);
		err = err ? err : family_write(engine, row->parent, uid, EDGE_PENDING, (struct str){ 0 });
		err = err ? err : family_forgive(engine, row->parent, row->state);
	}
	return err;
}

/* ---- parents that a request made ---- */

enum err family_release(struct engine *engine, const struct request *request)
{
	struct index *index = &engine->index;
	enum err err = E_OK;
	for (uint32_t i = 0; i < request->op_count && !err; i++) {
		const struct op *op = &request->ops[i];
		if (op->kind != OP_ENQUEUE || !op->enqueue.waits || op->result.err || op->result.duplicate)
			continue;
		uint32_t slot = plan_job(engine, op->result.uid);
		if (slot != SLOT_NONE && !edges_pending(index, op->result.uid))
			err = family_wake(engine, slot);
	}
	return err;
}

/* ---- children that failed, are waited for, and were removed by retention ---- */

#define FAMILY_LOOKS 500
#define FAMILY_EDGES 20000 /* passed over in a step */

/* Is nobody there any more who could be retried, or does nobody mind? */
static bool family_is_missed(struct engine *engine, uint32_t edge, const struct job_row *child)
{
	const struct index *index = &engine->index;
	if (!child->uid || edge_at(index, edge)->on_failure != ON_FAILURE_FOLLOW)
		return !child->uid;
	return follow_next_state(index, plan_job(engine, edge_parent(index, edge)), child->state) == EDGE_GONE;
}

static enum err family_miss(struct engine *engine, const uint32_t *edges, const struct load *load)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < load->uid_count && !err; i++)
		if (family_is_missed(engine, edges[i], &load->rows[i]))
			err = family_resolve(engine, edges[i], EDGE_GONE, (struct str){ 0 });
	return err;
}

void family_look_again(struct engine *engine)
{
	engine->family_stale = true;
	engine->family_looked = engine->dedups_looked = 0;
}

/* Of the next edges those that wait for somebody who is not in memory: he has ended, if he is still there. *again: one is about to leave it. */
static bool family_gather(struct engine *engine, struct load *load, uint64_t *uids, uint32_t *edges, bool *again)
{
	const struct index *index = &engine->index;
	uint32_t until = engine->family_looked + FAMILY_EDGES;
	bool lines = engine->line_held && index->follow_edges;
	for (; (index->held_edges || lines) && engine->family_looked < index->edges.used; engine->family_looked++) {
		const struct edge *edge = edge_at(index, engine->family_looked);
		bool follows = lines && edge->on_failure == ON_FAILURE_FOLLOW;
		if (load->uid_count == FAMILY_LOOKS || engine->family_looked == until)
			return true;
		if (!edge->live || edge->state != EDGE_PENDING || (edge->on_failure != ON_FAILURE_HOLD && !follows))
			continue;
		uint64_t child = edge_child(index, engine->family_looked);
		uint32_t slot = job_find(index, child);
		*again |= slot != SLOT_NONE && job_state_is_final(job_state_of(job_at(index, slot)));
		if (slot != SLOT_NONE)
			continue;
		engine->line_seen |= follows;
		edges[load->uid_count] = engine->family_looked;
		uids[load->uid_count++] = child;
	}
	return false;
}

bool family_look(struct engine *engine)
{
	struct index *index = &engine->index;
	uint32_t edges[FAMILY_LOOKS];
	uint64_t uids[FAMILY_LOOKS];
	struct load load = { .uids = uids };
	if (!engine->family_stale)
		return false;
	bool more = family_gather(engine, &load, uids, edges, &engine->family_again);
	struct mark mark = batch_mark(engine->open);
	enum err err = load.uid_count ? engine->store->verbs->load(engine->store, &load, &engine->scratch) : E_OK;
	err = err ? err : family_miss(engine, edges, &load);
	if (!err && !more && engine->line_held)
		err = dedup_look(engine, &more, &engine->family_again);
	arena_reset(&engine->scratch);
	if (err)
		batch_undo(engine->open, index, mark);
	engine->family_stale = more || engine->family_again || err;
	if (!more || err)
		engine->family_looked = engine->dedups_looked = 0;
	if (!more && !err) {
		engine->line_held &= engine->line_seen || engine->family_again;
		engine->line_seen = engine->family_again = false;
	}
	return more || err;
}
