/* src/engine/expansion.c: messages that are still being taken to endpoints, in memory: in the order in which they came, changed so that it can be
 * undone. Their texts are names, since types and channels are few. */
#include "engine/engine_priv.h"
#include "engine/journal.h"

static enum err expansion_hold(struct index *index, struct str text, uint32_t *out)
{
	return text.len ? name_hold(index, text, out) : E_OK;
}

static void expansion_drop_names(struct index *index, const struct expansion *expansion)
{
	const uint32_t names[] = { expansion->namespace_name, expansion->type, expansion->entity, expansion->channels };
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (names[i] != SLOT_NONE)
			name_drop(index, names[i]);
}

enum err expansion_create(struct index *index, const struct message_row *row, uint32_t *out_slot)
{
	struct expansion made = {
		.live = true, .before = index->last_expansion, .after = SLOT_NONE, .namespace_name = SLOT_NONE, .type = SLOT_NONE, .entity = SLOT_NONE,
		.channels = SLOT_NONE, .next_endpoint = row->next_endpoint, .deliveries = row->deliveries, .only = row->only, .flags = row->flags,
		.uid = row->uid, .seq = row->seq, .version = index->open_seq,
	};
	enum err err = expansion_hold(index, row->namespace_name, &made.namespace_name);
	err = err ? err : expansion_hold(index, row->type, &made.type);
	err = err ? err : expansion_hold(index, row->entity, &made.entity);
	err = err ? err : expansion_hold(index, row->channels, &made.channels);
	err = err ? err : pool_take(&index->expansions, out_slot);
	if (err) {
		expansion_drop_names(index, &made);
		return err;
	}
	*expansion_at(index, *out_slot) = made;
	*(made.before == SLOT_NONE ? &index->first_expansion : &expansion_at(index, made.before)->after) = *out_slot;
	index->last_expansion = *out_slot;
	return E_OK;
}

static void expansion_free(struct index *index, uint32_t slot)
{
	struct expansion *expansion = expansion_at(index, slot);
	*(expansion->before == SLOT_NONE ? &index->first_expansion : &expansion_at(index, expansion->before)->after) = expansion->after;
	*(expansion->after == SLOT_NONE ? &index->last_expansion : &expansion_at(index, expansion->after)->before) = expansion->before;
	expansion_drop_names(index, expansion);
	expansion->live = false;
	pool_give(&index->expansions, slot);
}

enum err expansion_begin(struct batch *batch, struct index *index, const struct message_row *row)
{
	struct undo *undo = journal_add(batch, UNDO_EXPANSION_NEW, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = expansion_create(index, row, &undo->slot);
	if (err)
		journal_take_back(batch);
	return err;
}

enum err expansion_touch(struct batch *batch, struct index *index, uint32_t slot)
{
	struct undo *undo = journal_add(batch, UNDO_EXPANSION, slot);
	if (!undo)
		return E_NOMEM;
	struct expansion *expansion = expansion_at(index, slot);
	undo->expansion.next_endpoint = expansion->next_endpoint;
	undo->expansion.deliveries = expansion->deliveries;
	undo->expansion.flags = expansion->flags;
	undo->expansion.version = expansion->version;
	expansion->version = index->open_seq;
	return E_OK;
}

void expansion_undo(struct index *index, const struct undo *undo)
{
	if (undo->kind == UNDO_EXPANSION_NEW) {
		expansion_free(index, undo->slot);
		return;
	}
	struct expansion *expansion = expansion_at(index, undo->slot);
	expansion->next_endpoint = undo->expansion.next_endpoint;
	expansion->deliveries = undo->expansion.deliveries;
	expansion->flags = undo->expansion.flags;
	expansion->version = undo->expansion.version;
}

void expansion_settle(struct index *index, uint32_t slot)
{
	const struct expansion *expansion = expansion_at(index, slot);
	if (expansion->live && expansion->next_endpoint == MESSAGE_EXPANDED && expansion->version <= index->committed_seq)
		expansion_free(index, slot);
}
