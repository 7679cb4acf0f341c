#include "deliver/target.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "rules/http_header.h"
#include <string.h>

const char *header_line_make(struct arena *arena, struct str name, struct str value)
{
	char *line = arena_alloc(arena, name.len + value.len + 3);
	if (!line)
		return NULL;
	memcpy(line, name.ptr, name.len);
	char *next = line + name.len;
	if (value.len == 0) {
		memcpy(next, ";", 2); /* curl's way of saying it: a colon alone would leave the header out */
		return line;
	}
	memcpy(next, ": ", 2);
	memcpy(next + 2, value.ptr, value.len);
	next[2 + value.len] = '\0';
	return line;
}

static bool header_byte_is_plain(struct str text, size_t at)
{
	unsigned char byte = (unsigned char)text.ptr[at];
	bool at_edge = at == 0 || at + 1 == text.len;
	return byte == ' ' ? !at_edge : byte > ' ' && byte < 0x7f && byte != '%';
}

struct str header_value_encode(struct arena *arena, struct str text)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t odd = 0;
	for (size_t i = 0; i < text.len; i++)
		odd += !header_byte_is_plain(text, i);
	if (odd == 0)
		return text;
	char *out = arena_alloc(arena, text.len + 2 * odd), *next = out;
	if (!out)
		return (struct str){ NULL, 0 };
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		if (header_byte_is_plain(text, i)) {
			*next++ = (char)byte;
			continue;
		}
		*next++ = '%';
		*next++ = digits[byte >> 4];
		*next++ = digits[byte & 15];
	}
	return (struct str){ out, (size_t)(next - out) };
}

/* ---- header lists ---- */

static bool header_is_usable(struct str name, struct str value)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == ':' || (unsigned char)name.ptr[i] >= 0x7f)
			return false;
	for (size_t i = 0; i < value.len; i++)
		if (((unsigned char)value.ptr[i] < ' ' && value.ptr[i] != '\t') || value.ptr[i] == 0x7f)
			return false;
	return name.len && !http_header_is_reserved(name);
}

enum err header_list_read(struct str json_object, struct arena *arena, struct header_list *out)
{
	struct json json;
	struct str name = { NULL, 0 }, value;
	struct header_list list = { .lines = ARENA_ARRAY(arena, struct header_line, LIMIT_HEADERS) };
	if (!list.lines)
		return E_NOMEM;
	json_init(&json, json_object, arena, NULL);
	if (!json_enter_object(&json))
		return E_INVALID;
	while (json_next_key(&json, &name)) {
		if (list.count == LIMIT_HEADERS || !json_read_str(&json, LIMIT_HEADER_BYTES, &value) ||
		    !header_is_usable(name, value))
			return E_INVALID;
		const char *line = header_line_make(arena, name, value);
		if (!line)
			return E_NOMEM;
		list.lines[list.count++] = (struct header_line){ name, line };
		list.has_content_type |= str_eq_nocase(name, STR("content-type"));
		list.has_user_agent |= str_eq_nocase(name, STR("user-agent"));
		list.has_idempotency_key |= str_eq_nocase(name, STR("idempotency-key"));
	}
	if (!json_finish(&json))
		return E_INVALID;
	*out = list;
	return E_OK;
}

/* ---- a queue's target ---- */

static bool queue_target_refuse(struct queue_target *target, const char *detail)
{
	problem_set(&target->problem, E_INVALID, "http", "%s", detail);
	return true;
}

/* False: no memory. */
static bool queue_target_read_http(struct queue_target *target)
{
	const struct http_target *http = &target->settings.http;
	if (http->url.len) {
		struct str url = arena_str(&target->arena, http->url);
		target->url = url.ptr;
		enum err err = http_target_origin(http->url, &target->arena, &target->origin);
		if (!url.ptr || err == E_NOMEM)
			return false;
		if (err)
			return queue_target_refuse(target, "The queue's URL cannot be used.");
	}
	if (http->headers.len) {
		enum err err = header_list_read(http->headers, &target->arena, &target->headers);
		if (err)
			return err != E_NOMEM && queue_target_refuse(target, "The queue's headers cannot be used.");
	}
	target->usable = true;
	return true;
}

static bool queue_target_read(struct queue_target *target, struct str settings, struct str queue_name)
{
	struct json json;
	struct str text = arena_str(&target->arena, settings); /* the settings' strings are slices of it */
	struct str name = header_value_encode(&target->arena, queue_name);
	target->queue_line = name.ptr || !queue_name.len ? header_line_make(&target->arena, STR("Ruche-Queue"), name)
							 : NULL;
	if (!text.ptr || !target->queue_line)
		return false;
	queue_settings_default(&target->settings);
	json_init(&json, text, &target->arena, &target->problem);
	if (!queue_settings_read(&json, &target->settings))
		return target->problem.err != E_NOMEM;
	return queue_target_read_http(target);
}

struct queue_target *queue_target_new(uint32_t queue, const struct shared_text *settings, struct str queue_name)
{
	struct queue_target *target = mem_zalloc(sizeof(*target));
	if (!target)
		return NULL;
	target->queue = queue;
	target->holders = 1;
	target->version = settings->version;
	if (queue_target_read(target, (struct str){ settings->bytes, settings->len }, queue_name))
		return target;
	queue_target_drop(target);
	return NULL;
}

struct queue_target *queue_target_hold(struct queue_target *target)
{
	target->holders++;
	return target;
}

void queue_target_drop(struct queue_target *target)
{
	if (!target || --target->holders)
		return;
	arena_fini(&target->arena);
	mem_free(target);
}

struct queue_target *target_cache_take(struct target_cache *cache, uint32_t queue, const struct shared_text *settings,
				       struct str queue_name)
{
	struct queue_target **slot = &cache->slots[queue % TARGET_CACHE_SLOTS];
	if (*slot && (*slot)->queue == queue && (*slot)->version == settings->version)
		return queue_target_hold(*slot);
	struct queue_target *target = queue_target_new(queue, settings, queue_name);
	if (!target)
		return NULL;
	queue_target_drop(*slot);
	*slot = queue_target_hold(target);
	return target;
}

void target_cache_fini(struct target_cache *cache)
{
	for (uint32_t i = 0; i < TARGET_CACHE_SLOTS; i++)
		queue_target_drop(cache->slots[i]);
	*cache = (struct target_cache){ 0 };
}
