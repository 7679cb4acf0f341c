/* src/secret/rack.h: the secrets of one place, as they were read at one time. Filled by one thread, then closed: from then on it never changes, and
 * lives until the last one drops it. */
#pragma once
#include "secret/secret.h"
#include "secret/vault.h"
#include <stdatomic.h>

struct rack_entry {
	struct str name;
	const struct secret_value *values;
	uint32_t count;
	uint64_t hash;
	struct rack_entry *next;    /* all of the rack */
	struct rack_entry *chained; /* of the same bucket */
};
struct rack {
	atomic_uint holders;
	uint32_t count, count_max, bucket_count;
	struct rack_entry *first, **buckets;
	struct vault vault;
};

struct rack *rack_new(uint32_t count_max); /* NULL: no memory */
/* Copies both. E_NOMEM; E_TOO_LARGE: too many. */
MUST_USE enum err rack_add(struct rack *rack, struct str name, const struct secret *secret);
/* E_CONFLICT: *out_twice is there more than once. */
MUST_USE enum err rack_close(struct rack *rack, struct str *out_twice);
const struct rack_entry *rack_find(const struct rack *rack, const struct str *parts, size_t count); /* by a name in parts; NULL rack: none */
struct rack *rack_hold(struct rack *rack); /* NULL is fine, here and below */
void rack_drop(struct rack *rack);
