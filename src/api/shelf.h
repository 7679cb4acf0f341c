/* src/api/shelf.h: definitions of jobs that were just enqueued, as the JSON that a claim's answer will hold, so that most claims need
 * no read. A ring of bytes: the newest push the oldest out. What is on it never changes, since definitions never do. */
#pragma once
#include "base/err.h"
#include "base/map.h"

#define SHELF_ENTRY_MAX (64 * 1024) /* larger ones are not worth their place */

struct shelf {
	char *ring;
	size_t size;       /* 0: keeps nothing */
	size_t head, tail; /* where the next is written; where the oldest stands */
	struct map by_uid;
	uint64_t hits, misses;
};

void shelf_init(struct shelf *shelf, size_t bytes); /* without memory for the ring it keeps nothing */
void shelf_fini(struct shelf *shelf);
void shelf_put(struct shelf *shelf, uint64_t uid, struct str definition); /* a uid that is there already is left as it is */
/* Until the next put. Empty: not there. */
struct str shelf_find(struct shelf *shelf, uint64_t uid);
