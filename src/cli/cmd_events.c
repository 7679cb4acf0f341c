/* ruche events: what happens, as it happens. Breaks are bridged: it goes on after the last event that it printed. */
#include "base/json.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/one_op.h"
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define EVENTS_LINE_MAX (1024u * 1024)
#define EVENTS_PAUSE_US 1000000
#define EVENTS_OLDEST   "0.0" /* before every event */
#define EVENTS_TYPES    "enqueued active progress completed failed retrying stalled cancelled expired" /* that one asks for; there are more */

const struct cli_option events_options[] = {
	{ "queue", 'q', "QUEUE", "only of this queue", "@queues", false },
	{ "type", 't', "TYPE", "only this type; may be given several times", EVENTS_TYPES, true },
	{ "after", 'a', "ID", "go on after this event; 0 for all that are kept", NULL, false },
	{ "count", 0, "N", "end after so many events", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};

const struct cli_option events_send_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option events_trim_options[] = {
	{ "keep", 'k', "N", "so many of the newest stay, at least (0)", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};

struct events {
	const struct args *args;
	struct buf line;         /* the one that is arriving */
	struct buf type, data;   /* of the event that is arriving */
	char id[128], last_id[128]; /* last_id: of the last event printed */
	uint64_t left;           /* to print; UINT64_MAX: no end */
	bool json, over;
};

static volatile sig_atomic_t events_stop;

static void events_on_signal(int number)
{
	(void)number;
	events_stop = 1;
}

/* Where the particulars of its type begin, behind the instant that every event has. */
static size_t events_details(struct str data)
{
	const char *at = memmem(data.ptr, data.len, "\"at\":\"", 6);
	const char *comma = at ? memchr(at, ',', (size_t)(data.ptr + data.len - at)) : NULL;
	return comma ? (size_t)(comma + 1 - data.ptr) : data.len;
}

static void events_print(struct events *events)
{
	struct arena arena = { 0 };
	struct str data = buf_str(&events->data), details = str_from(data, events_details(data));
	details.len -= details.len > 0; /* the object's closing brace */
	if (events->json) {
		printf("{\"id\":\"%s\",\"type\":\"" STR_FMT "\",\"data\":" STR_FMT "}\n", events->id, STR_ARG(buf_str(&events->type)),
		       STR_ARG(data.len ? data : STR("null")));
	} else {
		struct str uid = pluck_text(data, "uid", &arena);
		printf(STR_FMT "  %-16.*s  %-13.*s  " STR_FMT "%s" STR_FMT "\n", STR_ARG(pluck_text(data, "at", &arena)), (int)events->type.len,
		       events->type.ptr, (int)uid.len, uid.len ? uid.ptr : "", STR_ARG(pluck_text(data, "queue", &arena)), details.len ? "  " : "",
		       STR_ARG(details));
	}
	fflush(stdout);
	arena_fini(&arena);
}

/* A blank line ends an event. */
static void events_end(struct events *events)
{
	if (events->type.len) {
		events_print(events);
		if (events->left != UINT64_MAX && --events->left == 0)
			events->over = true;
	}
	if (events->id[0])
		memcpy(events->last_id, events->id, sizeof(events->last_id));
	buf_clear(&events->type);
	buf_clear(&events->data);
}

static void events_line(struct events *events, struct str line)
{
	if (line.len && line.ptr[line.len - 1] == '\r') // NOLINT(clang-analyzer-core.NullDereference): what has a length is somewhere
		line.len--;
	if (line.len == 0) {
		events_end(events);
		return;
	}
	size_t colon = str_index(line, ':');
	struct str name = { line.ptr, colon }, value = str_from(line, colon + 1);
	if (value.len && value.ptr[0] == ' ')
		value = str_from(value, 1);
	if (str_eq(name, STR("event")))
		buf_add(&events->type, value);
	else if (str_eq(name, STR("data")))
		buf_add(&events->data, value);
	else if (str_eq(name, STR("id")))
		snprintf(events->id, sizeof(events->id), STR_FMT, STR_ARG(value));
}

static bool events_bytes(void *context, struct str bytes)
{
	struct events *events = context;
	while (bytes.len && !events->over) {
		size_t end = str_index(bytes, '\n');
		buf_add(&events->line, (struct str){ bytes.ptr, end });
		if (end < bytes.len) {
			events_line(events, buf_str(&events->line));
			buf_clear(&events->line);
		}
		bytes = str_from(bytes, end + 1);
	}
	return !events->over && !events_stop;
}

static int events_follow(struct remote *remote, struct events *events)
{
	bool first = true;
	while (!events->over && !events_stop) {
		if (!first)
			usleep(EVENTS_PAUSE_US);
		remote_begin(remote);
		remote_path(remote, "/v1/events");
		remote_query(remote, "queue", args_get(events->args, "queue"));
		remote_query(remote, "types", args_joined(events->args, "type", &remote->arena));
		remote_query(remote, "namespace", remote->space);
		buf_clear(&events->line);
		int code = remote_stream(remote, events->last_id[0] ? events->last_id : NULL, events_bytes, events);
		if (code && (first || (code != EX_UNAVAILABLE && code != EX_TEMPFAIL)))
			return code;
		first = false;
	}
	return 0;
}

static int events_act(struct remote *remote, const struct args *args)
{
	struct events events = { .args = args, .json = args_has(args, "json"), .left = UINT64_MAX };
	if (args->word_count)
		return args_complain(args->command, "'%s' is one word too many; --queue names a queue", args->words[0]);
	int code = args_u64(args, "count", 1, UINT32_MAX, &events.left);
	if (code)
		return code;
	buf_init(&events.line, EVENTS_LINE_MAX);
	buf_init(&events.type, 256);
	buf_init(&events.data, EVENTS_LINE_MAX);
	const char *after = args_get(args, "after");
	snprintf(events.last_id, sizeof(events.last_id), "%s", !after ? "" : strcmp(after, "0") == 0 ? EVENTS_OLDEST : after);
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = events_on_signal }, NULL);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = events_on_signal }, NULL);
	remote->stop = &events_stop;
	code = events_follow(remote, &events);
	buf_fini(&events.line);
	buf_fini(&events.type);
	buf_fini(&events.data);
	return code;
}

int cmd_events(int argc, char **argv)
{
	return remote_run(argc, argv, events_act);
}

/* ---- by hand ---- */

static int events_send(struct remote *remote, const struct args *args)
{
	struct problem problem;
	struct str result;
	if (args->word_count < 2 || args->word_count > 3)
		return args_complain(args->command, "it takes a queue, a word for what happened, and details as JSON");
	if (args->word_count == 3 && json_check(str_of(args->words[2]), &problem))
		return args_complain(args->command, "'%s' is not JSON; expected an object such as '{\"count\":3}'", args->words[2]);
	one_op_begin(remote, "event", args->words[0]);
	json_put_field_str(&remote->body, "name", str_of(args->words[1]));
	if (args->word_count == 3)
		json_put_field_raw(&remote->body, "details", str_of(args->words[2]));
	int code = one_op_send(remote, &result);
	if (!code && args_has(args, "json"))
		printf(STR_FMT "\n", STR_ARG(result));
	else if (!code)
		printf("%s is told\n", args->words[1]);
	return code;
}

/* As many times as it takes: the daemon trims a slice at a time. */
static int events_trim(struct remote *remote, const struct args *args)
{
	struct str result;
	uint64_t keep = 0, count = 0, sum = 0;
	int code = args->word_count == 1 ? args_u64(args, "keep", 0, INT64_MAX, &keep) : args_complain(args->command, "it takes one queue");
	do {
		if (code)
			return code;
		one_op_begin(remote, "events_trim", args->words[0]);
		json_put_field_u64(&remote->body, "keep", keep);
		code = one_op_send(remote, &result);
		sum += !code && pluck_u64(result, "count", &remote->arena, &count) ? count : 0;
	} while (code || pluck_true(result, "more", &remote->arena));
	if (args_has(args, "json"))
		printf("{\"count\":%llu}\n", (unsigned long long)sum);
	else
		printf("%llu events of %s are gone\n", (unsigned long long)sum, args->words[0]);
	return 0;
}

int cmd_events_send(int argc, char **argv)
{
	return remote_run(argc, argv, events_send);
}

int cmd_events_trim(int argc, char **argv)
{
	return remote_run(argc, argv, events_trim);
}
