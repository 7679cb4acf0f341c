/* src/engine/deferred.c: failures that are told later. In queues that keep BullMQ's rules a job that stalled too often, or whose child failed, is
 * not failed by us: it waits, and the worker that claims it next is told the reason and lets it fail, with all that this means to its programs. */
#include "engine/engine_priv.h"

#define STALLED_TOO_OFTEN STR("job stalled more than allowable limit")

struct str deferred_of(const struct index *index, const struct job *job)
{
	uint32_t name = aside_of(index, job)->deferred;
	return name == SLOT_NONE ? (struct str){ 0 } : name_text(index, name);
}

enum err deferred_restore(struct index *index, uint32_t job, struct str reason)
{
	struct aside aside = *aside_of(index, job_at(index, job));
	enum err err = name_hold(index, reason, &aside.deferred);
	if (err)
		return err;
	err = aside_restore(index, job, &aside);
	name_drop(index, aside.deferred); /* the aside holds it */
	return err;
}

enum err deferred_set(struct engine *engine, uint32_t slot, struct str reason)
{
	struct index *index = &engine->index;
	struct aside aside = *aside_of(index, job_at(index, slot));
	enum err err = job_touch(engine->open, index, slot);
	err = err ? err : name_hold(index, reason, &aside.deferred);
	if (err)
		return err;
	err = aside_change(engine->open, index, slot, &aside);
	name_drop(index, aside.deferred);
	return err ? err : job_place(index, slot);
}

enum err deferred_leave(struct engine *engine, uint32_t slot)
{
	struct index *index = &engine->index;
	struct aside aside = *aside_of(index, job_at(index, slot));
	if (aside.deferred == SLOT_NONE)
		return E_OK;
	aside.deferred = SLOT_NONE;
	return aside_change(engine->open, index, slot, &aside);
}

enum err deferred_fail(struct engine *engine, uint32_t slot, struct str reason)
{
	const struct job *job = job_at(&engine->index, slot);
	enum err err = deferred_set(engine, slot, reason);
	if (err || (job->state != JOB_WAITING_CHILDREN && job->state != JOB_DELAYED))
		return err;
	bool head = compat_head(queue_at(&engine->index, job->queue), job->priority, true);
	return life_wait(engine, slot, head, EVENT_WAITING, compat_from(job));
}

enum err deferred_stall(struct engine *engine, uint32_t slot)
{
	int64_t slot_ms;
	if (chain_of_compat(&engine->index, job_at(&engine->index, slot), &slot_ms)) /* a chain that goes on is not stopped by one of its jobs */
		return E_OK;
	return deferred_set(engine, slot, STALLED_TOO_OFTEN);
}
