/* src/deliver/endpoint_cache.h: the settings of endpoints as calls need them, read once per version. One thread. */
#pragma once
#include "engine/command.h"
#include "rules/endpoint.h"

struct endpoint_header {
	struct str name;
	struct str text;        /* its value, or the name of the secret that holds it */
	bool is_secret;
};
struct endpoint_target { /* nothing in it changes; it is there until the next one is taken from its cache */
	uint32_t number;
	uint64_t version;
	struct arena arena;
	struct endpoint_settings settings;
	struct endpoint_header *headers;
	uint32_t header_count;
	bool usable;            /* false: the text could not be read; see problem */
	struct problem problem;
};

#define ENDPOINT_CACHE_SLOTS 1024
struct endpoint_cache {
	struct endpoint_target *slots[ENDPOINT_CACHE_SLOTS]; /* by number */
};
/* NULL: no memory. */
const struct endpoint_target *endpoint_cache_take(struct endpoint_cache *cache, uint32_t number, const struct shared_text *text);
void endpoint_cache_fini(struct endpoint_cache *cache);
