/* src/store/mem/messages.c: messages and what endpoints were told of entities, read. */
#include "base/limits.h"
#include "base/uid.h"
#include "store/filter.h"
#include "store/hold.h"
#include "store/mem/reader.h"

#include <stdlib.h>

enum err mem_copy_message(const struct mem_disk *disk, struct arena *arena, const struct message_row *message, bool with_payload,
                          struct message_row *out)
{
	*out = *message;
	if (!with_payload)
		out->metadata = out->payload = STR("");
	struct str *const texts[] = { &out->namespace_name, &out->type, &out->entity, &out->key, &out->channels, &out->metadata, &out->payload };
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		if (mem_copy_str(arena, texts[i]))
			return E_NOMEM;
	return with_payload && out->payload_body ? mem_copy_body(disk, arena, out->payload_body, &out->payload) : E_OK;
}

static enum err copy_entity(struct arena *arena, const struct entity_row *entity, struct entity_row *out)
{
	*out = *entity;
	return mem_copy_str(arena, &out->entity) || mem_copy_str(arena, &out->external_id) ? E_NOMEM : E_OK;
}

static const struct entity_row *entity_find(const struct mem_disk *disk, uint32_t endpoint, struct str entity)
{
	for (uint32_t i = 0; i < disk->tables[MEM_ENTITIES].count; i++) {
		const struct entity_row *row = disk_row(disk, MEM_ENTITIES, i);
		if (row->endpoint == endpoint && str_eq(row->entity, entity))
			return row;
	}
	return NULL;
}

static uint32_t endpoint_number(const struct mem_disk *disk, struct str namespace_name, struct str name)
{
	for (uint32_t i = 0; i < disk->tables[MEM_NAMEDS].count; i++) {
		const struct named_row *row = disk_row(disk, MEM_NAMEDS, i);
		if (row->kind == NAMED_ENDPOINT && str_eq(row->namespace_name, namespace_name) && str_eq(row->name, name))
			return row->number;
	}
	return 0;
}

enum err mem_view_delivery(const struct mem_disk *disk, struct arena *arena, struct job_view *view)
{
	const struct message_row *message = view->definition.message ? disk_message(disk, view->definition.message) : NULL;
	if (!message)
		return E_OK;
	view->endpoint = endpoint_number(disk, message->namespace_name, view->definition.group);
	const struct entity_row *entity = view->endpoint && message->entity.len ? entity_find(disk, view->endpoint, message->entity) : NULL;
	if (entity && copy_entity(arena, entity, &view->entity))
		return E_NOMEM;
	return mem_copy_message(disk, arena, message, true, &view->message);
}

enum err mem_view_hold(const struct mem_disk *disk, struct arena *arena, struct job_view *view)
{
	for (uint32_t i = 0; i < disk->tables[MEM_NAMEDS].count && hold_concerns(view); i++) {
		const struct named_row *row = disk_row(disk, MEM_NAMEDS, i);
		if (row->kind != NAMED_ENDPOINT || !str_eq(row->namespace_name, view->namespace_name) || !str_eq(row->name, view->row.group))
			continue;
		view->held = row->state;
		return row->state == NAMED_ENABLED ? E_OK : hold_since(row->health, arena, &view->held_since_us);
	}
	return E_OK;
}

uint64_t mem_message_by_key(const struct mem_disk *disk, struct str namespace_name, struct str key)
{
	for (uint32_t i = 0; i < disk->tables[MEM_MESSAGES].count && key.len; i++) {
		const struct message_row *row = disk_row(disk, MEM_MESSAGES, i);
		if (str_eq(row->namespace_name, namespace_name) && str_eq(row->key, key))
			return row->uid;
	}
	return 0;
}

enum err mem_message(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	struct str namespace_name = query->namespace_name.len ? query->namespace_name : STR("default");
	uint64_t uid = query->uid_count ? query->uids[0] : mem_message_by_key(disk, namespace_name, query->id);
	const struct message_row *message = disk_message(disk, uid);
	if (!message)
		return E_MESSAGE_NOT_FOUND;
	out->messages = ARENA_NEW(arena, struct message_row);
	out->message_count = 1;
	return out->messages ? mem_copy_message(disk, arena, message, query->with_payload, out->messages) : E_NOMEM;
}

static int message_newest_cmp(const void *a, const void *b)
{
	uint64_t x = (*(const struct message_row *const *)a)->uid, y = (*(const struct message_row *const *)b)->uid;
	return x == y ? 0 : x > y ? -1 : 1;
}

static bool message_is_asked(const struct message_filter *filter, uint64_t below, const struct message_row *row)
{
	if (filter->created_after_us && row->uid < uid_floor(filter->created_after_us))
		return false;
	if (filter->created_before_us && row->uid >= uid_floor(filter->created_before_us))
		return false;
	if (filter->entity.len && !str_eq(row->entity, filter->entity))
		return false;
	return (!below || row->uid < below) && message_filter_takes(filter, row->namespace_name, row->type);
}

enum err mem_messages(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	uint64_t below;
	uint32_t count = 0, limit = query->limit && query->limit < LIMIT_PAGE ? query->limit : LIMIT_PAGE;
	const struct mem_rows *rows = &disk->tables[MEM_MESSAGES];
	if (number_cursor_parse(query->cursor, &below))
		return E_INVALID;
	const struct message_row **found = ARENA_ARRAY(arena, const struct message_row *, rows->count + 1);
	out->messages = ARENA_ARRAY(arena, struct message_row, limit);
	if (!found || !out->messages)
		return E_NOMEM;
	for (uint32_t i = 0; i < rows->count; i++)
		if (message_is_asked(&query->message, below, rows->rows[i]))
			found[count++] = rows->rows[i];
	qsort(found, count, sizeof(*found), message_newest_cmp);
	for (; out->message_count < limit && out->message_count < count; out->message_count++)
		if (mem_copy_message(disk, arena, found[out->message_count], query->with_payload, &out->messages[out->message_count]))
			return E_NOMEM;
	if (out->message_count == count)
		return E_OK;
	out->next_cursor = number_cursor_text(arena, out->messages[limit - 1].uid);
	return out->next_cursor.ptr ? E_OK : E_NOMEM;
}

static int entity_name_cmp(const void *a, const void *b)
{
	return str_cmp((*(const struct entity_row *const *)a)->entity, (*(const struct entity_row *const *)b)->entity);
}

enum err mem_entities(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	uint32_t count = 0, limit = query->limit && query->limit < LIMIT_PAGE ? query->limit : LIMIT_PAGE;
	const struct mem_rows *rows = &disk->tables[MEM_ENTITIES];
	const struct entity_row **found = ARENA_ARRAY(arena, const struct entity_row *, rows->count + 1);
	out->entities = ARENA_ARRAY(arena, struct entity_row, limit);
	if (!found || !out->entities)
		return E_NOMEM;
	for (uint32_t i = 0; i < rows->count; i++) {
		const struct entity_row *row = rows->rows[i];
		if (row->endpoint == query->endpoint && (query->id.len ? str_eq(row->entity, query->id) : str_cmp(row->entity, query->cursor) > 0))
			found[count++] = row;
	}
	qsort(found, count, sizeof(*found), entity_name_cmp);
	for (; out->entity_count < limit && out->entity_count < count; out->entity_count++)
		if (copy_entity(arena, found[out->entity_count], &out->entities[out->entity_count]))
			return E_NOMEM;
	if (out->entity_count < count)
		out->next_cursor = out->entities[limit - 1].entity;
	return E_OK;
}
