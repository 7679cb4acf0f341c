/* src/engine/delivery.c: a delivery: the job that takes a message to an endpoint. */
#include "engine/engine_priv.h"

enum err delivery_make(struct engine *engine, const struct message_row *message, const struct named *endpoint, uint32_t *out_job)
{
	uint32_t queue = group_at(&engine->index, endpoint->group)->queue;
	struct dedup_meeting free = { .kind = DEDUP_FREE };
	struct str id = { 0 };
	uint64_t number;
	struct op_enqueue enqueue = {
		.uid = engine_uid(engine), .name = message->type, .group = arena_str(&engine->open->cs.arena, endpoint->name), .message = message->uid,
	};
	if (!enqueue.group.ptr)
		return E_NOMEM;
	enum err err = id_next(engine, queue, &number, &id);
	return err ? err : enqueue_make(engine, &enqueue, id, queue, &free, out_job);
}

/* Merged by the store: an older message never takes the place of a newer one. */
enum err delivery_ended(struct engine *engine, const struct op_hook *hook)
{
	if (hook->test || !hook->entity.len || named_find_number(&engine->index, hook->endpoint) == SLOT_NONE)
		return E_OK;
	struct entity_row *row = change_add(&engine->open->cs, entities);
	if (!row)
		return E_NOMEM;
	*row = (struct entity_row){ .endpoint = hook->endpoint, .entity = hook->entity, .external_id = hook->external_id, .message = hook->message,
		                    .at_us = engine->index.wall_us, .state = hook->entity_state };
	return E_OK;
}
