/* ruche formats …, ruche endpoints preview: jq programs that make the bodies of webhooks; tried over stored messages before they are put. */
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/named.h"
#include "cli/table.h"
#include "cli/text.h"

#define FORMATS        "/v1/formats/"
#define FORMATS_ASK_MS 60000

const struct cli_option formats_list_options[] = {
	{ "limit", 'l', "N", "how many (100)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option formats_show_options[] = {
	{ "program", 'p', NULL, "print the program, and nothing else", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option formats_set_options[] = {
	{ "file", 'f', "FILE", "read the program from this file; - for standard input", "@files", false },
	{ "description", 'd', "TEXT", "what it is for; without it, what was said before stays", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option formats_preview_options[] = {
	{ "file", 'f', "FILE", "read the program from this file; - for standard input", "@files", false },
	{ "last", 'n', "N", "how many of the newest messages, at most 20 (5)", NULL, false },
	{ "type", 't', "TYPE", "only messages of this type, or of all that begin so: 'fiche.*'", "@types", false },
	{ "entity", 'e', "ENTITY", "only messages about it", NULL, false },
	{ "message", 'm', "MESSAGE", "only this one, by its id", NULL, false },
	{ "endpoint", 0, "ENDPOINT", "messages that this one wants, and what it is told of them", "@endpoints", false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option endpoints_preview_options[] = {
	{ "file", 'f', "FILE", "read the program from this file; - for standard input", "@files", false },
	{ "last", 'n', "N", "how many of the newest messages, at most 20 (5)", NULL, false },
	{ "type", 't', "TYPE", "only messages of this type, or of all that begin so: 'fiche.*'", "@types", false },
	{ "entity", 'e', "ENTITY", "only messages about it", NULL, false },
	{ "message", 'm', "MESSAGE", "only this one, by its id", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option formats_delete_options[] = {
	{ "yes", 'y', NULL, "do not ask before", NULL, false },
	REMOTE_OPTIONS, { 0 },
};
const struct cli_exit formats_preview_exits[] = { { 1, "the format failed for one of the messages" }, { 0 } };

static int formats_word(const struct args *args)
{
	return args->word_count == 1 ? 0 : args_complain(args->command, "it takes one format");
}

/* ---- looking ---- */

static void formats_print_table(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "FORMAT", ">BYTES", "CHANGED", "USED BY", "DESCRIPTION", NULL };
	struct arena *arena = &remote->arena;
	int64_t now_us = clock_wall_us();
	struct table table;
	uint32_t count;
	struct str *formats = pluck_items(body, "formats", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		table_add(&table, pluck_text(formats[i], "name", arena));
		table_add(&table, str_of(arena_printf(arena, "%zu", pluck_text(formats[i], "program", arena).len)));
		table_add(&table, text_ago(pluck_text(formats[i], "changed_at", arena), now_us, arena));
		table_add(&table, text_namers(formats[i], arena));
		table_add(&table, pluck_text(formats[i], "description", arena));
	}
	remote_print_table(&table, "no format yet but the built-in ones: default, raw, cloudevents, cloudevents-binary, form; "
			   "'ruche formats set --help' says more");
}

static int formats_list(struct remote *remote, const struct args *args)
{
	return named_list(remote, args, "formats", formats_print_table);
}

static int formats_show(struct remote *remote, const struct args *args)
{
	static const char *const lines[][2] = {
		{ "format", "name" }, { "description", "description" }, { "created", "created_at" }, { "changed", "changed_at" },
	};
	struct arena *arena = &remote->arena;
	struct str body;
	int code = formats_word(args);
	if (code)
		return code;
	named_address(remote, FORMATS, args->words[0], "");
	code = remote_call(remote, "GET", &body);
	if (code || remote_printed(args, body))
		return code;
	struct str program = pluck_text(body, "program", arena);
	const char *end = program.len && program.ptr[program.len - 1] == '\n' ? "" : "\n";
	if (!args_has(args, "program")) {
		for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
			struct str value = pluck_text(body, lines[i][1], arena);
			if (value.len)
				printf("%-12s " STR_FMT "\n", lines[i][0], STR_ARG(value));
		}
		struct str namers = text_namers(body, arena);
		printf("%-12s " STR_FMT "\n", "used by", STR_ARG(namers.len ? namers : STR("no endpoint")));
		puts("");
	}
	printf(STR_FMT "%s", STR_ARG(program), end);
	return 0;
}

/* ---- a program ---- */

/* From the second word, or a file, into `program`. wanted false: there may be none, and then it stays empty. */
static int formats_read_program(const struct args *args, bool wanted, struct buf *program)
{
	const char *file = args_get(args, "file");
	if (args->word_count < 1 || args->word_count > 2 || (args->word_count == 2 && file) || (wanted && args->word_count == 1 && !file))
		return args_complain(args->command, "it takes a name and %sa program, as a word or by --file", wanted ? "" : "at most ");
	if (args->word_count == 2)
		buf_add(program, str_of(args->words[1]));
	int code = file ? text_read(args->command->name, file, program) : 0;
	if (!code && (file || args->word_count == 2) && !str_trim(buf_str(program)).len)
		return args_complain(args->command, "the program is empty");
	return code;
}

/* Said before, and not now: it stays. */
static void formats_put_description(struct remote *remote, const struct args *args, struct buf *out)
{
	struct problem problem;
	struct str body = { 0 }, description = str_of(args_get(args, "description"));
	int status = 0;
	if (!args_has(args, "description")) {
		named_address(remote, FORMATS, args->words[0], "");
		if (!remote_try(remote, "GET", FORMATS_ASK_MS, &status, &body, &problem) && status == 200)
			description = pluck_text(body, "description", &remote->arena);
	}
	if (description.len)
		json_put_field_str(out, "description", description);
}

static int formats_put(struct remote *remote, const struct args *args, struct str program)
{
	struct str body, text;
	struct buf settings;
	buf_init(&settings, LIMIT_BODY_MAX);
	buf_add_byte(&settings, '{');
	json_put_field_str(&settings, "program", program);
	formats_put_description(remote, args, &settings);
	buf_add_byte(&settings, '}');
	text = buf_ok(&settings) ? arena_str(&remote->arena, buf_str(&settings)) : (struct str){ 0 };
	buf_fini(&settings);
	named_address(remote, FORMATS, args->words[0], "");
	buf_add(&remote->body, text);
	int code = remote_call(remote, "PUT", &body);
	if (!code && !remote_printed(args, body))
		printf("%s is set: the next attempts go by it\n", args->words[0]);
	return code;
}

static int formats_set(struct remote *remote, const struct args *args)
{
	struct buf program;
	buf_init(&program, LIMIT_BODY_MAX);
	int code = formats_read_program(args, true, &program);
	if (!code)
		code = formats_put(remote, args, buf_str(&program));
	buf_fini(&program);
	return code;
}

/* ---- tried ---- */

static void formats_put_preview(struct remote *remote, const struct args *args, struct str program, uint64_t last)
{
	static const char *const texts[] = { "type", "entity", "message", "endpoint" };
	struct buf *body = &remote->body;
	buf_add_byte(body, '{');
	if (program.len)
		json_put_field_str(body, "program", program);
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		if (args_has(args, texts[i]))
			json_put_field_str(body, texts[i], str_of(args_get(args, texts[i])));
	if (last)
		json_put_field_u64(body, "last", last);
	buf_add_byte(body, '}');
}

static void formats_print_line(struct str label, struct str text) /* label empty: none */
{
	printf("    " STR_FMT "%s", STR_ARG(label), label.len ? ": " : "");
	text_put(stdout, text);
	puts("");
}

static void formats_print_headers(struct str preview, struct arena *arena)
{
	struct str headers, key, value;
	struct json json;
	if (!pluck_raw(preview, "headers", arena, &headers))
		return;
	json_init(&json, headers, arena, NULL);
	json_enter_object(&json);
	while (json_next_key(&json, &key) && json_read_str(&json, headers.len, &value))
		formats_print_line(key, value);
}

/* "msg_0r4k2m7x9q3zt  fiche.updated  fiche-417  2 min ago", and below it what comes of it. Answers whether something does. */
static bool formats_print_preview(struct str preview, int64_t now_us, struct arena *arena)
{
	struct str output, wanted, entity = pluck_text(preview, "entity", arena), error = pluck_text(preview, "error", arena);
	printf(STR_FMT "  " STR_FMT "%s", STR_ARG(pluck_text(preview, "message", arena)), STR_ARG(pluck_text(preview, "type", arena)), entity.len ? "  " : "");
	text_put(stdout, entity);
	printf("  " STR_FMT, STR_ARG(text_ago(pluck_text(preview, "created_at", arena), now_us, arena)));
	if (pluck_raw(preview, "wanted", arena, &wanted) && str_eq(wanted, STR("false")))
		printf("  (the endpoint does not want it)");
	puts("");
	formats_print_headers(preview, arena);
	if (error.len)
		formats_print_line(STR("error"), error);
	else if (pluck_true(preview, "filtered", arena))
		puts("    filtered: nothing is sent");
	else if (pluck_raw(preview, "output", arena, &output))
		formats_print_line(STR(""), output);
	return !error.len;
}

static int formats_print_previews(struct remote *remote, struct str body)
{
	struct arena *arena = &remote->arena;
	int64_t now_us = clock_wall_us();
	bool well = true;
	uint32_t count;
	struct str *previews = pluck_items(body, "previews", arena, &count);
	for (uint32_t i = 0; i < count; i++)
		well &= formats_print_preview(previews[i], now_us, arena);
	if (!count)
		puts("no message to try it on: 'ruche send' one, or ask for others by --type, --entity and --endpoint");
	if (pluck_true(body, "stopped", arena))
		puts("It went over a bound and was stopped there: the other messages were not tried.");
	return well ? 0 : 1;
}

static bool formats_all_well(struct str body, struct arena *arena)
{
	uint32_t count;
	struct str *previews = pluck_items(body, "previews", arena, &count);
	for (uint32_t i = 0; i < count; i++)
		if (pluck_text(previews[i], "error", arena).len)
			return false;
	return true;
}

static int formats_preview_of(struct remote *remote, const struct args *args, const char *path, struct str program)
{
	uint64_t last = 0;
	struct str body;
	int code = args_u64(args, "last", 1, 20, &last);
	if (code)
		return code;
	named_address(remote, path, args->words[0], "/preview");
	formats_put_preview(remote, args, program, last);
	code = remote_call(remote, "POST", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return formats_all_well(body, &remote->arena) ? 0 : 1;
	return formats_print_previews(remote, body);
}

static int formats_preview_at(struct remote *remote, const struct args *args, const char *path)
{
	struct buf program;
	buf_init(&program, LIMIT_BODY_MAX);
	int code = formats_read_program(args, false, &program);
	if (!code)
		code = formats_preview_of(remote, args, path, buf_str(&program));
	buf_fini(&program);
	return code;
}

static int formats_preview(struct remote *remote, const struct args *args)
{
	return formats_preview_at(remote, args, FORMATS);
}

static int endpoints_preview(struct remote *remote, const struct args *args)
{
	return formats_preview_at(remote, args, "/v1/endpoints/");
}

static int formats_delete(struct remote *remote, const struct args *args)
{
	int code = formats_word(args);
	return code ? code : named_delete(remote, args, FORMATS, "Delete the format?");
}

#define X(name)                                                  \
	int cmd_##name(int argc, char **argv)                    \
	{                                                        \
		return remote_run(argc, argv, name);             \
	}
X(formats_list) X(formats_show) X(formats_set) X(formats_preview) X(formats_delete) X(endpoints_preview)
#undef X
