/* src/cli/table.h: rows for people: columns as wide as their widest cell, numbers to the right. On a terminal states have colours. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16u

struct table {
	struct arena *arena;
	const char *heads[TABLE_COLUMNS_MAX]; /* a head that starts with '>' is a column of numbers */
	uint32_t columns;
	struct str *cells;
	size_t count, capacity;
	bool failed;
};

void table_init(struct table *table, struct arena *arena, const char *const *heads); /* ended by NULL */
void table_add(struct table *table, struct str cell);  /* row by row; the bytes stay valid until table_print */
void table_print(const struct table *table, FILE *out, bool colours);
/* How many columns a terminal gives the text: characters, not bytes. */
size_t table_width(struct str text);
