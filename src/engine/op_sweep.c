/* src/engine/op_sweep.c: leases that no timer ends. In queues that keep BullMQ's rules a job whose worker is silent stays active until two sweeps
 * saw it: the workers ask for them, and one that has not been renewed since the last sweep, and is over, is taken back. */
#include "engine/engine_priv.h"
#include "base/json.h"

#define SWEEP_MAX 1000 /* jobs that one sweep takes back; the next one, which may come at once then, goes on */

static bool sweep_is_overdue(const struct index *index, const struct queue *queue, uint32_t slot)
{
	const struct lease *lease = lease_at(index, job_at(index, slot)->lease);
	int64_t renewed_us = lease->deadline_us - lease->lease_ms * 1000;
	return lease->deadline_us <= index->now_us && renewed_us < (int64_t)queue->swept_us;
}

/* Slots in the step's arena: what is done to them changes the heap. */
static enum err sweep_find(struct engine *engine, const struct queue *queue, uint32_t **out, uint32_t *count)
{
	const struct heap *leases = &queue->leases;
	*count = 0;
	*out = ARENA_ARRAY(&engine->scratch, uint32_t, leases->count < SWEEP_MAX ? leases->count + 1 : SWEEP_MAX);
	if (!*out)
		return E_NOMEM;
	if (!leases->count || heap_peek(leases)->major > engine->index.now_us)
		return E_OK;
	for (uint32_t i = 0; i < leases->count && *count < SWEEP_MAX; i++)
		if (sweep_is_overdue(&engine->index, queue, leases->entries[i].item))
			(*out)[(*count)++] = leases->entries[i].item;
	return E_OK;
}

static enum err sweep_take_back(struct engine *engine, const uint32_t *slots, uint32_t count, uint32_t max_stalls, struct buf *ids)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < count && !err; i++) {
		char room[LABEL_ROOM];
		json_put_comma(ids);
		json_put_str(ids, label_of(&engine->index, job_at(&engine->index, slots[i]), room));
		err = life_stall(engine, slots[i], max_stalls);
	}
	return err;
}

static enum err sweep_queue(struct engine *engine, struct request *request, struct op *op, struct queue *queue)
{
	uint32_t count, *slots, max_stalls = op->queue.max_stalls == UINT32_MAX ? queue->settings->max_stalls : op->queue.max_stalls;
	enum err err = sweep_find(engine, queue, &slots, &count);
	if (!err && count)
		err = batch_value(engine->open, &queue->swept_us);
	if (err)
		return err;
	struct buf ids;
	buf_init(&ids, SWEEP_MAX * (LIMIT_ID_BYTES * 6 + 4));
	buf_add_byte(&ids, '[');
	err = sweep_take_back(engine, slots, count, max_stalls, &ids);
	buf_add_byte(&ids, ']');
	op->result.id = buf_ok(&ids) ? arena_str(&request->arena, buf_str(&ids)) : (struct str){ 0 };
	buf_fini(&ids);
	if (!err && count < SWEEP_MAX)
		queue->swept_us = (uint64_t)engine->index.now_us;
	return err ? err : op->result.id.ptr ? E_OK : E_NOMEM;
}

enum err op_sweep_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	uint32_t slot = queue_find(index, op->queue.queue);
	(void)park;
	op->result.id = STR("[]");
	if (slot == SLOT_NONE || queue_at(index, slot)->deleted)
		return E_OK; /* nobody has worked there yet */
	struct queue *queue = queue_at(index, slot);
	if (!queue->settings->compat)
		return refuse(request, op, E_COMPAT, "queue", "Leases of queue '" STR_FMT "' run out by themselves: there is nothing to sweep.",
			      STR_ARG(str_cut(queue->name, 60)));
	if (queue->swept_us && index->now_us < (int64_t)queue->swept_us + op->queue.interval_ms * 1000)
		return E_OK; /* another worker has just done it */
	return sweep_queue(engine, request, op, queue);
}
