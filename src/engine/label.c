/* src/engine/label.c: ids at hand. Most queues need none: their jobs' ids are in the store, and uids say it all in memory. Where another queue's
 * programs listen, every event names the job by its id. Numbers cost 16 bytes and a place in a map, other ids their text besides. */
#include "base/check.h"
#include "base/uid.h"
#include "engine/index.h"

#define LABEL_IS_NAME   (UINT64_C(1) << 63)
#define LABEL_DIGITS_MAX 18 /* of a number that is kept as one */

static struct label *label_at(const struct index *index, uint32_t slot)
{
	return pool_at(&index->labels, slot);
}

static bool label_is_of(void *context, uint32_t slot, const void *uid)
{
	return label_at(context, slot)->uid == *(const uint64_t *)uid;
}

static uint32_t label_find(const struct index *index, const struct job *job)
{
	return job->flags & JOB_LABELLED ? map_find(&index->labels_by_uid, map_mix(job->uid), label_is_of, &job->uid) : SLOT_NONE;
}

bool label_number(struct str id, uint64_t *out)
{
	*out = 0;
	if (id.len == 0 || id.len > LABEL_DIGITS_MAX || (id.ptr[0] == '0' && id.len > 1))
		return false;
	for (size_t i = 0; i < id.len; i++) {
		if (id.ptr[i] < '0' || id.ptr[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(id.ptr[i] - '0');
	}
	return true;
}

enum err label_set(struct index *index, uint32_t job_slot, struct str id)
{
	struct job *job = job_at(index, job_slot);
	uint32_t slot, name = SLOT_NONE;
	uint64_t number;
	if (!id.len)
		return E_OK;
	bool is_number = label_number(id, &number);
	enum err err = map_reserve(&index->labels_by_uid, 1);
	if (!err && !is_number)
		err = name_hold(index, id, &name);
	if (err)
		return err;
	err = pool_take(&index->labels, &slot);
	if (err) {
		if (!is_number)
			name_drop(index, name);
		return err;
	}
	*label_at(index, slot) = (struct label){ .uid = job->uid, .id = is_number ? number : LABEL_IS_NAME | name };
	err = map_put(&index->labels_by_uid, map_mix(job->uid), slot);
	CHECK(!err);
	job->flags |= JOB_LABELLED;
	return E_OK;
}

static struct str label_digits(uint64_t number, char room[LABEL_ROOM])
{
	size_t at = LABEL_ROOM;
	do {
		room[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	return (struct str){ room + at, LABEL_ROOM - at };
}

struct str label_of(const struct index *index, const struct job *job, char room[LABEL_ROOM])
{
	uint32_t slot = label_find(index, job);
	if (slot == SLOT_NONE) {
		uid_text(job->uid, room);
		return (struct str){ room, UID_TEXT_BYTES - 1 };
	}
	uint64_t id = label_at(index, slot)->id;
	return id & LABEL_IS_NAME ? name_text(index, (uint32_t)id) : label_digits(id, room);
}

enum err label_copy(const struct index *index, const struct job *job, struct arena *arena, struct str *out)
{
	char room[LABEL_ROOM];
	*out = (struct str){ 0 };
	if (!(job->flags & JOB_LABELLED))
		return E_OK;
	*out = arena_str(arena, label_of(index, job, room));
	return out->ptr ? E_OK : E_NOMEM;
}

void label_drop(struct index *index, const struct job *job)
{
	uint32_t slot = label_find(index, job);
	if (slot == SLOT_NONE)
		return;
	uint64_t id = label_at(index, slot)->id;
	if (id & LABEL_IS_NAME)
		name_drop(index, (uint32_t)id);
	map_remove(&index->labels_by_uid, map_mix(job->uid), slot);
	pool_give(&index->labels, slot);
}
