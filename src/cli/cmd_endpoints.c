/* ruche endpoints …: third parties that want to be told when something happens. */
#include "base/limits.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/named.h"
#include "cli/settings_words.h"
#include "cli/table.h"
#include "cli/text.h"

#define ENDPOINTS "/v1/endpoints/"

const struct cli_option endpoints_list_options[] = {
	{ "limit", 'l', "N", "how many (100)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option endpoints_plain_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option endpoints_set_options[] = {
	{ "file", 'f', "FILE", "the whole settings as JSON; what it does not say gets its default", "@files", false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option endpoints_delete_options[] = {
	{ "yes", 'y', NULL, "do not ask before", NULL, false },
	REMOTE_OPTIONS, { 0 },
};

const struct cli_option endpoints_poll_options[] = {
	{ "after", 'a', "PLACE", "go on there: what was told as next (from when the endpoint was made)", NULL, false },
	{ "limit", 'l', "N", "how many (100)", NULL, false },
	{ "wait", 'w', "SPAN", "wait so long for a message, up to 5m", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};

static int endpoints_word(const struct args *args)
{
	return args->word_count == 1 ? 0 : args_complain(args->command, "it takes one endpoint");
}

/* ---- looking ---- */

static struct str endpoints_state(struct str endpoint, struct arena *arena) /* "paused (by_hand)" */
{
	struct str state = pluck_text(endpoint, "state", arena), reason = pluck_text(endpoint, "reason", arena);
	return reason.len ? str_of(arena_printf(arena, STR_FMT " (" STR_FMT ")", STR_ARG(state), STR_ARG(reason))) : state;
}

static void endpoints_print_table(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "ENDPOINT", "STATE", "HEALTH", ">WAITING", ">ACTIVE", ">DELAYED", ">HELD", "TYPES", "URL", NULL };
	static const char *const paths[] = { "health.state", "waiting", "active", "delayed", "held" };
	struct arena *arena = &remote->arena;
	struct table table;
	uint32_t count;
	struct str *endpoints = pluck_items(body, "endpoints", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		struct str types = { 0 };
		table_add(&table, pluck_text(endpoints[i], "name", arena));
		table_add(&table, endpoints_state(endpoints[i], arena));
		for (size_t at = 0; at < ARRAY_COUNT(paths); at++)
			table_add(&table, pluck_text(endpoints[i], paths[at], arena));
		table_add(&table, pluck_raw(endpoints[i], "settings.types", arena, &types) ? text_plain(types, arena) : types);
		table_add(&table, pluck_text(endpoints[i], "settings.url", arena));
	}
	remote_print_table(&table, "no endpoint yet: 'ruche endpoints set --help' says how to make one");
}

static int endpoints_list(struct remote *remote, const struct args *args)
{
	return named_list(remote, args, "endpoints", endpoints_print_table);
}

static void endpoints_print(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "ENDPOINT", "", NULL };
	static const char *const paths[][2] = {
		{ "retries", "retry_words" }, { "waiting", "waiting" }, { "active", "active" }, { "delayed", "delayed" }, { "held", "held" },
		{ "created", "created_at" }, { "changed", "changed_at" },
	};
	struct arena *arena = &remote->arena;
	struct table table;
	struct str raw;
	table_init(&table, arena, heads);
	table_add(&table, STR("name"));
	table_add(&table, pluck_text(body, "name", arena));
	table_add(&table, STR("state"));
	table_add(&table, endpoints_state(body, arena));
	for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
		table_add(&table, str_of(paths[i][0]));
		table_add(&table, pluck_text(body, paths[i][1], arena));
	}
	if (pluck_raw(body, "health", arena, &raw))
		settings_add_members(&table, raw, "health.");
	table_print(&table, stdout, false);
	named_print_settings(remote, body);
}

static int endpoints_show(struct remote *remote, const struct args *args)
{
	struct str body;
	int code = endpoints_word(args);
	if (code)
		return code;
	named_address(remote, ENDPOINTS, args->words[0], "");
	code = remote_call(remote, "GET", &body);
	if (!code && !remote_printed(args, body))
		endpoints_print(remote, body);
	return code;
}

static int endpoints_public_key(struct remote *remote, const struct args *args)
{
	struct str body;
	uint32_t count;
	int code = endpoints_word(args);
	if (code)
		return code;
	named_address(remote, ENDPOINTS, args->words[0], "/public-key");
	code = remote_call(remote, "GET", &body);
	if (code || remote_printed(args, body))
		return code;
	struct str *keys = pluck_items(body, "public_keys", &remote->arena, &count);
	for (uint32_t i = 0; i < count; i++)
		printf(STR_FMT "\n", STR_ARG(pluck_text(keys[i], "", &remote->arena)));
	return 0;
}

/* ---- asking ---- */

/* A line a message, whatever its body is: between the pieces of JSON, a new line means no more than a blank. */
static void endpoints_print_told(struct str told, struct arena *arena)
{
	static const char *const paths[] = { "id", "type", "entity" };
	struct str body = { 0 };
	for (size_t at = 0; at < ARRAY_COUNT(paths); at++) {
		struct str text = pluck_text(told, paths[at], arena);
		text_put(stdout, text.len ? text : STR("-"));
		putchar(' ');
	}
	pluck_raw(told, "body", arena, &body);
	for (bool more = true; more;) {
		struct str piece = { body.ptr, str_index(body, '\n') };
		piece.len = str_index(piece, '\r');
		text_put(stdout, piece);
		more = piece.len < body.len;
		putchar(more ? ' ' : '\n');
		body = str_from(body, piece.len + 1);
	}
}

static void endpoints_print_page(struct remote *remote, struct str body)
{
	struct arena *arena = &remote->arena;
	uint32_t count;
	struct str *told = pluck_items(body, "data", arena, &count);
	if (pluck_true(body, "gap", arena))
		fputs("messages before these may be missing: they were kept no longer, or a backup was put back\n", stderr);
	for (uint32_t i = 0; i < count; i++)
		endpoints_print_told(told[i], arena);
	fflush(stdout);
	fprintf(stderr, "%s: add --after " STR_FMT "\n", !pluck_true(body, "done", arena) ? "more" : count ? "the next ones" : "nothing new; the next ones",
		STR_ARG(pluck_text(body, "next", arena)));
}

static int endpoints_poll(struct remote *remote, const struct args *args)
{
	struct str body;
	int64_t wait_ms = 0;
	int code = endpoints_word(args);
	code = code ? code : args_duration_ms(args, "wait", &wait_ms);
	if (code)
		return code;
	named_address(remote, ENDPOINTS, args->words[0], "/poll");
	remote_query(remote, "after", args_get(args, "after"));
	remote_query(remote, "limit", args_get(args, "limit"));
	remote_query(remote, "wait_ms", args_has(args, "wait") ? arena_printf(&remote->arena, "%lld", (long long)wait_ms) : NULL);
	code = remote_call_waiting(remote, "GET", wait_ms < LIMIT_WAIT_MS ? wait_ms : LIMIT_WAIT_MS, &body); /* longer is refused at once */
	if (!code && !remote_printed(args, body))
		endpoints_print_page(remote, body);
	return code;
}

/* ---- changing ---- */

static int endpoints_set(struct remote *remote, const struct args *args)
{
	const char *file = args_get(args, "file");
	struct str body;
	if (args->word_count < 1 || (args->word_count == 1) != (file != NULL))
		return args_complain(args->command, "it takes an endpoint and KEY=VALUE settings, or an endpoint and --file");
	int code = named_put(remote, args, ENDPOINTS, E_ENDPOINT_NOT_FOUND, named_put_words, &body);
	if (code || remote_printed(args, body))
		return code;
	struct str secret = pluck_text(body, "signing_secret", &remote->arena), kind = pluck_text(body, "settings.kind", &remote->arena);
	struct str calls = str_eq(kind, STR("poll")) ? STR("nobody is called, it asks by itself") : pluck_text(body, "retry_words", &remote->arena);
	printf("%s is set: " STR_FMT "\n", args->words[0], STR_ARG(calls));
	if (secret.len)
		printf("its calls are signed by this secret, which is told now and never again: " STR_FMT "\n", STR_ARG(secret));
	if (str_starts(secret, STR("whsk_")))
		printf("keep it to yourself: receivers need the public key alone, which 'ruche endpoints public-key %s' tells\n", args->words[0]);
	return 0;
}

static int endpoints_switch(struct remote *remote, const struct args *args, const char *tail, const char *done)
{
	struct str body;
	int code = endpoints_word(args);
	if (code)
		return code;
	named_address(remote, ENDPOINTS, args->words[0], tail);
	code = remote_call(remote, "POST", &body);
	if (!code && !remote_printed(args, body))
		printf("%s is %s\n", args->words[0], done);
	return code;
}

static int endpoints_pause(struct remote *remote, const struct args *args)
{
	return endpoints_switch(remote, args, "/pause", "paused: its deliveries are made and held");
}

static int endpoints_disable(struct remote *remote, const struct args *args)
{
	return endpoints_switch(remote, args, "/disable", "disabled: its deliveries are made and held");
}

static int endpoints_resume(struct remote *remote, const struct args *args)
{
	return endpoints_switch(remote, args, "/resume", "enabled: what was held is sent");
}

static int endpoints_enable(struct remote *remote, const struct args *args)
{
	return endpoints_switch(remote, args, "/enable", "enabled: what was held is sent");
}

static int endpoints_delete(struct remote *remote, const struct args *args)
{
	int code = endpoints_word(args);
	return code ? code : named_delete(remote, args, ENDPOINTS, "Delete the endpoint? Deliveries that are left fail without a call.");
}

#define X(name)                                                   \
	int cmd_endpoints_##name(int argc, char **argv)           \
	{                                                         \
		return remote_run(argc, argv, endpoints_##name);  \
	}
X(list) X(show) X(set) X(pause) X(resume) X(enable) X(disable) X(delete) X(public_key) X(poll)
#undef X
