#include "deliver/host.h"
#include "base/check.h"
#include "base/mem.h"

static uint64_t host_hash_of(void *context, uint32_t slot)
{
	struct host_table *table = context;
	return ((struct host *)pool_at(&table->pool, slot))->hash;
}

static bool host_is(void *context, uint32_t slot, const void *key)
{
	struct host_table *table = context;
	return str_eq(((struct host *)pool_at(&table->pool, slot))->origin, *(const struct str *)key);
}

void host_table_init(struct host_table *table, uint64_t seed)
{
	table->seed = seed;
	pool_init(&table->pool, sizeof(struct host));
	map_init(&table->map, host_hash_of, table);
}

void host_table_fini(struct host_table *table)
{
	CHECK(table->pool.live == 0);
	pool_fini(&table->pool);
	map_fini(&table->map);
}

static struct host *host_add(struct host_table *table, struct str origin, uint64_t hash)
{
	uint32_t slot;
	char *copy = mem_alloc(origin.len);
	if (!copy || map_reserve(&table->map, 1) || pool_take(&table->pool, &slot)) {
		mem_free(copy);
		return NULL;
	}
	if (origin.len)
		memcpy(copy, origin.ptr, origin.len);
	struct host *host = pool_at(&table->pool, slot);
	*host = (struct host){ .users = 1, .slot = slot, .hash = hash, .origin = { copy, origin.len } };
	TAILQ_INIT(&host->held);
	CHECK(map_put(&table->map, hash, slot) == E_OK);
	return host;
}

struct host *host_take(struct host_table *table, struct str origin)
{
	uint64_t hash = str_hash(origin, table->seed);
	uint32_t slot = map_find(&table->map, hash, host_is, &origin);
	if (slot == MAP_NONE)
		return host_add(table, origin, hash);
	struct host *host = pool_at(&table->pool, slot);
	host->users++;
	return host;
}

void host_give(struct host_table *table, struct host *host)
{
	if (!host || --host->users)
		return;
	CHECK(host->running == 0);
	map_remove(&table->map, host->hash, host->slot);
	mem_free((void *)host->origin.ptr);
	pool_give(&table->pool, host->slot);
}

struct host *host_at(const struct host_table *table, uint32_t slot)
{
	struct host *host = pool_at(&table->pool, slot);
	return host->users ? host : NULL;
}
