#include "cli/named.h"
#include "base/json.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/settings_words.h"
#include "cli/table.h"
#include "cli/text.h"
#include <sysexits.h>

#define NAMED_ASK_MS 60000

void named_address(struct remote *remote, const char *path, const char *name, const char *tail)
{
	remote_begin(remote);
	remote_path(remote, path);
	remote_piece(remote, str_of(name));
	remote_path(remote, tail);
	remote_query(remote, "namespace", remote->space);
}

int named_list(struct remote *remote, const struct args *args, const char *many, void (*print)(struct remote *remote, struct str body))
{
	if (args->word_count)
		return cli_unknown(arena_printf(&remote->arena, "%s %s", many, args->words[0]));
	remote_begin(remote);
	remote_path(remote, "/v1/");
	remote_path(remote, many);
	remote_query(remote, "namespace", remote->space);
	remote_query(remote, "archived", args_has(args, "archived") ? "true" : NULL);
	remote_query(remote, "limit", args_get(args, "limit"));
	remote_query(remote, "cursor", args_get(args, "cursor"));
	return remote_page(remote, args, print);
}

/* Whether it is known that there is none. Any other trouble is told by the call that follows. */
static bool named_is_new(struct remote *remote, const char *path, const char *name, enum err missing)
{
	struct problem problem;
	struct str body = { 0 };
	int status;
	named_address(remote, path, name, "");
	return !remote_try(remote, "GET", NAMED_ASK_MS, &status, &body, &problem) &&
	       str_eq(pluck_text(body, "code", &remote->arena), str_of(err_code(missing)));
}

int named_put_words(struct remote *remote, const struct args *args)
{
	return settings_put_words(args, &remote->arena, &remote->body);
}

int named_put(struct remote *remote, const struct args *args, const char *path, enum err missing,
              int (*put_words)(struct remote *remote, const struct args *args), struct str *out)
{
	const char *file = args_get(args, "file");
	const char *method = file || named_is_new(remote, path, args->words[0], missing) ? "PUT" : "PATCH";
	named_address(remote, path, args->words[0], "");
	int code = file ? text_read(args->command->name, file, &remote->body) : put_words(remote, args);
	return code ? code : remote_call(remote, method, out);
}

int named_delete(struct remote *remote, const struct args *args, const char *path, const char *question)
{
	struct str body;
	if (!args_has(args, "yes") && !text_confirm(args->command->name, question))
		return EX_USAGE;
	named_address(remote, path, args->words[0], "");
	int code = remote_call(remote, "DELETE", &body);
	if (!code)
		printf("%s is deleted\n", args->words[0]);
	return code;
}

int named_back_off(struct remote *remote, const struct args *args, const char *who)
{
	struct str body;
	uint64_t delay_ms;
	if (!str_u64(str_of(args->words[1]), &delay_ms))
		return args_complain(args->command, "'%s' is no number of milliseconds", args->words[1]);
	buf_add_byte(&remote->body, '{');
	json_put_field_u64(&remote->body, "delay_ms", delay_ms);
	buf_add_byte(&remote->body, '}');
	int code = remote_call(remote, "POST", &body);
	if (code || remote_printed(args, body))
		return code;
	if (delay_ms)
		printf("%s starts nothing for %llu ms\n", who, (unsigned long long)delay_ms);
	else
		printf("%s is open\n", who);
	return 0;
}

void named_print_settings(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "SETTING", "", NULL };
	struct table table;
	struct str settings;
	table_init(&table, &remote->arena, heads);
	if (pluck_raw(body, "settings", &remote->arena, &settings))
		settings_add_members(&table, settings, "");
	puts("");
	table_print(&table, stdout, false);
}
