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

static enum err deferred_set(struct engine *engine, uint32_t slot, struct str reason)
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

/* Of a chain that still goes on, as its id says: "repeat:<key>:<time>". */
static bool deferred_is_of_chain(const struct index *index, const struct job *job)
{
	char room[LABEL_ROOM];
	struct str id = label_of(index, job, room), prefix = STR("repeat:");
	size_t end = id.len;
	if (!str_starts(id, prefix))
		return false;
	while (end > prefix.len && id.ptr[end - 1] != ':')
		end--;
	if (end <= prefix.len)
		return false;
	return chain_find(index, job->queue, (struct str){ id.ptr + prefix.len, end - 1 - prefix.len }) != SLOT_NONE;
}

enum err deferred_stall(struct engine *engine, uint32_t slot)
{
	if (deferred_is_of_chain(&engine->index, job_at(&engine->index, slot)))
		return E_OK;
	return deferred_set(engine, slot, STALLED_TOO_OFTEN);
}
