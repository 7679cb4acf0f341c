/* ruche token …: who may do what. A token is shown once, when it is made; the daemon keeps only its hash. */
#include "base/clock.h"
#include "base/json.h"
#include "base/pluck.h"
#include "base/time_text.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "cli/text.h"
#include <sysexits.h>

const struct cli_option token_create_options[] = {
	{ "scope", 's', "SCOPE", "what it may do; may be given several times (read)", "enqueue work read operate admin poll", true },
	{ "queue", 'q', "QUEUE", "only in this queue; may be given several times", "@queues", true },
	{ "expires", 'e', "SPAN", "how long it lasts: 90d (for ever)", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option token_list_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option token_plain_options[] = { REMOTE_OPTIONS, { 0 } };

static void token_put_array(struct buf *body, const struct args *args, const char *option, const char *key, const char *otherwise)
{
	const char *value;
	if (!args_has(args, option) && !otherwise)
		return;
	json_put_key(body, key);
	buf_add_byte(body, '[');
	for (int at = 0; (value = args_each(args, option, &at)) != NULL;) {
		json_put_comma(body);
		json_put_str(body, str_of(value));
	}
	if (!args_has(args, option))
		json_put_str(body, str_of(otherwise));
	buf_add_byte(body, ']');
}

static int token_create(struct remote *remote, const struct args *args)
{
	struct str body;
	int64_t lasts_ms = 0;
	if (args->word_count != 1)
		return args_complain(args->command, "it takes a name, such as that of the program that will use it");
	int code = args_duration_ms(args, "expires", &lasts_ms);
	if (code)
		return code;
	remote_begin(remote);
	remote_path(remote, "/v1/tokens");
	buf_add_byte(&remote->body, '{');
	json_put_field_str(&remote->body, "name", str_of(args->words[0]));
	token_put_array(&remote->body, args, "scope", "scopes", "read");
	token_put_array(&remote->body, args, "queue", "queues", NULL);
	if (lasts_ms)
		json_put_field_instant(&remote->body, "expires_at", clock_wall_us() + lasts_ms * 1000);
	buf_add_byte(&remote->body, '}');
	code = remote_call(remote, "POST", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	printf(STR_FMT "\n", STR_ARG(pluck_text(body, "token", &remote->arena)));
	if (remote_is_fancy(stderr))
		fputs("Keep it: it is not shown again.\n", stderr);
	return 0;
}

static int token_list(struct remote *remote, const struct args *args)
{
	static const char *const heads[] = { "UID", "NAME", "STARTS WITH", "SCOPES", "QUEUES", "CREATED", "EXPIRES", "REVOKED", NULL };
	static const char *const times[] = { "created_at", "expires_at", "revoked_at" };
	struct arena *arena = &remote->arena;
	struct table table;
	struct str body;
	uint32_t count;
	if (args->word_count)
		return cli_unknown(arena_printf(arena, "token %s", args->words[0]));
	remote_begin(remote);
	remote_path(remote, "/v1/tokens");
	int code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	struct str *tokens = pluck_items(body, "tokens", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		table_add(&table, pluck_text(tokens[i], "uid", arena));
		table_add(&table, pluck_text(tokens[i], "name", arena));
		table_add(&table, pluck_text(tokens[i], "prefix", arena));
		table_add(&table, text_plain(pluck_text(tokens[i], "scopes", arena), arena));
		table_add(&table, text_plain(pluck_text(tokens[i], "queues", arena), arena));
		for (size_t at = 0; at < ARRAY_COUNT(times); at++)
			table_add(&table, text_ago(pluck_text(tokens[i], times[at], arena), clock_wall_us(), arena));
	}
	remote_print_table(&table, "no token yet: 'ruche token create NAME' makes one");
	return 0;
}

/* A token named on the command line: its uid, or its name when only one valid token has it. */
static int token_find(struct remote *remote, const char *name, struct str *out_uid)
{
	struct arena *arena = &remote->arena;
	struct str body;
	uint32_t count, found = 0;
	remote_begin(remote);
	remote_path(remote, "/v1/tokens");
	int code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	struct str *tokens = pluck_items(body, "tokens", arena, &count);
	for (uint32_t i = 0; i < count; i++) {
		struct str uid = pluck_text(tokens[i], "uid", arena);
		bool is_valid = !pluck_text(tokens[i], "revoked_at", arena).len;
		if (!str_eq(uid, str_of(name)) && !(is_valid && str_eq(pluck_text(tokens[i], "name", arena), str_of(name))))
			continue;
		*out_uid = uid;
		found++;
	}
	if (found == 1)
		return 0;
	fprintf(stderr, "ruche token revoke: %s '%s'; 'ruche token list' shows their uids\n", found ? "several tokens are named" : "no token", name);
	return EX_NOINPUT;
}

static int token_revoke(struct remote *remote, const struct args *args)
{
	struct str uid, body;
	if (args->word_count != 1)
		return args_complain(args->command, "it takes the name or the uid of a token; 'ruche token list' shows them");
	int code = token_find(remote, args->words[0], &uid);
	if (code)
		return code;
	remote_begin(remote);
	remote_path(remote, "/v1/tokens/");
	remote_piece(remote, uid);
	code = remote_call(remote, "DELETE", &body);
	if (!code)
		printf("%s is revoked\n", args->words[0]);
	return code;
}

#define X(name)                                               \
	int cmd_token_##name(int argc, char **argv)           \
	{                                                     \
		return remote_run(argc, argv, token_##name);  \
	}
X(create) X(list) X(revoke)
#undef X
