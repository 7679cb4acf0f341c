#include "api/source_table.h"
#include "api/auth.h"
#include "base/mem.h"

static struct source_list *source_bucket(struct source_table *table, struct str name)
{
	return &table->buckets[str_hash(name, 0) % SOURCE_BUCKETS];
}

struct source *source_hold(struct source *source)
{
	source->holders++;
	return source;
}

void source_drop(struct source *source)
{
	if (!source || --source->holders)
		return;
	arena_fini(&source->arena);
	mem_free(source);
}

static void source_forget(struct source *source)
{
	LIST_REMOVE(source, link);
	source_drop(source);
}

void source_table_fini(struct source_table *table)
{
	for (uint32_t i = 0; i < SOURCE_BUCKETS; i++)
		while (!LIST_EMPTY(&table->buckets[i]))
			source_forget(LIST_FIRST(&table->buckets[i]));
}

struct source *source_table_find(struct source_table *table, struct queue_name name)
{
	struct source *source;
	LIST_FOREACH(source, source_bucket(table, name.name), link)
		if (str_eq(source->name, name.name) && str_eq(source->namespace_name, namespace_of(name.namespace_name)))
			return source;
	return NULL;
}

static enum err source_fill(struct source *source, const struct effect_named *named)
{
	struct problem problem = { 0 };
	struct json json;
	source->namespace_name = arena_str(&source->arena, named->namespace_name);
	source->name = arena_str(&source->arena, named->name);
	struct str text = arena_str(&source->arena, (struct str){ named->text->bytes, named->text->len });
	if (!source->namespace_name.ptr || !source->name.ptr || !text.ptr)
		return E_NOMEM;
	source_settings_default(&source->settings);
	json_init(&json, text, &source->arena, &problem);
	source->readable = source_settings_read(&json, &source->settings);
	return problem.err == E_NOMEM ? E_NOMEM : E_OK;
}

static enum err source_make(const struct effect_named *named, struct source **out)
{
	struct source *source = mem_zalloc(sizeof(*source));
	if (!source)
		return E_NOMEM;
	source->holders = 1;
	arena_init(&source->arena, 0);
	enum err err = source_fill(source, named);
	if (err)
		source_drop(source);
	else
		*out = source;
	return err;
}

enum err source_table_put(struct source_table *table, const struct effect_named *named)
{
	struct source *made = NULL;
	if (named->number == 0) {
		source_table_fini(table);
		return E_OK;
	}
	if (named->kind != NAMED_SOURCE)
		return E_OK;
	enum err err = named->text ? source_make(named, &made) : E_OK;
	if (err)
		return err;
	struct source *older = source_table_find(table, (struct queue_name){ named->namespace_name, named->name });
	if (older && made) {
		made->told_us = older->told_us;
		made->untold = older->untold;
	}
	if (older)
		source_forget(older);
	if (made)
		LIST_INSERT_HEAD(source_bucket(table, named->name), made, link);
	return E_OK;
}
