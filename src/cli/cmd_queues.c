/* ruche queues …: what stands in them, and their settings. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/pluck.h"
#include "base/time_text.h"
#include "cli/commands.h"
#include "cli/named.h"
#include "cli/one_op.h"
#include "cli/settings_words.h"
#include "cli/table.h"
#include "cli/text.h"
#include <sysexits.h>

const struct cli_option queues_read_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option queues_delete_options[] = {
	{ "group", 'g', "KEY", "only the settings of this group: its jobs stay", NULL, false },
	{ "yes", 'y', NULL, "do not ask before", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option queues_reset_options[] = {
	{ "yes", 'y', NULL, "do not ask before", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option queues_set_options[] = {
	{ "file", 'f', "FILE", "the whole settings as JSON; what it does not say goes back to its default", "@files", false },
	{ "group", 'g', "KEY", "of this group of the queue: concurrency, rate, limits, weight", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option queues_pause_options[] = {
	{ "group", 'g', "KEY", "only this group of the queue", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option queues_metrics_options[] = {
	{ "minutes", 'm', "N", "how many minutes back (60)", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option queues_groups_options[] = {
	{ "limit", 'l', "N", "how many (100)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};

/* ---- reading ---- */

static bool queues_are_elsewhere(const struct str *queues, uint32_t count, struct arena *arena) /* in other namespaces than "default" */
{
	for (uint32_t i = 0; i < count; i++)
		if (!str_eq(pluck_text(queues[i], "namespace", arena), STR("default")))
			return true;
	return false;
}

static int queues_list(struct remote *remote, const struct args *args)
{
	static const char *const heads[] = { "QUEUE", "NAMESPACE", ">WAITING", ">DELAYED", ">ACTIVE", ">COMPLETED", ">FAILED", ">WAIT P95", "OLDEST WAITING",
					     "", NULL };
	static const char *const heads_here[] = { "QUEUE", ">WAITING", ">DELAYED", ">ACTIVE", ">COMPLETED", ">FAILED", ">WAIT P95", "OLDEST WAITING", "",
						  NULL };
	struct arena *arena = &remote->arena;
	struct table table;
	struct str body;
	uint32_t count;
	if (args->word_count)
		return cli_unknown(arena_printf(arena, "queues %s", args->words[0]));
	remote_begin(remote);
	remote_path(remote, "/v1/queues");
	remote_query(remote, "namespace", remote->space);
	int code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	struct str *queues = pluck_items(body, "queues", arena, &count);
	bool elsewhere = queues_are_elsewhere(queues, count, arena);
	table_init(&table, arena, elsewhere ? heads : heads_here);
	for (uint32_t i = 0; i < count; i++) {
		static const char *const counts[] = { "states.waiting", "states.delayed", "states.active", "states.completed", "states.failed" };
		struct str wait_ms = pluck_text(queues[i], "wait_ms.p95", arena);
		table_add(&table, pluck_text(queues[i], "name", arena));
		if (elsewhere)
			table_add(&table, pluck_text(queues[i], "namespace", arena));
		for (size_t at = 0; at < ARRAY_COUNT(counts); at++)
			table_add(&table, pluck_text(queues[i], counts[at], arena));
		table_add(&table, wait_ms.len ? str_of(arena_printf(arena, STR_FMT " ms", STR_ARG(wait_ms))) : STR("-"));
		table_add(&table, text_ago(pluck_text(queues[i], "oldest_waiting_at", arena), clock_wall_us(), arena));
		table_add(&table, pluck_true(queues[i], "paused", arena) ? STR("paused") : STR(""));
	}
	remote_print_table(&table, "no queue yet: 'ruche enqueue QUEUE' makes one");
	return 0;
}

static int queues_word(const struct args *args)
{
	return args->word_count == 1 ? 0 : args_complain(args->command, "it takes one queue");
}

static void queues_print(struct remote *remote, struct str queue)
{
	static const char *const heads[] = { "QUEUE", "", NULL };
	static const char *const parts[] = { "name", "namespace", "paused", "states", "oldest_waiting_at", "next_due_at", "groups", "groups_ready",
					     "waiters", "enqueued", "started", "ended", "enqueued_per_s", "started_per_s", "completed_per_s",
					     "failed_per_s", "wait_ms", "run_ms", "priorities", "created_at" };
	struct table table;
	struct str raw;
	table_init(&table, &remote->arena, heads);
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		if (pluck_raw(queue, parts[i], &remote->arena, &raw)) /* one member again, to be told like the others */
			settings_add_members(&table, str_of(arena_printf(&remote->arena, "{\"%s\":" STR_FMT "}", parts[i], STR_ARG(raw))), "");
	}
	table_print(&table, stdout, false);
	named_print_settings(remote, queue);
}

static int queues_show(struct remote *remote, const struct args *args)
{
	struct str body;
	int code = queues_word(args);
	if (code)
		return code;
	remote_queue(remote, "/v1/queues/", str_of(args->words[0]), "");
	code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (!remote_printed(args, body))
		queues_print(remote, body);
	return 0;
}

static int queues_groups(struct remote *remote, const struct args *args)
{
	static const char *const heads[] = { "GROUP", ">WAITING", ">DELAYED", ">ACTIVE", "HELD BACK BY", "", NULL };
	struct arena *arena = &remote->arena;
	struct table table;
	struct str body;
	uint32_t count;
	int code = queues_word(args);
	if (code)
		return code;
	remote_queue(remote, "/v1/queues/", str_of(args->words[0]), "/groups");
	remote_query(remote, "limit", args_get(args, "limit") ? args_get(args, "limit") : "100");
	remote_query(remote, "cursor", args_get(args, "cursor"));
	code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	struct str *groups = pluck_items(body, "groups", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		static const char *const texts[] = { "key", "waiting", "delayed", "active", "code" };
		for (size_t at = 0; at < ARRAY_COUNT(texts); at++)
			table_add(&table, pluck_text(groups[i], texts[at], arena));
		table_add(&table, pluck_true(groups[i], "paused", arena) ? STR("paused") : STR(""));
	}
	remote_print_table(&table, "no group has a job now");
	remote_print_more(remote, body);
	return 0;
}

/* ---- ends by the minute ---- */

struct queues_series {
	int64_t minute; /* of the last end; 0: none */
	uint64_t newest;
	struct str *points;
	uint32_t count;
};

static bool queues_read_series(struct str body, const char *name, struct arena *arena, struct queues_series *out)
{
	uint64_t count = 0, before = 0;
	int64_t at_us = 0;
	struct str series;
	*out = (struct queues_series){ 0 };
	if (!pluck_raw(body, name, arena, &series) || !pluck_u64(series, "count", arena, &count) || !pluck_u64(series, "count_before", arena, &before))
		return false;
	struct str at = pluck_text(series, "minute_at", arena);
	if (at.len && time_parse(at, &at_us))
		return false;
	out->minute = at_us / 60000000;
	out->newest = count - before;
	out->points = pluck_items(series, "points", arena, &out->count);
	return true;
}

static struct str queues_ended_in(const struct queues_series *series, int64_t minute, struct arena *arena)
{
	int64_t place = series->minute - 1 - minute;
	if (series->minute && minute == series->minute)
		return str_of(arena_printf(arena, "%llu", (unsigned long long)series->newest));
	return place >= 0 && place < series->count ? series->points[place] : STR("0");
}

static int queues_metrics(struct remote *remote, const struct args *args)
{
	static const char *const heads[] = { "MINUTE", ">COMPLETED", ">FAILED", NULL };
	struct arena *arena = &remote->arena;
	struct queues_series completed, failed;
	struct table table;
	struct str body;
	uint64_t minutes = 60;
	bool any = false;
	int code = queues_word(args);
	code = code ? code : args_u64(args, "minutes", 1, LIMIT_METRIC_MINUTES, &minutes);
	if (code)
		return code;
	remote_queue(remote, "/v1/queues/", str_of(args->words[0]), "/metrics");
	code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	if (!queues_read_series(body, "completed", arena, &completed) || !queues_read_series(body, "failed", arena, &failed))
		return EX_PROTOCOL;
	table_init(&table, arena, heads);
	for (int64_t now = clock_wall_us() / 60000000, minute = now; minute > now - (int64_t)minutes; minute--) {
		char at[TIME_TEXT_BYTES];
		struct str done = queues_ended_in(&completed, minute, arena), lost = queues_ended_in(&failed, minute, arena);
		if (str_eq(done, STR("0")) && str_eq(lost, STR("0")))
			continue;
		time_text(minute * 60000000, at);
		table_add(&table, arena_str(arena, (struct str){ at, 16 }));
		table_add(&table, done);
		table_add(&table, lost);
		any = true;
	}
	if (any)
		table_print(&table, stdout, remote_is_fancy(stdout));
	else
		printf("no job of %s ended in the last %llu minutes\n", args->words[0], (unsigned long long)minutes);
	return 0;
}

/* ---- changing ---- */

static void queues_address(struct remote *remote, const struct args *args, const char *tail)
{
	const char *group = args_get(args, "group");
	remote_begin(remote);
	remote_path(remote, "/v1/queues/");
	remote_piece(remote, str_of(args->words[0]));
	if (group) {
		remote_path(remote, "/groups/");
		remote_piece(remote, str_of(group));
	}
	remote_path(remote, tail);
	remote_query(remote, "namespace", remote->space);
}

static int queues_set(struct remote *remote, const struct args *args)
{
	const char *file = args_get(args, "file");
	struct str body;
	if (args->word_count < 1 || (args->word_count == 1) != (file != NULL))
		return args_complain(args->command, "it takes a queue and KEY=VALUE settings, or a queue and --file");
	queues_address(remote, args, "");
	int code = file ? text_read(args->command->name, file, &remote->body) : settings_put_words(args, &remote->arena, &remote->body);
	if (!code)
		code = remote_call(remote, file || args_has(args, "group") ? "PUT" : "PATCH", &body);
	if (code)
		return code;
	if (!remote_printed(args, body))
		printf("%s is set\n", args->words[0]);
	return 0;
}

static int queues_switch(struct remote *remote, const struct args *args, const char *tail, const char *done)
{
	struct str body;
	int code = queues_word(args);
	if (code)
		return code;
	queues_address(remote, args, tail);
	buf_add_lit(&remote->body, "{}");
	code = remote_call(remote, "POST", &body);
	if (code)
		return code;
	if (!remote_printed(args, body))
		printf("%s is %s\n", args_has(args, "group") ? args_get(args, "group") : args->words[0], done);
	return 0;
}

static int queues_pause(struct remote *remote, const struct args *args)
{
	return queues_switch(remote, args, "/pause", "paused: nothing new starts");
}

static int queues_resume(struct remote *remote, const struct args *args)
{
	return queues_switch(remote, args, "/resume", "resumed");
}

static int queues_delete(struct remote *remote, const struct args *args)
{
	const char *group = args_get(args, "group");
	const char *question = group ? "Forget the settings of the group?" : "Delete the queue and its settings?";
	struct str body;
	int code = queues_word(args);
	if (code)
		return code;
	if (!args_has(args, "yes") && !text_confirm(args->command->name, question))
		return EX_USAGE;
	queues_address(remote, args, "");
	code = remote_call(remote, "DELETE", &body);
	if (!code && group)
		printf("%s has its queue's settings\n", group);
	else if (!code)
		printf("%s is deleted\n", args->words[0]);
	return code;
}

/* As many times as it takes: events go a slice at a time. */
static int queues_reset(struct remote *remote, const struct args *args)
{
	struct str result;
	int code = queues_word(args);
	if (code)
		return code;
	if (!args_has(args, "yes") && !text_confirm(args->command->name, "Forget the queue's settings, keys, chains, counts and events?"))
		return EX_USAGE;
	do {
		one_op_begin(remote, "queue_reset", args->words[0]);
		code = one_op_send(remote, &result);
	} while (!code && pluck_true(result, "more", &remote->arena));
	if (!code && !remote_printed(args, result))
		printf("%s is as it was when it was made\n", args->words[0]);
	return code;
}

static int queues_back_off(struct remote *remote, const struct args *args)
{
	const char *group = args_get(args, "group");
	if (args->word_count != 2)
		return args_complain(args->command, "it takes a queue and a number of milliseconds");
	queues_address(remote, args, "/back_off");
	return named_back_off(remote, args, group ? group : args->words[0]);
}

#define X(name)                                                   \
	int cmd_queues_##name(int argc, char **argv)              \
	{                                                         \
		return remote_run(argc, argv, queues_##name);     \
	}
X(list) X(show) X(set) X(pause) X(resume) X(delete) X(reset) X(back_off) X(groups) X(metrics)
#undef X
