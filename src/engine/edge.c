/* src/engine/edge.c: who waits for whom, in memory: pending edges, and resolved ones until the commit that says so. An edge hangs in two
 * lists, its parent's and its child's, of the kin that both have as long as there is one. */
#include "base/check.h"
#include "engine/index.h"
#include "engine/journal.h"

static bool kin_is(void *context, uint32_t slot, const void *uid)
{
	return kin_at(context, slot)->uid == *(const uint64_t *)uid;
}

uint32_t kin_find(const struct index *index, uint64_t uid)
{
	return map_find(&index->kins_by_uid, map_mix(uid), kin_is, &uid);
}

uint32_t edge_find(const struct index *index, uint64_t parent, uint64_t child)
{
	uint32_t kin = kin_find(index, child);
	for (uint32_t slot = kin == SLOT_NONE ? SLOT_NONE : kin_at(index, kin)->first_parent; slot != SLOT_NONE; slot = edge_at(index, slot)->next_parent)
		if (edge_parent(index, slot) == parent)
			return slot;
	return SLOT_NONE;
}

uint32_t edges_pending(const struct index *index, uint64_t parent)
{
	uint32_t kin = index->edges.live ? kin_find(index, parent) : SLOT_NONE;
	return kin == SLOT_NONE ? 0 : kin_at(index, kin)->pending;
}

static enum err kin_open(struct index *index, uint64_t uid, uint32_t *out_slot)
{
	*out_slot = kin_find(index, uid);
	if (*out_slot != SLOT_NONE)
		return E_OK;
	enum err err = map_reserve(&index->kins_by_uid, 1);
	err = err ? err : pool_take(&index->kins, out_slot);
	if (err)
		return err;
	*kin_at(index, *out_slot) = (struct kin){ .uid = uid, .first_child = SLOT_NONE, .first_parent = SLOT_NONE };
	CHECK(!map_put(&index->kins_by_uid, map_mix(uid), *out_slot));
	return E_OK;
}

static void kin_close(struct index *index, uint32_t slot) /* if nothing hangs on it */
{
	const struct kin *kin = kin_at(index, slot);
	if (kin->first_child != SLOT_NONE || kin->first_parent != SLOT_NONE)
		return;
	map_remove(&index->kins_by_uid, map_mix(kin->uid), slot);
	pool_give(&index->kins, slot);
}

static void edge_link(struct index *index, uint32_t slot)
{
	struct edge *edge = edge_at(index, slot);
	struct kin *parent = kin_at(index, edge->parent), *child = kin_at(index, edge->child);
	edge->next_child = parent->first_child;
	edge->next_parent = child->first_parent;
	edge->before_child = edge->before_parent = SLOT_NONE;
	if (edge->next_child != SLOT_NONE)
		edge_at(index, edge->next_child)->before_child = slot;
	if (edge->next_parent != SLOT_NONE)
		edge_at(index, edge->next_parent)->before_parent = slot;
	parent->first_child = child->first_parent = slot;
}

static void edge_unlink(struct index *index, uint32_t slot)
{
	const struct edge *edge = edge_at(index, slot);
	*(edge->before_child == SLOT_NONE ? &kin_at(index, edge->parent)->first_child : &edge_at(index, edge->before_child)->next_child) = edge->next_child;
	if (edge->next_child != SLOT_NONE)
		edge_at(index, edge->next_child)->before_child = edge->before_child;
	*(edge->before_parent == SLOT_NONE ? &kin_at(index, edge->child)->first_parent : &edge_at(index, edge->before_parent)->next_parent) =
		edge->next_parent;
	if (edge->next_parent != SLOT_NONE)
		edge_at(index, edge->next_parent)->before_parent = edge->before_parent;
}

static void edge_count(struct index *index, const struct edge *edge, int sign)
{
	if (edge->state != EDGE_PENDING)
		return;
	kin_at(index, edge->parent)->pending += (uint32_t)sign;
	index->held_edges += edge->on_failure == ON_FAILURE_HOLD ? (uint32_t)sign : 0;
	index->follow_edges += edge->on_failure == ON_FAILURE_FOLLOW ? (uint32_t)sign : 0;
}

static enum err edge_create(struct index *index, uint64_t parent, uint64_t child, enum on_failure on_failure, uint32_t *out_slot)
{
	struct edge fresh = { .live = true, .state = EDGE_PENDING, .on_failure = (uint8_t)on_failure };
	enum err err = kin_open(index, parent, &fresh.parent);
	if (err)
		return err;
	err = kin_open(index, child, &fresh.child);
	if (!err && (err = pool_take(&index->edges, out_slot)))
		kin_close(index, fresh.child);
	if (err) {
		kin_close(index, fresh.parent);
		return err;
	}
	*edge_at(index, *out_slot) = fresh;
	edge_link(index, *out_slot);
	edge_count(index, &fresh, +1);
	return E_OK;
}

static void edge_free(struct index *index, uint32_t slot)
{
	struct edge *edge = edge_at(index, slot);
	edge_count(index, edge, -1);
	edge_unlink(index, slot);
	kin_close(index, edge->parent);
	kin_close(index, edge->child);
	edge->live = false;
	pool_give(&index->edges, slot);
}

enum err edge_restore(struct index *index, const struct edge_row *row)
{
	uint32_t slot;
	return edge_create(index, row->parent, row->child, row->on_failure, &slot);
}

/* ---- changes ---- */

enum err edge_begin(struct batch *batch, struct index *index, uint64_t parent, uint64_t child, enum on_failure on_failure)
{
	struct undo *undo = journal_add(batch, UNDO_EDGE_NEW, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = edge_create(index, parent, child, on_failure, &undo->slot);
	if (err)
		journal_take_back(batch);
	else
		edge_at(index, undo->slot)->version = index->open_seq;
	return err;
}

enum err edge_become(struct batch *batch, struct index *index, uint32_t slot, uint32_t state, enum on_failure on_failure)
{
	struct edge *edge = edge_at(index, slot);
	struct undo *undo = journal_add(batch, UNDO_EDGE, slot);
	if (!undo)
		return E_NOMEM;
	undo->edge.state = edge->state;
	undo->edge.on_failure = edge->on_failure;
	undo->edge.version = edge->version;
	edge_count(index, edge, -1);
	edge->state = (uint8_t)state;
	edge->on_failure = (uint8_t)on_failure;
	edge->version = index->open_seq;
	edge_count(index, edge, +1);
	return E_OK;
}

void edge_settle(struct index *index, uint32_t slot)
{
	const struct edge *edge = edge_at(index, slot);
	if (edge->live && edge->state != EDGE_PENDING && edge->version <= index->committed_seq)
		edge_free(index, slot);
}

void edge_undo(struct index *index, const struct undo *undo)
{
	struct edge *edge = edge_at(index, undo->slot);
	if (undo->kind == UNDO_EDGE_NEW) {
		edge_free(index, undo->slot);
		return;
	}
	edge_count(index, edge, -1);
	edge->state = undo->edge.state;
	edge->on_failure = undo->edge.on_failure;
	edge->version = undo->edge.version;
	edge_count(index, edge, +1);
	edge_settle(index, undo->slot);
}
