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

/* Its row, and whoever works it off is told. */
static enum err operation_keep(struct engine *engine, const struct operation_row *row)
{
	struct operation_row *written = change_add(&engine->open->cs, operations);
	struct operation_row *kept = written ? operation_copy(&engine->open->cs.arena, row) : NULL;
	struct effect *effect;
	if (!kept)
		return E_NOMEM;
	*written = *kept;
	enum err err = batch_effect(engine->open, &effect);
	if (!err)
		*effect = (struct effect){ .kind = EFFECT_OPERATION, .uid = row->number, .operation_state = row->state };
	return err;
}

static enum err operation_write(struct engine *engine, struct request *request, struct op *op, const struct operation_row *row)
{
	op->result.operation = operation_copy(&request->arena, row);
	return op->result.operation ? operation_keep(engine, row) : E_NOMEM;
}

enum err operation_open_new(struct engine *engine, const struct operation_row *row)
{
	uint32_t slot;
	if (row->number > engine->last_uid)
		engine->last_uid = row->number;
	enum err err = operation_begin(engine->open, &engine->index, row, &slot);
	return err ? err : operation_keep(engine, row);
}

static enum err operation_start(struct engine *engine, struct request *request, struct op *op)
{
	const struct op_operation *want = &op->operation;
	struct operation_row row = {
		.number = want->number, .action = str_of(operation_action_name(want->action)), .arguments = want->arguments.len ? want->arguments : STR("{}"),
		.filter = want->filter.len ? want->filter : STR("{}"), .as_of = engine->index.open_seq - 1, .state = OPERATION_RUNNING,
		.created_us = engine->index.wall_us,
	};
	uint32_t endpoint = want->endpoint.name.len ? named_find(&engine->index, NAMED_ENDPOINT, want->endpoint) : SLOT_NONE;
	if (engine_is_full(engine))
		return engine->full;
	if (want->endpoint.name.len && endpoint == SLOT_NONE)
		return E_ENDPOINT_NOT_FOUND;
	if (want->replay && named_at(&engine->index, endpoint)->group == SLOT_NONE)
		return refuse(request, op, E_STATE, "endpoint", "Nothing is sent to this endpoint: it asks by itself.");
	if (want->action == OP_MOVE && queue_is_kept(&engine->index, want->template.to))
		return queue_refuse_kept(request, op, "arguments.queue");
	enum err err = want->replay ? replay_describe(engine, named_at(&engine->index, endpoint), want->replay, &row) : E_OK;
	err = err ? err : operation_open_new(engine, &row);
	op->result.operation = err ? NULL : operation_copy(&request->arena, &row);
	return err || op->result.operation ? err : E_NOMEM;
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

static enum err operation_slice(struct engine *engine, struct request *request, const struct op_operation *slice, struct operation_row *row)
{
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
	return E_OK;
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
	enum err err = slice->replay ? replay_slice(engine, request, slice, row) : operation_slice(engine, request, slice, row);
	if (err)
		return err;
	row->cursor_uid = slice->next_uid;
	row->cursor_phase = slice->next_phase;
	if (slice->last) {
		row->state = OPERATION_DONE;
		row->finished_us = engine->index.wall_us;
	}
	return operation_write(engine, request, op, row);
}
