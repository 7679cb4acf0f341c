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

static struct str settings_prefix(struct str word) /* "retry" of "retry.max_attempts=5"; empty without a dot */
{
	struct str key = { word.ptr, str_index(word, '=') };
	size_t dot = str_index(key, '.');
	return dot == key.len ? (struct str){ word.ptr, 0 } : (struct str){ word.ptr, dot };
}

static void settings_put_member(struct buf *out, struct arena *arena, struct str word, size_t skip)
{
	struct str rest = str_from(word, skip);
	size_t equals = str_index(rest, '=');
	json_put_key(out, arena_str(arena, (struct str){ rest.ptr, equals }).ptr);
	settings_put_value(out, str_from(rest, equals + 1));
}

int settings_put_words(const struct args *args, struct arena *arena, struct buf *out)
{
	if (args->word_count == 2 && args->words[1][0] == '{') { /* a whole object: it is as it is */
		buf_add(out, str_of(args->words[1]));
		return 0;
	}
	buf_add_byte(out, '{');
	for (int i = 1; i < args->word_count; i++) {
		struct str word = str_of(args->words[i]), prefix = settings_prefix(word);
		if (str_index(word, '=') == word.len)
			return args_complain(args->command, "'%s' is not KEY=VALUE", args->words[i]);
		bool seen = false;
		for (int j = 1; j < i && prefix.len; j++)
			seen = seen || str_eq(settings_prefix(str_of(args->words[j])), prefix);
		if (seen)
			continue;
		if (!prefix.len) {
			settings_put_member(out, arena, word, 0);
			continue;
		}
		json_put_key(out, arena_str(arena, prefix).ptr);
		buf_add_byte(out, '{');
		for (int j = i; j < args->word_count; j++) {
			if (str_eq(settings_prefix(str_of(args->words[j])), prefix))
				settings_put_member(out, arena, str_of(args->words[j]), prefix.len + 1);
		}
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, '}');
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
