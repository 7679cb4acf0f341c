/* src/engine/op_reset.c: a queue without jobs becomes as if it had just been made, in the eyes of those who wait there too. */
#include "engine/engine_priv.h"

static enum err reset_groups(struct engine *engine, uint32_t queue)
{
	struct index *index = &engine->index;
	enum err err = E_OK;
	for (uint32_t slot = 0; slot < index->groups.used && !err; slot++) {
		struct group *group = group_at(index, slot);
		if (!group->key.ptr || group->queue != queue || !(group->has_row || group->paused || group->blocked_us))
			continue;
		err = group_touch(engine->open, index, slot);
		if (err)
			break;
		group->settings = (struct group_settings){ 0 };
		group->has_row = group->paused = false;
		group->blocked_us = 0;
		err = group_use_lane(index, slot, queue_at(index, queue)->lane);
		group_refresh(index, slot);
		err = err ? err : group_write(engine, group);
	}
	return err;
}

/* With the job of it that nobody has claimed, whichever rules it keeps. */
static enum err reset_chain(struct engine *engine, uint32_t slot)
{
	uint64_t pending = ((const struct chain *)pool_at(&engine->index.chains, slot))->pending;
	enum err err = chain_delete(engine, slot);
	uint32_t job = err ? SLOT_NONE : plan_job(engine, pending);
	return job != SLOT_NONE && job_at(&engine->index, job)->state == JOB_WAITING ? life_delete(engine, job) : err;
}

static enum err reset_chains(struct engine *engine, uint32_t queue)
{
	const struct pool *chains = &engine->index.chains;
	enum err err = E_OK;
	for (uint32_t slot = 0; slot < chains->used && !err; slot++) {
		const struct chain *chain = pool_at(chains, slot);
		if (chain->live && !chain->gone && chain->queue == queue)
			err = reset_chain(engine, slot);
	}
	return err;
}

/* The minutes before the next one: all. */
static enum err reset_metrics(struct engine *engine, struct queue *queue)
{
	int64_t minute = engine->index.now_us / 60000000;
	struct metric_add *add = change_add(&engine->open->cs, metrics);
	if (!add)
		return E_NOMEM;
	*add = (struct metric_add){ .row = { .queue = queue->number, .minute = minute }, .keep_from = minute + 1 };
	queue->metric_minute = 0;
	return E_OK;
}

static enum err reset_settings(struct engine *engine, uint32_t slot)
{
	struct queue *queue = queue_at(&engine->index, slot);
	bool kept = queue_is_kept(&engine->index, (struct queue_name){ queue->namespace_name, queue->name });
	enum err err = kept ? endpoint_queue_make(engine, slot) : compat_make(engine, slot, queue->settings->compat); /* journals it */
	if (err)
		return err;
	queue->paused = false;
	queue->blocked_us = 0;
	queue->version = engine->index.open_seq;
	limiter_open(queue);
	queue_flag(&engine->index, slot);
	err = queue_write(engine, slot);
	err = err ? err : batch_value(engine->open, &queue->counts.ids);
	if (!err)
		queue->counts.ids = 0;
	return err;
}

/* As many events as go at once: the asker hears whether there are more. */
static enum err reset_events(struct engine *engine, struct op *op, uint32_t slot)
{
	struct event_trim *trim = change_add(&engine->open->cs, event_trims);
	if (!trim)
		return E_NOMEM;
	*trim = (struct event_trim){ .queue = queue_at(&engine->index, slot)->number, .asker = &op->result };
	return batch_event(engine->open, EVENT_QUEUE_CHANGED, slot, 0, STR("{\"reset\":true}"));
}

enum err op_reset_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	uint32_t slot = queue_find(index, op->queue.queue);
	(void)park;
	if (slot == SLOT_NONE || queue_at(index, slot)->deleted)
		return E_QUEUE_NOT_FOUND;
	enum err err = reset_chains(engine, slot);
	if (err)
		return err;
	uint64_t jobs = queue_job_count(queue_at(index, slot));
	if (queue_has_endpoints(index, slot))
		return refuse(request, op, E_CONFLICT, "", "The queue is that of endpoints: delete them first.");
	if (jobs)
		return refuse(request, op, E_CONFLICT, "", "The queue still has %llu jobs: delete them first ('ruche jobs delete --all --queue …').",
			      (unsigned long long)jobs);
	err = dedup_free_all(engine, slot);
	err = err ? err : reset_groups(engine, slot);
	err = err ? err : reset_settings(engine, slot);
	err = err ? err : reset_metrics(engine, queue_at(index, slot));
	return err ? err : reset_events(engine, op, slot);
}
