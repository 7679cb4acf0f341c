/* src/api/source_table.h: sources of incoming webhooks by their names, as the engine told them last (EFFECT_NAMED). One thread, save for what a holder
 * reads. */
#pragma once
#include "engine/command.h"
#include "rules/source.h"
#include <sys/queue.h>

#define SOURCE_BUCKETS 256

struct source { /* its settings never change; whoever judges by them holds it */
	LIST_ENTRY(source) link;
	uint32_t holders;
	struct str namespace_name, name;
	bool readable;                 /* false: a newer program wrote its settings; nobody is believed */
	struct source_settings settings;
	int64_t told_us;               /* when a refusal was told last; 0: never */
	uint64_t untold;               /* refused since */
	struct arena arena;
};
LIST_HEAD(source_list, source);
struct source_table { /* zeroed: none is known */
	struct source_list buckets[SOURCE_BUCKETS];
};

void source_table_fini(struct source_table *table);
/* A source is new, changed or gone; or all are to be forgotten. E_NOMEM: nothing changed. */
MUST_USE enum err source_table_put(struct source_table *table, const struct effect_named *named);
/* Not held; NULL: there is none. */
struct source *source_table_find(struct source_table *table, struct queue_name name);
struct source *source_hold(struct source *source);
void source_drop(struct source *source); /* NULL is fine */
