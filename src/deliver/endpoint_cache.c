#include "deliver/endpoint_cache.h"
#include "base/json_tree.h"
#include "base/limits.h"
#include "base/mem.h"

static void endpoint_target_free(struct endpoint_target *target)
{
	if (!target)
		return;
	arena_fini(&target->arena);
	mem_free(target);
}

/* Names and values as endpoint_settings_read let them pass. */
static enum err endpoint_target_read_headers(struct endpoint_target *target)
{
	struct json_node *object;
	if (!target->settings.headers.len)
		return E_OK;
	enum err err = json_tree_read(target->settings.headers, &target->arena, &object, &target->problem);
	target->headers = err ? NULL : ARENA_ARRAY(&target->arena, struct endpoint_header, LIMIT_HEADERS);
	if (err || !target->headers)
		return err ? err : E_NOMEM;
	for (const struct json_node *member = object->first; member && target->header_count < LIMIT_HEADERS; member = member->next) {
		const struct json_node *secret = json_tree_member(member, STR("secret"));
		target->headers[target->header_count++] =
			(struct endpoint_header){ member->key, secret ? secret->text : member->text, secret != NULL };
	}
	return E_OK;
}

/* False: no memory. */
static bool endpoint_target_read(struct endpoint_target *target, const struct shared_text *text)
{
	struct json json;
	struct str copy = arena_str(&target->arena, (struct str){ text->bytes, text->len }); /* the settings' strings are slices of it */
	if (!copy.ptr)
		return false;
	endpoint_settings_default(&target->settings);
	json_init(&json, copy, &target->arena, &target->problem);
	if (!endpoint_settings_read(&json, &target->settings))
		return target->problem.err != E_NOMEM;
	enum err err = endpoint_target_read_headers(target);
	target->usable = err == E_OK;
	return err != E_NOMEM;
}

const struct endpoint_target *endpoint_cache_take(struct endpoint_cache *cache, uint32_t number, const struct shared_text *text)
{
	struct endpoint_target **slot = &cache->slots[number % ENDPOINT_CACHE_SLOTS];
	if (*slot && (*slot)->number == number && (*slot)->version == text->version)
		return *slot;
	struct endpoint_target *target = mem_zalloc(sizeof(*target));
	if (!target)
		return NULL;
	target->number = number;
	target->version = text->version;
	if (!endpoint_target_read(target, text)) {
		endpoint_target_free(target);
		return NULL;
	}
	endpoint_target_free(*slot);
	*slot = target;
	return target;
}

void endpoint_cache_fini(struct endpoint_cache *cache)
{
	for (uint32_t i = 0; i < ENDPOINT_CACHE_SLOTS; i++)
		endpoint_target_free(cache->slots[i]);
	*cache = (struct endpoint_cache){ 0 };
}
