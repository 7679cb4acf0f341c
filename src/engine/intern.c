/* src/engine/intern.c: small tables: retry policies, workers' names, keys in flight, counters by priority. */
#include "base/check.h"
#include "base/mem.h"
#include "engine/index.h"

/* ---- retry policies: equal values share one number, for ever ---- */

static bool policy_is(void *context, uint32_t item, const void *wanted)
{
	return memcmp(&((const struct index *)context)->policies[item].value, wanted, sizeof(struct retry_policy)) == 0;
}

static uint64_t policy_hash(const struct retry_policy *policy)
{
	return str_hash((struct str){ (const char *)policy, sizeof(*policy) }, 23);
}

static enum err policy_grow(struct index *index, uint32_t count)
{
	if (count <= index->policy_capacity)
		return E_OK;
	uint32_t capacity = count < 16 ? 16 : count * 2;
	struct policy *policies = mem_realloc(index->policies, capacity * sizeof(*policies));
	if (!policies)
		return E_NOMEM;
	memset(policies + index->policy_capacity, 0, (capacity - index->policy_capacity) * sizeof(*policies));
	index->policies = policies;
	index->policy_capacity = capacity;
	return E_OK;
}

enum err policy_intern(struct index *index, const struct retry_policy *policy, uint32_t *out_number, bool *out_new)
{
	uint64_t hash = policy_hash(policy);
	uint32_t item = map_find(&index->policies_by_value, hash, policy_is, policy);
	if (item == MAP_NONE) {
		enum err err = policy_grow(index, index->policy_count + 1);
		err = err ? err : map_reserve(&index->policies_by_value, 1);
		if (err)
			return err;
		item = index->policy_count++;
		index->policies[item] = (struct policy){ .value = *policy, .hash = hash };
		err = map_put(&index->policies_by_value, hash, item);
		CHECK(!err);
	}
	*out_new = !index->policies[item].saved;
	*out_number = item + 1;
	return E_OK;
}

enum err policy_restore(struct index *index, uint32_t number, const struct retry_policy *policy)
{
	enum err err = policy_grow(index, number);
	err = err ? err : map_reserve(&index->policies_by_value, 1);
	if (err)
		return err;
	index->policies[number - 1] = (struct policy){ .value = *policy, .hash = policy_hash(policy), .saved = true };
	if (number > index->policy_count)
		index->policy_count = number;
	return map_put(&index->policies_by_value, policy_hash(policy), number - 1);
}

/* ---- workers' names ---- */

static struct name *name_at(const struct index *index, uint32_t slot)
{
	return pool_at(&index->names, slot);
}

static bool name_is(void *context, uint32_t slot, const void *wanted)
{
	return str_eq(name_at(context, slot)->text, *(const struct str *)wanted);
}

enum err name_hold(struct index *index, struct str text, uint32_t *out_slot)
{
	uint64_t hash = str_hash(text, 29);
	uint32_t slot = map_find(&index->names_by_text, hash, name_is, &text);
	if (slot == MAP_NONE) {
		char *copy = mem_alloc(text.len + 1);
		enum err err = copy ? map_reserve(&index->names_by_text, 1) : E_NOMEM;
		err = err ? err : pool_take(&index->names, &slot);
		if (err) {
			mem_free(copy);
			return err;
		}
		if (text.len)
			memcpy(copy, text.ptr, text.len);
		*name_at(index, slot) = (struct name){ .text = { copy, text.len }, .hash = hash };
		err = map_put(&index->names_by_text, hash, slot);
		CHECK(!err);
	}
	name_at(index, slot)->holders++;
	*out_slot = slot;
	return E_OK;
}

void name_keep(struct index *index, uint32_t slot)
{
	name_at(index, slot)->holders++;
}

void name_drop(struct index *index, uint32_t slot)
{
	struct name *name = name_at(index, slot);
	CHECK(name->holders > 0);
	if (--name->holders > 0)
		return;
	map_remove(&index->names_by_text, name->hash, slot);
	mem_free((char *)(uintptr_t)name->text.ptr);
	pool_give(&index->names, slot);
}

struct str name_text(const struct index *index, uint32_t slot)
{
	return name_at(index, slot)->text;
}

/* ---- keys of jobs whose change-set is in flight ---- */

struct key_wanted {
	uint32_t queue;
	struct str id;
};

/* What names a deleted job is free, though the deletion may still be undone. */
static bool key_is(void *context, uint32_t slot, const void *wanted)
{
	const struct index *index = context;
	const struct key *key = pool_at(&index->keys, slot);
	const struct key_wanted *w = wanted;
	if (key->queue != w->queue || !str_eq(key->id, w->id))
		return false;
	uint32_t job = key->queue == SLOT_NONE ? SLOT_NONE : job_find(index, key->uid);
	return key->queue == SLOT_NONE || (job != SLOT_NONE && !(job_at(index, job)->flags & JOB_DELETED));
}

enum err key_add(struct index *index, uint32_t queue, struct str id, uint64_t uid, uint32_t *out_slot)
{
	uint32_t slot;
	enum err err = map_reserve(&index->keys_by_id, 1);
	err = err ? err : pool_take(&index->keys, &slot);
	if (err)
		return err;
	*(struct key *)pool_at(&index->keys, slot) = (struct key){
		.queue = queue, .id = id, .hash = str_hash(id, queue), .uid = uid
	};
	err = map_put(&index->keys_by_id, str_hash(id, queue), slot);
	CHECK(!err);
	*out_slot = slot;
	return E_OK;
}

void key_remove(struct index *index, uint32_t slot)
{
	map_remove(&index->keys_by_id, ((struct key *)pool_at(&index->keys, slot))->hash, slot);
	pool_give(&index->keys, slot);
}

const struct key *key_find(const struct index *index, uint32_t queue, struct str id)
{
	struct key_wanted wanted = { queue, id };
	uint32_t slot = map_find(&index->keys_by_id, str_hash(id, queue), key_is, &wanted);
	return slot == MAP_NONE ? NULL : pool_at(&index->keys, slot);
}

/* ---- bulk operations that have not ended: few ---- */

static struct running *running_at(const struct index *index, uint32_t slot)
{
	return pool_at(&index->operations, slot);
}

uint32_t operation_find(const struct index *index, uint64_t number)
{
	for (uint32_t slot = 0; slot < index->operations.used; slot++)
		if (running_at(index, slot)->live && running_at(index, slot)->row.number == number)
			return slot;
	return SLOT_NONE;
}

enum err operation_add(struct index *index, const struct operation_row *row, uint32_t *out_slot)
{
	uint32_t slot;
	size_t bytes = row->action.len + row->arguments.len + row->filter.len;
	char *text = mem_alloc(bytes + 1);
	enum err err = text ? pool_take(&index->operations, &slot) : E_NOMEM;
	if (err) {
		mem_free(text);
		return err;
	}
	struct operation_row *kept = &running_at(index, slot)->row;
	*kept = *row;
	running_at(index, slot)->live = true;
	struct str *parts[] = { &kept->action, &kept->arguments, &kept->filter }; /* the first owns the allocation */
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		if (parts[i]->len)
			memcpy(text, parts[i]->ptr, parts[i]->len);
		parts[i]->ptr = text;
		text += parts[i]->len;
	}
	*out_slot = slot;
	return E_OK;
}

void operation_remove(struct index *index, uint32_t slot)
{
	struct running *running = running_at(index, slot);
	mem_free((char *)(uintptr_t)running->row.action.ptr);
	running->live = false;
	pool_give(&index->operations, slot);
}

/* ---- counters by priority ---- */

struct priority_wanted {
	uint32_t queue;
	int32_t priority;
};

static bool priority_is(void *context, uint32_t slot, const void *wanted)
{
	const struct priority_entry *entry = pool_at(&((const struct index *)context)->priorities, slot);
	const struct priority_wanted *w = wanted;
	return entry->queue == w->queue && entry->priority == w->priority;
}

static uint64_t priority_hash(const struct priority_wanted *wanted)
{
	return map_mix((uint64_t)wanted->queue << 32 | (uint32_t)wanted->priority);
}

const struct priority_entry *priority_find(const struct index *index, uint32_t queue, int32_t priority)
{
	struct priority_wanted wanted = { queue, priority };
	uint32_t slot = map_find(&index->priorities_by_key, priority_hash(&wanted), priority_is, &wanted);
	return slot == MAP_NONE ? NULL : pool_at(&index->priorities, slot);
}

struct priority_entry *priority_open(struct index *index, uint32_t queue_slot, int32_t priority)
{
	struct queue *queue = queue_at(index, queue_slot);
	if (queue->last_priority != SLOT_NONE) {
		struct priority_entry *last = pool_at(&index->priorities, queue->last_priority);
		if (last->priority == priority)
			return last;
	}
	struct priority_wanted wanted = { queue_slot, priority };
	uint64_t hash = priority_hash(&wanted);
	uint32_t slot = map_find(&index->priorities_by_key, hash, priority_is, &wanted);
	if (slot == MAP_NONE) {
		if (map_reserve(&index->priorities_by_key, 1) || pool_take(&index->priorities, &slot))
			return NULL;
		*(struct priority_entry *)pool_at(&index->priorities, slot) =
			(struct priority_entry){ .next = queue->first_priority, .queue = queue_slot, .priority = priority };
		queue->first_priority = slot;
		enum err err = map_put(&index->priorities_by_key, hash, slot);
		CHECK(!err);
	}
	queue->last_priority = slot;
	return pool_at(&index->priorities, slot);
}
