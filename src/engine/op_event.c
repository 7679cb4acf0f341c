/* src/engine/op_event.c: the event log of a queue, by hand: an event of the caller's own, and trimming. */
#include "engine/engine_priv.h"
#include "base/buf.h"
#include "base/json.h"

/* {"event":"cleaned","details":{…}}, in the change-set's arena; ptr NULL: no memory. */
static struct str event_details(struct engine *engine, const struct op_event *event)
{
	struct buf text;
	buf_init(&text, LIMIT_NAME_BYTES * 6 + LIMIT_EVENT_BYTES + 64);
	buf_add_byte(&text, '{');
	json_put_field_str(&text, "event", event->name);
	json_put_field_raw(&text, "details", event->details.len ? event->details : STR("{}"));
	buf_add_byte(&text, '}');
	struct str copy = buf_ok(&text) ? arena_str(&engine->open->cs.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return copy;
}

/* How many went is known once the store has done it: batch_settle tells the asker. */
static enum err events_trim(struct engine *engine, struct op *op, uint32_t slot)
{
	struct event_trim *trim = change_add(&engine->open->cs, event_trims);
	if (!trim)
		return E_NOMEM;
	*trim = (struct event_trim){ .queue = queue_at(&engine->index, slot)->number, .keep = op->event.keep, .asker = &op->result };
	return E_OK;
}

enum err op_event_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	uint32_t slot = queue_find(&engine->index, op->event.queue);
	(void)request;
	(void)park;
	if (slot == SLOT_NONE || queue_at(&engine->index, slot)->deleted)
		return E_QUEUE_NOT_FOUND;
	if (op->kind == OP_EVENTS_TRIM)
		return events_trim(engine, op, slot);
	if (engine_is_full(engine))
		return engine->full;
	struct str details = event_details(engine, &op->event);
	return details.ptr ? batch_event(engine->open, EVENT_CUSTOM, slot, 0, details) : E_NOMEM;
}
