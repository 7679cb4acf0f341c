/* ruche sources …: who may send webhooks here, and what becomes of them. */
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/named.h"
#include "cli/table.h"

#define SOURCES "/v1/sources/"

const struct cli_option sources_list_options[] = {
	{ "limit", 'l', "N", "how many (100)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option sources_plain_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option sources_set_options[] = {
	{ "file", 'f', "FILE", "the whole settings as JSON; what it does not say gets its default", "@files", false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option sources_delete_options[] = {
	{ "yes", 'y', NULL, "do not ask before", NULL, false },
	REMOTE_OPTIONS, { 0 },
};

static int sources_word(const struct args *args)
{
	return args->word_count == 1 ? 0 : args_complain(args->command, "it takes one source");
}

/* ---- looking ---- */

static struct str sources_into(struct str source, struct arena *arena) /* "message github.{header:x-github-event}" */
{
	struct str type = pluck_text(source, "settings.into.message.type", arena), queue = pluck_text(source, "settings.into.job.queue", arena);
	return str_of(arena_printf(arena, "%s " STR_FMT, type.len ? "message" : "job of", STR_ARG(type.len ? type : queue)));
}

static void sources_print_table(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "SOURCE", "VERIFY", "SECRET", "INTO", "PATH", NULL };
	struct arena *arena = &remote->arena;
	struct table table;
	uint32_t count;
	struct str *sources = pluck_items(body, "sources", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		table_add(&table, pluck_text(sources[i], "name", arena));
		table_add(&table, pluck_text(sources[i], "settings.verify.kind", arena));
		table_add(&table, pluck_text(sources[i], "settings.verify.secret", arena));
		table_add(&table, sources_into(sources[i], arena));
		table_add(&table, pluck_text(sources[i], "path", arena));
	}
	remote_print_table(&table, "no source yet: 'ruche sources set --help' says how to make one");
}

static int sources_list(struct remote *remote, const struct args *args)
{
	return named_list(remote, args, "sources", sources_print_table);
}

static void sources_print(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "SOURCE", "", NULL };
	static const char *const paths[][2] = { { "name", "name" }, { "path", "path" }, { "created", "created_at" }, { "changed", "changed_at" } };
	struct arena *arena = &remote->arena;
	struct table table;
	table_init(&table, arena, heads);
	for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
		table_add(&table, str_of(paths[i][0]));
		table_add(&table, pluck_text(body, paths[i][1], arena));
	}
	table_print(&table, stdout, false);
	named_print_settings(remote, body);
}

static int sources_show(struct remote *remote, const struct args *args)
{
	struct str body;
	int code = sources_word(args);
	if (code)
		return code;
	named_address(remote, SOURCES, args->words[0], "");
	code = remote_call(remote, "GET", &body);
	if (!code && !remote_printed(args, body))
		sources_print(remote, body);
	return code;
}

/* ---- changing ---- */

static int sources_set(struct remote *remote, const struct args *args)
{
	const char *file = args_get(args, "file");
	struct str body;
	if (args->word_count < 1 || (args->word_count == 1) != (file != NULL))
		return args_complain(args->command, "it takes a source and KEY=VALUE settings, or a source and --file");
	int code = named_put(remote, args, SOURCES, E_SOURCE_NOT_FOUND, named_put_words, &body);
	if (!code && !remote_printed(args, body))
		printf("%s is set: it receives at " STR_FMT "\n", args->words[0], STR_ARG(pluck_text(body, "path", &remote->arena)));
	return code;
}

static int sources_delete(struct remote *remote, const struct args *args)
{
	int code = sources_word(args);
	return code ? code : named_delete(remote, args, SOURCES, "Delete the source? Whoever sends to it is refused from then on.");
}

#define X(name)                                                 \
	int cmd_sources_##name(int argc, char **argv)           \
	{                                                       \
		return remote_run(argc, argv, sources_##name);  \
	}
X(list) X(show) X(set) X(delete)
#undef X
