/* src/base/heap.h: a 4-ary min-heap of 32-bit items ordered by two keys (major, then minor; make them unique where order must
 * be exact). Each item's place is written through `place`, so that any item can be removed or moved in O(log n). Keys are kept
 * in the heap's own array: comparing touches no item. Nothing shrinks until fini, so putting back what was taken never fails. */
#pragma once
#include "base/err.h"

#define HEAP_NOWHERE UINT32_MAX

struct heap_entry {
	int64_t major;
	int64_t minor;
	uint32_t item;
};
struct heap {
	struct heap_entry *entries;
	uint32_t count, capacity;
	void (*place)(void *context, uint32_t item, uint32_t position); /* position in entries, or HEAP_NOWHERE */
	void *context;
};

void heap_init(struct heap *heap, void (*place)(void *, uint32_t, uint32_t), void *context);
void heap_fini(struct heap *heap);
MUST_USE enum err heap_reserve(struct heap *heap, uint32_t more); /* E_NOMEM; after E_OK that many pushes succeed */
/* E_NOMEM: nothing changed. */
MUST_USE enum err heap_push(struct heap *heap, int64_t major, int64_t minor, uint32_t item);
/* The smallest, or NULL when empty; valid until the heap changes. */
const struct heap_entry *heap_peek(const struct heap *heap);
void heap_remove(struct heap *heap, uint32_t position);
void heap_change(struct heap *heap, uint32_t position, int64_t major, int64_t minor);
