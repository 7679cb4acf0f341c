#include "rules/members.h"

enum found { FOUND_NOT, FOUND, FOUND_UNREADABLE };

/* The last value of that name, as JSON reads an object that has one twice. */
static enum found members_find(struct arena *arena, struct str object, struct str name, struct str *out)
{
	struct json json;
	struct str key, value;
	enum found found = FOUND_NOT;
	json_init(&json, object, arena, NULL);
	if (!json_enter_object(&json))
		return FOUND_UNREADABLE;
	while (json_next_key(&json, &key)) {
		if (!json_read_raw(&json, &value))
			return FOUND_UNREADABLE;
		if (!str_eq(key, name))
			continue;
		found = FOUND;
		*out = value;
	}
	return json.failed ? FOUND_UNREADABLE : found;
}

/* Members of one object that another does not name; of two with one name, the last. */
static bool members_put(struct arena *arena, struct str object, struct str over, struct buf *out)
{
	struct json json;
	struct str key, value, other;
	json_init(&json, object, arena, NULL);
	if (!json_enter_object(&json))
		return false;
	while (json_next_key(&json, &key)) {
		if (!json_read_raw(&json, &value) || members_find(arena, object, key, &other) != FOUND)
			return false;
		if (other.ptr != value.ptr || (over.len && members_find(arena, over, key, &other) == FOUND) || str_eq(value, STR("null")))
			continue;
		json_put_comma(out);
		json_put_str(out, key);
		buf_add_byte(out, ':');
		buf_add(out, value);
	}
	return !json.failed;
}

static bool members_have_null(struct arena *arena, struct str object)
{
	struct json json;
	struct str key, value;
	bool have = false;
	json_init(&json, object, arena, NULL);
	if (!json_enter_object(&json))
		return false;
	while (json_next_key(&json, &key) && json_read_raw(&json, &value))
		have |= str_eq(value, STR("null"));
	return have;
}

/* Has `present` all that `change` says, word for word? */
static bool members_say_the_same(struct arena *arena, struct str present, struct str change)
{
	struct json json;
	struct str key, value, other;
	bool same = true;
	json_init(&json, change, arena, NULL);
	if (!json_enter_object(&json))
		return false;
	while (same && json_next_key(&json, &key) && json_read_raw(&json, &value)) {
		enum found found = members_find(arena, present, key, &other);
		same = str_eq(value, STR("null")) ? found == FOUND_NOT : found == FOUND && str_eq(value, other);
	}
	return same && !json.failed;
}

static bool members_are_none(struct str object)
{
	return !object.len || str_trim((struct str){ object.ptr + 1, object.len - 2 }).len == 0;
}

struct str members_merge(struct arena *arena, struct str present, struct str change)
{
	struct str merged = change;
	struct buf out;
	if (members_are_none(change))
		return members_are_none(present) ? STR("") : present;
	if (members_are_none(present) && !members_have_null(arena, change))
		return change;
	if (!members_are_none(present) && members_say_the_same(arena, present, change))
		return present;
	buf_init(&out, present.len + change.len + 8);
	buf_add_byte(&out, '{');
	bool read = (members_are_none(present) || members_put(arena, present, change, &out)) && members_put(arena, change, STR(""), &out);
	buf_add_byte(&out, '}');
	if (!buf_ok(&out))
		merged = (struct str){ 0 };
	else if (read)
		merged = out.len > 2 ? arena_str(arena, buf_str(&out)) : STR("");
	buf_fini(&out);
	return merged;
}
