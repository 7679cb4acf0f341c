#include "base/heap.h"
#include "base/check.h"
#include "base/mem.h"

#define HEAP_WAYS          4u
#define HEAP_FIRST_ENTRIES 4u /* a group with one job has a heap of its own: 100,000 of them must stay cheap */
#define HEAP_ENTRIES_MAX   (UINT32_MAX / HEAP_WAYS) /* so that a child's position never wraps */

void heap_init(struct heap *heap, void (*place)(void *, uint32_t, uint32_t), void *context)
{
	*heap = (struct heap){ .place = place, .context = context };
}

void heap_fini(struct heap *heap)
{
	mem_free(heap->entries);
	heap_init(heap, heap->place, heap->context);
}

enum err heap_reserve(struct heap *heap, uint32_t more)
{
	if (more > HEAP_ENTRIES_MAX - heap->count)
		return E_NOMEM;
	uint32_t needed = heap->count + more;
	if (needed <= heap->capacity)
		return E_OK;
	uint32_t capacity = heap->capacity ? heap->capacity : HEAP_FIRST_ENTRIES;
	while (capacity < needed)
		capacity = capacity > HEAP_ENTRIES_MAX / 2 ? HEAP_ENTRIES_MAX : capacity * 2;
	struct heap_entry *entries = mem_realloc(heap->entries, (size_t)capacity * sizeof(*entries));
	if (!entries)
		return E_NOMEM;
	heap->entries = entries;
	heap->capacity = capacity;
	return E_OK;
}

static inline bool heap_before(const struct heap_entry *a, const struct heap_entry *b)
{
	return a->major != b->major ? a->major < b->major : a->minor < b->minor;
}

static inline void heap_set(struct heap *heap, uint32_t position, struct heap_entry entry)
{
	heap->entries[position] = entry;
	heap->place(heap->context, entry.item, position);
}

/* Both walk with the moving entry in hand and write it once, where it stays. */
static void heap_raise(struct heap *heap, uint32_t position, struct heap_entry entry)
{
	while (position > 0) {
		uint32_t parent = (position - 1) / HEAP_WAYS;
		if (!heap_before(&entry, &heap->entries[parent]))
			break;
		heap_set(heap, position, heap->entries[parent]);
		position = parent;
	}
	heap_set(heap, position, entry);
}

static void heap_sink(struct heap *heap, uint32_t position, struct heap_entry entry)
{
	for (;;) {
		uint32_t child = position * HEAP_WAYS + 1;
		if (child >= heap->count)
			break;
		uint32_t last = heap->count - child < HEAP_WAYS ? heap->count : child + HEAP_WAYS;
		uint32_t least = child;
		while (++child < last)
			if (heap_before(&heap->entries[child], &heap->entries[least]))
				least = child;
		if (!heap_before(&heap->entries[least], &entry))
			break;
		heap_set(heap, position, heap->entries[least]);
		position = least;
	}
	heap_set(heap, position, entry);
}

static void heap_settle(struct heap *heap, uint32_t position, struct heap_entry entry)
{
	if (position > 0 && heap_before(&entry, &heap->entries[(position - 1) / HEAP_WAYS]))
		heap_raise(heap, position, entry);
	else
		heap_sink(heap, position, entry);
}

enum err heap_push(struct heap *heap, int64_t major, int64_t minor, uint32_t item)
{
	enum err err = heap_reserve(heap, 1);
	if (err)
		return err;
	heap_raise(heap, heap->count++, (struct heap_entry){ .major = major, .minor = minor, .item = item });
	return E_OK;
}

const struct heap_entry *heap_peek(const struct heap *heap)
{
	return heap->count ? &heap->entries[0] : NULL;
}

void heap_remove(struct heap *heap, uint32_t position)
{
	CHECK(position < heap->count);
	uint32_t gone = heap->entries[position].item;
	struct heap_entry last = heap->entries[--heap->count];
	if (position < heap->count)
		heap_settle(heap, position, last);
	heap->place(heap->context, gone, HEAP_NOWHERE);
}

void heap_change(struct heap *heap, uint32_t position, int64_t major, int64_t minor)
{
	CHECK(position < heap->count);
	struct heap_entry entry = { .major = major, .minor = minor, .item = heap->entries[position].item };
	heap_settle(heap, position, entry);
}
