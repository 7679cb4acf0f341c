/* src/engine/named.c: endpoints, formats, sources, sealed secrets and event types in memory: found by kind and name, changed so that it can be undone.
 * One that was deleted keeps its slot until the commit that says so; a new one of its name has a slot and a number of its own. */
#include "base/check.h"
#include "base/json_tree.h"
#include "base/mem.h"
#include "base/uid.h"
#include "engine/engine_priv.h"
#include "engine/journal.h"

#define ENDPOINT_ARENA_BYTES (16 * LIMIT_NAMED_BYTES)

struct str named_reason_text(const struct named *named)
{
	static const char *const texts[NAMED_REASON_COUNT] = { "", "by_hand", "gone", "failing", "unreadable" };
	return str_of(texts[named->reason]);
}

static uint8_t named_reason_parse(struct str text)
{
	for (uint8_t reason = 0; reason < NAMED_REASON_COUNT; reason++)
		if (str_eq(text, named_reason_text(&(struct named){ .reason = reason })))
			return reason;
	return NAMED_BY_HAND;
}

struct str named_namespace(struct str namespace_name)
{
	return namespace_name.len ? namespace_name : STR("default");
}

/* ---- settings of an endpoint, read ---- */

static enum err endpoint_read(struct endpoint *endpoint, struct str text, struct problem *problem)
{
	struct json_node *filter = NULL;
	struct json json;
	endpoint_settings_default(&endpoint->value);
	text = arena_str(&endpoint->arena, text);
	if (!text.ptr)
		return E_NOMEM;
	json_init(&json, text, &endpoint->arena, problem);
	if (!endpoint_settings_read(&json, &endpoint->value) || !json_finish(&json))
		return problem->err ? problem->err : E_INVALID;
	enum err err = endpoint->value.filter.len ? json_tree_read(endpoint->value.filter, &endpoint->arena, &filter, problem) : E_OK;
	endpoint->filter = filter;
	return err ? err : endpoint_list_secrets(endpoint);
}

static enum err endpoint_open(struct str text, size_t room, struct endpoint **out, struct problem *problem)
{
	struct endpoint *endpoint = mem_zalloc(sizeof(*endpoint));
	if (!endpoint)
		return E_NOMEM;
	endpoint->holders = 1;
	arena_init(&endpoint->arena, ENDPOINT_ARENA_BYTES);
	enum err err = room && !arena_reserve(&endpoint->arena, room) ? E_NOMEM : E_OK;
	err = err ? err : endpoint_read(endpoint, text, problem);
	if (err)
		endpoint_drop(endpoint);
	else
		*out = endpoint;
	return err;
}

/* Read twice: there may be a hundred thousand, and only who has been read shows how much room it needs. */
enum err endpoint_new(struct str text, struct endpoint **out, struct problem *problem)
{
	struct endpoint *roomy;
	enum err err = endpoint_open(text, 0, &roomy, problem);
	if (err)
		return err;
	err = endpoint_open(text, arena_taken(&roomy->arena), out, problem);
	endpoint_drop(roomy);
	return err;
}

void endpoint_drop(struct endpoint *endpoint)
{
	if (!endpoint || --endpoint->holders)
		return;
	arena_fini(&endpoint->arena);
	mem_free(endpoint);
}

void named_use(struct named *named, struct shared_text *text, struct endpoint *endpoint, struct kept_source *source)
{
	shared_text_drop(named->text);
	endpoint_drop(named->endpoint);
	kept_source_drop(named->source);
	named->text = text;
	named->endpoint = endpoint;
	named->source = source;
}

/* ---- found ---- */

struct named_wanted {
	enum named_kind kind;
	struct queue_name name;
};

static uint64_t named_hash(enum named_kind kind, struct queue_name name)
{
	return str_hash(name.name, str_hash(name.namespace_name, UINT64_C(59) + kind));
}

static bool named_is(void *context, uint32_t slot, const void *wanted)
{
	const struct named *named = named_at(context, slot);
	const struct named_wanted *want = wanted;
	return !named->gone && named->kind == want->kind && str_eq(named->name, want->name.name) &&
	       str_eq(named->namespace_name, want->name.namespace_name);
}

static bool named_has_number(void *context, uint32_t slot, const void *number)
{
	return named_at(context, slot)->number == *(const uint32_t *)number;
}

uint32_t named_find(const struct index *index, enum named_kind kind, struct queue_name name)
{
	struct named_wanted wanted = { kind, { named_namespace(name.namespace_name), name.name } };
	return map_find(&index->nameds_by_name, named_hash(kind, wanted.name), named_is, &wanted);
}

uint32_t named_find_number(const struct index *index, uint32_t number)
{
	uint32_t slot = map_find(&index->nameds_by_number, map_mix(number), named_has_number, &number);
	return slot == SLOT_NONE || named_at(index, slot)->gone ? SLOT_NONE : slot;
}

uint32_t endpoints_from(const struct index *index, uint32_t number)
{
	uint32_t low = 0, high = index->endpoints.count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (named_at(index, index->endpoints.slots[middle])->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- made and freed ---- */

static enum err endpoints_reserve(struct index *index)
{
	if (index->endpoints.count < index->endpoints.capacity)
		return E_OK;
	uint32_t capacity = index->endpoints.capacity ? 2 * index->endpoints.capacity : 64;
	uint32_t *slots = mem_realloc(index->endpoints.slots, capacity * sizeof(*slots));
	if (!slots)
		return E_NOMEM;
	index->endpoints.slots = slots;
	index->endpoints.capacity = capacity;
	return E_OK;
}

static void endpoints_remove(struct index *index, uint32_t number)
{
	uint32_t place = endpoints_from(index, number), *slots = index->endpoints.slots;
	CHECK(place < index->endpoints.count && named_at(index, slots[place])->number == number);
	memmove(slots + place, slots + place + 1, (index->endpoints.count - place - 1) * sizeof(*slots));
	index->endpoints.count--;
}

static struct str named_copy(struct str s)
{
	char *copy = mem_alloc(s.len + 1);
	if (copy && s.len)
		memcpy(copy, s.ptr, s.len);
	if (copy)
		copy[s.len] = '\0'; /* base/suggest.h takes it so */
	return (struct str){ copy, s.len };
}

static void named_free_names(const struct named *named)
{
	mem_free((char *)(uintptr_t)named->namespace_name.ptr);
	mem_free((char *)(uintptr_t)named->name.ptr);
}

/* Numbers only grow, so a new endpoint is the last one. */
static enum err named_create(struct index *index, enum named_kind kind, struct queue_name name, uint32_t number, uint32_t *out_slot)
{
	uint32_t slot;
	name.namespace_name = named_namespace(name.namespace_name);
	enum err err = map_reserve(&index->nameds_by_name, 1);
	err = err ? err : map_reserve(&index->nameds_by_number, 1);
	err = err ? err : endpoints_reserve(index);
	err = err ? err : pool_take(&index->nameds, &slot);
	if (err)
		return err;
	struct named *named = named_at(index, slot);
	*named = (struct named){ .number = number, .kind = (uint8_t)kind, .live = true, .group = SLOT_NONE, .hash = named_hash(kind, name),
		                 .health.allowed = HEALTH_ALLOWED,
		                 .namespace_name = named_copy(name.namespace_name), .name = named_copy(name.name) };
	if (!named->namespace_name.ptr || !named->name.ptr) {
		named_free_names(named);
		named->live = false;
		pool_give(&index->nameds, slot);
		return E_NOMEM;
	}
	CHECK(!map_put(&index->nameds_by_name, named->hash, slot));
	CHECK(!map_put(&index->nameds_by_number, map_mix(number), slot));
	if (kind == NAMED_ENDPOINT)
		index->endpoints.slots[index->endpoints.count++] = slot;
	if (number >= index->next_named_number)
		index->next_named_number = number + 1;
	index->meta_known = false;
	*out_slot = slot;
	return E_OK;
}

static void named_free(struct index *index, uint32_t slot)
{
	struct named *named = named_at(index, slot);
	map_remove(&index->nameds_by_name, named->hash, slot);
	map_remove(&index->nameds_by_number, map_mix(named->number), slot);
	if (named->kind == NAMED_ENDPOINT)
		endpoints_remove(index, named->number);
	named_use(named, NULL, NULL, NULL);
	named_free_names(named);
	named->live = false;
	pool_give(&index->nameds, slot);
}

void nameds_fini(struct index *index)
{
	for (uint32_t slot = 0; slot < index->nameds.used; slot++) {
		struct named *named = named_at(index, slot);
		if (!named->live)
			continue;
		named_use(named, NULL, NULL, NULL);
		named_free_names(named);
	}
	mem_free(index->endpoints.slots);
}

/* ---- changed ---- */

enum err named_touch(struct batch *batch, struct index *index, uint32_t slot)
{
	struct undo *undo = journal_add(batch, UNDO_NAMED, slot);
	if (!undo)
		return E_NOMEM;
	struct named *named = named_at(index, slot);
	undo->named = *named;
	shared_text_hold(named->text);
	if (named->endpoint)
		named->endpoint->holders++;
	if (named->source)
		named->source->holders++;
	named->version = index->open_seq;
	index->meta_known = false;
	return E_OK;
}

enum err named_begin(struct batch *batch, struct index *index, enum named_kind kind, struct queue_name name, uint32_t *out_slot)
{
	*out_slot = named_find(index, kind, name);
	if (*out_slot != SLOT_NONE)
		return named_touch(batch, index, *out_slot);
	struct undo *undo = journal_add(batch, UNDO_NAMED_NEW, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = named_create(index, kind, name, index->next_named_number, out_slot);
	if (err) {
		journal_take_back(batch);
		return err;
	}
	undo->slot = *out_slot;
	struct named *named = named_at(index, *out_slot);
	named->version = named->created_seq = index->open_seq;
	named->created_us = index->wall_us;
	return E_OK;
}

void named_undo(struct index *index, const struct undo *undo)
{
	struct named *named = named_at(index, undo->slot);
	index->meta_known = false;
	if (undo->kind == UNDO_NAMED_NEW) {
		named_free(index, undo->slot);
		return;
	}
	named_use(named, NULL, NULL, NULL);
	*named = undo->named; /* with the entry's holds */
	if (named->group != SLOT_NONE && group_at(index, named->group)->endpoint == undo->slot)
		group_refresh(index, named->group); /* its limit depends on it */
}

void named_settle(struct index *index, uint32_t slot)
{
	const struct named *named = named_at(index, slot);
	if (named->live && named->gone && named->version <= index->committed_seq)
		named_free(index, slot);
}

static bool read_unsent_uid(struct json *json, void *out, void *context)
{
	struct str text;
	(void)context;
	return json_read_str(json, UID_TEXT_BYTES, &text) && (!uid_parse(text, out) || json_refuse(json, E_INVALID, "No uid."));
}

#define HEALTH(member) offsetof(struct health, member)
static const struct json_field health_fields[] = {
	{ "failing_since_us", JSON_F_I64, HEALTH(failing_since_us), 0, INT64_MAX },
	{ "attempts_failed", JSON_F_I64, HEALTH(attempts_failed), 0, INT64_MAX },
	{ "warned", JSON_F_I64, HEALTH(warned), 0, 100 },
	{ "told", JSON_F_I64, HEALTH(told), 0, 1 },
	{ "opens", JSON_F_I64, HEALTH(opens), 0, INT64_MAX },
	{ "open_until_us", JSON_F_I64, HEALTH(open_until_us), 0, INT64_MAX },
	{ "asked_until_us", JSON_F_I64, HEALTH(asked_until_us), 0, INT64_MAX },
	{ "batch_max", JSON_F_I64, HEALTH(batch_max), 0, INT64_MAX },
	{ "unsent", JSON_F_I64, HEALTH(unsent), 0, INT64_MAX },
	{ "unsent_uid", JSON_F_CUSTOM, HEALTH(unsent_uid), .read = read_unsent_uid },
	{ "held_since_us", JSON_F_I64, HEALTH(held_since_us), 0, INT64_MAX },
	{ "slow_until_us", JSON_F_I64, HEALTH(slow_until_us), 0, INT64_MAX },
};

/* Of what an unreadable text says nothing is known. */
static enum err named_read_health(struct named *named, struct str text)
{
	struct problem problem = { 0 };
	struct arena arena;
	struct json json;
	struct health health = { .allowed = HEALTH_ALLOWED };
	if (!text.len)
		return E_OK;
	arena_init(&arena, 4096);
	json_init(&json, text, &arena, &problem);
	if (json_read_fields(&json, health_fields, ARRAY_COUNT(health_fields), &health, NULL, NULL))
		named->health = health;
	if (named->health.warned) /* also where a daemon wrote it that did not say so */
		named->health.told = 1;
	if (named->health.opens)
		named->health.allowed = 1;
	arena_fini(&arena);
	return problem.err == E_NOMEM ? E_NOMEM : E_OK;
}

/* A text that cannot be read any more keeps its row: the endpoint is disabled, with that reason, until it is put anew. */
enum err named_restore(struct index *index, const struct named_row *row, uint32_t *out_slot)
{
	struct problem problem = { 0 };
	struct endpoint *endpoint = NULL;
	struct kept_source *source = NULL;
	enum err err = named_create(index, row->kind, (struct queue_name){ row->namespace_name, row->name }, row->number, out_slot);
	if (err)
		return err;
	struct named *named = named_at(index, *out_slot);
	named->state = (uint8_t)row->state;
	named->reason = named_reason_parse(row->reason);
	named->created_us = row->created_us;
	named->changed_us = row->changed_us;
	named->created_seq = row->created_seq;
	named->version = row->version;
	struct shared_text *text = shared_text_new(row->text, ++index->text_version);
	if (!text)
		return E_NOMEM;
	if (row->kind == NAMED_ENDPOINT)
		err = endpoint_new(row->text, &endpoint, &problem);
	if (row->kind == NAMED_SOURCE)
		err = kept_source_new(row->text, &source);
	named_use(named, text, endpoint, source);
	if (err && err != E_NOMEM) {
		named->state = NAMED_DISABLED;
		named->reason = NAMED_UNREADABLE;
		err = E_OK;
	}
	return err ? err : named_read_health(named, row->health);
}
