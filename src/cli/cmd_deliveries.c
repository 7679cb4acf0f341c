/* ruche deliveries …: messages on their way to endpoints, which are jobs of the queue webhooks. */
#include "base/clock.h"
#include "base/json.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/job_show.h"
#include "cli/table.h"
#include "cli/text.h"
#include <sysexits.h>

#define DELIVERIES_ASK_MS 60000
#define STATE_WORDS "waiting delayed active completed failed cancelled expired"

#define OUTCOME_WORDS "success filtered attempts_spent final_error stalled by_hand ttl child_failed superseded"

/* What a delivery must be to be listed, or to be taken along by --all. */
#define FILTER_OPTIONS                                                                                                    \
	{ "endpoint", 'e', "ENDPOINT", "to this endpoint", "@endpoints", false },                                         \
	{ "message", 'm', "MESSAGE", "of this message", NULL, false },                                                    \
	{ "entity", 0, "ENTITY", "of messages about this entity", NULL, false },                                          \
	{ "type", 't', "TYPE", "of messages of this type", "@types", false },                                                 \
	{ "state", 's', "STATE", "in this state; may be given several times", STATE_WORDS, true },                        \
	{ "outcome", 'o', "OUTCOME", "that ended so; may be given several times", OUTCOME_WORDS, true },                  \
	{ "error", 0, "TEXT", "whose error says this", NULL, false },                                                     \
	{ "since", 0, INSTANT_OR_AGE, "made since: 2026-11-23T08:00:00Z, or 2d: two days ago", NULL, false },             \
	{ "until", 0, INSTANT_OR_AGE, "made until", NULL, false }

const struct cli_option deliveries_list_options[] = {
	FILTER_OPTIONS,
	{ "limit", 'l', "N", "how many (50)", NULL, false },
	{ "oldest", 0, NULL, "the oldest first", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option deliveries_plain_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option deliveries_retry_options[] = {
	{ "delay", 'd', "SPAN", "not before", NULL, false },
	{ "all", 0, NULL, "every delivery that the options below match, instead of one", NULL, false },
	{ "yes", 'y', NULL, "do not ask before", NULL, false },
	{ "dry-run", 0, NULL, "with --all: only say how many there are", NULL, false },
	FILTER_OPTIONS,
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};

/* Option, and the same in the API's filter of jobs. */
static const char *const deliveries_filters[][2] = {
	{ "endpoint", "endpoint" }, { "message", "message" }, { "entity", "entity" }, { "type", "name" }, { "error", "error" },
	{ "since", "created_after" }, { "until", "created_before" },
};

static void deliveries_print_table(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "DELIVERY", "ENDPOINT", "MESSAGE", "TYPE", "STATE", ">ATTEMPTS", "CREATED", "ERROR", NULL };
	static const char *const paths[] = { "uid", "delivery.endpoint", "delivery.message", "delivery.type", "state" };
	struct arena *arena = &remote->arena;
	struct table table;
	uint32_t count;
	struct str *jobs = pluck_items(body, "deliveries", arena, &count);
	int64_t now_us = clock_wall_us();
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		for (size_t at = 0; at < ARRAY_COUNT(paths); at++)
			table_add(&table, pluck_text(jobs[i], paths[at], arena));
		table_add(&table, job_attempts(jobs[i], arena));
		table_add(&table, text_ago(pluck_text(jobs[i], "created_at", arena), now_us, arena));
		table_add(&table, pluck_text(jobs[i], "error.message", arena));
	}
	remote_print_table(&table, "no delivery matches");
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

/* Answers 0, or the exit code of who must make an endpoint first, which has been explained. */
static int deliveries_look(struct remote *remote)
{
	if (!deliveries_are_unknown(remote))
		return 0;
	fprintf(stderr, "ruche %s: there is no endpoint yet: 'ruche endpoints set --help' says how to make one [%s]\n", remote->command->name,
		err_code(E_QUEUE_NOT_FOUND));
	return err_exit_code(E_QUEUE_NOT_FOUND);
}

static int deliveries_list(struct remote *remote, const struct args *args)
{
	if (args->word_count)
		return cli_unknown(arena_printf(&remote->arena, "deliveries %s", args->words[0]));
	int code = deliveries_look(remote);
	if (code)
		return code;
	remote_begin(remote);
	remote_path(remote, "/v1/deliveries");
	remote_query(remote, "namespace", remote->space);
	for (size_t i = 0; i < ARRAY_COUNT(deliveries_filters); i++) {
		bool type = strcmp(deliveries_filters[i][0], "type") == 0;
		remote_query(remote, type ? "type" : deliveries_filters[i][1], args_when(args, deliveries_filters[i][0], &remote->arena));
	}
	remote_query(remote, "cursor", args_get(args, "cursor"));
	remote_query(remote, "outcome", args_joined(args, "outcome", &remote->arena));
	remote_query(remote, "state", args_joined(args, "state", &remote->arena));
	remote_query(remote, "limit", args_get(args, "limit") ? args_get(args, "limit") : "50");
	remote_query(remote, "order", args_has(args, "oldest") ? "oldest" : NULL);
	return remote_page(remote, args, deliveries_print_table);
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

static int deliveries_retry_one(struct remote *remote, const struct args *args, int64_t delay_ms)
{
	struct str uid = { 0 }, body;
	int code = deliveries_word(remote, args, &uid);
	if (code)
		return code;
	remote_begin(remote);
	remote_path(remote, "/v1/deliveries/");
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

/* ---- all that match ---- */

static const char *deliveries_states(struct remote *remote, const struct args *args) /* those that failed, unless something else is said */
{
	return args_has(args, "state") ? args_joined(args, "state", &remote->arena) : args_has(args, "outcome") ? NULL : "failed";
}

static void deliveries_put_filter(struct remote *remote, const struct args *args)
{
	struct buf *body = &remote->body;
	const char *states = deliveries_states(remote, args);
	json_put_key(body, "filter");
	buf_add_byte(body, '{');
	json_put_field_str(body, "queue", STR("webhooks"));
	for (size_t i = 0; i < ARRAY_COUNT(deliveries_filters); i++)
		if (args_has(args, deliveries_filters[i][0]))
			json_put_field_str(body, deliveries_filters[i][1], str_of(args_when(args, deliveries_filters[i][0], &remote->arena)));
	if (states)
		json_put_field_str(body, "state", str_of(states));
	if (args_has(args, "outcome"))
		json_put_field_str(body, "outcome", str_of(args_joined(args, "outcome", &remote->arena)));
	if (remote->space)
		json_put_field_str(body, "namespace", str_of(remote->space));
	buf_add_byte(body, '}');
}

static void deliveries_address_count(struct remote *remote, const struct args *args)
{
	remote_begin(remote);
	remote_path(remote, "/v1/jobs/count?queue=webhooks");
	remote_query(remote, "namespace", remote->space);
	for (size_t i = 0; i < ARRAY_COUNT(deliveries_filters); i++)
		remote_query(remote, deliveries_filters[i][1], args_when(args, deliveries_filters[i][0], &remote->arena));
	remote_query(remote, "state", deliveries_states(remote, args));
	remote_query(remote, "outcome", args_joined(args, "outcome", &remote->arena));
}

static int deliveries_retry_all(struct remote *remote, const struct args *args, int64_t delay_ms)
{
	struct str body;
	char question[96];
	uint64_t expected;
	const char *about;
	int code = deliveries_look(remote);
	if (code)
		return code;
	deliveries_address_count(remote, args);
	code = operation_expect(remote, &expected, &about);
	if (code)
		return code;
	const char *noun = expected == 1 ? "delivery" : "deliveries";
	if (args_has(args, "dry-run")) {
		printf("%s%llu %s would be sent again\n", about, (unsigned long long)expected, noun);
		return 0;
	}
	if (!args_has(args, "yes") && !expected) {
		puts("no delivery matches");
		return 0;
	}
	snprintf(question, sizeof(question), "Send %s%llu %s again?", about, (unsigned long long)expected, noun);
	if (!args_has(args, "yes") && !text_confirm(args->command->name, question))
		return EX_USAGE;
	remote_begin(remote);
	remote_path(remote, "/v1/operations");
	buf_add_byte(&remote->body, '{');
	json_put_field_str(&remote->body, "action", STR("retry"));
	deliveries_put_filter(remote, args);
	json_put_key(&remote->body, "arguments");
	buf_add_byte(&remote->body, '{');
	if (delay_ms)
		json_put_field_i64(&remote->body, "delay_ms", delay_ms);
	buf_add_lit(&remote->body, "}}");
	code = remote_call(remote, "POST", &body);
	return code ? code : operation_follow(remote, args, body, "retried", "delivery", expected);
}

static bool deliveries_has_filter(const struct args *args)
{
	bool any = args_has(args, "state") || args_has(args, "outcome");
	for (size_t i = 0; i < ARRAY_COUNT(deliveries_filters); i++)
		any = any || args_has(args, deliveries_filters[i][0]);
	return any;
}

static int deliveries_retry(struct remote *remote, const struct args *args)
{
	int64_t delay_ms = 0;
	bool all = args_has(args, "all");
	if (all && (args->word_count || !deliveries_has_filter(args)))
		return args_complain(args->command, "--all takes a filter, such as --endpoint or --since, and no delivery");
	if (!all && (deliveries_has_filter(args) || args_has(args, "dry-run")))
		return args_complain(args->command, "a filter and --dry-run need --all");
	int code = args_duration_ms(args, "delay", &delay_ms);
	if (code)
		return code;
	return all ? deliveries_retry_all(remote, args, delay_ms) : deliveries_retry_one(remote, args, delay_ms);
}

#define X(name)                                                   \
	int cmd_deliveries_##name(int argc, char **argv)          \
	{                                                         \
		return remote_run(argc, argv, deliveries_##name); \
	}
X(list) X(show) X(retry)
#undef X
