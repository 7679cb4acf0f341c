/* src/engine/aside.c: what few live jobs have, apart from struct job. An aside never changes in place: a change takes a new slot, and
 * undoing it puts the old one back. */
#include "base/check.h"
#include "engine/index.h"
#include "engine/journal.h"

static const struct aside aside_nothing = ASIDE_NOTHING;

static struct aside *aside_at(const struct index *index, uint32_t slot)
{
	return pool_at(&index->asides, slot);
}

static bool aside_is_of(void *context, uint32_t slot, const void *uid)
{
	return aside_at(context, slot)->uid == *(const uint64_t *)uid;
}

static uint32_t aside_find(const struct index *index, uint64_t uid)
{
	return map_find(&index->asides_by_uid, map_mix(uid), aside_is_of, &uid);
}

const struct aside *aside_of(const struct index *index, const struct job *job)
{
	uint32_t slot = job->flags & JOB_ASIDE ? aside_find(index, job->uid) : SLOT_NONE;
	return slot == SLOT_NONE ? &aside_nothing : aside_at(index, slot);
}

bool aside_is_nothing(const struct aside *aside)
{
	return aside->dedup == SLOT_NONE && aside->chain == SLOT_NONE && aside->first_parent == SLOT_NONE && aside->deferred == SLOT_NONE;
}

static void aside_give(struct index *index, uint32_t slot)
{
	if (aside_at(index, slot)->deferred != SLOT_NONE)
		name_drop(index, aside_at(index, slot)->deferred);
	pool_give(&index->asides, slot);
}

static void aside_swap(struct index *index, uint64_t uid, uint32_t from, uint32_t to) /* in the map, which has room */
{
	if (from != SLOT_NONE)
		map_remove(&index->asides_by_uid, map_mix(uid), from);
	if (to != SLOT_NONE)
		CHECK(!map_put(&index->asides_by_uid, map_mix(uid), to));
}

/* Room for all asides there are, those that the journal holds included: putting one back cannot fail. */
static enum err aside_new(struct index *index, uint64_t uid, const struct aside *wanted, uint32_t *out_slot)
{
	*out_slot = SLOT_NONE;
	if (aside_is_nothing(wanted))
		return E_OK;
	enum err err = map_reserve(&index->asides_by_uid, index->asides.live - index->asides_by_uid.count + 1);
	err = err ? err : pool_take(&index->asides, out_slot);
	if (err)
		return err;
	*aside_at(index, *out_slot) = *wanted;
	aside_at(index, *out_slot)->uid = uid;
	if (wanted->deferred != SLOT_NONE)
		name_keep(index, wanted->deferred);
	return E_OK;
}

enum err aside_change(struct batch *batch, struct index *index, uint32_t job_slot, const struct aside *wanted)
{
	struct job *job = job_at(index, job_slot);
	CHECK(job->flags & JOB_LIFTED);
	uint32_t old = job->flags & JOB_ASIDE ? aside_find(index, job->uid) : SLOT_NONE, new;
	struct undo *undo = journal_add(batch, UNDO_ASIDE, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = aside_new(index, job->uid, wanted, &new);
	if (err) {
		journal_take_back(batch);
		return err;
	}
	undo->slot = new;
	undo->aside.uid = job->uid;
	undo->aside.old = old;
	aside_swap(index, job->uid, old, new);
	job->flags = (uint16_t)(new == SLOT_NONE ? job->flags & ~JOB_ASIDE : job->flags | JOB_ASIDE);
	return E_OK;
}

enum err aside_restore(struct index *index, uint32_t job_slot, const struct aside *wanted)
{
	struct job *job = job_at(index, job_slot);
	uint32_t old = job->flags & JOB_ASIDE ? aside_find(index, job->uid) : SLOT_NONE, new;
	enum err err = aside_new(index, job->uid, wanted, &new);
	if (err)
		return err;
	aside_swap(index, job->uid, old, new);
	if (old != SLOT_NONE)
		aside_give(index, old);
	job->flags = (uint16_t)(new == SLOT_NONE ? job->flags & ~JOB_ASIDE : job->flags | JOB_ASIDE);
	return E_OK;
}

void aside_undo(struct index *index, const struct undo *undo) /* the job's flags come back with its image */
{
	aside_swap(index, undo->aside.uid, undo->slot, undo->aside.old);
	if (undo->slot != SLOT_NONE)
		aside_give(index, undo->slot);
}

void aside_forget(struct index *index, const struct undo *undo) /* nobody goes back to the old one any more */
{
	if (undo->aside.old != SLOT_NONE)
		aside_give(index, undo->aside.old);
}

void aside_drop(struct index *index, const struct job *job)
{
	uint32_t slot = job->flags & JOB_ASIDE ? aside_find(index, job->uid) : SLOT_NONE;
	if (slot == SLOT_NONE)
		return;
	aside_swap(index, job->uid, slot, SLOT_NONE);
	aside_give(index, slot);
}
