/* src/base/map.h: hash maps whose entries live elsewhere (a pool, an array). `struct map` holds 32-bit items found by a 64-bit
 * hash and a caller's equality; open addressing with linear probing, backward-shift deletion, at most 3/4 full. Iteration
 * order means nothing and must not decide anything (rule of the deterministic engine): walk the pool instead. */
#pragma once
#include "base/err.h"

#define MAP_NONE UINT32_MAX

struct map_slot {
	uint32_t hash_high; /* upper half of the hash: most mismatches end here */
	uint32_t item;      /* MAP_NONE: free */
};
struct map {
	struct map_slot *slots;
	uint32_t count, capacity; /* capacity is 0 or a power of two */
	uint64_t (*hash_of)(void *context, uint32_t item); /* for growing and shifting */
	void *context;
};

void map_init(struct map *map, uint64_t (*hash_of)(void *, uint32_t), void *context);
void map_fini(struct map *map);
MUST_USE enum err map_reserve(struct map *map, uint32_t more); /* after E_OK that many puts succeed */
/* First item with this hash for which equal(context, item, key) holds, or MAP_NONE. */
uint32_t map_find(const struct map *map, uint64_t hash, bool (*equal)(void *, uint32_t, const void *), const void *key);
/* The caller made sure that no equal item is in. E_NOMEM: nothing changed. */
MUST_USE enum err map_put(struct map *map, uint64_t hash, uint32_t item);
void map_remove(struct map *map, uint64_t hash, uint32_t item); /* the item must be in */

/* A 64-bit mixer for integer keys. */
static inline uint64_t map_mix(uint64_t n)
{
	n ^= n >> 32;
	n *= 0xd6e8feb86659fd93u;
	n ^= n >> 32;
	n *= 0xd6e8feb86659fd93u;
	return n ^ (n >> 32);
}
