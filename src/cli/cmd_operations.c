/* ruche operations …: bulk work of the daemon's: how far it is, and stopping it. */
#include "base/clock.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/settings_words.h"
#include "cli/table.h"
#include "cli/text.h"

const struct cli_option operations_list_options[] = {
	{ "limit", 'l', "N", "how many (50)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option operations_plain_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };

static void operations_print(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "UID", "ACTION", "STATE", ">DONE", ">SKIPPED", ">FAILED", "STARTED", "FILTER", NULL };
	static const char *const texts[] = { "uid", "action", "state", "done", "skipped", "failed" };
	struct arena *arena = &remote->arena;
	struct table table;
	uint32_t count;
	struct str *operations = pluck_items(body, "operations", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		struct str filter = { 0 };
		for (size_t at = 0; at < ARRAY_COUNT(texts); at++)
			table_add(&table, pluck_text(operations[i], texts[at], arena));
		table_add(&table, text_ago(pluck_text(operations[i], "created_at", arena), clock_wall_us(), arena));
		(void)pluck_raw(operations[i], "filter", arena, &filter);
		table_add(&table, filter);
	}
	remote_print_table(&table, "no bulk operation yet: 'ruche jobs retry --all …' starts one");
}

static int operations_list(struct remote *remote, const struct args *args)
{
	if (args->word_count)
		return cli_unknown(arena_printf(&remote->arena, "operations %s", args->words[0]));
	remote_begin(remote);
	remote_path(remote, "/v1/operations");
	remote_query(remote, "limit", args_get(args, "limit") ? args_get(args, "limit") : "50");
	remote_query(remote, "cursor", args_get(args, "cursor"));
	return remote_page(remote, args, operations_print);
}

static int operations_call(struct remote *remote, const struct args *args, const char *method, const char *tail, struct str *out)
{
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one operation: its uid, as 'ruche operations list' tells");
	remote_begin(remote);
	remote_path(remote, "/v1/operations/");
	remote_piece(remote, str_of(args->words[0]));
	remote_path(remote, tail);
	return remote_call(remote, method, out);
}

static int operations_show(struct remote *remote, const struct args *args)
{
	static const char *const heads[] = { "OPERATION", "", NULL };
	struct table table;
	struct str body;
	int code = operations_call(remote, args, "GET", "", &body);
	if (code || remote_printed(args, body))
		return code;
	table_init(&table, &remote->arena, heads);
	settings_add_members(&table, body, "");
	table_print(&table, stdout, false);
	return 0;
}

static int operations_steer(struct remote *remote, const struct args *args, const char *tail)
{
	struct str body;
	int code = operations_call(remote, args, "POST", tail, &body);
	if (code || remote_printed(args, body))
		return code;
	printf("%s is " STR_FMT ", " STR_FMT " done\n", args->words[0], STR_ARG(pluck_text(body, "state", &remote->arena)),
	       STR_ARG(pluck_text(body, "done", &remote->arena)));
	return 0;
}

static int operations_pause(struct remote *remote, const struct args *args)
{
	return operations_steer(remote, args, "/pause");
}

static int operations_resume(struct remote *remote, const struct args *args)
{
	return operations_steer(remote, args, "/resume");
}

static int operations_cancel(struct remote *remote, const struct args *args)
{
	return operations_steer(remote, args, "/cancel");
}

#define X(name)                                                       \
	int cmd_operations_##name(int argc, char **argv)              \
	{                                                             \
		return remote_run(argc, argv, operations_##name);     \
	}
X(list) X(show) X(pause) X(resume) X(cancel)
#undef X
