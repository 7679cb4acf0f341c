/* ruche limits …: named budgets that queues and groups share. */
#include "base/json.h"
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
const struct cli_option limits_acquire_options[] = {
	{ "units", 'u', "N", "how many (1)", NULL, false },
	{ "lease", 0, "SPAN", "it is lost so long after the last time that it was asked for (30s)", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_exit limits_acquire_exits[] = { { 1, "there is not so much left now" }, { 0 } };

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
	if (args->word_count != 2)
		return args_complain(args->command, "it takes a limit and a number of milliseconds");
	named_address(remote, LIMITS, args->words[0], "/back_off");
	return named_back_off(remote, args, args->words[0]);
}

/* ---- permits, for who has no jobs ---- */

static int limits_begin_permit(struct remote *remote, const struct args *args, const char *tail)
{
	if (args->word_count != 2)
		return args_complain(args->command, "it takes a limit and a token: the holder's own word, one for each permit");
	named_address(remote, LIMITS, args->words[0], tail);
	buf_add_byte(&remote->body, '{');
	json_put_field_str(&remote->body, "token", str_of(args->words[1]));
	return 0;
}

static int limits_acquire(struct remote *remote, const struct args *args)
{
	struct arena *arena = &remote->arena;
	uint64_t units = 1;
	int64_t lease_ms = -1;
	struct str body;
	int code = limits_begin_permit(remote, args, "/acquire");
	code = code ? code : args_u64(args, "units", 1, UINT32_MAX, &units);
	code = code ? code : args_duration_ms(args, "lease", &lease_ms);
	if (code)
		return code;
	json_put_field_u64(&remote->body, "units", units);
	if (lease_ms >= 0)
		json_put_field_i64(&remote->body, "lease_ms", lease_ms);
	buf_add_byte(&remote->body, '}');
	code = remote_call(remote, "POST", &body);
	if (code)
		return code;
	bool granted = pluck_true(body, "granted", arena);
	struct str wait_ms = pluck_text(body, "retry_in_ms", arena);
	if (remote_printed(args, body))
		return granted ? 0 : 1;
	if (granted)
		printf("granted: %s holds %llu of %s\n", args->words[1], (unsigned long long)units, args->words[0]);
	else if (wait_ms.len)
		printf("not now: ask again in " STR_FMT " ms\n", STR_ARG(wait_ms));
	else
		puts("not now: ask again in a while");
	return granted ? 0 : 1;
}

static int limits_release(struct remote *remote, const struct args *args)
{
	struct str body;
	int code = limits_begin_permit(remote, args, "/release");
	if (code)
		return code;
	buf_add_byte(&remote->body, '}');
	code = remote_call(remote, "POST", &body);
	if (code || remote_printed(args, body))
		return code;
	printf("%s gives back " STR_FMT " of %s\n", args->words[1], STR_ARG(pluck_text(body, "released", &remote->arena)), args->words[0]);
	return 0;
}

#define X(name)                                                   \
	int cmd_limits_##name(int argc, char **argv)              \
	{                                                         \
		return remote_run(argc, argv, limits_##name);     \
	}
X(list) X(show) X(set) X(delete) X(back_off) X(acquire) X(release)
#undef X
