/* src/engine/delivery.c: a delivery: the job that takes a message to an endpoint. Those about one entity keep the order that the endpoint asks for:
 * they share a key of dedup. */
#include "engine/engine_priv.h"

static enum endpoint_order delivery_order_of(const struct message_row *message, const struct named *endpoint)
{
	return message->entity.len && !(message->flags & MESSAGE_TEST) && endpoint->endpoint ? endpoint->endpoint->value.order : ENDPOINT_ORDER_NONE;
}

struct str delivery_key(struct arena *arena, const struct message_row *message, const struct named *endpoint)
{
	if (delivery_order_of(message, endpoint) == ENDPOINT_ORDER_NONE)
		return STR("");
	return str_of(arena_printf(arena, "%u/" STR_FMT, endpoint->number, STR_ARG(message->entity)));
}

/* *out: the key and its mode; NULL: whatever else is on its way does not matter. */
static enum err delivery_order(struct engine *engine, const struct message_row *message, const struct named *endpoint, const struct op_dedup **out)
{
	enum endpoint_order order = delivery_order_of(message, endpoint);
	*out = NULL;
	if (order == ENDPOINT_ORDER_NONE)
		return E_OK;
	struct str key = delivery_key(&engine->open->cs.arena, message, endpoint);
	struct op_dedup *dedup = ARENA_NEW(&engine->open->cs.arena, struct op_dedup);
	if (!dedup || !key.ptr)
		return E_NOMEM;
	*dedup = (struct op_dedup){ .key = key, .latest = order == ENDPOINT_ORDER_LATEST, .fifo = order == ENDPOINT_ORDER_FIFO };
	*out = dedup;
	return E_OK;
}

/* Whose message is not known is in flight, and newer: it came after this one was on disk. */
enum err delivery_is_overtaken(const struct engine *engine, const struct message_row *message, const struct named *endpoint, const uint64_t *made,
			       uint32_t made_count, bool *out)
{
	bool latest = delivery_order_of(message, endpoint) == ENDPOINT_ORDER_LATEST;
	struct str key = latest ? delivery_key(&engine->open->cs.arena, message, endpoint) : STR("");
	uint64_t newest = key.len ? dedup_newest(&engine->index, group_at(&engine->index, endpoint->group)->queue, key) : 0;
	*out = false;
	if (!newest)
		return key.ptr ? E_OK : E_NOMEM;
	for (uint32_t i = 0; i < made_count; i++)
		if (made[i] == newest)
			return E_OK;
	*out = true;
	for (uint32_t i = 0; i < engine->owner_count; i++)
		if (engine->owners[i].job == newest)
			*out = engine->owners[i].message > message->uid;
	return E_OK;
}

enum err delivery_replaces(struct engine *engine, const struct message_row *message, const struct named *endpoint, bool *replaces)
{
	bool latest = delivery_order_of(message, endpoint) == ENDPOINT_ORDER_LATEST;
	struct str key = latest ? delivery_key(&engine->open->cs.arena, message, endpoint) : STR("");
	*replaces = key.len && dedup_newest(&engine->index, group_at(&engine->index, endpoint->group)->queue, key);
	return key.ptr ? E_OK : E_NOMEM;
}

enum err delivery_make(struct engine *engine, const struct message_row *message, const struct named *endpoint, bool again, uint32_t *out_job)
{
	uint32_t queue = group_at(&engine->index, endpoint->group)->queue;
	struct dedup_meeting meeting = { .kind = DEDUP_FREE };
	struct str id = { 0 };
	uint64_t number;
	struct op op = {
		.kind = OP_ENQUEUE,
		.enqueue = { .uid = engine_uid(engine), .name = message->type, .tags = again ? STR(DELIVERY_AGAIN_TAGS) : STR(""),
		             .group = arena_str(&engine->open->cs.arena, endpoint->name),
		             .message = message->uid, .max_attempts = message->flags & MESSAGE_TEST ? 1 : 0 },
	};
	if (!op.enqueue.group.ptr)
		return E_NOMEM;
	enum err err = delivery_order(engine, message, endpoint, &op.enqueue.dedup);
	if (!err && op.enqueue.dedup)
		err = dedup_meet(engine, &op, queue, &meeting);
	err = err ? err : id_next(engine, queue, &number, &id);
	err = err ? err : enqueue_make(engine, &op.enqueue, id, queue, &meeting, out_job);
	if (err || !op.enqueue.dedup)
		return err;
	err = dedup_take(engine, &op, id, queue, &meeting, *out_job);
	group_refresh(&engine->index, endpoint->group); /* it may have waited longer than its row says (ride.c) */
	return err;
}

/* The next message about it is the first one again. */
enum err op_entity_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	uint32_t slot = named_find(&engine->index, NAMED_ENDPOINT, op->entity.endpoint);
	struct entity_row *row = slot == SLOT_NONE ? NULL : change_add(&engine->open->cs, entities);
	(void)request, (void)park;
	if (!row)
		return slot == SLOT_NONE ? E_ENDPOINT_NOT_FOUND : E_NOMEM;
	*row = (struct entity_row){ .endpoint = named_at(&engine->index, slot)->number, .entity = op->entity.entity, .gone = true };
	return E_OK;
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
