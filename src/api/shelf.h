/* src/api/shelf.h: definitions of jobs that were just enqueued, as the JSON that a claim's answer will hold, so that most claims need
 * no read. A ring of bytes, written over and over: whatever was overwritten is forgotten. A cache: it may forget more. */
#pragma once
#include "base/err.h"

#define SHELF_ENTRY_MAX (64 * 1024) /* larger ones are not worth their place */

struct shelf_slot {
	uint64_t uid;   /* 0: free */
	uint64_t begin; /* bytes ever written to the ring before this definition */
	uint64_t bytes;
};
struct shelf {
	char *ring;
	size_t size;     /* 0: keeps nothing */
	uint64_t written; /* bytes ever, those skipped at the ring's end included */
	struct shelf_slot *slots;
	uint64_t slot_mask;
	uint64_t hits, misses;
};

void shelf_init(struct shelf *shelf, size_t bytes); /* 0, or no memory: it keeps nothing */
void shelf_fini(struct shelf *shelf);
void shelf_put(struct shelf *shelf, uint64_t uid, struct str definition);
void shelf_forget(struct shelf *shelf, uint64_t uid);
/* Until the next put. Empty: not there. */
struct str shelf_find(struct shelf *shelf, uint64_t uid);
