#include "secret/rack.h"
#include "base/limits.h"
#include "base/mem.h"

struct rack *rack_new(uint32_t count_max)
{
	struct rack *rack = mem_zalloc(sizeof(*rack));
	if (!rack)
		return NULL;
	atomic_init(&rack->holders, 1);
	rack->count_max = count_max;
	return rack;
}

struct rack *rack_hold(struct rack *rack)
{
	if (rack)
		atomic_fetch_add_explicit(&rack->holders, 1, memory_order_relaxed);
	return rack;
}

void rack_drop(struct rack *rack)
{
	if (!rack || atomic_fetch_sub_explicit(&rack->holders, 1, memory_order_acq_rel) > 1)
		return;
	vault_fini(&rack->vault);
	mem_free(rack);
}

static uint64_t rack_hash(const struct rack *rack, struct str name)
{
	return str_hash(name, (uint64_t)(uintptr_t)rack);
}

enum err rack_add(struct rack *rack, struct str name, const struct secret *secret)
{
	if (rack->count == rack->count_max)
		return E_TOO_LARGE;
	struct rack_entry *entry = vault_alloc(&rack->vault, sizeof(*entry));
	struct secret_value *values = vault_alloc(&rack->vault, sizeof(*values) * secret->count);
	if (!entry || !values)
		return E_NOMEM;
	for (uint32_t i = 0; i < secret->count; i++) {
		values[i] = (struct secret_value){ vault_str(&rack->vault, secret->values[i].bytes), secret->values[i].until_us };
		if (!values[i].bytes.ptr)
			return E_NOMEM;
	}
	*entry = (struct rack_entry){ .name = vault_str(&rack->vault, name), .values = values, .count = secret->count, .next = rack->first };
	if (!entry->name.ptr)
		return E_NOMEM;
	entry->hash = rack_hash(rack, entry->name);
	rack->first = entry;
	rack->count++;
	return E_OK;
}

static struct rack_entry *rack_look(const struct rack *rack, uint64_t hash, struct str name)
{
	struct rack_entry *entry = rack->bucket_count ? rack->buckets[hash % rack->bucket_count] : NULL;
	while (entry && (entry->hash != hash || !str_eq(entry->name, name)))
		entry = entry->chained;
	return entry;
}

enum err rack_close(struct rack *rack, struct str *out_twice)
{
	if (!rack->count)
		return E_OK;
	rack->buckets = vault_alloc(&rack->vault, sizeof(*rack->buckets) * rack->count);
	if (!rack->buckets)
		return E_NOMEM;
	rack->bucket_count = rack->count;
	for (struct rack_entry *entry = rack->first; entry; entry = entry->next) {
		if (rack_look(rack, entry->hash, entry->name)) {
			*out_twice = entry->name;
			return E_CONFLICT;
		}
		struct rack_entry **bucket = &rack->buckets[entry->hash % rack->bucket_count];
		entry->chained = *bucket;
		*bucket = entry;
	}
	return E_OK;
}

const struct rack_entry *rack_find(const struct rack *rack, const struct str *parts, size_t count)
{
	char name[2 * LIMIT_NAME_BYTES + 2];
	size_t len = 0;
	for (size_t i = 0; rack && i < count; i++) {
		if (parts[i].len > sizeof(name) - len)
			return NULL; /* longer than any name here */
		if (parts[i].len)
			memcpy(name + len, parts[i].ptr, parts[i].len);
		len += parts[i].len;
	}
	struct str whole = { name, len };
	return rack ? rack_look(rack, rack_hash(rack, whole), whole) : NULL;
}
