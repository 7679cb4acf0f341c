/* ruche secrets …: the store's secrets. Values come from standard input or a file: what stands on a command line is seen by everybody. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/pluck.h"
#include "base/time_text.h"
#include "cli/commands.h"
#include "cli/named.h"
#include "cli/table.h"
#include "cli/text.h"
#include <signal.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#define SECRETS           "/v1/secrets/"
#define SECRETS_READ_MAX  (3u * 65536) /* of a value; the API says what is too much */
#define SECRETS_TURNS_MAX 100000u

const struct cli_option secrets_list_options[] = {
	{ "limit", 'l', "N", "how many (100)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option secrets_set_options[] = {
	{ "file", 'f', "FILE", "read the value from this file; without it, from standard input", "@files", false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option secrets_rotate_options[] = {
	{ "file", 'f', "FILE", "read the new value from this file; - for standard input", "@files", false },
	{ "make", 'm', "KIND", "have a signing key of this kind made: v1 (HMAC) or v1a (Ed25519); without it, of the kind that is there", "v1 v1a", false },
	{ "overlap", 'o', "SPAN", "how long the values before still count: 24h, at most 7d", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option secrets_delete_options[] = {
	{ "yes", 'y', NULL, "do not ask before", NULL, false },
	REMOTE_OPTIONS, { 0 },
};
const struct cli_option secrets_rekey_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_exit secrets_rekey_exits[] = { { 1, "some secrets are still under an old key" }, { 0 } };

static int secrets_word(const struct args *args)
{
	if (args->word_count == 2)
		return args_complain(args->command, "it takes one secret; a value is read from standard input or --file, since others see command lines");
	return args->word_count == 1 ? 0 : args_complain(args->command, "it takes one secret");
}

/* ---- looking ---- */

static struct str secrets_values(struct str secret, struct arena *arena) /* "2, the last until 2026-12-01T00:00:00.000Z" */
{
	uint32_t count;
	struct str *values = pluck_items(secret, "values", arena, &count);
	struct str until = count ? pluck_text(values[count - 1], "until_at", arena) : STR("");
	if (pluck_true(secret, "sealed", arena))
		return STR("sealed: its key is not in the key file");
	return str_of(until.len ? arena_printf(arena, "%u, the last until " STR_FMT, count, STR_ARG(until)) : arena_printf(arena, "%u", count));
}

static void secrets_print_table(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "SECRET", "PLACE", "VALUES", "KEY", "CHANGED", "NAMED BY", NULL };
	struct arena *arena = &remote->arena;
	int64_t now_us = clock_wall_us();
	struct table table;
	uint32_t count, others;
	struct str *secrets = pluck_items(body, "secrets", arena, &count), *elsewhere = pluck_items(body, "elsewhere", arena, &others);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		table_add(&table, pluck_text(secrets[i], "name", arena));
		table_add(&table, STR("store"));
		table_add(&table, secrets_values(secrets[i], arena));
		table_add(&table, pluck_text(secrets[i], "key", arena));
		table_add(&table, text_ago(pluck_text(secrets[i], "changed_at", arena), now_us, arena));
		table_add(&table, text_namers(secrets[i], arena));
	}
	for (uint32_t i = 0; i < others; i++) {
		table_add(&table, pluck_text(elsewhere[i], "name", arena));
		table_add(&table, pluck_text(elsewhere[i], "place", arena));
		for (int at = 2; heads[at]; at++)
			table_add(&table, STR(""));
	}
	remote_print_table(&table, "no secret yet: 'ruche secrets set --help' says how to store one");
}

static int secrets_list(struct remote *remote, const struct args *args)
{
	return named_list(remote, args, "secrets", secrets_print_table);
}

/* ---- values ---- */

static struct termios secrets_mode; /* of the terminal, as it was before */

/* Whoever ends us meanwhile sees again what he types. */
static void secrets_interrupted(int number)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &secrets_mode);
	signal(number, SIG_DFL);
	raise(number);
}

/* Typed at a terminal: it is asked for, and not shown. */
static void secrets_hide(bool hidden)
{
	static const int numbers[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	if (!isatty(STDIN_FILENO) || (hidden && tcgetattr(STDIN_FILENO, &secrets_mode)))
		return;
	struct termios mode = secrets_mode;
	mode.c_lflag &= hidden ? ~(tcflag_t)ECHO : ~(tcflag_t)0;
	for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
		signal(numbers[i], hidden ? secrets_interrupted : SIG_DFL);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode);
	fputs(hidden ? "value, then Return and Ctrl-D: " : "\n", stderr);
}

/* A last newline is cut, as of the files in secrets.path. */
static int secrets_read(const struct args *args, const char *file, struct buf *value)
{
	bool asks = strcmp(file, "-") == 0;
	if (asks)
		secrets_hide(true);
	int code = text_read(args->command->name, file, value);
	if (asks)
		secrets_hide(false);
	if (code)
		return code;
	if (value->len && value->ptr[value->len - 1] == '\n')
		value->len--;
	if (value->len && value->ptr[value->len - 1] == '\r')
		value->len--;
	if (value->len && str_is_utf8(buf_str(value)))
		return 0;
	fprintf(stderr, "ruche %s: the value is %s\n", args->command->name, value->len ? "not UTF-8" : "empty");
	return EX_DATAERR;
}

static void secrets_wipe(struct buf *buf)
{
	if (buf->capacity)
		bytes_wipe(buf->ptr, buf->capacity);
}

/* Reads the value where there is one, calls, and leaves nothing of it in memory of ours. */
static int secrets_send(struct remote *remote, const struct args *args, const char *file, const char *tail, int64_t overlap_ms, struct str *out)
{
	struct buf value;
	buf_init(&value, SECRETS_READ_MAX);
	(void)buf_reserve(&value, SECRETS_READ_MAX); /* so that it is never copied, and all of it is wiped */
	int code = file ? secrets_read(args, file, &value) : 0;
	if (!code) {
		named_address(remote, SECRETS, args->words[0], tail);
		(void)buf_reserve(&remote->body, 6 * value.len + 128);
		buf_add_byte(&remote->body, '{');
		if (file)
			json_put_field_str(&remote->body, "value", buf_str(&value));
		if (strcmp(tail, "") != 0 && args_has(args, "make"))
			json_put_field_str(&remote->body, "make", str_of(args_get(args, "make")));
		if (overlap_ms >= 0)
			json_put_field_i64(&remote->body, "overlap_ms", overlap_ms);
		buf_add_byte(&remote->body, '}');
		code = remote_call(remote, strcmp(tail, "") == 0 ? "PUT" : "POST", out);
		secrets_wipe(&remote->body);
	}
	secrets_wipe(&value);
	buf_fini(&value);
	return code;
}

static int secrets_set(struct remote *remote, const struct args *args)
{
	const char *file = args_get(args, "file");
	struct str body;
	int code = secrets_word(args);
	if (code)
		return code;
	code = secrets_send(remote, args, file ? file : "-", "", -1, &body);
	if (!code && !remote_printed(args, body))
		printf("%s is stored, sealed\n", args->words[0]);
	return code;
}

static int secrets_rotate(struct remote *remote, const struct args *args)
{
	int64_t overlap_ms = -1;
	struct str body;
	int code = secrets_word(args);
	if (!code)
		code = args_duration_ms(args, "overlap", &overlap_ms);
	if (code)
		return code;
	code = secrets_send(remote, args, args_get(args, "file"), "/rotate", overlap_ms, &body);
	if (code || remote_printed(args, body))
		return code;
	struct str made = pluck_text(body, "value", &remote->arena);
	char span[32];
	duration_text(overlap_ms < 0 ? 86400000 : overlap_ms, span);
	if (overlap_ms == 0)
		printf("%s has another value; those before count no more\n", args->words[0]);
	else
		printf("%s has another value; those before still count for %s\n", args->words[0], span);
	if (made.len)
		printf("the new one, told once: " STR_FMT "\n", STR_ARG(made));
	return 0;
}

static int secrets_delete(struct remote *remote, const struct args *args)
{
	int code = secrets_word(args);
	return code ? code : named_delete(remote, args, SECRETS, "Delete the secret? Deliveries that need it wait until it is there again.");
}

/* ---- under another key ---- */

static int secrets_rekey(struct remote *remote, const struct args *args)
{
	uint64_t all = 0, done = 1, left = 1;
	struct str body = { 0 };
	if (args->word_count)
		return args_complain(args->command, "it takes no words");
	for (uint32_t turn = 0; left && done && turn < SECRETS_TURNS_MAX; turn++) { /* without progress: others change them, or they do not open */
		arena_reset(&remote->arena);
		remote_begin(remote);
		remote_path(remote, "/v1/secrets/rekey");
		int code = remote_call(remote, "POST", &body);
		if (code)
			return code;
		if (!pluck_u64(body, "rekeyed", &remote->arena, &done) || !pluck_u64(body, "left", &remote->arena, &left))
			return EX_PROTOCOL;
		all += done;
	}
	if (args_has(args, "json"))
		printf("{\"rekeyed\":%llu,\"left\":%llu}\n", (unsigned long long)all, (unsigned long long)left);
	else if (left)
		printf("%llu secrets are under the first key now, %llu are not: try again\n", (unsigned long long)all, (unsigned long long)left);
	else
		printf("%llu secrets were sealed anew: all that open are under the first key of the key file\n", (unsigned long long)all);
	return left ? 1 : 0;
}

#define X(name)                                                  \
	int cmd_secrets_##name(int argc, char **argv)            \
	{                                                        \
		return remote_run(argc, argv, secrets_##name);   \
	}
X(list) X(set) X(rotate) X(delete) X(rekey)
#undef X
