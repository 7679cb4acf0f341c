#include "api/shelf.h"
#include "base/check.h"
#include "base/map.h"
#include "base/mem.h"

#define SHELF_MIN        (4 * SHELF_ENTRY_MAX)
#define SHELF_WAYS       4u   /* slots a uid may stand in; the oldest of them makes room */
#define SHELF_ROW        8u   /* buckets that stand side by side */
#define SHELF_SLOT_BYTES 128u /* of the ring for each slot: definitions are larger, so slots are rarely short */

void shelf_init(struct shelf *shelf, size_t bytes)
{
	uint64_t slots = SHELF_WAYS;
	*shelf = (struct shelf){ 0 };
	if (!bytes)
		return;
	size_t size = bytes < SHELF_MIN ? SHELF_MIN : bytes;
	while (slots < size / SHELF_SLOT_BYTES)
		slots *= 2;
	shelf->ring = mem_alloc(size);
	shelf->slots = mem_zalloc_array(slots, sizeof(*shelf->slots));
	if (!shelf->ring || !shelf->slots) {
		shelf_fini(shelf);
		return;
	}
	shelf->size = size;
	shelf->slot_mask = slots - 1;
}

void shelf_fini(struct shelf *shelf)
{
	mem_free(shelf->ring);
	mem_free(shelf->slots);
	*shelf = (struct shelf){ 0 };
}

/* Jobs of one request have uids in a row: their slots stand side by side, or each would cost a walk to memory of its own. */
static struct shelf_slot *shelf_bucket(const struct shelf *shelf, uint64_t uid)
{
	return &shelf->slots[(map_mix(uid / SHELF_ROW) + uid % SHELF_ROW) * SHELF_WAYS & shelf->slot_mask];
}

/* A definition never wraps: when the rest of the ring is too short, it is skipped. */
static uint64_t shelf_make_room(struct shelf *shelf, size_t bytes)
{
	size_t rest = shelf->size - (size_t)(shelf->written % shelf->size);
	if (rest < bytes)
		shelf->written += rest;
	uint64_t begin = shelf->written;
	shelf->written += bytes;
	return begin;
}

void shelf_put(struct shelf *shelf, uint64_t uid, struct str definition)
{
	CHECK(uid != 0);
	if (!shelf->size || !definition.len || definition.len > SHELF_ENTRY_MAX)
		return;
	struct shelf_slot *bucket = shelf_bucket(shelf, uid), *slot = bucket;
	for (uint32_t i = 1; i < SHELF_WAYS; i++)
		if (bucket[i].begin < slot->begin || !bucket[i].uid)
			slot = &bucket[i];
	*slot = (struct shelf_slot){ .uid = uid, .begin = shelf_make_room(shelf, definition.len), .bytes = definition.len };
	memcpy(shelf->ring + slot->begin % shelf->size, definition.ptr, definition.len);
}

struct str shelf_find(struct shelf *shelf, uint64_t uid)
{
	for (uint32_t i = 0; shelf->size && i < SHELF_WAYS; i++) {
		const struct shelf_slot *slot = &shelf_bucket(shelf, uid)[i];
		if (slot->uid != uid || shelf->written - slot->begin > shelf->size)
			continue; /* another one's, or overwritten since */
		shelf->hits++;
		return (struct str){ shelf->ring + slot->begin % shelf->size, (size_t)slot->bytes };
	}
	shelf->misses++;
	return (struct str){ 0 };
}

void shelf_forget(struct shelf *shelf, uint64_t uid)
{
	for (uint32_t i = 0; shelf->size && uid && i < SHELF_WAYS; i++) {
		struct shelf_slot *slot = &shelf_bucket(shelf, uid)[i];
		if (slot->uid == uid)
			*slot = (struct shelf_slot){ 0 };
	}
}
