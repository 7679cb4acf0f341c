#include "deliver/program_table.h"
#include "base/json_tree.h"
#include "base/mem.h"

static struct program_list *program_bucket(struct program_table *table, struct str name)
{
	return &table->buckets[str_hash(name, 0) % PROGRAM_BUCKETS];
}

struct format_program *format_program_hold(struct format_program *program)
{
	program->holders++;
	return program;
}

void format_program_drop(struct format_program *program)
{
	if (--program->holders == 0)
		mem_free(program);
}

static void program_forget(struct format_program *program)
{
	LIST_REMOVE(program, link);
	format_program_drop(program);
}

void program_table_fini(struct program_table *table)
{
	for (uint32_t i = 0; i < PROGRAM_BUCKETS; i++)
		while (!LIST_EMPTY(&table->buckets[i]))
			program_forget(LIST_FIRST(&table->buckets[i]));
}

struct format_program *program_table_find(struct program_table *table, struct str namespace_name, struct str name)
{
	struct format_program *program;
	LIST_FOREACH(program, program_bucket(table, name), link)
		if (str_eq(program->name, name) && str_eq(program->namespace_name, namespace_name))
			return program;
	return NULL;
}

static struct str program_put_bytes(struct str bytes, char **next)
{
	struct str copy = { *next, bytes.len };
	if (bytes.len)
		memcpy(*next, bytes.ptr, bytes.len);
	*next += bytes.len;
	return copy;
}

/* *out is NULL when the text holds no program. */
static enum err program_make(const struct effect_named *named, struct format_program **out)
{
	struct arena arena;
	struct json_node *object;
	arena_init(&arena, 0);
	enum err err = json_tree_read((struct str){ named->text->bytes, named->text->len }, &arena, &object, NULL);
	const struct json_node *code = err ? NULL : json_tree_member(object, STR("program"));
	size_t bytes = code ? named->namespace_name.len + named->name.len + code->text.len : 0;
	struct format_program *program = code ? mem_zalloc(sizeof(*program) + bytes) : NULL;
	if (program) {
		char *next = program->bytes;
		program->holders = 1;
		program->namespace_name = program_put_bytes(named->namespace_name, &next);
		program->name = program_put_bytes(named->name, &next);
		program->text = program_put_bytes(code->text, &next);
	}
	arena_fini(&arena);
	*out = program;
	return err == E_NOMEM || (code && !program) ? E_NOMEM : E_OK;
}

enum err program_table_put(struct program_table *table, const struct effect_named *named)
{
	struct format_program *made = NULL;
	if (named->number == 0) {
		program_table_fini(table);
		return E_OK;
	}
	if (named->kind != NAMED_FORMAT)
		return E_OK;
	enum err err = named->text ? program_make(named, &made) : E_OK;
	if (err)
		return err;
	struct format_program *older = program_table_find(table, named->namespace_name, named->name);
	if (older)
		program_forget(older);
	if (made)
		LIST_INSERT_HEAD(program_bucket(table, named->name), made, link);
	return E_OK;
}
