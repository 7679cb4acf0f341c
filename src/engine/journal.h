/* src/engine/journal.h: the log of changes of a batch, played backwards to undo them. Between engine/batch.c and journal.c only. */
#pragma once
#include "engine/batch.h"

struct undo *journal_add(struct batch *batch, enum undo_kind kind, uint32_t slot); /* NULL: no memory */
void journal_take_back(struct batch *batch); /* the entry just added: what it was for did not happen */
void aside_undo(struct index *index, const struct undo *undo);
void aside_forget(struct index *index, const struct undo *undo);
void dedup_undo(struct index *index, const struct undo *undo); /* UNDO_DEDUP, UNDO_DEDUP_NEW */
void dedup_forget(struct index *index, const struct undo *undo); /* UNDO_DEDUP */
void edge_undo(struct index *index, const struct undo *undo); /* UNDO_EDGE, UNDO_EDGE_NEW */
void chain_undo(struct index *index, const struct undo *undo); /* UNDO_CHAIN, UNDO_CHAIN_NEW */
void named_undo(struct index *index, const struct undo *undo); /* UNDO_NAMED, UNDO_NAMED_NEW */
void health_undo(struct index *index, const struct undo *undo); /* UNDO_HEALTH */
void expansion_undo(struct index *index, const struct undo *undo); /* UNDO_EXPANSION, UNDO_EXPANSION_NEW */
void turn_undo(struct index *index, const struct undo *undo); /* UNDO_TURN */
/* Undoes entries back to `count` left. Never fails: whatever was taken out left its room. */
void journal_undo(struct batch *batch, struct index *index, uint32_t count);
/* Lets go of what entries from `count` on hold, without undoing. */
void journal_forget(struct batch *batch, struct index *index, uint32_t count); /* index NULL: it is gone, and its names with it */
