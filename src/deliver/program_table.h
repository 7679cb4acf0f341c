/* src/deliver/program_table.h: the programs of formats by their names, as the engine told them last (EFFECT_NAMED). One thread. */
#pragma once
#include "engine/command.h"
#include <sys/queue.h>

#define PROGRAM_BUCKETS 64

struct format_program { /* nothing in it changes; whoever runs it holds it */
	LIST_ENTRY(format_program) link;
	uint32_t holders;
	struct str namespace_name, name, text;
	char bytes[];
};
LIST_HEAD(program_list, format_program);
struct program_table { /* zeroed: none is known */
	struct program_list buckets[PROGRAM_BUCKETS];
};

void program_table_fini(struct program_table *table);
/* A format is new, changed or gone; or all are to be forgotten. E_NOMEM: nothing changed. */
MUST_USE enum err program_table_put(struct program_table *table, const struct effect_named *named);
/* Not held; NULL: there is none. */
struct format_program *program_table_find(struct program_table *table, struct str namespace_name, struct str name);
struct format_program *format_program_hold(struct format_program *program);
void format_program_drop(struct format_program *program);
