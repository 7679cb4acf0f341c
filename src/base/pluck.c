#include "base/pluck.h"
#include "base/json.h"
#include "base/limits.h"

#define PLUCK_STRING_MAX (64u * 1024 * 1024)

static void pluck_begin(struct json *json, struct str text, struct arena *arena, struct problem *problem)
{
	json_init(json, text, arena, problem);
	json->depth_max = LIMIT_JSON_ANSWER_DEPTH;
}

/* Steps into the member or item that `step` names; false when there is none. The reader then stands on the value. */
static bool pluck_step(struct json *json, struct str step)
{
	struct str skipped, key = { 0 };
	uint64_t wanted;
	uint32_t index = UINT32_MAX;
	switch (json_peek(json)) {
	case JSON_OBJECT:
		if (!json_enter_object(json))
			return false;
		while (json_next_key(json, &key)) {
			if (str_eq(key, step))
				return true;
			if (!json_read_raw(json, &skipped))
				return false;
		}
		return false;
	case JSON_ARRAY:
		if (!str_u64(step, &wanted) || !json_enter_array(json))
			return false;
		while (json_next_item(json, &index)) {
			if (index == wanted)
				return true;
			if (!json_read_raw(json, &skipped))
				return false;
		}
		return false;
	default: return false;
	}
}

bool pluck_raw(struct str text, const char *path, struct arena *arena, struct str *out)
{
	struct problem problem;
	struct json json;
	pluck_begin(&json, text, arena, &problem);
	struct str rest = str_of(path);
	while (rest.len) {
		size_t dot = str_index(rest, '.');
		if (!pluck_step(&json, (struct str){ rest.ptr, dot }))
			return false;
		rest = str_from(rest, dot + 1);
	}
	return json_read_raw(&json, out);
}

struct str pluck_text(struct str text, const char *path, struct arena *arena)
{
	struct str raw, decoded;
	if (!pluck_raw(text, path, arena, &raw) || str_eq(raw, STR("null")))
		return STR("");
	if (raw.ptr[0] != '"')
		return raw;
	struct problem problem;
	struct json json;
	pluck_begin(&json, raw, arena, &problem);
	return json_read_str(&json, PLUCK_STRING_MAX, &decoded) ? decoded : STR("");
}

bool pluck_u64(struct str text, const char *path, struct arena *arena, uint64_t *out)
{
	struct str raw;
	return pluck_raw(text, path, arena, &raw) && str_u64(raw, out);
}

bool pluck_true(struct str text, const char *path, struct arena *arena)
{
	struct str raw;
	return pluck_raw(text, path, arena, &raw) && str_eq(raw, STR("true"));
}

struct str *pluck_items(struct str text, const char *path, struct arena *arena, uint32_t *count)
{
	struct str raw, item, *items = NULL;
	struct problem problem;
	struct json json;
	uint32_t index = UINT32_MAX, capacity = 0;
	*count = 0;
	if (!pluck_raw(text, path, arena, &raw) || raw.ptr[0] != '[')
		return NULL;
	pluck_begin(&json, raw, arena, &problem);
	if (!json_enter_array(&json))
		return NULL;
	while (json_next_item(&json, &index) && json_read_raw(&json, &item)) {
		if (*count == capacity) {
			capacity = capacity ? capacity * 2 : 16;
			struct str *more = ARENA_ARRAY(arena, struct str, capacity);
			if (!more)
				return items;
			if (*count)
				memcpy(more, items, *count * sizeof(*more));
			items = more;
		}
		items[(*count)++] = item;
	}
	return items;
}
