/* ruche workers …: who told the daemon that it works or listens. */
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/table.h"

const struct cli_option workers_list_options[] = {
	{ "queue", 'q', "QUEUE", "only of this queue", "@queues", false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};

static struct str workers_span(struct str worker, const char *member, struct arena *arena)
{
	uint64_t ms = 0;
	if (!pluck_u64(worker, member, arena, &ms))
		return STR("-");
	const char *unit = ms < 120000 ? "s" : ms < 7200000 ? "min" : "h";
	uint64_t whole = ms < 120000 ? ms / 1000 : ms < 7200000 ? ms / 60000 : ms / 3600000;
	return str_of(arena_printf(arena, "%llu %s", (unsigned long long)whole, unit));
}

static int workers_list(struct remote *remote, const struct args *args)
{
	static const char *const heads[] = { "ID", "QUEUE", "NAME", "KIND", "ADDRESS", ">AGE", ">SILENT", NULL };
	struct arena *arena = &remote->arena;
	struct table table;
	struct str body;
	uint32_t count;
	if (args->word_count)
		return cli_unknown(arena_printf(arena, "workers %s", args->words[0]));
	remote_begin(remote);
	remote_path(remote, "/v1/workers");
	remote_query(remote, "queue", args_get(args, "queue"));
	remote_query(remote, "namespace", remote->space);
	int code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	struct str *workers = pluck_items(body, "workers", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		static const char *const texts[] = { "id", "queue", "name", "kind", "address" };
		for (size_t at = 0; at < ARRAY_COUNT(texts); at++)
			table_add(&table, pluck_text(workers[i], texts[at], arena));
		table_add(&table, workers_span(workers[i], "age_ms", arena));
		table_add(&table, workers_span(workers[i], "silent_ms", arena));
	}
	remote_print_table(&table, "no worker told that it is there; 'ruche queues list' shows who waits for jobs all the same");
	return 0;
}

int cmd_workers_list(int argc, char **argv)
{
	return remote_run(argc, argv, workers_list);
}
