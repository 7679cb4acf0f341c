/* ruche deliveries …: messages on their way to endpoints, which are jobs of the queue webhooks. */
#include "base/clock.h"
#include "base/json.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/job_show.h"
#include "cli/table.h"
#include "cli/text.h"
#include <sysexits.h>

#define DELIVERIES_ASK_MS 60000
#define STATE_WORDS "waiting delayed active completed failed cancelled expired"

const struct cli_option deliveries_list_options[] = {
	{ "endpoint", 'e', "ENDPOINT", "to this endpoint", "@endpoints", false },
	{ "state", 's', "STATE", "in this state; may be given several times", STATE_WORDS, true },
	{ "type", 't', "TYPE", "of messages of this type", NULL, false },
	{ "error", 0, "TEXT", "whose error says this", NULL, false },
	{ "limit", 'l', "N", "how many (50)", NULL, false },
	{ "oldest", 0, NULL, "the oldest first", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option deliveries_plain_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option deliveries_retry_options[] = {
	{ "delay", 'd', "SPAN", "not before", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};

static void deliveries_print_table(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "DELIVERY", "ENDPOINT", "MESSAGE", "TYPE", "STATE", ">ATTEMPTS", "CREATED", "ERROR", NULL };
	static const char *const paths[] = { "uid", "delivery.endpoint", "delivery.message", "delivery.type", "state" };
	struct arena *arena = &remote->arena;
	struct table table;
	uint32_t count;
	struct str *jobs = pluck_items(body, "jobs", arena, &count);
	int64_t now_us = clock_wall_us();
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		for (size_t at = 0; at < ARRAY_COUNT(paths); at++)
			table_add(&table, pluck_text(jobs[i], paths[at], arena));
		table_add(&table, job_attempts(jobs[i], arena));
		table_add(&table, text_ago(pluck_text(jobs[i], "created_at", arena), now_us, arena));
		table_add(&table, pluck_text(jobs[i], "error.message", arena));
	}
	if (count)
		table_print(&table, stdout, remote_is_fancy(stdout));
	else
		puts("no delivery matches");
}

/* Whether it is known that there never was an endpoint. Any other trouble is told by the call that follows. */
static bool deliveries_are_unknown(struct remote *remote)
{
	struct problem problem;
	struct str body = { 0 };
	int status;
	remote_queue(remote, "/v1/queues/", STR("webhooks"), "");
	return !remote_try(remote, "GET", DELIVERIES_ASK_MS, &status, &body, &problem) &&
	       str_eq(pluck_text(body, "code", &remote->arena), str_of(err_code(E_QUEUE_NOT_FOUND)));
}

static int deliveries_list(struct remote *remote, const struct args *args)
{
	static const char *const filters[][2] = { { "group", "endpoint" }, { "name", "type" }, { "error", "error" }, { "cursor", "cursor" } };
	struct str body;
	if (args->word_count)
		return cli_unknown(arena_printf(&remote->arena, "deliveries %s", args->words[0]));
	if (deliveries_are_unknown(remote)) {
		fprintf(stderr, "ruche deliveries list: there is no endpoint yet: 'ruche endpoints set --help' says how to make one [%s]\n",
			err_code(E_QUEUE_NOT_FOUND));
		return err_exit_code(E_QUEUE_NOT_FOUND);
	}
	remote_begin(remote);
	remote_path(remote, "/v1/jobs?queue=webhooks");
	remote_query(remote, "namespace", remote->space);
	for (size_t i = 0; i < ARRAY_COUNT(filters); i++)
		remote_query(remote, filters[i][0], args_get(args, filters[i][1]));
	remote_query(remote, "state", args_joined(args, "state", &remote->arena));
	remote_query(remote, "limit", args_get(args, "limit") ? args_get(args, "limit") : "50");
	remote_query(remote, "order", args_has(args, "oldest") ? "oldest" : NULL);
	int code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	if (remote_printed(args, body))
		return 0;
	deliveries_print_table(remote, body);
	remote_print_more(remote, body);
	return 0;
}

/* A job that is a delivery; others are left alone here. */
static int deliveries_word(struct remote *remote, const struct args *args, struct str *out_uid)
{
	struct str job = { 0 }, delivery;
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one delivery: its uid, as 'ruche deliveries list' says it");
	int code = remote_job(remote, args->words[0], out_uid);
	if (!code)
		code = job_get(remote, *out_uid, "", &job);
	if (code || pluck_raw(job, "delivery", &remote->arena, &delivery))
		return code;
	fprintf(stderr, "ruche %s: %s is a job of the queue " STR_FMT ", not a delivery: 'ruche jobs' is for those\n", args->command->name, args->words[0],
		STR_ARG(pluck_text(job, "queue", &remote->arena)));
	return EX_DATAERR;
}

static int deliveries_show(struct remote *remote, const struct args *args)
{
	struct str uid = { 0 };
	int code = deliveries_word(remote, args, &uid);
	return code ? code : job_show(remote, args, uid);
}

static int deliveries_retry(struct remote *remote, const struct args *args)
{
	struct str uid = { 0 }, body;
	int64_t delay_ms = 0;
	int code = args_duration_ms(args, "delay", &delay_ms);
	code = code ? code : deliveries_word(remote, args, &uid);
	if (code)
		return code;
	remote_begin(remote);
	remote_path(remote, "/v1/jobs/");
	remote_piece(remote, uid);
	remote_path(remote, "/retry");
	buf_add_byte(&remote->body, '{');
	json_put_field_i64(&remote->body, "delay_ms", delay_ms);
	buf_add_byte(&remote->body, '}');
	code = remote_call(remote, "POST", &body);
	if (!code && !remote_printed(args, body))
		printf("retried " STR_FMT ": now " STR_FMT "\n", STR_ARG(uid), STR_ARG(pluck_text(body, "state", &remote->arena)));
	return code;
}

#define X(name)                                                   \
	int cmd_deliveries_##name(int argc, char **argv)          \
	{                                                         \
		return remote_run(argc, argv, deliveries_##name); \
	}
X(list) X(show) X(retry)
#undef X
