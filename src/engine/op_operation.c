/* src/engine/op_operation.c: bulk operations: a durable row, worked off in slices. A runner outside pages the ids; each slice changes its jobs and
 * moves the row's cursor in one batch, so that a restart goes on where it stopped. A job that changed after the operation began is skipped. */
#include "engine/engine_priv.h"


static struct operation_row *operation_copy(struct arena *arena, const struct operation_row *row)
{
	struct operation_row *copy = ARENA_NEW(arena, struct operation_row);
	if (!copy)
		return NULL;
	*copy = *row;
	copy->action = arena_str(arena, row->action);
	copy->arguments = arena_str(arena, row->arguments);
	copy->filter = arena_str(arena, row->filter);
	return copy->action.ptr && copy->arguments.ptr && copy->filter.ptr ? copy : NULL;
}

static enum err operation_write(struct engine *engine, struct request *request, struct op *op, const struct operation_row *row)
{
	struct operation_row *written = change_add(&engine->open->cs, operations);
	struct operation_row *kept = written ? operation_copy(&engine->open->cs.arena, row) : NULL;
	struct operation_row *answer = kept ? operation_copy(&request->arena, row) : NULL;
	struct effect *effect;
	if (!answer)
		return E_NOMEM;
	*written = *kept;
	op->result.operation = answer;
	enum err err = batch_effect(engine->open, &effect);
	if (!err)
		*effect = (struct effect){ .kind = EFFECT_OPERATION, .uid = row->number, .operation_state = row->state };
	return err;
}

static enum err operation_start(struct engine *engine, struct request *request, struct op *op)
{
	struct op_operation *want = &op->operation;
	const char *action = op_kind_name(want->action);
	struct operation_row row = {
		.number = want->number, .action = str_of(action), .arguments = want->arguments.len ? want->arguments : STR("{}"),
		.filter = want->filter.len ? want->filter : STR("{}"), .as_of = engine->index.open_seq - 1, .state = OPERATION_RUNNING,
		.created_us = engine->index.wall_us,
	};
	if (engine_is_full(engine))
		return engine->full;
	if (want->number > engine->last_uid)
		engine->last_uid = want->number;
	uint32_t slot;
	enum err err = operation_begin(engine->open, &engine->index, &row, &slot);
	return err ? err : operation_write(engine, request, op, &row);
}

static struct operation_row *operation_open(struct engine *engine, struct op *op, enum err *err)
{
	uint32_t slot = operation_find(&engine->index, op->operation.number);
	bool ended = slot != SLOT_NONE && ((struct running *)pool_at(&engine->index.operations, slot))->row.finished_us; /* and not on disk yet */
	*err = slot == SLOT_NONE || ended ? E_NOT_FOUND : operation_touch(engine->open, &engine->index, slot);
	return *err ? NULL : &((struct running *)pool_at(&engine->index.operations, slot))->row;
}

static enum err operation_change(struct engine *engine, struct request *request, struct op *op)
{
	enum err err;
	struct operation_row *row = operation_open(engine, op, &err);
	if (!row)
		return err == E_NOT_FOUND ? refuse(request, op, err, "", "No such operation is running or paused: it has ended, or never was.") : err;
	row->state = op->kind == OP_OPERATION_PAUSE ? OPERATION_PAUSED : op->kind == OP_OPERATION_RESUME ? OPERATION_RUNNING : OPERATION_CANCELLED;
	if (row->state == OPERATION_CANCELLED)
		row->finished_us = engine->index.wall_us;
	return operation_write(engine, request, op, row);
}

enum err op_operation_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	(void)park;
	return op->kind == OP_OPERATION_START ? operation_start(engine, request, op) : operation_change(engine, request, op);
}

enum err op_slice_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct op_operation *slice = &op->operation;
	enum err opened;
	struct operation_row *row = operation_open(engine, op, &opened);
	(void)park;
	if (!row)
		return opened;
	if (row->state != OPERATION_RUNNING)
		return refuse(request, op, E_STATE, "", "The operation is not running.");
	for (uint32_t i = 0; i < slice->count; i++) {
		uint32_t slot = plan_job(engine, slice->uids[i]);
		struct op one = { .kind = slice->action, .job = slice->template };
		one.job.uid = slice->uids[i];
		if (slot == SLOT_NONE || job_at(&engine->index, slot)->version != slice->versions[i] ||
		    job_at(&engine->index, slot)->dirty != DIRTY_NONE || slice->versions[i] > row->as_of) {
			row->skipped++;
			continue;
		}
		bool parked;
		struct mark mark = batch_mark(engine->open);
		enum err err = op_job_apply(engine, request, &one, &parked);
		if (err) {
			batch_undo(engine->open, &engine->index, mark);
			if (err == E_NOMEM)
				return err;
			row->failed++;
		} else {
			row->done++;
		}
	}
	row->cursor_uid = slice->next_uid;
	row->cursor_phase = slice->next_phase;
	if (slice->last) {
		row->state = OPERATION_DONE;
		row->finished_us = engine->index.wall_us;
	}
	return operation_write(engine, request, op, row);
}
