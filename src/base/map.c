#include "base/map.h"
#include "base/check.h"
#include "base/mem.h"

#define MAP_FIRST_SLOTS 16u
#define MAP_SLOTS_MAX   (UINT32_C(1) << 31)

void map_init(struct map *map, uint64_t (*hash_of)(void *, uint32_t), void *context)
{
	*map = (struct map){ .hash_of = hash_of, .context = context };
}

void map_fini(struct map *map)
{
	mem_free(map->slots);
	map_init(map, map->hash_of, map->context);
}

static uint32_t map_high(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

static uint32_t map_home(uint64_t hash, uint32_t capacity)
{
	return (uint32_t)hash & (capacity - 1);
}

static void map_place(struct map_slot *slots, uint32_t capacity, uint64_t hash, uint32_t item)
{
	uint32_t at = map_home(hash, capacity);
	while (slots[at].item != MAP_NONE)
		at = (at + 1) & (capacity - 1);
	slots[at] = (struct map_slot){ .hash_high = map_high(hash), .item = item };
}

enum err map_reserve(struct map *map, uint32_t more)
{
	uint64_t needed = (uint64_t)map->count + more;
	uint32_t capacity = map->capacity ? map->capacity : MAP_FIRST_SLOTS;
	while (needed * 4 > (uint64_t)capacity * 3) {
		if (capacity == MAP_SLOTS_MAX)
			return E_NOMEM;
		capacity *= 2;
	}
	if (capacity == map->capacity)
		return E_OK;
	struct map_slot *slots = mem_alloc((size_t)capacity * sizeof(*slots));
	if (!slots)
		return E_NOMEM;
	memset(slots, 0xff, (size_t)capacity * sizeof(*slots)); /* every item is MAP_NONE */
	for (uint32_t i = 0; i < map->capacity; i++)
		if (map->slots[i].item != MAP_NONE)
			map_place(slots, capacity, map->hash_of(map->context, map->slots[i].item), map->slots[i].item);
	mem_free(map->slots);
	map->slots = slots;
	map->capacity = capacity;
	return E_OK;
}

uint32_t map_find(const struct map *map, uint64_t hash, bool (*equal)(void *, uint32_t, const void *), const void *key)
{
	if (map->capacity == 0)
		return MAP_NONE;
	uint32_t high = map_high(hash), mask = map->capacity - 1;
	for (uint32_t at = map_home(hash, map->capacity); map->slots[at].item != MAP_NONE; at = (at + 1) & mask)
		if (map->slots[at].hash_high == high && equal(map->context, map->slots[at].item, key))
			return map->slots[at].item;
	return MAP_NONE;
}

enum err map_put(struct map *map, uint64_t hash, uint32_t item)
{
	CHECK(item != MAP_NONE);
	enum err err = map_reserve(map, 1);
	if (err)
		return err;
	map_place(map->slots, map->capacity, hash, item);
	map->count++;
	return E_OK;
}

/* Backward shift: each later entry of the run moves into the hole unless its home lies after the hole. */
static void map_close_hole(struct map *map, uint32_t hole)
{
	uint32_t mask = map->capacity - 1;
	for (uint32_t at = (hole + 1) & mask; map->slots[at].item != MAP_NONE; at = (at + 1) & mask) {
		uint32_t home = map_home(map->hash_of(map->context, map->slots[at].item), map->capacity);
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			map->slots[hole] = map->slots[at];
			hole = at;
		}
	}
	map->slots[hole].item = MAP_NONE;
}

void map_remove(struct map *map, uint64_t hash, uint32_t item)
{
	CHECK(map->count > 0);
	uint32_t at = map_home(hash, map->capacity);
	while (map->slots[at].item != item) {
		CHECK(map->slots[at].item != MAP_NONE);
		at = (at + 1) & (map->capacity - 1);
	}
	map_close_hole(map, at);
	map->count--;
}
