/* src/base/arena.h: memory that is given back all at once: a request's, a batch's, a page of a list. Allocation is a
 * pointer bump, 16-byte aligned. It answers NULL when the maximum is reached or the system has no more: every caller
 * with client-sized input checks. A zeroed struct is a valid arena without a maximum. */
#pragma once
#include "base/str.h"

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks; /* newest first */
	char *next, *end;           /* free part of the newest chunk */
	size_t used_bytes;          /* asked for by callers */
	size_t max_bytes;           /* 0: no maximum */
};

void arena_init(struct arena *arena, size_t max_bytes);
void arena_fini(struct arena *arena);  /* frees all; zeroed arenas are fine */
/* For what stays: an empty arena takes room for so much at once, and for no more than that. */
MUST_USE bool arena_reserve(struct arena *arena, size_t bytes); /* false: no memory */
size_t arena_taken(const struct arena *arena); /* room that was given out, with what aligning cost; more, where there are several chunks */
void arena_reset(struct arena *arena); /* forgets all, keeps one chunk for the next round */
void arena_wipe(struct arena *arena);  /* overwrites all of it: nothing that was taken is to be read any more; before arena_fini */
void *arena_alloc(struct arena *arena, size_t bytes);  /* not zeroed; NULL when full */
void *arena_zalloc(struct arena *arena, size_t bytes); /* zeroed */
/* A copy of s; ptr is NULL only on failure (an empty s gives a non-NULL pointer and len 0). NUL-terminated besides. */
struct str arena_str(struct arena *arena, struct str s);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
#define ARENA_NEW(arena, type)          ((type *)arena_zalloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_zalloc_array((arena), sizeof(type), (count)))
void *arena_zalloc_array(struct arena *arena, size_t item_bytes, size_t count); /* NULL on overflow too */
