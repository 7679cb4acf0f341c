#include "secret/vault.h"
#include "base/crypto.h"
#include "base/mem.h"
#include <sys/mman.h>
#include <unistd.h>

#define VAULT_ALIGN      16u
#define VAULT_CHUNK_MAX  (256u * 1024) /* ordinary chunks double up to this */

struct vault_chunk { /* outside of what it describes: the mapping holds nothing but secrets */
	struct vault_chunk *older;
	char *memory;
	size_t bytes;
};

static bool vault_grow(struct vault *vault, size_t least_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = vault->chunks ? vault->chunks->bytes * 2 : page;
	bytes = bytes > VAULT_CHUNK_MAX ? VAULT_CHUNK_MAX : bytes;
	if (bytes < least_bytes)
		bytes = (least_bytes + page - 1) / page * page;
	struct vault_chunk *chunk = mem_alloc(sizeof(*chunk));
	if (!chunk)
		return false;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		mem_free(chunk);
		return false;
	}
	/* What a kernel or a limit does not allow is done without. */
	(void)madvise(memory, bytes, MADV_DONTDUMP);
	(void)madvise(memory, bytes, MADV_DONTFORK);
	(void)mlock2(memory, bytes, MLOCK_ONFAULT);
	*chunk = (struct vault_chunk){ vault->chunks, memory, bytes };
	vault->chunks = chunk;
	vault->next = memory;
	vault->end = vault->next + bytes;
	return true;
}

void *vault_alloc(struct vault *vault, size_t bytes)
{
	if (bytes > SIZE_MAX / 2)
		return NULL;
	size_t rounded = bytes ? (bytes + VAULT_ALIGN - 1) & ~(size_t)(VAULT_ALIGN - 1) : VAULT_ALIGN;
	if (rounded > (size_t)(vault->end - vault->next) && !vault_grow(vault, rounded))
		return NULL;
	char *given = vault->next;
	vault->next += rounded;
	return given;
}

struct str vault_str(struct vault *vault, struct str s)
{
	char *copy = vault_alloc(vault, s.len);
	if (copy && s.len)
		memcpy(copy, s.ptr, s.len);
	return (struct str){ copy, copy ? s.len : 0 };
}

bool vault_arena(struct vault *vault, size_t bytes, struct arena *out)
{
	char *memory = vault_alloc(vault, bytes);
	if (!memory)
		return false;
	*out = (struct arena){ .next = memory, .end = memory + bytes };
	return true;
}

void vault_fini(struct vault *vault)
{
	for (struct vault_chunk *chunk = vault->chunks, *older; chunk; chunk = older) {
		older = chunk->older;
		bytes_wipe(chunk->memory, chunk->bytes);
		(void)munmap(chunk->memory, chunk->bytes);
		mem_free(chunk);
	}
	*vault = (struct vault){ 0 };
}
