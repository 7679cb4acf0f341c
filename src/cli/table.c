#include "cli/table.h"
#include "cli/text.h"

#define TABLE_CELL_MAX 60u /* wider ones are cut, except in the last column */

void table_init(struct table *table, struct arena *arena, const char *const *heads)
{
	*table = (struct table){ .arena = arena };
	while (heads[table->columns] && table->columns < TABLE_COLUMNS_MAX) {
		table->heads[table->columns] = heads[table->columns];
		table->columns++;
	}
}

void table_add(struct table *table, struct str cell)
{
	if (table->count == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : 256;
		struct str *more = ARENA_ARRAY(table->arena, struct str, capacity);
		if (!more) {
			table->failed = true;
			return;
		}
		if (table->count)
			memcpy(more, table->cells, table->count * sizeof(*more));
		table->cells = more;
		table->capacity = capacity;
	}
	table->cells[table->count++] = cell;
}

size_t table_width(struct str text)
{
	size_t width = 0;
	for (size_t i = 0; i < text.len; i++)
		width += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
	return width;
}

static bool table_is_right(const struct table *table, uint32_t column)
{
	return table->heads[column][0] == '>';
}

static struct str table_head(const struct table *table, uint32_t column)
{
	return str_of(table->heads[column] + table_is_right(table, column));
}

static const char *table_colour(struct str cell)
{
	static const struct {
		const char *state, *colour;
	} colours[] = { { "completed", "\033[32m" }, { "failed", "\033[31m" }, { "active", "\033[36m" }, { "delayed", "\033[33m" },
			{ "cancelled", "\033[2m" }, { "expired", "\033[2m" } };
	for (size_t i = 0; i < ARRAY_COUNT(colours); i++) {
		if (str_eq(cell, str_of(colours[i].state)))
			return colours[i].colour;
	}
	return "";
}

static void table_print_cell(const struct table *table, uint32_t column, struct str cell, size_t width, bool colours, FILE *out)
{
	bool is_last = column + 1 == table->columns;
	struct str shown = is_last ? cell : str_cut(cell, TABLE_CELL_MAX);
	size_t used = table_width(shown), pad = width > used ? width - used : 0;
	const char *colour = colours && !table_is_right(table, column) ? table_colour(cell) : "";
	if (table_is_right(table, column))
		fprintf(out, "%*s", (int)pad, "");
	fputs(colour, out);
	text_put(out, shown);
	fputs(colour[0] ? "\033[0m" : "", out);
	if (!table_is_right(table, column) && !is_last)
		fprintf(out, "%*s", (int)pad, "");
	fputs(is_last ? "\n" : "  ", out);
}

void table_print(const struct table *table, FILE *out, bool colours)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };
	for (uint32_t column = 0; column < table->columns; column++) {
		widths[column] = table_width(table_head(table, column));
		for (size_t i = column; i < table->count; i += table->columns) {
			size_t width = table_width(str_cut(table->cells[i], TABLE_CELL_MAX));
			widths[column] = width > widths[column] ? width : widths[column];
		}
	}
	for (uint32_t column = 0; column < table->columns; column++)
		table_print_cell(table, column, table_head(table, column), widths[column], false, out);
	for (size_t i = 0; i + table->columns <= table->count; i += table->columns) {
		for (uint32_t column = 0; column < table->columns; column++)
			table_print_cell(table, column, table->cells[i + column], widths[column], colours, out);
	}
}
