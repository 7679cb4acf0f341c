/* ruche messages …: what was sent, looked at again. */
#include "base/clock.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "cli/text.h"
#include <sysexits.h>
#include <unistd.h>

const struct cli_option messages_list_options[] = {
	{ "type", 't', "TYPE", "of this type; fiche.* for all that begin so", "@types", false },
	{ "entity", 'e', "ENTITY", "about this entity", NULL, false },
	{ "since", 0, INSTANT_OR_AGE, "sent since: 2026-11-23T08:00:00Z, or 2d: two days ago", NULL, false },
	{ "until", 0, INSTANT_OR_AGE, "sent until", NULL, false },
	{ "limit", 'l', "N", "how many (50)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option messages_show_options[] = {
	{ "payload", 0, NULL, "only its payload, byte for byte", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option messages_expunge_options[] = {
	{ "yes", 'y', NULL, "do not ask before", NULL, false },
	REMOTE_OPTIONS, { 0 },
};

static void messages_print_table(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "MESSAGE", "TYPE", "ENTITY", "KEY", ">DELIVERIES", "SENT", NULL };
	static const char *const paths[] = { "id", "type", "entity", "key" };
	struct arena *arena = &remote->arena;
	struct table table;
	uint32_t count;
	struct str *messages = pluck_items(body, "messages", arena, &count);
	int64_t now_us = clock_wall_us();
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		struct str deliveries = pluck_text(messages[i], "deliveries", arena);
		bool more = pluck_true(messages[i], "expanding", arena);
		for (size_t at = 0; at < ARRAY_COUNT(paths); at++)
			table_add(&table, pluck_text(messages[i], paths[at], arena));
		table_add(&table, more ? str_of(arena_printf(arena, STR_FMT "+", STR_ARG(deliveries))) : deliveries);
		table_add(&table, text_ago(pluck_text(messages[i], "created_at", arena), now_us, arena));
	}
	remote_print_table(&table, "no message matches");
}

static int messages_list(struct remote *remote, const struct args *args)
{
	static const char *const filters[] = { "type", "entity", "since", "until", "cursor" };
	if (args->word_count)
		return cli_unknown(arena_printf(&remote->arena, "messages %s", args->words[0]));
	remote_begin(remote);
	remote_path(remote, "/v1/messages");
	remote_query(remote, "namespace", remote->space);
	for (size_t i = 0; i < ARRAY_COUNT(filters); i++)
		remote_query(remote, filters[i], args_when(args, filters[i], &remote->arena));
	remote_query(remote, "limit", args_get(args, "limit") ? args_get(args, "limit") : "50");
	return remote_page(remote, args, messages_print_table);
}

static void messages_print(struct remote *remote, struct str body)
{
	static const char *const lines[][2] = {
		{ "message", "id" }, { "namespace", "namespace" }, { "type", "type" }, { "entity", "entity" }, { "key", "key" }, { "channels", "channels" },
		{ "sent", "created_at" }, { "deliveries", "deliveries" }, { "metadata", "metadata" }, { "payload", "payload_bytes" },
	};
	struct arena *arena = &remote->arena;
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
		struct str raw, value = pluck_raw(body, lines[i][1], arena, &raw) ? text_plain(raw, arena) : STR("");
		if (!value.len || str_eq(value, STR("{}")))
			continue;
		printf("%-12s ", lines[i][0]);
		text_put(stdout, value);
		puts(i + 1 == ARRAY_COUNT(lines) ? " bytes" : "");
	}
	if (pluck_true(body, "deleted", arena))
		printf("%-12s %s\n", "deleted", "its entity is gone");
	if (pluck_true(body, "expanding", arena))
		printf("%-12s %s\n", "expanding", "more deliveries are being made");
	if (pluck_true(body, "expunged", arena))
		printf("%-12s %s\n", "expunged", "what it said is forgotten");
}

static int messages_show(struct remote *remote, const struct args *args)
{
	struct str body, payload;
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one message: its id, as 'ruche messages list' says it");
	remote_begin(remote);
	remote_path(remote, "/v1/messages/");
	remote_piece(remote, str_of(args->words[0]));
	remote_query(remote, "payload", "true");
	int code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (!args_has(args, "payload")) {
		if (!remote_printed(args, body))
			messages_print(remote, body);
		return 0;
	}
	if (pluck_raw(body, "payload", &remote->arena, &payload))
		fwrite(payload.ptr, 1, payload.len, stdout);
	if (isatty(STDOUT_FILENO)) /* byte for byte for programs, a line for people */
		puts("");
	return 0;
}

static int messages_expunge(struct remote *remote, const struct args *args)
{
	struct str body;
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one message: its id, as 'ruche messages list' says it");
	if (!args_has(args, "yes") &&
	    !text_confirm(args->command->name, "Forget what the message said, for good? Deliveries that are left fail without a call."))
		return EX_USAGE;
	remote_begin(remote);
	remote_path(remote, "/v1/messages/");
	remote_piece(remote, str_of(args->words[0]));
	remote_path(remote, "/content");
	int code = remote_call(remote, "DELETE", &body);
	if (!code)
		printf("%s is expunged: what it said is forgotten\n", args->words[0]);
	return code;
}

#define X(name)                                                   \
	int cmd_messages_##name(int argc, char **argv)            \
	{                                                         \
		return remote_run(argc, argv, messages_##name);   \
	}
X(list) X(show) X(expunge)
#undef X
