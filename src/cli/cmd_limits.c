/* ruche limits …: named budgets that queues and groups share. */
#include "base/clock.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/named.h"
#include "cli/settings_words.h"
#include "cli/table.h"
#include "cli/text.h"

#define LIMITS "/v1/limits/"

const struct cli_option limits_read_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option limits_set_options[] = {
	{ "file", 'f', "FILE", "the whole settings as JSON; what it does not say bounds nothing", "@files", false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option limits_delete_options[] = {
	{ "yes", 'y', NULL, "do not ask before", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};

static int limits_word(const struct args *args)
{
	return args->word_count == 1 ? 0 : args_complain(args->command, "it takes one limit");
}

static struct str limits_rate(struct str limit, struct arena *arena) /* "5 in 1000 ms" */
{
	struct str max = pluck_text(limit, "settings.rate.max", arena), per_ms = pluck_text(limit, "settings.rate.per_ms", arena);
	return max.len ? str_of(arena_printf(arena, STR_FMT " in " STR_FMT " ms", STR_ARG(max), STR_ARG(per_ms))) : STR("-");
}

static int limits_list(struct remote *remote, const struct args *args)
{
	static const char *const heads[] = { "LIMIT", ">ACTIVE", ">HELD", ">CONCURRENCY", "RATE", ">WAITING", "STOPPED BY", NULL };
	static const char *const counts[] = { "active", "held", "settings.concurrency" };
	struct arena *arena = &remote->arena;
	struct table table;
	struct str body;
	uint32_t count;
	if (args->word_count)
		return cli_unknown(arena_printf(arena, "limits %s", args->words[0]));
	remote_begin(remote);
	remote_path(remote, "/v1/limits");
	remote_query(remote, "namespace", remote->space);
	int code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	struct str *limits = pluck_items(body, "limits", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		struct str code_text = pluck_text(limits[i], "code", arena);
		table_add(&table, pluck_text(limits[i], "name", arena));
		for (size_t at = 0; at < ARRAY_COUNT(counts); at++)
			table_add(&table, pluck_text(limits[i], counts[at], arena));
		table_add(&table, limits_rate(limits[i], arena));
		table_add(&table, pluck_text(limits[i], "waiting", arena));
		table_add(&table, str_eq(code_text, STR("ready")) ? STR("-") : code_text);
	}
	remote_print_table(&table, "no limit yet: 'ruche limits set LIMIT concurrency=5' makes one");
	return 0;
}

static int limits_show(struct remote *remote, const struct args *args)
{
	static const char *const heads[] = { "LIMIT", "", NULL };
	struct table table;
	struct str body;
	int code = limits_word(args);
	if (code)
		return code;
	named_address(remote, LIMITS, args->words[0], "");
	code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	table_init(&table, &remote->arena, heads);
	settings_add_members(&table, body, "");
	table_print(&table, stdout, false);
	return 0;
}

static int limits_set(struct remote *remote, const struct args *args)
{
	const char *file = args_get(args, "file");
	struct str body;
	if (args->word_count < 1 || (args->word_count == 1) != (file != NULL))
		return args_complain(args->command, "it takes a limit and KEY=VALUE settings, or a limit and --file");
	named_address(remote, LIMITS, args->words[0], "");
	int code = file ? text_read(args->command->name, file, &remote->body) : settings_put_words(args, &remote->arena, &remote->body);
	if (!code)
		code = remote_call(remote, file ? "PUT" : "PATCH", &body);
	if (code)
		return code;
	if (!remote_printed(args, body))
		printf("%s is set\n", args->words[0]);
	return 0;
}

static int limits_delete(struct remote *remote, const struct args *args)
{
	int code = limits_word(args);
	return code ? code : named_delete(remote, args, LIMITS, "Delete the limit?");
}

static int limits_back_off(struct remote *remote, const struct args *args)
{
	struct str body;
	uint64_t delay_ms;
	if (args->word_count != 2 || !str_u64(str_of(args->words[1]), &delay_ms))
		return args_complain(args->command, "it takes a limit and a number of milliseconds");
	named_address(remote, LIMITS, args->words[0], "/back_off");
	buf_addf(&remote->body, "{\"delay_ms\":%llu}", (unsigned long long)delay_ms);
	int code = remote_call(remote, "POST", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	if (delay_ms)
		printf("%s starts nothing for %llu ms\n", args->words[0], (unsigned long long)delay_ms);
	else
		printf("%s is open\n", args->words[0]);
	return 0;
}

#define X(name)                                                   \
	int cmd_limits_##name(int argc, char **argv)              \
	{                                                         \
		return remote_run(argc, argv, limits_##name);     \
	}
X(list) X(show) X(set) X(delete) X(back_off)
#undef X
