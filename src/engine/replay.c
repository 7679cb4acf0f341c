/* src/engine/replay.c: an endpoint is sent what it missed, or what failed, in slices of bulk work: the messages come from a reader outside, and what
 * becomes of each is decided here, by the delivery that there is by now. So each is sent once, whenever the daemon dies and whoever sends it meanwhile. */
#include "base/json.h"
#include "base/uid.h"
#include "engine/engine_priv.h"

/* ---- begun ---- */

static struct str replay_copy(struct engine *engine, struct buf *text)
{
	struct str copy = buf_ok(text) ? arena_str(&engine->open->cs.arena, buf_str(text)) : (struct str){ 0 };
	buf_fini(text);
	return copy;
}

/* What this very change-set brought before it is meant too: none of it has been skipped by anybody. */
enum err replay_describe(struct engine *engine, const struct named *named, const struct replay *replay, struct operation_row *row)
{
	struct replay kept = *replay;
	struct buf text;
	kept.endpoint = named->number;
	buf_init(&text, 64 * 1024);
	replay_write(&kept, &text);
	row->arguments = replay_copy(engine, &text);
	buf_init(&text, 64 * 1024);
	buf_add_byte(&text, '{');
	json_put_field_str(&text, "namespace", named->namespace_name);
	json_put_field_str(&text, "queue", ENDPOINT_QUEUE);
	json_put_field_str(&text, "endpoint", named->name);
	buf_add_byte(&text, '}');
	row->filter = replay_copy(engine, &text);
	row->as_of = engine->index.open_seq;
	return row->arguments.ptr && row->filter.ptr ? E_OK : E_NOMEM;
}

enum err replay_unsent(struct engine *engine, struct named *named)
{
	struct operation_row row = {
		.number = engine_uid(engine), .action = str_of(operation_action_name(OP_RESEND)), .state = OPERATION_RUNNING,
		.cursor_uid = named->health.unsent_uid - 1, .created_us = engine->index.wall_us,
	};
	/* Of what was held back nothing was made. Where others' deliveries have been removed since, nobody else could tell. */
	const struct replay replay = { .since_us = uid_time_us(named->health.unsent_uid), .only = REPLAY_MISSING_OR_UNKNOWN };
	if (!named->health.unsent || named->group == SLOT_NONE)
		return E_OK;
	named->health.unsent = named->health.unsent_uid = 0;
	enum err err = replay_describe(engine, named, &replay, &row);
	return err ? err : operation_open_new(engine, &row);
}

/* ---- worked off ---- */

struct replaying {
	struct engine *engine;
	struct request *request;
	const struct replay *replay;
	struct operation_row *row;
	uint32_t slot;      /* of the endpoint */
	uint64_t *made;     /* jobs of this slice */
	uint32_t made_count;
};

/* The first delivery. What would be held beyond hold_max is counted once more: the next resume begins with it. */
static enum err replay_make(struct replaying *slice, const struct message_row *message, struct str id)
{
	struct engine *engine = slice->engine;
	const struct named *named = named_at(&engine->index, slice->slot);
	bool overtaken;
	uint32_t job;
	enum err err = delivery_is_overtaken(engine, message, named, slice->made, slice->made_count, &overtaken);
	if (err)
		return err;
	if (overtaken || endpoint_is_full(&engine->index, named)) {
		slice->row->skipped++;
		return overtaken ? E_OK : endpoint_misses(engine, message->uid, slice->slot);
	}
	err = delivery_make_again(engine, message, named, id, &job);
	if (err)
		return err;
	slice->made[slice->made_count++] = job_at(&engine->index, job)->uid;
	slice->row->done++;
	return E_OK;
}

static enum err replay_retry(struct replaying *slice, uint32_t job)
{
	struct engine *engine = slice->engine;
	struct op retry = { .kind = OP_RETRY, .job.uid = job_at(&engine->index, job)->uid };
	bool parked;
	if (job_at(&engine->index, job)->version > slice->row->as_of || job_at(&engine->index, job)->dirty != DIRTY_NONE) {
		slice->row->skipped++;
		return E_OK;
	}
	struct mark mark = batch_mark(engine->open);
	enum err err = op_job_apply(engine, slice->request, &retry, &parked);
	if (err)
		batch_undo(engine->open, &engine->index, mark);
	slice->row->failed += err && err != E_NOMEM;
	slice->row->done += !err;
	return err == E_NOMEM ? err : E_OK;
}

static enum err replay_one(struct replaying *slice, uint64_t uid, uint64_t loaded)
{
	struct engine *engine = slice->engine;
	const struct message_row *message = message_loaded(engine, uid);
	const struct named *named = named_at(&engine->index, slice->slot);
	if (!message || message->flags & (MESSAGE_EXPUNGED | MESSAGE_TEST)) {
		slice->row->skipped++; /* it went meanwhile */
		return E_OK;
	}
	struct str id = delivery_id(&engine->open->cs.arena, message->uid, named->number);
	if (!id.ptr)
		return E_NOMEM;
	uint32_t job = delivery_find(engine, message, named, id, loaded);
	enum replay_stand stand = job == SLOT_NONE ? STANDS_MISSING : replay_stand_of(job_state_of(job_at(&engine->index, job)));
	if (!replay_sends(slice->replay->only, stand)) {
		slice->row->skipped++;
		return E_OK;
	}
	return job == SLOT_NONE ? replay_make(slice, message, id) : replay_retry(slice, job);
}

/* Those that are still being taken to endpoints are waited for: what became of them cannot be seen yet. */
static bool replay_must_wait(const struct engine *engine, const struct op_operation *slice, const struct named *named)
{
	for (uint32_t i = 0; i < slice->count && engine->index.first_expansion != SLOT_NONE; i++) {
		const struct message_row *message = message_loaded(engine, slice->uids[i]);
		if (message && delivery_is_unsettled(engine, message, named))
			return true;
	}
	return false;
}

enum err replay_slice(struct engine *engine, struct request *request, struct op_operation *slice, struct operation_row *row)
{
	struct replaying replaying = {
		.engine = engine, .request = request, .replay = slice->replay, .row = row, .slot = named_find_number(&engine->index, slice->replay->endpoint),
		.made = ARENA_ARRAY(&engine->open->cs.arena, uint64_t, slice->count + 1),
	};
	const struct named *named = replaying.slot == SLOT_NONE ? NULL : named_at(&engine->index, replaying.slot);
	enum err err = enqueue_check_room(engine);
	if (!replaying.made)
		return E_NOMEM;
	if (!named || named->group == SLOT_NONE || !named->endpoint) { /* nobody is there any more to be sent anything */
		row->skipped += slice->count;
		slice->last = true;
		return E_OK;
	}
	if (!err && replay_must_wait(engine, slice, named))
		err = E_UNAVAILABLE;
	for (uint32_t i = 0; i < slice->count && !err; i++)
		err = replay_one(&replaying, slice->uids[i], slice->found ? slice->found[i] : 0);
	return err;
}
