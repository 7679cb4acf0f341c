/* src/secret/stored.h: the sealed secrets of the store, as the engine told them, and the rack that is made of them. Not thread-safe. */
#pragma once
#include "base/map.h"
#include "secret/key_ring.h"
#include "secret/rack.h"

struct stored_entry {
	char *text; /* one allocation: namespace '/' name, sealed */
	uint64_t version;
	uint32_t namespace_len, key_len, sealed_len;
	bool fresh; /* not in the rack as it is now */
};
struct stored {
	struct stored_entry *entries;
	uint32_t count, capacity;
	struct map map; /* key → entry */
	bool changed;   /* the rack is older than the entries */
};
void stored_init(struct stored *stored);
void stored_fini(struct stored *stored);
/* sealed empty: it is gone. E_NOMEM: nothing changed. */
MUST_USE enum err stored_put(struct stored *stored, struct str namespace_name, struct str name, struct str sealed, uint64_t version);
const struct stored_entry *stored_find(const struct stored *stored, struct str namespace_name, struct str name); /* NULL: none */
struct str stored_namespace(const struct stored_entry *entry);
struct str stored_name(const struct stored_entry *entry);
struct str stored_sealed(const struct stored_entry *entry);
void stored_clear(struct stored *stored);
void stored_renew(struct stored *stored); /* other keys: all are opened again */
/* *out is a new rack, for who holds stored->changed. What does not open is left out. E_NOMEM: nothing changed. */
MUST_USE enum err stored_rack(struct stored *stored, const struct key_ring *ring, const struct rack *before, struct rack **out);
