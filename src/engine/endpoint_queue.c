/* src/engine/endpoint_queue.c: the queue of a namespace's endpoints. Its name is theirs from the beginning: whoever names it first has an HTTP
 * queue, and only deliveries of messages go into it, so that the first endpoint finds it as it needs it. Two are left to others, and then the
 * namespace has no endpoints: BullMQ's programs, who are not to be told how to call their queues, and a queue of workers that was there before
 * the name was kept. */
#include "engine/engine_priv.h"

#define QUEUE_SETTINGS STR("{\"target\":\"http\",\"retry_after\":\"group\",\"http\":{\"timeout_ms\":15000}}")

bool queue_has_endpoints(const struct index *index, uint32_t queue)
{
	for (uint32_t i = 0; i < index->endpoints.count; i++) {
		const struct named *named = named_at(index, index->endpoints.slots[i]);
		if (!named->gone && named->group != SLOT_NONE && group_at(index, named->group)->queue == queue)
			return true;
	}
	return false;
}

bool queue_is_others(const struct queue *queue)
{
	return queue->settings->target != TARGET_HTTP || queue->settings->compat;
}

bool queue_is_kept(const struct index *index, struct queue_name name)
{
	if (!str_eq(name.name, ENDPOINT_QUEUE))
		return false;
	uint32_t slot = queue_find(index, name);
	return slot == SLOT_NONE || !queue_is_others(queue_at(index, slot));
}

bool queue_stays_kept(const struct index *index, struct queue_name name)
{
	if (!str_eq(name.name, ENDPOINT_QUEUE))
		return false;
	uint32_t slot = queue_find(index, name);
	return slot == SLOT_NONE || !queue_is_others(queue_at(index, slot)) || queue_at(index, slot)->settings->compat;
}

enum err queue_refuse_kept(struct request *request, struct op *op, const char *field)
{
	return refuse(request, op, E_INVALID, field, "Queue 'webhooks' is kept for the deliveries of endpoints: send a message to them (POST /v1/messages, "
	              "'ruche send'), or name another queue.");
}

enum err endpoint_queue_settings(struct engine *engine, uint32_t slot, struct str settings, struct problem *problem)
{
	enum err err = queue_set_settings(&engine->index, slot, QUEUE_SETTINGS, true, problem);
	return err || !settings.len ? err : queue_set_settings(&engine->index, slot, settings, false, problem);
}

enum err endpoint_queue_make(struct engine *engine, uint32_t slot)
{
	struct problem problem = { 0 };
	enum err err = queue_touch(engine->open, &engine->index, slot);
	err = err ? err : endpoint_queue_settings(engine, slot, (struct str){ 0 }, &problem);
	if (err)
		return err;
	queue_at(&engine->index, slot)->version = engine->index.open_seq;
	err = queue_write(engine, slot);
	return err ? err : batch_event(engine->open, EVENT_QUEUE_CHANGED, slot, 0, (struct str){ 0 });
}

/* Who has it, and what to do about it. */
static enum err endpoint_queue_refuse(struct request *request, struct op *op, const struct queue *queue)
{
	struct str space = str_cut(queue->namespace_name, 40);
	if (queue->settings->compat)
		return refuse(request, op, E_CONFLICT, "", "Endpoints need the queue 'webhooks', which is a BullMQ program's in namespace '" STR_FMT "': "
		              "put the endpoint into another namespace.", STR_ARG(space));
	return refuse(request, op, E_CONFLICT, "", "Endpoints need the queue 'webhooks', and workers have it (%llu jobs): end or delete those, delete the "
	              "queue ('ruche queues delete webhooks'), put the endpoint again; or use another namespace than '" STR_FMT "'.",
	              (unsigned long long)queue_job_count(queue), STR_ARG(space));
}

enum err endpoint_queue_begin(struct engine *engine, struct request *request, struct op *op, uint32_t *out_slot)
{
	struct index *index = &engine->index;
	struct queue_name name = { op->named.named.namespace_name, ENDPOINT_QUEUE };
	bool is_new = queue_find(index, name) == SLOT_NONE;
	enum err err = queue_begin(engine->open, index, name, out_slot);
	if (err || is_new)
		return err ? err : endpoint_queue_make(engine, *out_slot);
	return queue_is_others(queue_at(index, *out_slot)) ? endpoint_queue_refuse(request, op, queue_at(index, *out_slot)) : E_OK;
}
