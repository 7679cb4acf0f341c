#include "cli/remote.h"
#include "base/err.h"
#include "base/pluck.h"
#include "base/uid.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "http/query.h"
#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define REMOTE_URL        "http://127.0.0.1:8420"
#define REMOTE_TIMEOUT_MS 60000
#define REMOTE_TEXT_MAX   (64u * 1024 * 1024)
#define REMOTE_TOKEN_MAX  512u

/* ---- where and who ---- */

/* A token's file holds one line. */
static int remote_token_file(struct remote *remote, const char *path, const char **out)
{
	FILE *file = fopen(path, "re");
	char text[REMOTE_TOKEN_MAX];
	size_t len = file ? fread(text, 1, sizeof(text), file) : 0;
	bool failed = !file || ferror(file);
	int saved = errno;
	if (file)
		fclose(file);
	if (failed) {
		fprintf(stderr, "ruche %s: RUCHE_TOKEN_FILE: cannot read %s: %s\n", remote->command->name, path, strerror(saved));
		return EX_NOINPUT;
	}
	struct str token = { text, len };
	token = str_trim((struct str){ token.ptr, str_index(token, '\n') });
	*out = arena_str(&remote->arena, token).ptr;
	return 0;
}

static int remote_token(struct remote *remote, const struct args *args, const char **out)
{
	const char *file = getenv("RUCHE_TOKEN_FILE");
	*out = args_get(args, "token");
	if (!*out)
		*out = getenv("RUCHE_TOKEN");
	if (!*out && file && *file)
		return remote_token_file(remote, file, out);
	if (*out && !**out)
		*out = NULL;
	return 0;
}

int remote_open(struct remote *remote, const struct args *args)
{
	*remote = (struct remote){ .command = args->command };
	buf_init(&remote->path, 65536);
	buf_init(&remote->body, REMOTE_TEXT_MAX);
	const char *url = args_get(args, "url"), *token;
	if (!url)
		url = getenv("RUCHE_URL");
	if (!url || !*url)
		url = REMOTE_URL;
	int code = remote_token(remote, args, &token);
	if (code)
		return code;
	remote->where = url;
	remote->space = args_get(args, "namespace") ? args_get(args, "namespace") : getenv("RUCHE_NAMESPACE");
	if (remote->space && !*remote->space)
		remote->space = NULL;
	bool is_unix = strncmp(url, "unix:", 5) == 0;
	if (!is_unix && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return args_complain(args->command, "'%s' is not a daemon's address; write http://HOST:PORT or unix:/PATH", url);
	struct str base = is_unix ? STR("http://ruche") : str_of(url);
	while (base.len && base.ptr[base.len - 1] == '/')
		base.len--;
	remote->base = base;
	remote->caller = http_caller_new(&(struct http_caller_config){ .unix_socket = is_unix ? url + 5 : NULL, .token = token });
	if (!remote->caller) {
		fprintf(stderr, "ruche %s: out of memory\n", remote->command->name);
		return EX_OSERR;
	}
	return 0;
}

void remote_close(struct remote *remote)
{
	http_caller_free(remote->caller);
	buf_fini(&remote->path);
	buf_fini(&remote->body);
	arena_fini(&remote->arena);
}

int remote_run(int argc, char **argv, int (*act)(struct remote *remote, const struct args *args))
{
	struct args args;
	struct remote remote = { 0 };
	int code = args_read(&args, commands_find(argv[0]), argc, argv);
	if (code)
		return code;
	code = remote_open(&remote, &args);
	if (!code)
		code = act(&remote, &args);
	remote_close(&remote);
	return code;
}

bool remote_printed(const struct args *args, struct str answer)
{
	bool asked = args_has(args, "json");
	if (asked)
		printf(STR_FMT "\n", STR_ARG(answer));
	return asked;
}

void remote_print_more(struct remote *remote, struct str answer)
{
	struct str cursor = pluck_text(answer, "next_cursor", &remote->arena);
	if (cursor.len)
		fprintf(stderr, "more: add --cursor " STR_FMT "\n", STR_ARG(cursor));
}

int remote_page(struct remote *remote, const struct args *args, void (*print)(struct remote *remote, struct str body))
{
	struct str body;
	int code = remote_call(remote, "GET", &body);
	if (code || remote_printed(args, body))
		return code;
	print(remote, body);
	remote_print_more(remote, body);
	return 0;
}

void remote_print_table(const struct table *table, const char *nothing)
{
	if (table->count || table->failed)
		table_print(table, stdout, remote_is_fancy(stdout));
	else
		puts(nothing);
}

bool remote_is_fancy(FILE *stream)
{
	const char *plain = getenv("NO_COLOR"), *term = getenv("TERM");
	return isatty(fileno(stream)) && !(plain && *plain) && !(term && strcmp(term, "dumb") == 0);
}

/* ---- paths ---- */

void remote_begin(struct remote *remote)
{
	buf_clear(&remote->path);
	buf_clear(&remote->body);
	buf_add(&remote->path, remote->base);
}

void remote_path(struct remote *remote, const char *literal)
{
	buf_add(&remote->path, str_of(literal));
}

void remote_piece(struct remote *remote, struct str text)
{
	http_percent_add(&remote->path, text);
}

void remote_query(struct remote *remote, const char *name, const char *value)
{
	if (!value)
		return;
	bool first = str_index(buf_str(&remote->path), '?') == remote->path.len;
	buf_add_byte(&remote->path, first ? '?' : '&');
	buf_add(&remote->path, str_of(name));
	buf_add_byte(&remote->path, '=');
	remote_piece(remote, str_of(value));
}

void remote_queue(struct remote *remote, const char *verb_path, struct str queue, const char *tail)
{
	remote_begin(remote);
	remote_path(remote, verb_path);
	remote_piece(remote, queue);
	remote_path(remote, tail);
	remote_query(remote, "namespace", remote->space);
}

/* ---- calls ---- */

static enum err err_of_code(struct str code)
{
	for (int err = 1; err < ERR_COUNT; err++) {
		if (str_eq(code, str_of(err_code((enum err)err))))
			return (enum err)err;
	}
	return E_INTERNAL;
}

/* Who says one thing at a time knows of no places in a batch. */
static struct str field_said(struct str field)
{
	const struct str place = STR("ops[0]");
	return str_starts(field, place) ? str_from(field, place.len + 1) : field;
}

int remote_explain(struct remote *remote, int status, struct str body)
{
	struct arena arena = { 0 };
	struct str code = pluck_text(body, "code", &arena), field = field_said(pluck_text(body, "field", &arena));
	struct str detail = pluck_text(body, "detail", &arena);
	enum err err = err_of_code(code);
	bar_wipe(&remote->bar);
	fprintf(stderr, "ruche %s: ", remote->command->name);
	if (!code.len)
		fprintf(stderr, "%s answered %d, which is not a ruche's answer; is it the right address?\n", remote->where, status);
	else
		fprintf(stderr, STR_FMT "%s" STR_FMT "%s [" STR_FMT "]\n", STR_ARG(field), field.len ? ": " : "",
			STR_ARG(detail.len ? detail : str_of(err_sentence(err))),
			err == E_UNAUTHORIZED ? " Give a token with RUCHE_TOKEN, RUCHE_TOKEN_FILE or --token." : "", STR_ARG(code));
	int exit_code = code.len ? err_exit_code(err) : EX_PROTOCOL;
	arena_fini(&arena);
	return exit_code;
}

int remote_fault(struct remote *remote, enum err err, const struct problem *problem)
{
	bool unreachable = err == E_NETWORK;
	bar_wipe(&remote->bar);
	fprintf(stderr, "ruche %s: %s%s [%s]\n", remote->command->name, problem->detail[0] ? problem->detail : err_sentence(err),
		unreachable ? " Is the daemon running? 'ruche serve' starts one; --url says where it is." : "", err_code(err));
	return err_exit_code(err);
}

enum err remote_try(struct remote *remote, const char *method, int64_t timeout_ms, int *status, struct str *out, struct problem *problem)
{
	buf_add_byte(&remote->path, '\0');
	*problem = (struct problem){ 0 };
	*status = 0;
	if (!buf_ok(&remote->path) || !buf_ok(&remote->body))
		return problem_set(problem, E_NOMEM, "", "No memory for the request.");
	struct http_answer answer;
	struct http_call call = {
		.method = method, .url = remote->path.ptr, .body = buf_str(&remote->body), .timeout_ms = timeout_ms, .stop = remote->stop,
	};
	enum err err = http_caller_call(remote->caller, &call, &answer, problem);
	if (err)
		return err;
	*status = answer.status;
	*out = arena_str(&remote->arena, buf_str(&answer.body));
	http_answer_fini(&answer);
	return out->ptr ? E_OK : problem_set(problem, E_NOMEM, "", "No memory for the answer.");
}

/* Everything that a daemon answers is JSON; another server's 200 is a page, or nothing. */
static bool remote_is_answer(int status, struct str body)
{
	struct str text = str_trim(body);
	return text.len ? strchr("{[\"-0123456789tfn", text.ptr[0]) != NULL : status == 204;
}

int remote_call_waiting(struct remote *remote, const char *method, int64_t wait_ms, struct str *out)
{
	struct problem problem;
	struct str body = { 0 };
	int status;
	enum err err = remote_try(remote, method, wait_ms + REMOTE_TIMEOUT_MS, &status, &body, &problem);
	if (err)
		return remote->code = remote_fault(remote, err, &problem);
	if (status / 100 != 2 || !remote_is_answer(status, body))
		return remote->code = remote_explain(remote, status, body);
	*out = body;
	return 0;
}

int remote_call(struct remote *remote, const char *method, struct str *out)
{
	return remote_call_waiting(remote, method, 0, out);
}

int remote_stream(struct remote *remote, const char *last_event_id, bool (*on_bytes)(void *context, struct str bytes), void *context)
{
	char line[256];
	const char *headers[] = { "Accept: text/event-stream", line };
	snprintf(line, sizeof(line), "Last-Event-ID: %s", last_event_id ? last_event_id : "");
	buf_add_byte(&remote->path, '\0');
	struct problem problem = { 0 };
	struct http_answer answer;
	struct http_call call = {
		.method = "GET", .url = remote->path.ptr, .headers = headers, .header_count = last_event_id ? 2 : 1,
		.on_bytes = on_bytes, .context = context, .stop = remote->stop,
	};
	enum err err = buf_ok(&remote->path) ? http_caller_call(remote->caller, &call, &answer, &problem) : E_NOMEM;
	if (err == E_CANCELLED)
		return 0;
	if (err)
		return remote->code = remote_fault(remote, err, &problem);
	int code = answer.status / 100 == 2 ? 0 : remote_explain(remote, answer.status, buf_str(&answer.body));
	http_answer_fini(&answer);
	return remote->code = code;
}

int remote_job(struct remote *remote, const char *name, struct str *out_uid)
{
	uint64_t uid;
	struct str text = str_of(name), body = { 0 };
	size_t slash = str_index(text, '/');
	if (slash == text.len) {
		if (uid_parse(text, &uid))
			return args_complain(remote->command, "'%s' is not a job; write its uid (13 letters and digits) or QUEUE/ID", name);
		*out_uid = text;
		return 0;
	}
	remote_begin(remote);
	remote_path(remote, "/v1/queues/");
	remote_piece(remote, (struct str){ text.ptr, slash });
	remote_path(remote, "/jobs/");
	remote_piece(remote, str_from(text, slash + 1));
	remote_query(remote, "namespace", remote->space);
	int code = remote_call(remote, "GET", &body);
	if (!code)
		*out_uid = pluck_text(body, "uid", &remote->arena);
	return code;
}
