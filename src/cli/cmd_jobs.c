/* ruche jobs …: look at jobs, and change them by hand, one by one or all that match. */
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/job_show.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "cli/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define JOBS_VALUE_MAX 60
#define STATE_WORDS  "waiting delayed active waiting_children parked completed failed cancelled expired"

/* What a job must be to be listed, or to be taken along by --all. The same words in the API's filter. */
#define FILTER_OPTIONS                                                                                                    \
	{ "queue", 'q', "QUEUE", "in this queue", "@queues", false },                                                     \
	{ "state", 's', "STATE", "in this state; may be given several times", STATE_WORDS, true },                        \
	{ "name", 'n', "NAME", "of this name", NULL, false },                                                             \
	{ "id", 'i', "ID", "with this id; ID* for all that begin so", NULL, false },                                      \
	{ "group", 'g', "KEY", "in this group", NULL, false },                                                            \
	{ "tag", 't', "TAG", "with this tag", NULL, false },                                                              \
	{ "error", 'e', "TEXT", "whose error says this", NULL, false },                                                   \
	{ "created-after", 0, INSTANT_OR_AGE, "enqueued since: 2026-11-23T08:00:00Z, or 2d: two days ago", NULL, false }, \
	{ "created-before", 0, INSTANT_OR_AGE, "enqueued until", NULL, false },                                           \
	{ "finished-after", 0, INSTANT_OR_AGE, "ended since", NULL, false },                                              \
	{ "finished-before", 0, INSTANT_OR_AGE, "ended until", NULL, false }
#define BULK_OPTIONS                                                                                                      \
	{ "all", 0, NULL, "every job that the options below match, instead of one", NULL, false },                        \
	{ "yes", 'y', NULL, "do not ask before", NULL, false }, FILTER_OPTIONS

const struct cli_option jobs_list_options[] = {
	FILTER_OPTIONS,
	{ "limit", 'l', "N", "how many (50)", NULL, false },
	{ "oldest", 0, NULL, "the oldest first", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option jobs_show_options[] = {
	{ "payload", 0, NULL, "only its payload, byte for byte", NULL, false },
	{ "result", 0, NULL, "only its result", NULL, false },
	{ "logs", 0, NULL, "only its log lines", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option jobs_count_options[] = { FILTER_OPTIONS, JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option jobs_detach_options[] = {
	{ "from", 0, "JOB", "the parent: a uid, or QUEUE/ID", NULL, false }, JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option jobs_children_options[] = {
	{ "delete", 0, NULL, "delete those that it waits for and that have not begun, with theirs", NULL, false },
	{ "limit", 'l', "N", "how many (50)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option jobs_plain_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option jobs_bulk_options[] = { BULK_OPTIONS, JSON_OPTION, REMOTE_OPTIONS, { 0 } };
#define TREE_OPTION { "tree", 0, NULL, "and all jobs below it: its children, and theirs", NULL, false }
const struct cli_option jobs_cancel_options[] = { TREE_OPTION, BULK_OPTIONS, JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option jobs_retry_options[] = {
	{ "payload", 'p', "FILE", "with this payload instead, kept beside the first one", "@files", false },
	{ "delay", 'd', "SPAN", "not before", NULL, false },
	{ "tree", 0, NULL, "and all jobs below it that did not complete; who has children waits for them", NULL, false },
	BULK_OPTIONS, JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option jobs_move_options[] = {
	{ "to", 0, "QUEUE", "into this queue", "@queues", false },
	BULK_OPTIONS, JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option jobs_priority_options[] = {
	{ "to", 0, "N", "the new priority; 0 runs first", NULL, false },
	BULK_OPTIONS, JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option jobs_delete_options[] = {
	{ "force", 0, NULL, "running ones too: their leases are gone with them", NULL, false }, TREE_OPTION,
	BULK_OPTIONS, JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option jobs_edit_options[] = {
	{ "payload", 'p', "FILE", "the new payload", "@files", false }, JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option jobs_reschedule_options[] = {
	{ "delay", 'd', "SPAN", "due after so long", NULL, false },
	{ "at", 0, "INSTANT", "due at this instant", NULL, false }, JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_exit bulk_exits[] = { { 1, "--all: some jobs could not be changed" }, { 0 } };

/* option, member of a filter */
static const char *const jobs_filters[][2] = {
	{ "queue", "queue" }, { "name", "name" }, { "id", "id" }, { "group", "group" }, { "tag", "tag" }, { "error", "error" },
	{ "created-after", "created_after" }, { "created-before", "created_before" },
	{ "finished-after", "finished_after" }, { "finished-before", "finished_before" },
};

/* ---- looking ---- */

/* A path with the filter as its query. */
static void jobs_address(struct remote *remote, const struct args *args, const char *path)
{
	remote_begin(remote);
	remote_path(remote, path);
	for (size_t i = 0; i < ARRAY_COUNT(jobs_filters); i++)
		remote_query(remote, jobs_filters[i][1], args_when(args, jobs_filters[i][0], &remote->arena));
	remote_query(remote, "state", args_joined(args, "state", &remote->arena));
	remote_query(remote, "namespace", remote->space);
}

static void jobs_print_table(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "UID", "QUEUE", "NAME", "ID", "STATE", ">ATTEMPTS", "CREATED", "ERROR", NULL };
	struct table table;
	uint32_t count;
	struct str *jobs = pluck_items(body, "jobs", &remote->arena, &count);
	int64_t now_us = clock_wall_us();
	table_init(&table, &remote->arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		struct arena *arena = &remote->arena;
		struct str id = pluck_text(jobs[i], "id", arena), uid = pluck_text(jobs[i], "uid", arena);
		table_add(&table, uid);
		table_add(&table, pluck_text(jobs[i], "queue", arena));
		table_add(&table, pluck_text(jobs[i], "name", arena));
		table_add(&table, str_eq(id, uid) ? STR("") : id);
		table_add(&table, pluck_text(jobs[i], "state", arena));
		table_add(&table, job_attempts(jobs[i], arena));
		table_add(&table, text_ago(pluck_text(jobs[i], "created_at", arena), now_us, arena));
		table_add(&table, pluck_text(jobs[i], "error.message", arena));
	}
	remote_print_table(&table, "no job matches");
}

static int jobs_list(struct remote *remote, const struct args *args)
{
	if (args->word_count)
		return args_complain(args->command, "'%s' is one word too many; --queue names a queue", args->words[0]);
	jobs_address(remote, args, "/v1/jobs");
	remote_query(remote, "limit", args_get(args, "limit") ? args_get(args, "limit") : "50");
	remote_query(remote, "order", args_has(args, "oldest") ? "oldest" : NULL);
	remote_query(remote, "cursor", args_get(args, "cursor"));
	return remote_page(remote, args, jobs_print_table);
}

static int jobs_count(struct remote *remote, const struct args *args)
{
	struct str body;
	if (args->word_count)
		return args_complain(args->command, "'%s' is one word too many; --queue names a queue", args->words[0]);
	jobs_address(remote, args, "/v1/jobs/count");
	int code = remote_call(remote, "GET", &body);
	if (code || remote_printed(args, body))
		return code;
	printf("%s" STR_FMT "\n", pluck_true(body, "at_least", &remote->arena) ? "at least " : "", STR_ARG(pluck_text(body, "count", &remote->arena)));
	return 0;
}

static void jobs_print_logs(struct remote *remote, struct str body)
{
	uint32_t count;
	struct str *logs = pluck_items(body, "logs", &remote->arena, &count);
	for (uint32_t i = 0; i < count; i++)
		printf(STR_FMT "  " STR_FMT "\n", STR_ARG(pluck_text(logs[i], "at", &remote->arena)), STR_ARG(pluck_text(logs[i], "line", &remote->arena)));
}

static int jobs_show(struct remote *remote, const struct args *args)
{
	struct str uid, body;
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one job: a uid, or QUEUE/ID");
	int code = remote_job(remote, args->words[0], &uid);
	if (code)
		return code;
	const char *part = args_has(args, "payload") ? "/payload" : args_has(args, "result") ? "/result" : args_has(args, "logs") ? "/logs" : NULL;
	if (!part)
		return job_show(remote, args, uid);
	code = job_get(remote, uid, part, &body);
	if (code)
		return code;
	if (args_has(args, "logs") && !args_has(args, "json"))
		jobs_print_logs(remote, body);
	else
		fwrite(body.ptr, 1, body.len, stdout);
	if (!args_has(args, "logs") && isatty(STDOUT_FILENO)) /* byte for byte for programs, a line for people */
		puts("");
	return 0;
}

static int jobs_explain(struct remote *remote, const struct args *args)
{
	struct str uid, body;
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one job: a uid, or QUEUE/ID");
	int code = remote_job(remote, args->words[0], &uid);
	if (!code)
		code = job_get(remote, uid, "/explain", &body);
	if (code)
		return code;
	if (!remote_printed(args, body))
		printf(STR_FMT " [" STR_FMT "]\n", STR_ARG(pluck_text(body, "text", &remote->arena)), STR_ARG(pluck_text(body, "code", &remote->arena)));
	return 0;
}

static void jobs_print_children(struct remote *remote, struct str body)
{
	static const char *const heads[] = { "JOB", "QUEUE", "ID", "STATE", "IF IT FAILS", "VALUE", NULL };
	static const char *const paths[] = { "uid", "queue", "id", "state", "on_failure" };
	struct arena *arena = &remote->arena;
	struct table table;
	uint32_t count;
	struct str *children = pluck_items(body, "children", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		struct str value = { 0 };
		for (size_t k = 0; k < ARRAY_COUNT(paths); k++)
			table_add(&table, pluck_text(children[i], paths[k], arena));
		table_add(&table, pluck_raw(children[i], "value", arena, &value) ? str_cut(value, JOBS_VALUE_MAX) : value);
	}
	remote_print_table(&table, "it has no children");
}

static int jobs_delete_children(struct remote *remote, const struct args *args) /* at the path that was built */
{
	struct str body;
	int code = remote_call(remote, "DELETE", &body);
	if (code || remote_printed(args, body))
		return code;
	struct str count = pluck_text(body, "count", &remote->arena);
	printf(STR_FMT " %s deleted\n", STR_ARG(count), str_eq(count, STR("1")) ? "is" : "are");
	return 0;
}

static int jobs_children(struct remote *remote, const struct args *args)
{
	struct str uid;
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one job: a uid, or QUEUE/ID");
	int code = remote_job(remote, args->words[0], &uid);
	if (code)
		return code;
	remote_begin(remote);
	remote_path(remote, "/v1/jobs/");
	remote_piece(remote, uid);
	remote_path(remote, "/children");
	if (args_has(args, "delete"))
		return jobs_delete_children(remote, args);
	remote_query(remote, "limit", args_get(args, "limit") ? args_get(args, "limit") : "50");
	remote_query(remote, "cursor", args_get(args, "cursor"));
	return remote_page(remote, args, jobs_print_children);
}

/* ---- changing one ---- */

struct jobs_change {
	const char *verb;    /* the path's last piece, or NULL for DELETE */
	const char *action;  /* of a bulk operation */
	const char *done;    /* "retried" */
	const char *query;   /* of a DELETE: a flag that is set; or NULL */
	bool tree;           /* of a DELETE: its children go too */
	struct buf arguments; /* members, without braces: the same for one job and for a bulk operation */
};

static int jobs_change_one(struct remote *remote, const struct args *args, const struct jobs_change *change)
{
	struct str uid, body;
	int code = remote_job(remote, args->words[0], &uid);
	if (code)
		return code;
	remote_begin(remote);
	remote_path(remote, "/v1/jobs/");
	remote_piece(remote, uid);
	if (change->verb) {
		remote_path(remote, "/");
		remote_path(remote, change->verb);
		buf_add_byte(&remote->body, '{');
		buf_add(&remote->body, buf_str(&change->arguments));
		buf_add_byte(&remote->body, '}');
	}
	if (change->query)
		remote_query(remote, change->query, "true");
	if (change->tree && !change->verb)
		remote_query(remote, "children", "delete");
	code = remote_call(remote, change->verb ? "POST" : "DELETE", &body);
	if (code)
		return code;
	if (args_has(args, "json") && body.len)
		printf(STR_FMT "\n", STR_ARG(body));
	else
		printf("%s " STR_FMT "%s" STR_FMT "\n", change->done, STR_ARG(uid), body.len ? ": now " : "",
		       STR_ARG(body.len ? pluck_text(body, "state", &remote->arena) : STR("")));
	return 0;
}

/* ---- changing all that match ---- */

static void jobs_put_filter(struct remote *remote, const struct args *args)
{
	struct buf *body = &remote->body;
	json_put_key(body, "filter");
	buf_add_byte(body, '{');
	for (size_t i = 0; i < ARRAY_COUNT(jobs_filters); i++) {
		if (args_has(args, jobs_filters[i][0]))
			json_put_field_str(body, jobs_filters[i][1], str_of(args_when(args, jobs_filters[i][0], &remote->arena)));
	}
	if (args_has(args, "state")) {
		const char *state;
		json_put_key(body, "states");
		buf_add_byte(body, '[');
		for (int at = 0; (state = args_each(args, "state", &at)) != NULL;) {
			json_put_comma(body);
			json_put_str(body, str_of(state));
		}
		buf_add_byte(body, ']');
	}
	if (remote->space)
		json_put_field_str(body, "namespace", str_of(remote->space));
	buf_add_byte(body, '}');
}

static int jobs_change_all(struct remote *remote, const struct args *args, const struct jobs_change *change)
{
	struct str body;
	char question[96];
	uint64_t expected;
	const char *about;
	jobs_address(remote, args, "/v1/jobs/count");
	int code = operation_expect(remote, &expected, &about);
	if (code)
		return code;
	snprintf(question, sizeof(question), "%c%s %s%llu job%s?", toupper((unsigned char)change->action[0]), change->action + 1,
		 about, (unsigned long long)expected, expected == 1 ? "" : "s");
	if (!args_has(args, "yes") && !expected) {
		puts("no job matches");
		return 0;
	}
	if (!args_has(args, "yes") && !text_confirm(args->command->name, question))
		return EX_USAGE;
	remote_begin(remote);
	remote_path(remote, "/v1/operations");
	buf_add_byte(&remote->body, '{');
	json_put_field_str(&remote->body, "action", str_of(change->action));
	jobs_put_filter(remote, args);
	if (change->arguments.len) {
		json_put_key(&remote->body, "arguments");
		buf_add_byte(&remote->body, '{');
		buf_add(&remote->body, buf_str(&change->arguments));
		buf_add_byte(&remote->body, '}');
	}
	buf_add_byte(&remote->body, '}');
	code = remote_call(remote, "POST", &body);
	return code ? code : operation_follow(remote, args, body, change->done, "job", expected);
}

static bool jobs_has_filter(const struct args *args)
{
	bool any = args_has(args, "state");
	for (size_t i = 0; i < ARRAY_COUNT(jobs_filters); i++)
		any = any || args_has(args, jobs_filters[i][0]);
	return any;
}

static int jobs_change(struct remote *remote, const struct args *args, const struct jobs_change *change)
{
	bool all = args_has(args, "all");
	if (all && args->word_count)
		return args_complain(args->command, "it takes one job, or --all with a filter, not both");
	if (!all && args->word_count != 1)
		return args_complain(args->command, "it takes one job (a uid, or QUEUE/ID), or --all with a filter");
	if (all && change->tree)
		return args_complain(args->command, "--tree goes with one job");
	if (!all && jobs_has_filter(args))
		return args_complain(args->command, "a filter needs --all");
	if (all && !jobs_has_filter(args))
		return args_complain(args->command, "--all needs a filter, such as --queue or --state");
	return all ? jobs_change_all(remote, args, change) : jobs_change_one(remote, args, change);
}

/* ---- commands ---- */

static int jobs_retry(struct remote *remote, const struct args *args)
{
	struct jobs_change change = { .verb = "retry", .action = "retry", .done = "retried", .tree = args_has(args, "tree") };
	const char *file = args_get(args, "payload");
	int64_t delay_ms = -1;
	if (file && args_has(args, "all"))
		return args_complain(args->command, "--payload goes with one job");
	struct buf payload;
	buf_init(&payload, LIMIT_BODY_MAX);
	buf_init(&change.arguments, LIMIT_BODY_MAX);
	int code = file ? text_read(args->command->name, file, &payload) : 0;
	if (!code)
		code = args_duration_ms(args, "delay", &delay_ms);
	if (file)
		json_put_field_raw(&change.arguments, "payload", str_trim(buf_str(&payload)));
	if (delay_ms >= 0)
		json_put_field_i64(&change.arguments, "delay_ms", delay_ms);
	if (change.tree)
		json_put_field_bool(&change.arguments, "tree", true);
	if (!code)
		code = jobs_change(remote, args, &change);
	buf_fini(&payload);
	buf_fini(&change.arguments);
	return code;
}

static int jobs_cancel(struct remote *remote, const struct args *args)
{
	struct jobs_change change = { .verb = "cancel", .action = "cancel", .done = "cancelled", .tree = args_has(args, "tree") };
	buf_init(&change.arguments, 64);
	if (change.tree)
		json_put_field_bool(&change.arguments, "tree", true);
	int code = jobs_change(remote, args, &change);
	buf_fini(&change.arguments);
	return code;
}

static int jobs_delete(struct remote *remote, const struct args *args)
{
	struct jobs_change change = { .action = "delete", .done = "deleted", .query = args_has(args, "force") ? "force" : NULL,
		                      .tree = args_has(args, "tree") };
	buf_init(&change.arguments, 64);
	if (change.query)
		json_put_field_bool(&change.arguments, "force", true);
	int code = jobs_change(remote, args, &change);
	buf_fini(&change.arguments);
	return code;
}

static int jobs_edit(struct remote *remote, const struct args *args)
{
	struct jobs_change change = { .verb = "edit", .action = "edit", .done = "edited" };
	struct buf payload;
	if (!args_has(args, "payload"))
		return args_complain(args->command, "--payload FILE is needed");
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one job (a uid, or QUEUE/ID)");
	buf_init(&payload, LIMIT_BODY_MAX);
	buf_init(&change.arguments, LIMIT_BODY_MAX);
	int code = text_read(args->command->name, args_get(args, "payload"), &payload);
	json_put_field_raw(&change.arguments, "payload", str_trim(buf_str(&payload)));
	if (!code)
		code = jobs_change_one(remote, args, &change);
	buf_fini(&payload);
	buf_fini(&change.arguments);
	return code;
}

static int jobs_reschedule(struct remote *remote, const struct args *args)
{
	struct jobs_change change = { .verb = "reschedule", .action = "reschedule", .done = "rescheduled" };
	int64_t delay_ms = -1;
	if (args_has(args, "delay") == args_has(args, "at"))
		return args_complain(args->command, "either --delay SPAN or --at INSTANT is needed");
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one job (a uid, or QUEUE/ID)");
	buf_init(&change.arguments, 4096);
	int code = args_duration_ms(args, "delay", &delay_ms);
	if (delay_ms >= 0)
		json_put_field_i64(&change.arguments, "delay_ms", delay_ms);
	else if (!code)
		json_put_field_str(&change.arguments, "run_at", str_of(args_get(args, "at")));
	if (!code)
		code = jobs_change_one(remote, args, &change);
	buf_fini(&change.arguments);
	return code;
}

static int jobs_detach(struct remote *remote, const struct args *args)
{
	struct str parent, uid, body;
	if (args->word_count != 1 || !args_has(args, "from"))
		return args_complain(args->command, "it takes one job, and --from its parent (each a uid, or QUEUE/ID)");
	int code = remote_job(remote, args_get(args, "from"), &parent);
	code = code ? code : remote_job(remote, args->words[0], &uid);
	if (code)
		return code;
	remote_begin(remote);
	remote_path(remote, "/v1/jobs/");
	remote_piece(remote, uid);
	remote_path(remote, "/detach");
	buf_add_byte(&remote->body, '{');
	json_put_field_str(&remote->body, "parent", parent);
	buf_add_byte(&remote->body, '}');
	code = remote_call(remote, "POST", &body);
	if (code || remote_printed(args, body))
		return code;
	bool waited = !str_eq(pluck_text(body, "count", &remote->arena), STR("0"));
	printf(STR_FMT " %s for " STR_FMT "\n", STR_ARG(parent), waited ? "waits no more" : "did not wait", STR_ARG(uid));
	return 0;
}

static int jobs_promote(struct remote *remote, const struct args *args)
{
	return jobs_change(remote, args, &(struct jobs_change){ .verb = "promote", .action = "promote", .done = "promoted" });
}

static int jobs_move(struct remote *remote, const struct args *args)
{
	struct jobs_change change = { .verb = "move", .action = "move", .done = "moved" };
	if (!args_has(args, "to"))
		return args_complain(args->command, "--to QUEUE is needed");
	buf_init(&change.arguments, 4096);
	json_put_field_str(&change.arguments, "queue", str_of(args_get(args, "to")));
	int code = jobs_change(remote, args, &change);
	buf_fini(&change.arguments);
	return code;
}

static int jobs_priority(struct remote *remote, const struct args *args)
{
	struct jobs_change change = { .verb = "priority", .action = "reprioritise", .done = "reprioritised" };
	int64_t priority = 0;
	if (!args_has(args, "to"))
		return args_complain(args->command, "--to N is needed");
	int code = args_i64(args, "to", 0, LIMIT_PRIORITY, &priority);
	buf_init(&change.arguments, 64);
	json_put_field_i64(&change.arguments, "priority", priority);
	if (!code)
		code = jobs_change(remote, args, &change);
	buf_fini(&change.arguments);
	return code;
}

#define X(name)                                               \
	int cmd_jobs_##name(int argc, char **argv)            \
	{                                                     \
		return remote_run(argc, argv, jobs_##name);     \
	}
X(list) X(count) X(show) X(children) X(detach) X(explain) X(retry) X(cancel) X(delete) X(promote) X(move) X(priority) X(edit) X(reschedule)
#undef X
