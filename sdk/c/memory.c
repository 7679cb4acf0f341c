/* The library's door to memory: base/mem.h as the daemon has it, with the program's own functions behind it when it has said so. There is no place
 * to keep them but here: whatever the library makes comes through this one door, and so does curl's. */
#include "request.h"
#include "base/mem.h"
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum door { DOOR_UNUSED, DOOR_IS_SET, DOOR_USED };

static _Atomic int door = DOOR_UNUSED;
static struct ruche_memory own; /* written once, before the door is used */

static bool door_is_own(void)
{
	int is = DOOR_UNUSED;
	if (atomic_load_explicit(&door, memory_order_relaxed) == DOOR_UNUSED)
		atomic_compare_exchange_strong(&door, &is, DOOR_USED);
	return own.allocate != NULL;
}

/* ---- as base/mem.h says ---- */

void *mem_alloc(size_t bytes)
{
	bytes = bytes ? bytes : 1;
	return door_is_own() ? own.allocate(own.context, bytes) : malloc(bytes);
}

void *mem_zalloc(size_t bytes)
{
	return mem_zalloc_array(1, bytes);
}

void *mem_zalloc_array(size_t count, size_t item_bytes)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, item_bytes, &bytes))
		return NULL;
	bytes = bytes ? bytes : 1;
	if (!door_is_own())
		return calloc(1, bytes);
	void *made = own.allocate(own.context, bytes);
	return made ? memset(made, 0, bytes) : NULL;
}

void *mem_realloc(void *ptr, size_t bytes)
{
	bytes = bytes ? bytes : 1;
	if (!door_is_own())
		return realloc(ptr, bytes);
	return ptr ? own.reallocate(own.context, ptr, bytes) : own.allocate(own.context, bytes);
}

void mem_free(void *ptr)
{
	if (!ptr)
		return;
	if (door_is_own())
		own.release(own.context, ptr);
	else
		free(ptr);
}

/* ---- curl's, which asks without a context ---- */

static char *curl_copies(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = mem_alloc(bytes);
	return copy ? memcpy(copy, text, bytes) : NULL;
}

static void *curl_zallocs(size_t count, size_t item_bytes)
{
	return mem_zalloc_array(count, item_bytes);
}

int ruche_use_memory(const struct ruche_memory *memory, struct ruche_error *error)
{
	struct ruche_memory taken;
	int code = options_take(&taken, sizeof(taken), memory, "struct ruche_memory", error);
	if (code)
		return code;
	if (!taken.allocate || !taken.reallocate || !taken.release)
		return error_set(error, RUCHE_BAD_ARGUMENT, "memory", "memory: All three functions are needed: allocate, reallocate and release.");
	int is = DOOR_UNUSED;
	if (!atomic_compare_exchange_strong(&door, &is, DOOR_IS_SET))
		return error_set(error, RUCHE_BAD_ARGUMENT, "memory", "memory: It is set once, before anything else; this library is in use already.");
	own = taken;
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, mem_free, mem_realloc, curl_copies, curl_zallocs)) {
		own = (struct ruche_memory){ 0 }; /* as if nobody had asked: it may be tried again */
		atomic_store(&door, DOOR_UNUSED);
		return error_no_memory(error);
	}
	return RUCHE_OK;
}
