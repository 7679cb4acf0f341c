/* src/secret/vault.h: memory for secrets: mappings of its own that no core dump and no child gets, kept out of swap where that is allowed, and
 * wiped before they are given back. Grows, and goes as a whole. A zeroed struct is an empty vault. */
#pragma once
#include "base/arena.h"

struct vault_chunk;
struct vault {
	struct vault_chunk *chunks; /* newest first */
	char *next, *end;           /* the free part of the newest one */
};

void *vault_alloc(struct vault *vault, size_t bytes); /* zeroed, 16-aligned; NULL: no memory */
struct str vault_str(struct vault *vault, struct str s); /* a copy; ptr NULL: no memory */
/* An arena that has so many bytes here; who asks for more in all would get ordinary memory, so the caller knows a bound. False: no memory. */
MUST_USE bool vault_arena(struct vault *vault, size_t bytes, struct arena *out);
void vault_fini(struct vault *vault); /* wipes */
