#include "cli/settings_words.h"
#include "base/json.h"
#include "cli/text.h"

/* A value as JSON when it is JSON ("10", "true", "{…}"), as text otherwise ("http"). */
static void settings_put_value(struct buf *out, struct str value)
{
	struct problem problem;
	if (json_check(value, &problem))
		json_put_str(out, value);
	else
		buf_add(out, value);
}

/* "into.message." of "into.message.type=a" behind "into."; the whole key when it has no dot there. */
static struct str settings_step(struct str word, size_t behind)
{
	struct str key = { word.ptr, str_index(word, '=') };
	size_t dot = behind + str_index(str_from(key, behind), '.');
	return dot < key.len ? (struct str){ word.ptr, dot + 1 } : key;
}

static bool settings_stepped_before(const struct args *args, int i, struct str step)
{
	for (int k = 1; k < i; k++)
		if (str_starts(str_of(args->words[k]), step))
			return true;
	return false;
}

/* The object at `prefix`: an object within it stands where its first word does. */
static void settings_put_object(struct buf *out, struct arena *arena, const struct args *args, struct str prefix)
{
	buf_add_byte(out, '{');
	for (int i = 1; i < args->word_count; i++) {
		struct str word = str_of(args->words[i]), step = settings_step(word, prefix.len);
		bool nests = word.len > step.len && word.ptr[step.len] != '=';
		if (!str_starts(word, prefix) || (nests && settings_stepped_before(args, i, step)))
			continue;
		json_put_key(out, arena_str(arena, (struct str){ step.ptr + prefix.len, step.len - prefix.len - nests }).ptr);
		if (nests)
			settings_put_object(out, arena, args, step);
		else
			settings_put_value(out, str_from(word, step.len + 1));
	}
	buf_add_byte(out, '}');
}

int settings_put_words(const struct args *args, struct arena *arena, struct buf *out)
{
	if (args->word_count == 2 && args->words[1][0] == '{') { /* a whole object: it is as it is */
		buf_add(out, str_of(args->words[1]));
		return 0;
	}
	for (int i = 1; i < args->word_count; i++)
		if (!strchr(args->words[i], '='))
			return args_complain(args->command, "'%s' is not KEY=VALUE", args->words[i]);
	settings_put_object(out, arena, args, STR(""));
	return 0;
}

void settings_add_members(struct table *table, struct str body, const char *prefix)
{
	struct json json;
	struct problem problem;
	struct str key = { 0 }, raw;
	json_init(&json, body, table->arena, &problem);
	if (!json_enter_object(&json))
		return;
	while (json_next_key(&json, &key) && json_read_raw(&json, &raw)) {
		const char *path = arena_printf(table->arena, "%s" STR_FMT, prefix, STR_ARG(key));
		bool is_object = raw.ptr[0] == '{' && raw.len > 2, is_list = raw.ptr[0] == '[' && raw.len > 2 && raw.ptr[1] == '{';
		if (is_object) {
			settings_add_members(table, raw, arena_printf(table->arena, "%s.", path));
			continue;
		}
		struct str text = is_list ? raw : text_plain(raw, table->arena);
		table_add(table, str_of(path));
		table_add(table, text.len && !str_eq(text, STR("{}")) ? text : STR("-"));
	}
}
