/* ruche event-types …: the catalogue of types of messages: what each tells of, and the form of its payloads. */
#include "base/clock.h"
#include "base/json.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/named.h"
#include "cli/table.h"
#include "cli/text.h"

#define EVENT_TYPES "/v1/event-types/"

const struct cli_option event_types_list_options[] = {
	{ "archived", 'a', NULL, "the archived ones, too", NULL, false },
	{ "limit", 'l', "N", "how many (100)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option event_types_plain_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option event_types_set_options[] = {
	{ "schema", 's', "FILE", "the JSON Schema of its payloads; - for standard input", "@files", false },
	{ "example", 'e', "FILE", "a payload, which 'ruche endpoints test --type' sends; - for standard input", "@files", false },
	{ "file", 'f', "FILE", "the whole settings as JSON; what it does not say gets its default", "@files", false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option event_types_delete_options[] = {
	{ "yes", 'y', NULL, "do not ask before", NULL, false },
	REMOTE_OPTIONS, { 0 },
};

static int event_types_word(const struct args *args)
{
	return args->word_count == 1 ? 0 : args_complain(args->command, "it takes one event type");
}

/* ---- looking ---- */

static struct str event_type_state(struct str type, struct arena *arena)
{
	if (pluck_true(type, "built_in", arena))
		return STR("ruche's own");
	return pluck_true(type, "settings.archived", arena) ? STR("archived") : STR("listed");
}

static void event_types_print_table(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "TYPE", "STATE", "CHANGED", "NAMED BY", "DESCRIPTION", NULL };
	struct arena *arena = &remote->arena;
	int64_t now_us = clock_wall_us();
	struct table table;
	uint32_t count;
	struct str *types = pluck_items(body, "event_types", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		table_add(&table, pluck_text(types[i], "name", arena));
		table_add(&table, event_type_state(types[i], arena));
		table_add(&table, text_ago(pluck_text(types[i], "changed_at", arena), now_us, arena));
		table_add(&table, text_namers(types[i], arena));
		table_add(&table, pluck_text(types[i], "settings.description", arena));
	}
	remote_print_table(&table, "none on this page: 'ruche event-types set --help' says how to list one");
}

static int event_types_list(struct remote *remote, const struct args *args)
{
	return named_list(remote, args, "event-types", event_types_print_table);
}

static void event_types_print_json(struct str body, const char *head, const char *path, struct arena *arena)
{
	struct str json;
	if (!pluck_raw(body, path, arena, &json) || str_eq(json, STR("null")))
		return;
	printf("\n%s\n", head);
	text_put(stdout, json);
	puts("");
}

static void event_types_print(struct str body, struct arena *arena)
{
	static const char *const heads[] = { "EVENT TYPE", "", NULL };
	static const char *const lines[][2] = {
		{ "description", "settings.description" }, { "created", "created_at" }, { "changed", "changed_at" },
	};
	struct str tags = { 0 }, wanted = { 0 }, namers = text_namers(body, arena);
	struct table table;
	table_init(&table, arena, heads);
	table_add(&table, STR("name"));
	table_add(&table, pluck_text(body, "name", arena));
	table_add(&table, STR("state"));
	table_add(&table, event_type_state(body, arena));
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
		struct str value = pluck_text(body, lines[i][1], arena);
		table_add(&table, str_of(lines[i][0]));
		table_add(&table, value.len ? value : STR("-"));
	}
	tags = pluck_raw(body, "settings.tags", arena, &tags) ? text_plain(tags, arena) : tags;
	table_add(&table, STR("tags"));
	table_add(&table, tags.len ? tags : STR("-"));
	table_add(&table, STR("named by"));
	table_add(&table, namers.len ? namers : STR("no endpoint"));
	table_add(&table, STR("wanted by"));
	pluck_raw(body, "wanted_by_count", arena, &wanted);
	table_add(&table, str_of(arena_printf(arena, STR_FMT " endpoint%s", STR_ARG(wanted), str_eq(wanted, STR("1")) ? "" : "s")));
	table_print(&table, stdout, false);
	event_types_print_json(body, "SCHEMA", "settings.schema", arena);
	event_types_print_json(body, "EXAMPLE", "settings.example", arena);
}

static int event_types_show(struct remote *remote, const struct args *args)
{
	struct str body;
	int code = event_types_word(args);
	if (code)
		return code;
	named_address(remote, EVENT_TYPES, args->words[0], "");
	code = remote_call(remote, "GET", &body);
	if (!code && !remote_printed(args, body))
		event_types_print(body, &remote->arena);
	return code;
}

/* ---- changing ---- */

static void event_types_drop_blanks(struct buf *body)
{
	while (body->len && strchr(" \t\r\n", body->ptr[body->len - 1]))
		body->len--;
}

/* The object loses its end, so that more can be written into it. False: it is none, which the daemon says better. */
static bool event_types_reopen(struct buf *body)
{
	struct problem problem;
	if (!body->len || json_check(buf_str(body), &problem))
		return false;
	event_types_drop_blanks(body);
	body->len--; /* the brace */
	event_types_drop_blanks(body);
	return true;
}

/* KEY=VALUE words or an object, and behind them what comes from files. */
static int event_types_put_words(struct remote *remote, const struct args *args)
{
	static const char *const files[] = { "schema", "example" };
	struct buf *body = &remote->body;
	int code = named_put_words(remote, args);
	for (size_t i = 0; i < ARRAY_COUNT(files) && !code; i++) {
		const char *file = args_get(args, files[i]);
		if (!file || !event_types_reopen(body))
			continue;
		json_put_key(body, files[i]);
		code = text_read(args->command->name, file, body);
		buf_add_byte(body, '}');
	}
	return code;
}

static int event_types_set(struct remote *remote, const struct args *args)
{
	const char *file = args_get(args, "file");
	struct str body;
	if (args->word_count < 1 || (file && (args->word_count > 1 || args_has(args, "schema") || args_has(args, "example"))))
		return args_complain(args->command, "it takes an event type and KEY=VALUE settings, or an event type and --file");
	int code = named_put(remote, args, EVENT_TYPES, E_EVENT_TYPE_NOT_FOUND, event_types_put_words, &body);
	if (!code && !remote_printed(args, body))
		printf("%s is set\n", args->words[0]);
	return code;
}

static int event_types_say_archived(struct remote *remote, const struct args *args, bool archived, const char *said)
{
	struct str body;
	int code = event_types_word(args);
	if (code)
		return code;
	named_address(remote, EVENT_TYPES, args->words[0], "");
	buf_addf(&remote->body, "{\"archived\":%s}", archived ? "true" : "false");
	code = remote_call(remote, "PATCH", &body);
	if (!code && !remote_printed(args, body))
		printf("%s is %s\n", args->words[0], said);
	return code;
}

static int event_types_archive(struct remote *remote, const struct args *args)
{
	return event_types_say_archived(remote, args, true, "archived: lists leave it out");
}

static int event_types_unarchive(struct remote *remote, const struct args *args)
{
	return event_types_say_archived(remote, args, false, "listed again");
}

static int event_types_delete(struct remote *remote, const struct args *args)
{
	int code = event_types_word(args);
	return code ? code : named_delete(remote, args, EVENT_TYPES, "Delete the event type? To archive it keeps what is said of it.");
}

#define X(name)                                                         \
	int cmd_event_types_##name(int argc, char **argv)               \
	{                                                               \
		return remote_run(argc, argv, event_types_##name);      \
	}
X(list) X(show) X(set) X(archive) X(unarchive) X(delete)
#undef X
