/* src/engine/index.c: the index as a whole: its tables, made and unmade. */
#include "engine/index.h"
#include "base/mem.h"

/* Where an item stands in a heap is kept in the item. One function per place. */
#define PLACE(name, type, pool, field)                                               \
	static void name(void *context, uint32_t item, uint32_t position)            \
	{                                                                            \
		struct index *index = context;                                       \
		((type *)pool_at(&index->pool, item))->field = position;             \
	}
PLACE(index_place_lease, struct job, jobs, heap_position)
PLACE(index_place_expiring, struct job, jobs, expire_position)
PLACE(index_place_due, struct queue, queues, due_position)
PLACE(index_place_due_wall, struct queue, queues, due_wall_position)
PLACE(index_place_far, struct queue, queues, far[FAR_ENGINE].position)
PLACE(index_place_far_wall, struct queue, queues, far[FAR_WALL].position)
PLACE(index_place_blocked_group, struct group, groups, position)
PLACE(index_place_dedup, struct dedup, dedups, position)
PLACE(index_place_blocked_queue, struct queue, queues, blocked_position)
PLACE(index_place_blocked_limit, struct limit, limits, position)
PLACE(index_place_permit, struct permit, permits, position)
#undef PLACE

#define HASH_OF(name, expression)                              \
	static uint64_t name(void *context, uint32_t item)     \
	{                                                      \
		const struct index *index = context;           \
		return expression;                             \
	}
HASH_OF(index_hash_kin, map_mix(kin_at(index, item)->uid))
HASH_OF(index_hash_job, map_mix(job_at(index, item)->uid))
HASH_OF(index_hash_group, group_at(index, item)->hash)
HASH_OF(index_hash_queue, queue_at(index, item)->hash)
HASH_OF(index_hash_number, map_mix(queue_at(index, item)->number))
HASH_OF(index_hash_name, ((struct name *)pool_at(&index->names, item))->hash)
HASH_OF(index_hash_policy, index->policies[item].hash)
HASH_OF(index_hash_dedup, ((struct dedup *)pool_at(&index->dedups, item))->hash)
HASH_OF(index_hash_dedup_owner, map_mix(((struct dedup *)pool_at(&index->dedups, item))->owner))
HASH_OF(index_hash_dedup_next, map_mix(((struct dedup *)pool_at(&index->dedups, item))->next))
HASH_OF(index_hash_chain, ((struct chain *)pool_at(&index->chains, item))->hash)
HASH_OF(index_hash_aside, map_mix(((struct aside *)pool_at(&index->asides, item))->uid))
HASH_OF(index_hash_limit, limit_at(index, item)->hash)
HASH_OF(index_hash_limit_number, map_mix(limit_at(index, item)->number))
HASH_OF(index_hash_permit, permit_at(index, item)->token + permit_at(index, item)->limit)
HASH_OF(index_hash_label, map_mix(((struct label *)pool_at(&index->labels, item))->uid))
HASH_OF(index_hash_named, named_at(index, item)->hash)
HASH_OF(index_hash_named_number, map_mix(named_at(index, item)->number))
HASH_OF(index_hash_key, ((struct key *)pool_at(&index->keys, item))->hash)
#undef HASH_OF

static uint64_t index_hash_priority(void *context, uint32_t item)
{
	const struct index *index = context;
	const struct priority_entry *entry = pool_at(&index->priorities, item);
	return map_mix((uint64_t)entry->queue << 32 | (uint32_t)entry->priority);
}

void index_init(struct index *index)
{
	*index = (struct index){ .next_queue_number = 1, .next_limit_number = 1, .next_named_number = 1, .first_idle = SLOT_NONE,
		                  .first_doubtful = SLOT_NONE, .last_doubtful = SLOT_NONE,
		                  .first_expansion = SLOT_NONE, .last_expansion = SLOT_NONE };
	for (int line = 0; line < LINE_COUNT; line++)
		index->lines[line].first = index->lines[line].last = SLOT_NONE;
	pool_init(&index->operations, sizeof(struct running));
	pool_init(&index->jobs, sizeof(struct job));
	pool_init(&index->leases, sizeof(struct lease));
	pool_init(&index->groups, sizeof(struct group));
	pool_init(&index->queues, sizeof(struct queue));
	pool_init(&index->priorities, sizeof(struct priority_entry));
	pool_init(&index->names, sizeof(struct name));
	pool_init(&index->keys, sizeof(struct key));
	pool_init(&index->asides, sizeof(struct aside));
	pool_init(&index->lanes, sizeof(struct lane));
	pool_init(&index->limits, sizeof(struct limit));
	pool_init(&index->permits, sizeof(struct permit));
	map_init(&index->limits_by_name, index_hash_limit, index);
	map_init(&index->limits_by_number, index_hash_limit_number, index);
	map_init(&index->permits_by_token, index_hash_permit, index);
	pool_init(&index->nameds, sizeof(struct named));
	map_init(&index->nameds_by_name, index_hash_named, index);
	map_init(&index->nameds_by_number, index_hash_named_number, index);
	pool_init(&index->expansions, sizeof(struct expansion));
	pool_init(&index->dedups, sizeof(struct dedup));
	pool_init(&index->edges, sizeof(struct edge));
	pool_init(&index->kins, sizeof(struct kin));
	map_init(&index->kins_by_uid, index_hash_kin, index);
	pool_init(&index->chains, sizeof(struct chain));
	map_init(&index->chains_by_key, index_hash_chain, index);
	map_init(&index->dedups_by_key, index_hash_dedup, index);
	map_init(&index->dedups_by_owner, index_hash_dedup_owner, index);
	map_init(&index->dedups_by_next, index_hash_dedup_next, index);
	heap_init(&index->dedups_by_until, index_place_dedup, index);
	pool_init(&index->labels, sizeof(struct label));
	map_init(&index->labels_by_uid, index_hash_label, index);
	map_init(&index->asides_by_uid, index_hash_aside, index);
	map_init(&index->jobs_by_uid, index_hash_job, index);
	map_init(&index->groups_by_key, index_hash_group, index);
	map_init(&index->queues_by_name, index_hash_queue, index);
	map_init(&index->queues_by_number, index_hash_number, index);
	map_init(&index->priorities_by_key, index_hash_priority, index);
	map_init(&index->names_by_text, index_hash_name, index);
	map_init(&index->policies_by_value, index_hash_policy, index);
	map_init(&index->keys_by_id, index_hash_key, index);
	heap_init(&index->leases_by_deadline, index_place_lease, index);
	heap_init(&index->expiring, index_place_expiring, index);
	heap_init(&index->due, index_place_due, index);
	heap_init(&index->due_wall, index_place_due_wall, index);
	heap_init(&index->blocked_groups, index_place_blocked_group, index);
	heap_init(&index->blocked_queues, index_place_blocked_queue, index);
	heap_init(&index->far[FAR_ENGINE], index_place_far, index);
	heap_init(&index->far[FAR_WALL], index_place_far_wall, index);
	heap_init(&index->blocked_limits, index_place_blocked_limit, index);
	heap_init(&index->permits_by_deadline, index_place_permit, index);
}

void index_fini(struct index *index)
{
	for (uint32_t slot = 0; slot < index->groups.used; slot++) /* in one walk: no queue looks for its own */
		if (group_at(index, slot)->key.ptr)
			group_destroy(index, slot);
	for (uint32_t slot = 0; slot < index->queues.used; slot++)
		if (queue_find_number(index, queue_at(index, slot)->number) == slot)
			queue_destroy(index, slot);
	for (uint32_t i = 0; i < index->names_by_text.capacity; i++)
		if (index->names_by_text.slots[i].item != MAP_NONE)
			mem_free((char *)(uintptr_t)name_text(index, index->names_by_text.slots[i].item).ptr);
	for (uint32_t slot = 0; slot < index->limits.used; slot++)
		if (limit_at(index, slot)->name.ptr)
			limit_destroy(index, slot);
	for (uint32_t slot = 0; slot < index->operations.used; slot++)
		if (((struct running *)pool_at(&index->operations, slot))->live)
			operation_remove(index, slot);
	for (uint32_t slot = 0; slot < index->chains.used; slot++)
		if (((struct chain *)pool_at(&index->chains, slot))->live)
			chain_terms_drop(((struct chain *)pool_at(&index->chains, slot))->terms);
	nameds_fini(index);
	struct pool *pools[] = { &index->operations, &index->jobs,       &index->leases, &index->groups,
				 &index->queues,     &index->priorities, &index->names,  &index->keys,   &index->asides, &index->dedups,
				 &index->labels,     &index->lanes,      &index->limits, &index->permits, &index->edges,  &index->kins, &index->chains,
				 &index->nameds,     &index->expansions };
	for (size_t i = 0; i < ARRAY_COUNT(pools); i++)
		pool_fini(pools[i]);
	struct map *maps[] = { &index->jobs_by_uid, &index->groups_by_key, &index->queues_by_name, &index->queues_by_number,
		               &index->dedups_by_key, &index->dedups_by_owner, &index->dedups_by_next, &index->asides_by_uid, &index->labels_by_uid,
		               &index->priorities_by_key, &index->names_by_text, &index->policies_by_value, &index->keys_by_id,
		               &index->limits_by_name, &index->limits_by_number, &index->permits_by_token, &index->kins_by_uid,
		               &index->chains_by_key, &index->nameds_by_name, &index->nameds_by_number };
	for (size_t i = 0; i < ARRAY_COUNT(maps); i++)
		map_fini(maps[i]);
	struct heap *heaps[] = { &index->leases_by_deadline, &index->expiring, &index->due, &index->due_wall, &index->blocked_groups,
		                 &index->blocked_queues, &index->far[FAR_ENGINE], &index->far[FAR_WALL], &index->dedups_by_until,
		                 &index->blocked_limits, &index->permits_by_deadline };
	for (size_t i = 0; i < ARRAY_COUNT(heaps); i++)
		heap_fini(heaps[i]);
	mem_free(index->policies);
	*index = (struct index){ 0 };
}
