#include "secret/stored.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "secret/seal.h"
#include <stdio.h>

#define STORED_SEED 0x5eed /* names come from operators */

static struct str entry_key(const struct stored_entry *entry)
{
	return (struct str){ entry->text, entry->key_len };
}

struct str stored_namespace(const struct stored_entry *entry)
{
	return (struct str){ entry->text, entry->namespace_len };
}

struct str stored_name(const struct stored_entry *entry)
{
	return str_from(entry_key(entry), entry->namespace_len + 1u);
}

struct str stored_sealed(const struct stored_entry *entry)
{
	return (struct str){ entry->text + entry->key_len, entry->sealed_len };
}

static uint64_t hash_of(void *context, uint32_t item)
{
	const struct stored *stored = context;
	return str_hash(entry_key(&stored->entries[item]), STORED_SEED);
}

static bool key_equals(void *context, uint32_t item, const void *key)
{
	const struct stored *stored = context;
	return str_eq(entry_key(&stored->entries[item]), *(const struct str *)key);
}

void stored_init(struct stored *stored)
{
	*stored = (struct stored){ 0 };
	map_init(&stored->map, hash_of, stored);
}

void stored_clear(struct stored *stored)
{
	for (uint32_t i = 0; i < stored->count; i++)
		mem_free(stored->entries[i].text);
	mem_free(stored->entries);
	map_fini(&stored->map);
	stored_init(stored);
	stored->changed = true;
}

void stored_fini(struct stored *stored)
{
	stored_clear(stored);
	map_fini(&stored->map);
}

void stored_renew(struct stored *stored)
{
	for (uint32_t i = 0; i < stored->count; i++)
		stored->entries[i].fresh = true;
	stored->changed = stored->changed || stored->count;
}

static bool entry_make(struct str namespace_name, struct str name, struct str sealed, struct stored_entry *out)
{
	size_t key_len = namespace_name.len + 1 + name.len;
	char *text = key_len < UINT32_MAX && sealed.len < UINT32_MAX ? mem_alloc(key_len + sealed.len) : NULL;
	if (!text)
		return false;
	if (namespace_name.len)
		memcpy(text, namespace_name.ptr, namespace_name.len);
	text[namespace_name.len] = '/';
	if (name.len)
		memcpy(text + namespace_name.len + 1, name.ptr, name.len);
	if (sealed.len)
		memcpy(text + key_len, sealed.ptr, sealed.len);
	*out = (struct stored_entry){ text, 0, (uint32_t)namespace_name.len, (uint32_t)key_len, (uint32_t)sealed.len, true };
	return true;
}

static bool stored_reserve(struct stored *stored)
{
	if (stored->count < stored->capacity)
		return true;
	uint32_t capacity = stored->capacity ? stored->capacity * 2 : 16;
	struct stored_entry *entries = mem_realloc(stored->entries, capacity * sizeof(*entries));
	if (!entries)
		return false;
	stored->entries = entries;
	stored->capacity = capacity;
	return true;
}

/* The last one takes its place. */
static void stored_remove(struct stored *stored, uint32_t item)
{
	uint32_t last = stored->count - 1;
	map_remove(&stored->map, hash_of(stored, item), item);
	mem_free(stored->entries[item].text);
	if (item != last) {
		map_remove(&stored->map, hash_of(stored, last), last);
		stored->entries[item] = stored->entries[last];
		CHECK(map_put(&stored->map, hash_of(stored, item), item) == E_OK); /* where two were, there is room for one */
	}
	stored->count--;
}

enum err stored_put(struct stored *stored, struct str namespace_name, struct str name, struct str sealed, uint64_t version)
{
	struct stored_entry entry;
	if (!entry_make(namespace_name, name, sealed, &entry))
		return E_NOMEM;
	entry.version = version;
	struct str key = entry_key(&entry);
	uint64_t hash = str_hash(key, STORED_SEED);
	uint32_t item = map_find(&stored->map, hash, key_equals, &key);
	if (item == MAP_NONE && sealed.len) {
		if (!stored_reserve(stored) || map_reserve(&stored->map, 1)) {
			mem_free(entry.text);
			return E_NOMEM;
		}
		stored->entries[stored->count] = entry;
		CHECK(map_put(&stored->map, hash, stored->count++) == E_OK);
	} else if (item != MAP_NONE && sealed.len) {
		mem_free(stored->entries[item].text);
		stored->entries[item] = entry;
	} else {
		mem_free(entry.text);
		if (item != MAP_NONE)
			stored_remove(stored, item);
	}
	stored->changed = true;
	return E_OK;
}

struct wanted_key {
	struct str namespace_name, name;
};

static bool key_is(void *context, uint32_t item, const void *key)
{
	const struct stored *stored = context;
	const struct wanted_key *wanted = key;
	const struct stored_entry *entry = &stored->entries[item];
	return str_eq(stored_namespace(entry), wanted->namespace_name) && str_eq(stored_name(entry), wanted->name);
}

const struct stored_entry *stored_find(const struct stored *stored, struct str namespace_name, struct str name)
{
	char key[2 * LIMIT_NAME_BYTES + 2];
	const struct wanted_key wanted = { namespace_name, name };
	if (namespace_name.len > LIMIT_NAME_BYTES || name.len > LIMIT_NAME_BYTES)
		return NULL;
	int len = snprintf(key, sizeof(key), STR_FMT "/" STR_FMT, STR_ARG(namespace_name), STR_ARG(name));
	uint32_t item = map_find(&stored->map, str_hash((struct str){ key, (size_t)len }, STORED_SEED), key_is, &wanted);
	return item == MAP_NONE ? NULL : &stored->entries[item];
}

/* ---- the rack ---- */

static enum err rack_stored(const struct stored_entry *entry, const struct key_ring *ring, const struct rack *before, struct rack *rack)
{
	struct str key = entry_key(entry);
	struct vault vault = { 0 };
	struct secret secret = { 0 };
	enum err err = E_OK;
	const struct rack_entry *known = entry->fresh ? NULL : rack_find(before, &key, 1);
	if (!entry->fresh && !known)
		return E_OK; /* it did not open, and nothing has changed since */
	if (known) {
		secret.count = known->count;
		memcpy(secret.values, known->values, known->count * sizeof(known->values[0]));
	} else {
		err = seal_read(ring, stored_namespace(entry), stored_name(entry), stored_sealed(entry), &vault, &secret);
	}
	err = err == E_NOMEM ? err : err ? E_OK : rack_add(rack, key, &secret);
	vault_fini(&vault);
	return err;
}

enum err stored_rack(struct stored *stored, const struct key_ring *ring, const struct rack *before, struct rack **out)
{
	struct rack *rack = rack_new(LIMIT_NAMEDS);
	struct str twice;
	enum err err = rack ? E_OK : E_NOMEM;
	for (uint32_t i = 0; i < stored->count && !err; i++)
		err = rack_stored(&stored->entries[i], ring, before, rack);
	if (!err)
		err = rack_close(rack, &twice);
	if (err) {
		rack_drop(rack);
		return E_NOMEM; /* keys differ, and the engine counts them: there is no other reason */
	}
	for (uint32_t i = 0; i < stored->count; i++)
		stored->entries[i].fresh = false;
	stored->changed = false;
	*out = rack;
	return E_OK;
}
