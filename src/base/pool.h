/* src/base/pool.h: equal objects addressed by 32-bit slots that stay put: chunks of 1,024, a free list, nothing moves and
 * nothing shrinks until fini. Slots count from 0; a freed slot is the next to be given. */
#pragma once
#include "base/err.h"

#define POOL_NONE        UINT32_MAX
#define POOL_CHUNK_ITEMS 1024u

struct pool {
	char **chunks;
	size_t item_bytes;
	uint32_t chunk_count, chunk_capacity;
	uint32_t used;      /* slots ever given: walk 0..used-1 */
	uint32_t free_head; /* POOL_NONE: none */
	uint32_t live;
};

void pool_init(struct pool *pool, size_t item_bytes); /* item_bytes >= 4 */
void pool_fini(struct pool *pool);
MUST_USE enum err pool_take(struct pool *pool, uint32_t *out_slot); /* the object is zeroed; E_NOMEM */
void pool_give(struct pool *pool, uint32_t slot);                   /* the object's first 4 bytes are overwritten */

static inline void *pool_at(const struct pool *pool, uint32_t slot)
{
	return pool->chunks[slot / POOL_CHUNK_ITEMS] + (size_t)(slot % POOL_CHUNK_ITEMS) * pool->item_bytes;
}
