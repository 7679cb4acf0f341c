/* ruche endpoints test | recover | replay | entities, ruche messages resend: third parties tried out, and told once more. */
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/job_show.h"
#include "cli/named.h"
#include "cli/table.h"
#include "cli/text.h"
#include <string.h>
#include <sysexits.h>

#define ENDPOINTS    "/v1/endpoints/"
#define TEST_WAIT_MS "60000"

const struct cli_option endpoints_test_options[] = {
	{ "type", 't', "TYPE", "of this type (endpoint.test)", "@types", false },
	{ "payload", 'p', "FILE", "with this payload (the example of its type); - for standard input", "@files", false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option endpoints_entities_options[] = {
	{ "forget", 0, NULL, "forget what it was told of ENTITY: the next message about it makes it anew", NULL, false },
	{ "limit", 'l', "N", "how many (100)", NULL, false },
	{ "cursor", 0, "CURSOR", "go on where the page before ended", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
#define SINCE_OPTIONS                                                                                                     \
	{ "since", 's', INSTANT_OR_AGE, "since: 2026-11-23T08:00:00Z, or 2d: two days ago", NULL, false },                \
	{ "until", 'u', INSTANT_OR_AGE, "until", NULL, false },                                                           \
	{ "dry-run", 0, NULL, "only say how many there are", NULL, false },                                               \
	{ "yes", 'y', NULL, "do not ask before", NULL, false }
const struct cli_option endpoints_recover_options[] = { SINCE_OPTIONS, JSON_OPTION, REMOTE_OPTIONS, { 0 } };
const struct cli_option endpoints_replay_options[] = {
	SINCE_OPTIONS,
	{ "type", 't', "TYPE", "only messages of this type; fiche.* for all that begin so; may be given several times", "@types", true },
	{ "entity", 'e', "ENTITY", "only messages about this entity", NULL, false },
	{ "only", 'o', "WHICH", "missing: never made (the usual); missing_or_unknown: or no longer kept; failed; all that are not on their way",
	  "missing missing_or_unknown failed all", false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};
const struct cli_option messages_resend_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };

/* ---- a test ---- */

/* "200 after 12 ms", or what went wrong. */
static int test_print(struct remote *remote, const struct args *args, struct str uid)
{
	struct arena *arena = &remote->arena;
	struct str job, body;
	remote_begin(remote);
	remote_path(remote, "/v1/jobs/");
	remote_piece(remote, uid);
	remote_query(remote, "wait_ms", TEST_WAIT_MS);
	int code = remote_call(remote, "GET", &job);
	code = code ? code : job_get(remote, uid, "/attempts", &body);
	if (code)
		return code;
	bool well = str_eq(pluck_text(job, "state", arena), STR("completed"));
	if (remote_printed(args, job))
		return well ? 0 : 1;
	struct str status = pluck_text(body, "attempts.0.exchange.status", arena), took = pluck_text(body, "attempts.0.took_ms", arena);
	struct str said = pluck_text(body, "attempts.0.exchange.response_excerpt", arena), wrong = pluck_text(body, "attempts.0.error.message", arena);
	printf("%s: ", args->words[0]);
	if (!took.len) {
		printf("not called yet: it is " STR_FMT "; 'ruche jobs explain " STR_FMT "' says why\n", STR_ARG(pluck_text(job, "state", arena)),
		       STR_ARG(uid));
	} else if (wrong.len) {
		text_put(stdout, wrong);
		printf(" (after " STR_FMT " ms)\n", STR_ARG(took));
	} else if (status.len) {
		printf("HTTP " STR_FMT " after " STR_FMT " ms\n", STR_ARG(status), STR_ARG(took));
	} else {
		puts("nothing was sent: its format leaves such a message out");
	}
	if (said.len) {
		fputs("it said: ", stdout);
		text_put(stdout, said);
		puts("");
	}
	return well ? 0 : 1;
}

static int endpoints_test(struct remote *remote, const struct args *args)
{
	const char *file = args_get(args, "payload");
	struct buf payload;
	struct str body = { 0 };
	if (args->word_count != 1)
		return args_complain(args->command, "it takes one endpoint");
	buf_init(&payload, LIMIT_BODY_MAX);
	int code = file ? text_read(args->command->name, file, &payload) : 0;
	if (!code) {
		named_address(remote, ENDPOINTS, args->words[0], "/test");
		buf_add_byte(&remote->body, '{');
		if (args_has(args, "type"))
			json_put_field_str(&remote->body, "type", str_of(args_get(args, "type")));
		if (file)
			json_put_field_raw(&remote->body, "payload", str_trim(buf_str(&payload)));
		buf_add_byte(&remote->body, '}');
		code = remote_call(remote, "POST", &body);
	}
	buf_fini(&payload);
	struct str delivery = code ? (struct str){ 0 } : pluck_text(body, "delivery", &remote->arena);
	if (code || delivery.len)
		return code ? code : test_print(remote, args, delivery);
	if (!remote_printed(args, body))
		printf("%s: nobody is called, it asks by itself: message " STR_FMT " is there for it\n", args->words[0],
		       STR_ARG(pluck_text(body, "id", &remote->arena)));
	return 0;
}

/* ---- entities ---- */

static void entities_print_table(struct remote *remote, struct str *entities, uint32_t count)
{
	static const char *const heads[] = { "ENTITY", "THEIR ID", "STATE", "MESSAGE", "TOLD", NULL };
	static const char *const paths[] = { "entity", "external_id", "state", "message" };
	struct arena *arena = &remote->arena;
	struct table table;
	int64_t now_us = clock_wall_us();
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		for (size_t at = 0; at < ARRAY_COUNT(paths); at++)
			table_add(&table, pluck_text(entities[i], paths[at], arena));
		table_add(&table, text_ago(pluck_text(entities[i], "told_at", arena), now_us, arena));
	}
	remote_print_table(&table, "it was told of no entity yet");
}

static int entities_one(struct remote *remote, const struct args *args)
{
	struct str body;
	bool forget = args_has(args, "forget");
	remote_begin(remote);
	remote_path(remote, ENDPOINTS);
	remote_piece(remote, str_of(args->words[0]));
	remote_path(remote, "/entities/");
	remote_piece(remote, str_of(args->words[1]));
	remote_query(remote, "namespace", remote->space);
	int code = remote_call(remote, forget ? "DELETE" : "GET", &body);
	if (!code && forget)
		printf("%s is forgotten: the next message about it makes it anew\n", args->words[1]);
	else if (!code && !remote_printed(args, body))
		entities_print_table(remote, &body, 1);
	return code;
}

static int endpoints_entities(struct remote *remote, const struct args *args)
{
	struct str body;
	uint32_t count;
	if (args->word_count < 1 || args->word_count > 2 || (args->word_count == 1 && args_has(args, "forget")))
		return args_complain(args->command, "it takes an endpoint, and an entity where one is meant");
	if (args->word_count == 2)
		return entities_one(remote, args);
	named_address(remote, ENDPOINTS, args->words[0], "/entities");
	remote_query(remote, "limit", args_get(args, "limit"));
	remote_query(remote, "cursor", args_get(args, "cursor"));
	int code = remote_call(remote, "GET", &body);
	if (code || remote_printed(args, body))
		return code;
	struct str *entities = pluck_items(body, "entities", &remote->arena, &count);
	entities_print_table(remote, entities, count);
	remote_print_more(remote, body);
	return 0;
}

/* ---- what failed, and what was missed ---- */

static void recovery_ask(struct remote *remote, const struct args *args, const char *tail, bool dry_run)
{
	static const char *const texts[] = { "since", "until", "entity", "only" };
	struct buf *body = &remote->body;
	const char *type;
	named_address(remote, ENDPOINTS, args->words[0], tail);
	buf_add_byte(body, '{');
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		if (args_has(args, texts[i]))
			json_put_field_str(body, texts[i], str_of(args_when(args, texts[i], &remote->arena)));
	if (args_has(args, "type")) {
		json_put_key(body, "types");
		buf_add_byte(body, '[');
		for (int at = 0; (type = args_each(args, "type", &at)) != NULL;) {
			json_put_comma(body);
			json_put_str(body, str_of(type));
		}
		buf_add_byte(body, ']');
	}
	if (dry_run)
		json_put_field_bool(body, "dry_run", true);
	buf_add_byte(body, '}');
}

/* "12 deliveries would be sent: 10 missing, 2 failed; not sent: 88 delivered, 3 on their way" */
static void recovery_print_counts(struct remote *remote, const struct args *args, struct str body)
{
	static const char *const stands[][2] = {
		{ "missing", "never made" }, { "failed", "failed" }, { "delivered", "delivered" }, { "cancelled", "cancelled" },
		{ "on_its_way", "on their way" }, { "unknown", "not known any more" },
	};
	struct arena *arena = &remote->arena;
	uint64_t sends = 0, count;
	const char *before = "; of the messages that it wants: ";
	pluck_u64(body, "sends", arena, &sends);
	printf("%s%llu %s would be sent", pluck_true(body, "at_least", arena) ? "at least " : "", (unsigned long long)sends,
	       sends == 1 ? "delivery" : "deliveries");
	for (size_t i = 0; i < ARRAY_COUNT(stands); i++) {
		if (!pluck_u64(body, stands[i][0], arena, &count) || !count)
			continue;
		printf("%s%llu %s", before, (unsigned long long)count, stands[i][1]);
		before = ", ";
	}
	bool leaves_unknown = !args_has(args, "only") || !strcmp(args_get(args, "only"), "missing");
	if (leaves_unknown && pluck_u64(body, "unknown", arena, &count) && count)
		printf(": --only missing_or_unknown sends them too");
	puts("");
}

static int recovery_run(struct remote *remote, const struct args *args, const char *tail)
{
	struct str body;
	char question[96];
	uint64_t expected = 0;
	if (args->word_count != 1 || !args_has(args, "since"))
		return args_complain(args->command, "it takes one endpoint, and --since " INSTANT_OR_AGE);
	recovery_ask(remote, args, tail, true);
	int code = remote_call(remote, "POST", &body);
	if (code || (args_has(args, "dry-run") && remote_printed(args, body)))
		return code;
	if (args_has(args, "dry-run") || !args_has(args, "json"))
		recovery_print_counts(remote, args, body);
	pluck_u64(body, "sends", &remote->arena, &expected);
	if (args_has(args, "dry-run") || (!expected && !args_has(args, "yes")))
		return 0;
	snprintf(question, sizeof(question), "Send %s?", expected == 1 ? "it" : "them");
	if (!args_has(args, "yes") && !text_confirm(args->command->name, question))
		return EX_USAGE;
	recovery_ask(remote, args, tail, false);
	code = remote_call(remote, "POST", &body);
	return code ? code : operation_follow(remote, args, body, "sent", "delivery", expected);
}

static int endpoints_recover(struct remote *remote, const struct args *args)
{
	return recovery_run(remote, args, "/recover");
}

static int endpoints_replay(struct remote *remote, const struct args *args)
{
	return recovery_run(remote, args, "/replay");
}

/* ---- once more ---- */

static int messages_resend(struct remote *remote, const struct args *args)
{
	struct str body;
	if (args->word_count != 2)
		return args_complain(args->command, "it takes a message's id and an endpoint");
	remote_begin(remote);
	remote_path(remote, "/v1/messages/");
	remote_piece(remote, str_of(args->words[0]));
	remote_path(remote, "/resend");
	buf_add_byte(&remote->body, '{');
	json_put_field_str(&remote->body, "endpoint", str_of(args->words[1]));
	buf_add_byte(&remote->body, '}');
	int code = remote_call(remote, "POST", &body);
	if (!code && !remote_printed(args, body))
		printf("%s goes to %s again: delivery " STR_FMT " is " STR_FMT "\n", args->words[0], args->words[1],
		       STR_ARG(pluck_text(body, "uid", &remote->arena)), STR_ARG(pluck_text(body, "state", &remote->arena)));
	return code;
}

int cmd_endpoints_test(int argc, char **argv)
{
	return remote_run(argc, argv, endpoints_test);
}

int cmd_endpoints_recover(int argc, char **argv)
{
	return remote_run(argc, argv, endpoints_recover);
}

int cmd_endpoints_replay(int argc, char **argv)
{
	return remote_run(argc, argv, endpoints_replay);
}

int cmd_endpoints_entities(int argc, char **argv)
{
	return remote_run(argc, argv, endpoints_entities);
}

int cmd_messages_resend(int argc, char **argv)
{
	return remote_run(argc, argv, messages_resend);
}
