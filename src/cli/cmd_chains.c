/* ruche chains …: jobs that repeat. */
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/pluck.h"
#include "base/time_text.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "cli/text.h"
#include <sysexits.h>

const struct cli_option chains_list_options[] = {
	{ "limit", 'l', "N", "how many (100)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option chains_set_options[] = {
	{ "every", 'e', "SPAN", "so often: 90s, 15m, 24h", NULL, false },
	{ "cron", 'c', "PATTERN", "at these times: '0 3 * * 1-5'; five fields, or six with seconds first", NULL, false },
	{ "tz", 0, "ZONE", "the time zone of --cron: Europe/Paris (UTC)", NULL, false },
	{ "offset", 0, "SPAN", "of --every: so long after each multiple of it", NULL, false },
	{ "from", 0, "INSTANT", "not before: 2026-12-24T18:00:00Z", NULL, false },
	{ "until", 0, "INSTANT", "not after", NULL, false },
	{ "limit", 'l', "N", "so many jobs in all", NULL, false },
	{ "now", 0, NULL, "of --cron: the first one at once", NULL, false },
	{ "name", 0, "NAME", "what kind of job it is", NULL, false },
	{ "group", 'g', "KEY", "the jobs' group", NULL, false },
	{ "priority", 'p', "N", "0 runs first", NULL, false },
	{ "max-attempts", 'a', "N", "failed attempts before a job fails for good", NULL, false },
	{ "timeout", 0, "SPAN", "of one attempt", NULL, false },
	{ "ttl", 0, "SPAN", "a job that has not started so long after its time expires", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option chains_plain_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };

static void chains_address(struct remote *remote, const struct args *args)
{
	remote_begin(remote);
	remote_path(remote, "/v1/queues/");
	remote_piece(remote, str_of(args->words[0]));
	remote_path(remote, "/chains");
	if (args->word_count > 1) {
		remote_path(remote, "/");
		remote_piece(remote, str_of(args->words[1]));
	}
	remote_query(remote, "namespace", remote->space);
}

/* ---- reading ---- */

static struct str chains_schedule(struct str chain, struct arena *arena) /* "every 1h", "0 3 * * * Europe/Paris" */
{
	struct str every_ms = pluck_text(chain, "schedule.every_ms", arena), zone = pluck_text(chain, "schedule.tz", arena);
	if (every_ms.len) {
		char text[32];
		uint64_t ms = 0;
		(void)str_u64(every_ms, &ms);
		duration_text((int64_t)ms, text);
		return str_of(arena_printf(arena, "every %s", text));
	}
	struct str pattern = pluck_text(chain, "schedule.pattern", arena);
	return str_of(arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(pattern), zone.len ? " " : "", STR_ARG(zone)));
}

static int chains_list(struct remote *remote, const struct args *args)
{
	static const char *const heads[] = { "CHAIN", "SCHEDULE", "NEXT", "JOB", ">MADE", NULL };
	struct arena *arena = &remote->arena;
	struct table table;
	struct str body;
	uint32_t count;
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one queue");
	chains_address(remote, args);
	remote_query(remote, "limit", args_get(args, "limit") ? args_get(args, "limit") : "100");
	remote_query(remote, "cursor", args_get(args, "cursor"));
	int code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	struct str *chains = pluck_items(body, "chains", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		struct str next = pluck_text(chains[i], "next_at", arena);
		table_add(&table, pluck_text(chains[i], "key", arena));
		table_add(&table, chains_schedule(chains[i], arena));
		table_add(&table, next.len ? text_ago(next, clock_wall_us(), arena) : STR("ended"));
		table_add(&table, pluck_text(chains[i], "next_uid", arena));
		table_add(&table, pluck_text(chains[i], "count", arena));
	}
	remote_print_table(&table, "no chain here: 'ruche chains set QUEUE KEY --every 1h' makes one");
	remote_print_more(remote, body);
	return 0;
}

/* ---- changing ---- */

static int chains_put_span(const struct args *args, const char *option, const char *key, struct buf *out)
{
	int64_t ms = -1;
	int code = args_duration_ms(args, option, &ms);
	if (!code && ms >= 0)
		json_put_field_i64(out, key, ms);
	return code;
}

static int chains_put_number(const struct args *args, const char *option, int64_t max, const char *key, struct buf *out)
{
	int64_t number = -1;
	int code = args_i64(args, option, 0, max, &number);
	if (!code && number >= 0)
		json_put_field_i64(out, key, number);
	return code;
}

static void chains_put_text(const struct args *args, const char *option, const char *key, struct buf *out)
{
	if (args_has(args, option))
		json_put_field_str(out, key, str_of(args_get(args, option)));
}

static int chains_put_schedule(const struct args *args, struct buf *out)
{
	json_put_key(out, "schedule");
	buf_add_byte(out, '{');
	int code = chains_put_span(args, "every", "every_ms", out);
	if (!code)
		code = chains_put_span(args, "offset", "offset_ms", out);
	if (!code)
		code = chains_put_number(args, "limit", INT64_MAX, "limit", out);
	chains_put_text(args, "cron", "pattern", out);
	chains_put_text(args, "tz", "tz", out);
	chains_put_text(args, "from", "start_at", out);
	chains_put_text(args, "until", "end_at", out);
	if (args_has(args, "now"))
		json_put_field_bool(out, "immediately", true);
	buf_add_byte(out, '}');
	return code;
}

static int chains_put_job(const struct args *args, struct buf *out)
{
	json_put_key(out, "job");
	buf_add_byte(out, '{');
	chains_put_text(args, "name", "name", out);
	chains_put_text(args, "group", "group", out);
	int code = chains_put_number(args, "priority", LIMIT_PRIORITY, "priority", out);
	if (!code)
		code = chains_put_number(args, "max-attempts", LIMIT_ATTEMPTS, "max_attempts", out);
	if (!code)
		code = chains_put_span(args, "timeout", "timeout_ms", out);
	if (!code)
		code = chains_put_span(args, "ttl", "ttl_ms", out);
	buf_add_byte(out, '}');
	return code;
}

static int chains_set(struct remote *remote, const struct args *args)
{
	struct problem problem;
	struct str body, payload = args->word_count == 3 ? str_of(args->words[2]) : STR("null");
	if (args->word_count < 2 || args->word_count > 3)
		return args_complain(args->command, "it takes a queue, the chain's key and at most one payload");
	if (args_has(args, "every") == args_has(args, "cron"))
		return args_complain(args->command, "say when: either --every or --cron");
	if (json_check(payload, &problem))
		return args_complain(args->command, "the payload is not JSON: %s", problem.detail);
	chains_address(remote, args);
	buf_add_byte(&remote->body, '{');
	int code = chains_put_schedule(args, &remote->body);
	code = code ? code : chains_put_job(args, &remote->body);
	json_put_field_raw(&remote->body, "payload", payload);
	buf_add_byte(&remote->body, '}');
	code = code ? code : remote_call(remote, "PUT", &body);
	if (code)
		return code;
	struct str next = pluck_text(body, "next_at", &remote->arena);
	if (remote_printed(args, body))
		return 0;
	if (next.len)
		printf("%s is set: next at " STR_FMT "\n", args->words[1], STR_ARG(next));
	else
		printf("%s has ended, and nothing about it is new: delete it first to start it again\n", args->words[1]);
	return 0;
}

static int chains_one(struct remote *remote, const struct args *args, const char *method, struct str *body)
{
	if (args->word_count != 2)
		return args_complain(args->command, "it takes a queue and the chain's key");
	chains_address(remote, args);
	return remote_call(remote, method, body);
}

static int chains_show(struct remote *remote, const struct args *args)
{
	struct str body;
	int code = chains_one(remote, args, "GET", &body);
	if (!code)
		printf(STR_FMT "\n", STR_ARG(body));
	return code;
}

static int chains_delete(struct remote *remote, const struct args *args)
{
	struct str body;
	int code = chains_one(remote, args, "DELETE", &body);
	if (code)
		return code;
	if (!remote_printed(args, body))
		printf("%s is deleted, and its next job with it\n", args->words[1]);
	return 0;
}

#define X(name)                                                   \
	int cmd_chains_##name(int argc, char **argv)              \
	{                                                         \
		return remote_run(argc, argv, chains_##name);     \
	}
X(list) X(show) X(set) X(delete)
#undef X
