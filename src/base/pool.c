#include "base/pool.h"
#include "base/check.h"
#include "base/mem.h"

#define POOL_FIRST_CHUNKS 8u

void pool_init(struct pool *pool, size_t item_bytes)
{
	CHECK(item_bytes >= sizeof(uint32_t));
	*pool = (struct pool){ .item_bytes = item_bytes, .free_head = POOL_NONE };
}

void pool_fini(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->chunk_count; i++)
		mem_free(pool->chunks[i]);
	mem_free(pool->chunks);
	*pool = (struct pool){ .item_bytes = pool->item_bytes, .free_head = POOL_NONE };
}

static enum err pool_add_chunk(struct pool *pool)
{
	if (pool->chunk_count == POOL_NONE / POOL_CHUNK_ITEMS)
		return E_NOMEM;
	if (pool->chunk_count == pool->chunk_capacity) {
		uint32_t capacity = pool->chunk_capacity ? pool->chunk_capacity * 2 : POOL_FIRST_CHUNKS;
		char **chunks = mem_realloc(pool->chunks, capacity * sizeof(*chunks));
		if (!chunks)
			return E_NOMEM;
		pool->chunks = chunks;
		pool->chunk_capacity = capacity;
	}
	char *chunk = mem_zalloc_array(POOL_CHUNK_ITEMS, pool->item_bytes);
	if (!chunk)
		return E_NOMEM;
	pool->chunks[pool->chunk_count++] = chunk;
	return E_OK;
}

enum err pool_take(struct pool *pool, uint32_t *out_slot)
{
	uint32_t slot = pool->free_head;
	if (slot != POOL_NONE) {
		void *item = pool_at(pool, slot);
		memcpy(&pool->free_head, item, sizeof(pool->free_head));
		memset(item, 0, pool->item_bytes);
	} else {
		enum err err = pool->used == pool->chunk_count * POOL_CHUNK_ITEMS ? pool_add_chunk(pool) : E_OK;
		if (err)
			return err;
		slot = pool->used++;
	}
	pool->live++;
	*out_slot = slot;
	return E_OK;
}

void pool_give(struct pool *pool, uint32_t slot)
{
	CHECK(slot < pool->used);
	CHECK(pool->live > 0);
	memcpy(pool_at(pool, slot), &pool->free_head, sizeof(pool->free_head));
	pool->free_head = slot;
	pool->live--;
}
