#include "api/shelf.h"
#include "base/check.h"
#include "base/mem.h"

/* The ring is a row of entries, each at a multiple of SHELF_ALIGN, so that a map's item (32 bits) is a place in it. An entry never
 * wraps: when the rest of the ring is too short, a filler (uid 0) takes it. head == tail: empty. */
#define SHELF_ALIGN   16u
#define SHELF_MIN     (4 * SHELF_ENTRY_MAX)

struct shelf_entry {
	uint64_t uid;       /* 0: a filler */
	uint32_t bytes;     /* of text */
	uint32_t footprint; /* of the whole entry */
	char text[];
};
_Static_assert(sizeof(struct shelf_entry) == SHELF_ALIGN, "an entry's head is one step");

static struct shelf_entry *shelf_at(const struct shelf *shelf, size_t place)
{
	return (struct shelf_entry *)(void *)(shelf->ring + place);
}

static uint64_t shelf_hash_of(void *context, uint32_t item)
{
	return map_mix(shelf_at(context, (size_t)item * SHELF_ALIGN)->uid);
}

static bool shelf_equal(void *context, uint32_t item, const void *uid)
{
	return shelf_at(context, (size_t)item * SHELF_ALIGN)->uid == *(const uint64_t *)uid;
}

void shelf_init(struct shelf *shelf, size_t bytes)
{
	*shelf = (struct shelf){ 0 };
	map_init(&shelf->by_uid, shelf_hash_of, shelf);
	if (!bytes)
		return;
	size_t size = (bytes < SHELF_MIN ? SHELF_MIN : bytes) / SHELF_ALIGN * SHELF_ALIGN;
	shelf->ring = mem_alloc(size);
	shelf->size = shelf->ring ? size : 0;
}

void shelf_fini(struct shelf *shelf)
{
	map_fini(&shelf->by_uid);
	mem_free(shelf->ring);
	*shelf = (struct shelf){ 0 };
}

static void shelf_drop_oldest(struct shelf *shelf)
{
	struct shelf_entry *entry = shelf_at(shelf, shelf->tail);
	if (entry->uid)
		map_remove(&shelf->by_uid, map_mix(entry->uid), (uint32_t)(shelf->tail / SHELF_ALIGN));
	shelf->tail += entry->footprint;
	if (shelf->tail == shelf->size)
		shelf->tail = 0;
}

/* Free bytes from head on without wrapping. One step always stays free, so that head == tail means empty. */
static size_t shelf_room(const struct shelf *shelf)
{
	if (shelf->head < shelf->tail)
		return shelf->tail - shelf->head - SHELF_ALIGN;
	return shelf->size - shelf->head - (shelf->tail == 0 ? SHELF_ALIGN : 0);
}

static void shelf_advance(struct shelf *shelf, size_t bytes)
{
	shelf->head += bytes;
	if (shelf->head == shelf->size)
		shelf->head = 0;
}

/* Makes room for `footprint` bytes in a row at head, at the price of the oldest. */
static void shelf_clear(struct shelf *shelf, size_t footprint)
{
	while (shelf_room(shelf) < footprint) {
		if (shelf->head == shelf->tail) {
			shelf->head = shelf->tail = 0;
		} else if (shelf->head > shelf->tail && shelf->tail > 0 && shelf->size - shelf->head < footprint) {
			size_t rest = shelf->size - shelf->head;
			*shelf_at(shelf, shelf->head) = (struct shelf_entry){ .footprint = (uint32_t)rest };
			shelf_advance(shelf, rest);
		} else {
			shelf_drop_oldest(shelf);
		}
	}
}

void shelf_put(struct shelf *shelf, uint64_t uid, struct str definition)
{
	size_t footprint = (sizeof(struct shelf_entry) + definition.len + SHELF_ALIGN - 1) / SHELF_ALIGN * SHELF_ALIGN;
	CHECK(uid != 0);
	if (!shelf->size || definition.len > SHELF_ENTRY_MAX || map_reserve(&shelf->by_uid, 1))
		return;
	if (map_find(&shelf->by_uid, map_mix(uid), shelf_equal, &uid) != MAP_NONE)
		return;
	shelf_clear(shelf, footprint);
	struct shelf_entry *entry = shelf_at(shelf, shelf->head);
	*entry = (struct shelf_entry){ .uid = uid, .bytes = (uint32_t)definition.len, .footprint = (uint32_t)footprint };
	memcpy(entry->text, definition.ptr, definition.len);
	if (map_put(&shelf->by_uid, map_mix(uid), (uint32_t)(shelf->head / SHELF_ALIGN)))
		entry->uid = 0; /* cannot be: reserved above */
	shelf_advance(shelf, footprint);
}

struct str shelf_find(struct shelf *shelf, uint64_t uid)
{
	uint32_t item = map_find(&shelf->by_uid, map_mix(uid), shelf_equal, &uid);
	if (item == MAP_NONE) {
		shelf->misses++;
		return (struct str){ 0 };
	}
	shelf->hits++;
	const struct shelf_entry *entry = shelf_at(shelf, (size_t)item * SHELF_ALIGN);
	return (struct str){ entry->text, entry->bytes };
}
