/* ruche enqueue: a job into a queue, or one for each line of a file. */
#include "base/json.h"
#include "base/limits.h"
#include "base/pluck.h"
#include "base/time_text.h"
#include "cli/bar.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/text.h"
#include <sysexits.h>

#define ENQUEUE_LINES_PER_CALL 1000u

const struct cli_option enqueue_options[] = {
	{ "file", 'f', "FILE", "read the payload there; - is standard input", "@files", false },
	{ "lines", 0, NULL, "the file holds one payload a line: a job for each", NULL, false },
	{ "id", 'i', "ID", "the job's own id: a second one with it is a duplicate", NULL, false },
	{ "name", 'n', "NAME", "what kind of job it is", NULL, false },
	{ "group", 'g', "KEY", "its group: groups are served in turn", NULL, false },
	{ "priority", 'p', "N", "0 runs first", NULL, false },
	{ "delay", 'd', "SPAN", "not before: 90s, 15m, 2h", NULL, false },
	{ "at", 0, "INSTANT", "not before: 2026-12-24T18:00:00Z", NULL, false },
	{ "ttl", 0, "SPAN", "not after", NULL, false },
	{ "timeout", 0, "SPAN", "of one attempt", NULL, false },
	{ "max-attempts", 'a', "N", "failed attempts before it fails for good", NULL, false },
	{ "dedup", 0, "KEY", "a key that one job at a time owns: while it does, this enqueue answers that one", NULL, false },
	{ "dedup-ttl", 0, "SPAN", "the key is free so long after the enqueue, instead of when its job has ended", NULL, false },
	{ "debounce", 0, "SPAN", "runs after so long without another enqueue of the key: only the last one", NULL, false },
	{ "max-wait", 0, "SPAN", "however often it is put off: something runs at most so long after the first", NULL, false },
	{ "keep-last", 0, NULL, "while the key's job runs, the newest enqueue is kept and runs next", NULL, false },
	{ "latest", 0, NULL, "the key's job gives way if it waits or is to be tried again; while it runs, the newest enqueue runs next", NULL, false },
	{ "fifo", 0, NULL, "the jobs of the key run one after the other, in the order in which they came", NULL, false },
	{ "parent", 0, "JOB", "a job that waits for this one: a uid, or QUEUE/ID; may be given several times", NULL, true },
	{ "on-failure", 0, "WHAT", "what it means to the parents that this one fails (fail)", "fail continue ignore forget hold", false },
	{ "tag", 't', "TAG", "to find it by; may be given several times", NULL, true },
	{ "lifo", 0, NULL, "first in line instead of last", NULL, false },
	{ "to", 0, "URL", "the daemon POSTs the payload there; the queue's target must be http", NULL, false },
	{ "wait", 'w', NULL, "wait for its end; fails when the job does", NULL, false },
	JSON_OPTION,
	REMOTE_OPTIONS,
	{ 0 },
};

struct enqueue {
	const struct args *args;
	struct remote *remote;
	struct buf options; /* members after "queue" and "payload", the same for every job of this call */
};

static int enqueue_put_span(struct enqueue *enqueue, const char *option, const char *key)
{
	int64_t ms = -1;
	int code = args_duration_ms(enqueue->args, option, &ms);
	if (!code && ms >= 0)
		json_put_field_i64(&enqueue->options, key, ms);
	return code;
}

static int enqueue_put_number(struct enqueue *enqueue, const char *option, const char *key, int64_t max)
{
	int64_t number = -1;
	int code = args_i64(enqueue->args, option, 0, max, &number);
	if (!code && number >= 0)
		json_put_field_i64(&enqueue->options, key, number);
	return code;
}

static void enqueue_put_tags(struct enqueue *enqueue)
{
	if (!args_has(enqueue->args, "tag"))
		return;
	json_put_key(&enqueue->options, "tags");
	buf_add_byte(&enqueue->options, '[');
	const char *tag;
	for (int at = 0; (tag = args_each(enqueue->args, "tag", &at)) != NULL;) {
		json_put_comma(&enqueue->options);
		json_put_str(&enqueue->options, str_of(tag));
	}
	buf_add_byte(&enqueue->options, ']');
}

static int enqueue_put_dedup(struct enqueue *enqueue)
{
	static const char *const needs[] = { "dedup-ttl", "debounce", "max-wait", "keep-last", "latest", "fifo" };
	const struct args *args = enqueue->args;
	for (size_t i = 0; i < ARRAY_COUNT(needs) && !args_has(args, "dedup"); i++)
		if (args_has(args, needs[i]))
			return args_complain(args->command, "--%s says what becomes of a key: give --dedup KEY too", needs[i]);
	if (!args_has(args, "dedup"))
		return 0;
	if (args_has(args, "debounce") && args_has(args, "delay"))
		return args_complain(args->command, "--debounce is the delay: leave --delay out");
	json_put_key(&enqueue->options, "dedup");
	buf_add_byte(&enqueue->options, '{');
	json_put_field_str(&enqueue->options, "key", str_of(args_get(args, "dedup")));
	int code = enqueue_put_span(enqueue, "dedup-ttl", "ttl_ms");
	if (!code)
		code = enqueue_put_span(enqueue, "max-wait", "max_wait_ms");
	if (args_has(args, "debounce"))
		json_put_field_bool(&enqueue->options, "replace", true);
	if (args_has(args, "keep-last"))
		json_put_field_bool(&enqueue->options, "keep_last", true);
	if (args_has(args, "latest"))
		json_put_field_bool(&enqueue->options, "latest", true);
	if (args_has(args, "fifo"))
		json_put_field_bool(&enqueue->options, "fifo", true);
	buf_add_byte(&enqueue->options, '}');
	return code ? code : enqueue_put_span(enqueue, "debounce", "delay_ms");
}

/* By uid, so that a parent that is not there is told of before anything is sent. */
static int enqueue_put_parents(struct enqueue *enqueue)
{
	const char *on_failure = args_get(enqueue->args, "on-failure"), *name;
	struct buf *options = &enqueue->options;
	if (!args_has(enqueue->args, "parent"))
		return on_failure ? args_complain(enqueue->args->command, "--on-failure says what becomes of parents: give --parent JOB too") : 0;
	json_put_key(options, "parents");
	buf_add_byte(options, '[');
	for (int at = 0; (name = args_each(enqueue->args, "parent", &at)) != NULL;) {
		struct str uid;
		int code = remote_job(enqueue->remote, name, &uid);
		if (code)
			return code;
		json_put_comma(options);
		buf_add_byte(options, '{');
		json_put_field_str(options, "uid", uid);
		if (on_failure)
			json_put_field_str(options, "on_failure", str_of(on_failure));
		buf_add_byte(options, '}');
	}
	buf_add_byte(options, ']');
	return 0;
}

static int enqueue_put_options(struct enqueue *enqueue)
{
	static const char *const texts[][2] = { { "id", "id" }, { "name", "name" }, { "group", "group" }, { "at", "run_at" } };
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		if (args_has(enqueue->args, texts[i][0]))
			json_put_field_str(&enqueue->options, texts[i][1], str_of(args_get(enqueue->args, texts[i][0])));
	}
	if (enqueue->remote->space)
		json_put_field_str(&enqueue->options, "namespace", str_of(enqueue->remote->space));
	if (args_has(enqueue->args, "lifo"))
		json_put_field_bool(&enqueue->options, "lifo", true);
	enqueue_put_tags(enqueue);
	if (args_has(enqueue->args, "to")) {
		json_put_key(&enqueue->options, "http");
		buf_add_byte(&enqueue->options, '{');
		json_put_field_str(&enqueue->options, "url", str_of(args_get(enqueue->args, "to")));
		buf_add_byte(&enqueue->options, '}');
	}
	int code = enqueue_put_number(enqueue, "priority", "priority", LIMIT_PRIORITY);
	if (!code)
		code = enqueue_put_number(enqueue, "max-attempts", "max_attempts", LIMIT_ATTEMPTS);
	if (!code)
		code = enqueue_put_span(enqueue, "delay", "delay_ms");
	if (!code)
		code = enqueue_put_span(enqueue, "ttl", "ttl_ms");
	if (!code)
		code = enqueue_put_span(enqueue, "timeout", "timeout_ms");
	if (!code)
		code = enqueue_put_dedup(enqueue);
	return code ? code : enqueue_put_parents(enqueue);
}

static void enqueue_put_job(struct enqueue *enqueue, struct str payload)
{
	struct buf *body = &enqueue->remote->body;
	buf_add_byte(body, '{');
	json_put_field_str(body, "queue", str_of(enqueue->args->words[0]));
	json_put_field_raw(body, "payload", payload);
	if (enqueue->options.len) {
		buf_add_byte(body, ',');
		buf_add(body, buf_str(&enqueue->options));
	}
	buf_add_byte(body, '}');
}

static int enqueue_check(const struct enqueue *enqueue, struct str payload, uint64_t line)
{
	struct problem problem = { 0 };
	if (!json_check(payload, &problem))
		return 0;
	bar_wipe(&enqueue->remote->bar);
	fprintf(stderr, "ruche enqueue: the payload");
	if (line)
		fprintf(stderr, " on line %llu", (unsigned long long)line);
	fprintf(stderr, " is not JSON: %s Text needs quotes: ruche enqueue %s '\"text\"'\n", problem.detail, enqueue->args->words[0]);
	return EX_DATAERR;
}

/* Asks for the job until it is final, and tells how it ended: 0 for completed. */
static int enqueue_wait(struct enqueue *enqueue, struct str uid)
{
	struct remote *remote = enqueue->remote;
	for (;;) {
		struct str body, state, raw;
		remote_begin(remote);
		remote_path(remote, "/v1/jobs/");
		remote_piece(remote, uid);
		remote_query(remote, "wait_ms", "30000");
		int code = remote_call(remote, "GET", &body);
		if (code)
			return code;
		state = pluck_text(body, "state", &remote->arena);
		bool completed = str_eq(state, STR("completed"));
		if (!completed && !str_eq(state, STR("failed")) && !str_eq(state, STR("cancelled")) && !str_eq(state, STR("expired")))
			continue;
		if (args_has(enqueue->args, "json"))
			printf(STR_FMT "\n", STR_ARG(body));
		else if (completed)
			printf("completed " STR_FMT "\n", STR_ARG(pluck_raw(body, "result", &remote->arena, &raw) ? raw : STR("null")));
		else
			fprintf(stderr, "ruche enqueue: the job " STR_FMT " ended as " STR_FMT ": " STR_FMT "\n", STR_ARG(uid), STR_ARG(state),
				STR_ARG(pluck_text(body, "error.message", &remote->arena)));
		return completed ? 0 : 1;
	}
}

static int enqueue_one(struct enqueue *enqueue, struct str payload)
{
	struct remote *remote = enqueue->remote;
	struct str body;
	int code = enqueue_check(enqueue, payload, 0);
	if (code)
		return code;
	remote_begin(remote);
	remote_path(remote, "/v1/jobs");
	enqueue_put_job(enqueue, payload);
	code = remote_call(remote, "POST", &body);
	if (code)
		return code;
	struct str uid = pluck_text(body, "uid", &remote->arena);
	if (args_has(enqueue->args, "wait"))
		return enqueue_wait(enqueue, uid);
	if (args_has(enqueue->args, "json"))
		printf(STR_FMT "\n", STR_ARG(body));
	else
		printf(STR_FMT " " STR_FMT "%s\n", STR_ARG(uid), STR_ARG(pluck_text(body, "state", &remote->arena)),
		       pluck_true(body, "duplicate", &remote->arena) ? " (duplicate: the job was there already)" : "");
	return 0;
}

static int enqueue_send_lines(struct enqueue *enqueue, uint64_t *sent, uint32_t count)
{
	struct str body;
	buf_add_lit(&enqueue->remote->body, "]}");
	int code = remote_call(enqueue->remote, "POST", &body);
	if (code)
		return code;
	if (args_has(enqueue->args, "json"))
		printf(STR_FMT "\n", STR_ARG(body));
	*sent += count;
	arena_reset(&enqueue->remote->arena);
	return 0;
}

static int enqueue_lines(struct enqueue *enqueue, struct str text)
{
	size_t all = text.len;
	uint64_t sent = 0, line = 0;
	uint32_t count = 0;
	int code = 0;
	struct bar *bar = &enqueue->remote->bar;
	bar_init(bar, NULL, !args_has(enqueue->args, "json"));
	while (!code && text.len) {
		size_t end = str_index(text, '\n');
		struct str payload = str_trim((struct str){ text.ptr, end });
		text = str_from(text, end + 1);
		line++;
		if (!payload.len)
			continue;
		code = enqueue_check(enqueue, payload, line);
		if (!count) {
			remote_begin(enqueue->remote);
			remote_path(enqueue->remote, "/v1/jobs");
			buf_add_lit(&enqueue->remote->body, "{\"jobs\":[");
		}
		json_put_comma(&enqueue->remote->body);
		enqueue_put_job(enqueue, payload);
		if (!code && ++count == ENQUEUE_LINES_PER_CALL) {
			code = enqueue_send_lines(enqueue, &sent, count);
			bar_show(bar, all - text.len, all);
			count = 0;
		}
	}
	if (!code && count)
		code = enqueue_send_lines(enqueue, &sent, count);
	bar_wipe(bar);
	if (code)
		fprintf(stderr, "ruche enqueue: %llu job%s been enqueued before that\n", (unsigned long long)sent, sent == 1 ? " has" : "s have");
	else if (!args_has(enqueue->args, "json"))
		printf("%llu job%s enqueued into %s\n", (unsigned long long)sent, sent == 1 ? "" : "s", enqueue->args->words[0]);
	return code;
}

static int enqueue_text(struct enqueue *enqueue, const char *file)
{
	const struct args *args = enqueue->args;
	struct buf text;
	buf_init(&text, LIMIT_BODY_MAX);
	int code = file ? text_read("enqueue", file, &text) : 0;
	if (!code)
		code = enqueue_put_options(enqueue);
	struct str payload = file ? buf_str(&text) : args->word_count == 2 ? str_of(args->words[1]) : STR("null");
	if (!code)
		code = args_has(args, "lines") ? enqueue_lines(enqueue, payload) : enqueue_one(enqueue, payload);
	buf_fini(&text);
	return code;
}

static int enqueue_act(struct remote *remote, const struct args *args)
{
	const char *file = args_get(args, "file");
	bool lines = args_has(args, "lines");
	if (args->word_count < 1 || args->word_count > 2)
		return args_complain(args->command, "it takes a queue and at most one payload");
	if (file && args->word_count == 2)
		return args_complain(args->command, "the payload is given twice: as a word and by --file");
	if (lines && (args->word_count == 2 || args_has(args, "wait") || args_has(args, "id")))
		return args_complain(args->command, "--lines goes with --file or standard input, without --wait and --id");
	if (!file && (lines || (args->word_count == 2 && strcmp(args->words[1], "-") == 0)))
		file = "-";
	struct enqueue enqueue = { .args = args, .remote = remote };
	buf_init(&enqueue.options, 262144);
	int code = enqueue_text(&enqueue, file);
	buf_fini(&enqueue.options);
	return code;
}

int cmd_enqueue(int argc, char **argv)
{
	return remote_run(argc, argv, enqueue_act);
}
