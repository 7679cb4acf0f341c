/* src/engine/op_resend.c: a message goes to an endpoint once more: its delivery there is retried, or made, if there is none. One that has not ended is
 * on its way already. Deliveries that are made here are found by what they are for while their change-set is in flight, so two that ask at once
 * make one. */
#include "base/uid.h"
#include "engine/engine_priv.h"

struct str delivery_id(struct arena *arena, uint64_t message, uint32_t endpoint)
{
	return str_of(arena_printf(arena, "d%llx/%u", (unsigned long long)message, endpoint));
}

/* What an endpoint of the same name was sent before this one was there is none of this one's, once it has ended. */
uint32_t delivery_find(const struct engine *engine, const struct message_row *message, const struct named *named, struct str id, uint64_t loaded)
{
	const struct index *index = &engine->index;
	const struct key *key = key_find(index, SLOT_NONE, id);
	uint64_t uid = key ? key->uid : loaded;
	uint32_t slot = uid ? job_find(index, uid) : SLOT_NONE;
	if (slot == SLOT_NONE || job_at(index, slot)->flags & JOB_DELETED)
		return SLOT_NONE;
	bool older = message->seq < named->created_seq && uid < uid_floor(named->created_us);
	return older && job_state_is_final(job_state_of(job_at(index, slot))) ? SLOT_NONE : slot;
}

bool delivery_is_unsettled(const struct engine *engine, const struct message_row *message, const struct named *named)
{
	const struct index *index = &engine->index;
	if (named->created_seq > message->seq)
		return false; /* expansions pass it over */
	for (uint32_t slot = index->first_expansion; slot != SLOT_NONE; slot = ((const struct expansion *)pool_at(&index->expansions, slot))->after)
		if (((const struct expansion *)pool_at(&index->expansions, slot))->uid == message->uid)
			return true;
	return false;
}

enum err delivery_make_again(struct engine *engine, const struct message_row *message, const struct named *named, struct str id, uint32_t *out_slot)
{
	struct arena *arena = &engine->open->cs.arena;
	struct message_row row = *message;
	enum err err = enqueue_check_room(engine);
	if (err)
		return err;
	row.type = arena_str(arena, message->type);
	row.entity = arena_str(arena, message->entity);
	if (!row.type.ptr || !row.entity.ptr)
		return E_NOMEM;
	err = delivery_make(engine, &row, named, true, out_slot);
	return err ? err : batch_key(engine->open, &engine->index, SLOT_NONE, id, job_at(&engine->index, *out_slot)->uid);
}

static enum err resend_make(struct engine *engine, struct request *request, struct op *op, const struct message_row *message,
			    const struct named *named, struct str id)
{
	uint32_t job;
	bool overtaken;
	enum err err = delivery_is_overtaken(engine, message, named, NULL, 0, &overtaken);
	if (!err && overtaken)
		return refuse(request, op, E_STATE, "message", "A newer message about this entity is on its way, and the endpoint takes only the latest.");
	err = err ? err : delivery_make_again(engine, message, named, id, &job);
	if (err)
		return err;
	op->result.uid = job_at(&engine->index, job)->uid;
	op->result.state = job_state_of(job_at(&engine->index, job));
	return E_OK;
}

static enum err resend_check(struct engine *engine, struct request *request, struct op *op, const struct message_row *message, uint32_t slot)
{
	const struct named *named = named_at(&engine->index, slot);
	if (message->flags & MESSAGE_EXPUNGED)
		return refuse(request, op, E_STATE, "message", "Its content was removed on request: there is nothing left to send.");
	if (named->group == SLOT_NONE)
		return refuse(request, op, E_STATE, "endpoint", "Nothing is sent to this endpoint: it asks by itself.");
	if (delivery_is_unsettled(engine, message, named))
		return refuse(request, op, E_STATE, "message", "The message is still being taken to its endpoints: wait a moment, and try again.");
	return E_OK;
}

enum err op_resend_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	const struct message_row *message = message_loaded(engine, op->resend.message);
	uint64_t loaded = op->result.uid; /* what plan found */
	op->result.uid = 0;
	if (!message)
		return E_MESSAGE_NOT_FOUND;
	uint32_t slot = named_find(index, NAMED_ENDPOINT, (struct queue_name){ message->namespace_name, op->resend.endpoint });
	if (slot == SLOT_NONE)
		return E_ENDPOINT_NOT_FOUND;
	enum err err = resend_check(engine, request, op, message, slot);
	struct str id = err ? (struct str){ 0 } : delivery_id(&engine->open->cs.arena, message->uid, named_at(index, slot)->number);
	if (!id.ptr)
		return err ? err : E_NOMEM;
	uint32_t job = delivery_find(engine, message, named_at(index, slot), id, loaded);
	if (job == SLOT_NONE)
		return resend_make(engine, request, op, message, named_at(index, slot), id);
	if (!job_state_is_final(job_state_of(job_at(index, job)))) {
		char uid[UID_TEXT_BYTES];
		uid_text(job_at(index, job)->uid, uid);
		return refuse(request, op, E_STATE, "", "It is on its way already: delivery %s is %s.", uid, job_state_name(job_state_of(job_at(index, job))));
	}
	struct op retry = { .kind = OP_RETRY, .job.uid = job_at(index, job)->uid };
	err = op_job_apply(engine, request, &retry, park);
	op->result = retry.result;
	return err;
}
