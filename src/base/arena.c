#include "base/arena.h"
#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(ARENA_POISONS)
#include <sanitizer/asan_interface.h>
#define arena_poison(ptr, bytes)   ASAN_POISON_MEMORY_REGION((ptr), (bytes))
#define arena_unpoison(ptr, bytes) ASAN_UNPOISON_MEMORY_REGION((ptr), (bytes))
#else
#define arena_poison(ptr, bytes)   ((void)(ptr))
#define arena_unpoison(ptr, bytes) ((void)(ptr))
#endif

#define ARENA_ALIGN       16u
#define ARENA_FIRST_BYTES 4096u
#define ARENA_CHUNK_MAX   (256u * 1024) /* ordinary chunks double up to this */

struct arena_chunk {
	struct arena_chunk *older;
	size_t bytes; /* of content */
	_Alignas(ARENA_ALIGN) char content[];
};
_Static_assert(sizeof(struct arena_chunk) % ARENA_ALIGN == 0, "content is aligned");

void arena_init(struct arena *arena, size_t max_bytes)
{
	*arena = (struct arena){ .max_bytes = max_bytes };
}

static void arena_free_chunk(struct arena_chunk *chunk)
{
	arena_unpoison(chunk->content, chunk->bytes);
	mem_free(chunk);
}

void arena_fini(struct arena *arena)
{
	for (struct arena_chunk *chunk = arena->chunks, *older; chunk; chunk = older) {
		older = chunk->older;
		arena_free_chunk(chunk);
	}
	arena_init(arena, arena->max_bytes);
}

void arena_wipe(struct arena *arena)
{
	for (struct arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->older) {
		arena_unpoison(chunk->content, chunk->bytes);
		explicit_bzero(chunk->content, chunk->bytes);
	}
}

void arena_reset(struct arena *arena)
{
	struct arena_chunk *kept = NULL;
	for (struct arena_chunk *chunk = arena->chunks, *older; chunk; chunk = older) {
		older = chunk->older;
		struct arena_chunk *loser = chunk;
		if (chunk->bytes <= ARENA_CHUNK_MAX && (!kept || chunk->bytes > kept->bytes)) {
			loser = kept;
			kept = chunk;
		}
		if (loser)
			arena_free_chunk(loser);
	}
	arena_init(arena, arena->max_bytes);
	if (kept) {
		kept->older = NULL;
		arena_poison(kept->content, kept->bytes);
		arena->chunks = kept;
		arena->next = kept->content;
		arena->end = kept->content + kept->bytes;
	}
}

/* A large request must not strand the free part of the newest chunk: its chunk goes behind the newest one. */
static void *arena_alloc_apart(struct arena *arena, size_t bytes)
{
	struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + bytes);
	if (!chunk)
		return NULL;
	chunk->bytes = bytes;
	chunk->older = arena->chunks->older;
	arena->chunks->older = chunk;
	return chunk->content;
}

static bool arena_add_chunk(struct arena *arena, size_t bytes)
{
	struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + bytes);
	if (!chunk)
		return false;
	chunk->bytes = bytes;
	chunk->older = arena->chunks;
	arena->chunks = chunk;
	arena->next = chunk->content;
	arena->end = chunk->content + bytes;
	arena_poison(chunk->content, bytes);
	return true;
}

static bool arena_grow(struct arena *arena, size_t least_bytes)
{
	size_t bytes = arena->chunks ? arena->chunks->bytes * 2 : ARENA_FIRST_BYTES;
	if (bytes > ARENA_CHUNK_MAX)
		bytes = ARENA_CHUNK_MAX;
	return arena_add_chunk(arena, bytes < least_bytes ? least_bytes : bytes);
}

bool arena_reserve(struct arena *arena, size_t bytes)
{
	return arena->chunks || arena_add_chunk(arena, (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1));
}

size_t arena_taken(const struct arena *arena)
{
	size_t bytes = 0;
	for (const struct arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->older)
		bytes += chunk->bytes;
	return bytes - (size_t)(arena->end - arena->next);
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	if (bytes > SIZE_MAX / 2 || (arena->max_bytes && bytes > arena->max_bytes - arena->used_bytes))
		return NULL;
	size_t rounded = bytes ? (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1) : ARENA_ALIGN;
	char *given = arena->next;
	if (rounded > (size_t)(arena->end - arena->next)) {
		if (arena->chunks && rounded > ARENA_CHUNK_MAX / 4) {
			given = arena_alloc_apart(arena, rounded);
			if (given)
				arena->used_bytes += bytes;
			return given;
		}
		if (!arena_grow(arena, rounded))
			return NULL;
		given = arena->next;
	}
	arena_unpoison(given, bytes);
	arena->next = given + rounded;
	arena->used_bytes += bytes;
	return given;
}

void *arena_zalloc(struct arena *arena, size_t bytes)
{
	void *given = arena_alloc(arena, bytes);
	return given ? memset(given, 0, bytes) : NULL;
}

void *arena_zalloc_array(struct arena *arena, size_t item_bytes, size_t count)
{
	size_t bytes;
	return __builtin_mul_overflow(item_bytes, count, &bytes) ? NULL : arena_zalloc(arena, bytes);
}

struct str arena_str(struct arena *arena, struct str s)
{
	char *copy = s.len < SIZE_MAX / 2 ? arena_alloc(arena, s.len + 1) : NULL;
	if (!copy)
		return (struct str){ NULL, 0 };
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return (struct str){ copy, s.len };
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
	if (!text)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}
