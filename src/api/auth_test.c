/* Who may do what: tokens as values, then over HTTP: scopes on every route, limits to queues, learning, making and revoking. */
#include "api/router.h"
#include "api/routes.h"
#include "api/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define UID_1 "000000000002d" /* 77 */

static bool says(const struct scene *scene, const char *part)
{
	return scene->body.len && memmem(scene->body.ptr, scene->body.len, part, strlen(part));
}

/* ---- values ---- */

static void scopes_as_text(void **state)
{
	static const struct {
		const char *text;
		enum err err;
		unsigned scopes;
	} rows[] = {
		{ "", E_OK, 0 }, { "read", E_OK, SCOPE_READ }, { " work  enqueue ", E_OK, SCOPE_WORK | SCOPE_ENQUEUE }, { "admin", E_OK, SCOPE_ADMIN },
		{ "poll read", E_OK, SCOPE_POLL | SCOPE_READ },
		{ "reed", E_INVALID, 0 }, { "read,work", E_INVALID, 0 }, { "Read", E_INVALID, 0 },
	};
	unsigned scopes;
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		scopes = 0;
		assert_int_equal(scopes_parse(str_of(rows[i].text), &scopes), rows[i].err);
		assert_int_equal(scopes, rows[i].scopes);
	}
	assert_true(scopes_include(SCOPE_ADMIN, SCOPE_WORK) && scopes_include(SCOPE_READ, SCOPE_READ) && scopes_include(0, 0));
	assert_false(scopes_include(SCOPE_READ | SCOPE_WORK, SCOPE_OPERATE) || scopes_include(SCOPE_OPERATE, SCOPE_ADMIN));
}

static void tokens_as_text(void **state)
{
	unsigned char random[TOKEN_RANDOM_BYTES] = { 0 }, hash[TOKEN_HASH_BYTES];
	char text[TOKEN_TEXT_BYTES];
	(void)state;
	token_text(random, text);
	assert_string_equal(text, "rch_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	assert_true(token_hash(STR("abc"), hash)); /* FIPS 180-2 */
	assert_memory_equal(hash, "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad", 32);
}

static void queues_of_a_token(void **state)
{
	unsigned char hash[TOKEN_HASH_BYTES] = { 7 };
	struct roster *roster = roster_new();
	struct token_row row = { .number = 1, .hash = { (const char *)hash, sizeof(hash) }, .scopes = STR_INIT("read"),
				 .queues = STR_INIT("[\"mail\", \"n/mail\", \"default/a/b\"]") };
	(void)state;
	assert_int_equal(roster_add(roster, &row), E_OK);
	const struct token *token = roster_find_number(roster, 1);
	assert_true(token_allows(token, (struct queue_name){ STR(""), STR("mail") }));
	assert_true(token_allows(token, (struct queue_name){ STR("default"), STR("mail") }));
	assert_true(token_allows(token, (struct queue_name){ STR("n"), STR("mail") }));
	assert_true(token_allows(token, (struct queue_name){ STR(""), STR("a/b") }));
	assert_false(token_allows(token, (struct queue_name){ STR("m"), STR("mail") }));
	assert_false(token_allows(token, (struct queue_name){ STR("n"), STR("other") }));
	assert_false(token_allows(token, (struct queue_name){ STR(""), STR("") }));
	assert_true(token_allows(NULL, (struct queue_name){ STR(""), STR("x") }));
	row.queues = STR("[]"); /* rows that make no sense admit nobody */
	assert_int_equal(roster_add(roster, &row), E_INVALID);
	row.queues = STR("{");
	assert_int_equal(roster_add(roster, &row), E_INVALID);
	row.queues = STR("");
	row.scopes = STR("everything");
	assert_int_equal(roster_add(roster, &row), E_INVALID);
	row.scopes = STR("read");
	row.hash.len = 31;
	assert_int_equal(roster_add(roster, &row), E_INVALID);
	assert_int_equal(roster_count(roster), 1);
	roster_drop(roster);
}

/* ---- over HTTP ---- */

static void nobody_gets_in(void **state)
{
	struct scene scene;
	char header[128];
	(void)state;
	scene_open(&scene, false, 0);
	scene_token(&scene, "admin", NULL);
	const char *good = scene.token_texts[0];
	char other[TOKEN_TEXT_BYTES];
	memcpy(other, good, sizeof(other));
	other[20] = other[20] == 'x' ? 'y' : 'x';
	const char *const headers[] = {
		"", "Authorization: \r\n", "Authorization: Bearer\r\n", "Authorization: Bearer rch_wrong\r\n", "Authorization: Basic dTpw\r\n", NULL, NULL, NULL,
	};
	for (size_t i = 0; i < ARRAY_COUNT(headers); i++) {
		const char *format = i == 5 ? "Authorization: Bearer %s\r\n" : i == 6 ? "Authorization: %s\r\n" : "Authorization: Bearer %sA\r\n";
		snprintf(header, sizeof(header), format, i == 5 ? other : good);
		scene_send(&scene, "GET", "/v1/queues", headers[i] ? headers[i] : header, STR(""));
		assert_int_equal(scene.status, 401);
		assert_true(says(&scene, "\"code\":\"unauthorized\""));
		assert_true(str_eq(scene_header(&scene, "WWW-Authenticate"), STR("Bearer realm=\"ruche\"")));
	}
	scene_send(&scene, "GET", "/livez", NULL, STR(""));
	assert_int_equal(scene.status, 200);
	snprintf(header, sizeof(header), "authorization: bEARER  %s\r\n", good);
	scene_send(&scene, "GET", "/v1/queues", header, STR(""));
	assert_int_equal(scene.request_count, 1);
	scene_close(&scene);
}

static void time_and_revocation(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	scene_token(&scene, "read", NULL);
	scene.tokens[0].expires_us = SCENE_NOW_US + 1000000;
	scene_token(&scene, "read", NULL);
	scene_as(&scene, 0);
	scene_send(&scene, "GET", "/v1/jobs/count?tag=t", NULL, STR(""));
	assert_int_equal(scene.question_count, 1);
	scene_answer(&scene, scene_question(&scene));
	scene.now_us += 1000000;
	scene_send(&scene, "GET", "/v1/jobs/count?tag=t", NULL, STR(""));
	assert_true(scene.status == 401 && says(&scene, "expired"));
	scene_as(&scene, 1);
	scene.tokens[1].revoked_us = SCENE_NOW_US;
	api_learn_tokens(scene.api);
	scene_turn(&scene);
	scene_send(&scene, "GET", "/v1/jobs/count?tag=t", NULL, STR(""));
	assert_true(scene.status == 401 && says(&scene, "revoked"));
	scene_close(&scene);
}

/* A good body and path for a route, so that only the scope can refuse it. */
static void route_example(const struct route *route, char path[256], const char **body)
{
	static const struct {
		const char *takes, *body;
	} bodies[] = {
		{ "EnqueueBody", "{\"queue\":\"q\"}" }, { "Claim", "{\"queues\":[\"q\"]}" }, { "CompleteList", "{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID_1 "\"}]}" },
		{ "FailList", "{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID_1 "\"}]}" }, { "HeartbeatList", "{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID_1 "\"}]}" },
		{ "Snooze", "{\"token\":\"t\",\"delay_ms\":1}" }, { "Progress", "{\"token\":\"t\",\"progress\":1}" }, { "LogBody", "{\"token\":\"t\",\"line\":\"l\"}" },
		{ "Complete", "{\"token\":\"t\"}" }, { "Fail", "{\"token\":\"t\"}" }, { "Heartbeat", "{\"token\":\"t\"}" }, { "Release", "{\"token\":\"t\"}" },
		{ "Reprioritise", "{\"priority\":1}" }, { "Move", "{\"queue\":\"q\"}" }, { "Edit", "{\"payload\":1}" }, { "Reschedule", "{\"delay_ms\":1}" },
		{ "OperationStart", "{\"action\":\"retry\",\"filter\":{\"queue\":\"q\"}}" },
		{ "NewToken", "{\"name\":\"n\",\"scopes\":[\"read\"]}" }, { "Batch", "{\"ops\":[{\"op\":\"queue_pause\",\"queue\":\"q\"}]}" },
	};
	size_t len = 0;
	for (const char *at = route->pattern; *at; at++) {
		if (*at != '{') {
			path[len++] = *at;
			continue;
		}
		const char *piece = strncmp(at, "{uid}", 5) == 0 ? UID_1 : "q";
		memcpy(path + len, piece, strlen(piece));
		len += strlen(piece);
		at = strchr(at, '}');
	}
	path[len] = '\0';
	*body = route->flags & ROUTE_BODY ? "{}" : NULL;
	for (size_t i = 0; route->takes && i < ARRAY_COUNT(bodies); i++)
		if (strcmp(bodies[i].takes, route->takes) == 0)
			*body = bodies[i].body;
}

static void drop_what_was_asked(struct scene *scene)
{
	while (scene->request_count || scene->question_count) {
		if (scene->request_count) {
			struct request *request = scene_request(scene);
			request->err = E_BACKLOG;
			scene_reply(scene, request);
		} else {
			struct question *question = scene_question(scene);
			question->err = E_IO;
			scene_answer(scene, question);
		}
	}
}

/* Every route × every scope: 403 unless it is the route's own, or admin. */
static void scopes_on_every_route(void **state)
{
	static const enum scope scopes[] = { SCOPE_ENQUEUE, SCOPE_WORK, SCOPE_READ, SCOPE_OPERATE, SCOPE_POLL, SCOPE_ADMIN };
	struct scene scene;
	char path[256];
	const char *body;
	(void)state;
	scene_open(&scene, false, 0);
	for (size_t s = 0; s < ARRAY_COUNT(scopes); s++)
		scene_token(&scene, scope_name(scopes[s]), NULL);
	for (uint32_t i = 0; i < route_count; i++) {
		const struct route *route = &routes[i];
		route_example(route, path, &body);
		for (size_t s = 0; s < ARRAY_COUNT(scopes); s++) {
			unsigned needed = route->scope ? route->scope : SCOPE_OPERATE; /* /v1/batch: its operation's */
			if (route->decode == previews_decode)
				needed |= SCOPE_READ; /* it shows what messages say */
			bool opens = (route->flags & ROUTE_OPEN) || scopes_include(scopes[s], needed);
			scene_as(&scene, (uint32_t)s);
			scene_send(&scene, http_method_name(route->method), path, NULL, str_of(body));
			bool opened = scene.request_count || scene.question_count || (scene.status && scene.status != 403);
			if (opened != opens)
				fail_msg("%s %s with %s: %d " STR_FMT, http_method_name(route->method), path, scope_name(scopes[s]), scene.status, STR_ARG(scene.body));
			drop_what_was_asked(&scene);
			if (route->name && strcmp(route->name, "events") == 0)
				scene_hang_up(&scene);
		}
	}
	scene_close(&scene);
}

/* Whoever may only enqueue makes no history. */
static void a_past_needs_operate(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	scene_token(&scene, "enqueue", "");
	scene_as(&scene, 0);
	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"jobs\":[{\"queue\":\"q\"},{\"queue\":\"q\",\"past\":{}}]}"));
	assert_int_equal(scene.status, 403);
	assert_true(says(&scene, "\"field\":\"jobs[1].past\""));
	scene_token(&scene, "enqueue operate", "");
	scene_as(&scene, 1);
	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"queue\":\"q\",\"past\":{}}"));
	struct request *request = scene_request(&scene);
	assert_non_null(request->ops[0].enqueue.past);
	request->err = E_UNAVAILABLE;
	scene_reply(&scene, request);
	scene_close(&scene);
}

/* A token that is limited to the queue "mine": what names another queue is 403, whose uid lives elsewhere is 404. */
static void limited_to_queues(void **state)
{
	static const struct {
		const char *method, *path, *body;
		int status;
		const char *field;
	} rows[] = {
		{ "POST", "/v1/jobs", "{\"queue\":\"theirs\"}", 403, "queue" },
		{ "POST", "/v1/jobs", "{\"queue\":\"mine\",\"namespace\":\"other\"}", 403, "queue" },
		{ "POST", "/v1/jobs", "{\"jobs\":[{\"queue\":\"mine\"},{\"queue\":\"theirs\"}]}", 403, "jobs[1].queue" },
		{ "POST", "/v1/jobs", "{\"queue\":\"mine\",\"past\":{\"children\":[{\"queue\":\"theirs\",\"id\":\"i\",\"state\":\"done\"}]}}", 403, "queue" },
		{ "POST", "/v1/claims", "{\"queues\":[\"mine\",\"theirs\"]}", 403, "queue" },
		{ "POST", "/v1/leases/heartbeat", "{\"token\":\"t\",\"leases\":[{\"queue\":\"theirs\",\"id\":\"i\"}]}", 403, "leases[0].queue" },
		{ "POST", "/v1/leases/" UID_1 "/complete", "{\"token\":\"t\",\"claim\":{\"queues\":[\"theirs\"]}}", 403, "queue" },
		{ "GET", "/v1/jobs", NULL, 403, "queue" },
		{ "GET", "/v1/jobs?queue=theirs", NULL, 403, "queue" },
		{ "GET", "/v1/jobs/count", NULL, 403, "queue" },
		{ "GET", "/v1/queues/theirs", NULL, 403, "queue" },
		{ "GET", "/v1/queues/theirs/jobs/i", NULL, 403, "queue" },
		{ "GET", "/v1/queues/theirs/groups", NULL, 403, "queue" },
		{ "PUT", "/v1/queues/theirs", "{}", 403, "queue" },
		{ "DELETE", "/v1/queues/theirs", NULL, 403, "queue" },
		{ "POST", "/v1/queues/theirs/groups/g/pause", NULL, 403, "queue" },
		{ "GET", "/v1/events", NULL, 403, "queue" },
		{ "GET", "/v1/events?queue=theirs", NULL, 403, "queue" },
		{ "POST", "/v1/operations", "{\"action\":\"retry\",\"filter\":{\"states\":[\"failed\"]}}", 403, "filter.queue" },
		{ "POST", "/v1/operations", "{\"action\":\"retry\",\"filter\":{\"queue\":\"theirs\"}}", 403, "queue" },
		{ "POST", "/v1/operations", "{\"action\":\"move\",\"filter\":{\"queue\":\"mine\"},\"arguments\":{\"queue\":\"theirs\"}}", 403, "queue" },
		{ "POST", "/v1/jobs/" UID_1 "/move", "{\"queue\":\"theirs\"}", 403, "queue" },
		{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"enqueue\",\"queue\":\"mine\"},{\"op\":\"cancel\",\"queue\":\"theirs\",\"id\":\"i\"}]}", 403, "ops[1].queue" },
		{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"operation_cancel\",\"uid\":\"" UID_1 "\"}]}", 403, "ops[0].uid" },
		{ "GET", "/v1/tokens", NULL, 403, NULL },
		{ "GET", "/metrics", NULL, 403, NULL },
	};
	struct scene scene;
	char field[64];
	(void)state;
	scene_open(&scene, false, 0);
	scene_token(&scene, "enqueue work read operate admin", "[\"mine\"]");
	scene_as(&scene, 0);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		scene_send(&scene, rows[i].method, rows[i].path, NULL, str_of(rows[i].body));
		snprintf(field, sizeof(field), "\"field\":\"%s\"", rows[i].field ? rows[i].field : "");
		if (scene.status != rows[i].status || (rows[i].field && !says(&scene, field)))
			fail_msg("%s %s %s: %d " STR_FMT, rows[i].method, rows[i].path, rows[i].body ? rows[i].body : "", scene.status, STR_ARG(scene.body));
		assert_int_equal(scene.request_count + scene.question_count, 0);
	}
	scene_close(&scene);
}

static void foreign_uids(void **state)
{
	static const struct {
		const char *method, *path, *body;
		const char *field;
	} rows[] = {
		{ "GET", "/v1/jobs/" UID_1, NULL, "uid" },
		{ "GET", "/v1/jobs/" UID_1 "?wait_ms=5", NULL, "uid" },
		{ "GET", "/v1/jobs/" UID_1 "/payload", NULL, "uid" },
		{ "GET", "/v1/jobs/" UID_1 "/attempts", NULL, "uid" },
		{ "GET", "/v1/jobs/" UID_1 "/explain", NULL, "uid" },
		{ "DELETE", "/v1/jobs/" UID_1, NULL, "uid" },
		{ "POST", "/v1/jobs/" UID_1 "/cancel", "{}", "uid" },
		{ "POST", "/v1/jobs/" UID_1 "/move", "{\"queue\":\"mine\"}", "uid" },
		{ "POST", "/v1/leases/" UID_1 "/complete", "{\"token\":\"t\"}", "uid" },
		{ "POST", "/v1/leases/heartbeat", "{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID_1 "\"}]}", "leases[0].uid" },
		{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"retry\",\"uid\":\"" UID_1 "\"}]}", "ops[0].uid" },
	};
	struct scene scene;
	char field[64];
	(void)state;
	scene_open(&scene, false, 0);
	scene_token(&scene, "admin", "[\"mine\"]");
	scene_as(&scene, 0);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct job_view view = { .row = { .uid = 77 }, .queue_name = STR_INIT("theirs"), .namespace_name = STR_INIT("default") };
		scene_send(&scene, rows[i].method, rows[i].path, NULL, str_of(rows[i].body));
		assert_int_equal(scene.request_count, 0);
		struct question *question = scene_question(&scene);
		assert_int_equal(question->query.uids[0], 77);
		question->answer = (struct answer){ .jobs = &view, .job_count = 1 };
		scene_answer(&scene, question);
		snprintf(field, sizeof(field), "\"field\":\"%s\"", rows[i].field);
		if (scene.status != 404 || !says(&scene, "job_not_found") || !says(&scene, field))
			fail_msg("%s %s: %d " STR_FMT, rows[i].method, rows[i].path, scene.status, STR_ARG(scene.body));

		view.queue_name = STR("mine"); /* and its own go through */
		scene_send(&scene, rows[i].method, rows[i].path, NULL, str_of(rows[i].body));
		question = scene_question(&scene);
		question->answer = (struct answer){ .jobs = &view, .job_count = 1 };
		scene_answer(&scene, question);
		struct request *request = scene_request(&scene);
		request->err = E_BACKLOG;
		scene_reply(&scene, request);
		assert_int_equal(scene.status, 503);
	}
	scene_close(&scene);
}

static void lists_show_its_own(void **state)
{
	struct scene scene;
	struct queue_info infos[2] = { { .queue = { STR_INIT("default"), STR_INIT("mine") } }, { .queue = { STR_INIT("default"), STR_INIT("theirs") }, .enqueued = 9 } };
	struct operation_row operations[2] = { { .number = 77, .action = STR_INIT("retry"), .filter = STR_INIT("{\"queue\":\"theirs\"}") },
					       { .number = 78, .action = STR_INIT("retry"), .filter = STR_INIT("{\"queue\":\"mine\"}") } };
	(void)state;
	scene_open(&scene, false, 0);
	scene_token(&scene, "read operate", "[\"mine\"]");
	scene_as(&scene, 0);
	scene_send(&scene, "GET", "/v1/queues", NULL, STR(""));
	struct request *request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .queues = infos, .count = 2 };
	scene_reply(&scene, request);
	assert_true(says(&scene, "mine") && !says(&scene, "theirs"));
	scene_send(&scene, "GET", "/v1/stats", NULL, STR(""));
	request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .queues = infos, .count = 2 };
	scene_reply(&scene, request);
	assert_true(says(&scene, "\"queues\":1,") && says(&scene, "\"enqueued\":0,"));
	scene_send(&scene, "GET", "/v1/operations", NULL, STR(""));
	struct question *question = scene_question(&scene);
	question->answer = (struct answer){ .operations = operations, .operation_count = 2 };
	scene_answer(&scene, question);
	assert_true(says(&scene, "mine") && !says(&scene, "theirs"));
	for (int i = 0; i < 2; i++) { /* stopping one: first whose it is */
		scene_send(&scene, "POST", i ? "/v1/operations/000000000002e/cancel" : "/v1/operations/" UID_1 "/cancel", NULL, STR(""));
		question = scene_question(&scene);
		question->answer = (struct answer){ .operations = operations, .operation_count = 2 };
		scene_answer(&scene, question);
		assert_int_equal(scene.status, i ? 0 : 404);
		assert_int_equal(scene.request_count, (uint32_t)i);
	}
	scene_close(&scene);
}

/* ---- learning ---- */

static void unknown_tokens_wait_for_the_learning(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	scene.hold_tokens = scene.brief = true;
	scene_token(&scene, "read", NULL);
	scene_as(&scene, 0);
	scene_send(&scene, "GET", "/v1/jobs/count?tag=t", NULL, STR("")); /* it may be among those: no answer yet */
	scene_turn(&scene);
	assert_false(scene_receive(&scene));
	struct question *question = scene_question(&scene);
	api_learn_tokens(scene.api); /* something changed meanwhile: it is read once more */
	question->answer = (struct answer){ .token_count = 0 };
	scene_answer(&scene, question);
	assert_int_equal(scene.status, 0);
	question = scene_question(&scene);
	question->answer = (struct answer){ .tokens = scene.tokens, .token_count = 1 };
	scene_answer(&scene, question);
	assert_int_equal(scene_question(&scene)->query.kind, QUERY_COUNT);
	scene.question_count = 1; /* given back by scene_close */
	scene.hold_tokens = false;
	scene_close(&scene);
}

static void a_failed_learning_is_tried_again(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	assert_true(api_is_ready(scene.api));
	scene_token(&scene, "read", NULL);
	scene.hold_tokens = true;
	api_learn_tokens(scene.api);
	struct question *question = scene_question(&scene);
	question->err = E_IO;
	scene_answer(&scene, question);
	scene_as(&scene, 0); /* the old roster still holds */
	scene_send(&scene, "GET", "/v1/jobs/count?tag=t", NULL, STR(""));
	bool asked_again = false;
	for (uint32_t i = 0; i < scene.question_count; i++)
		asked_again |= scene.questions[i]->query.kind == QUERY_TOKENS;
	assert_true(asked_again);
	scene.hold_tokens = false;
	scene_close(&scene);
}

static void making_and_revoking(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	scene_token(&scene, "admin", NULL);
	scene_as(&scene, 0);
	scene_send(&scene, "DELETE", "/v1/tokens/0000000000001", NULL, STR(""));
	assert_int_equal(scene.status, 409); /* the last admin */
	scene_send(&scene, "POST", "/v1/tokens", NULL, STR("{\"name\":\"worker\",\"scopes\":[\"work\",\"read\"],\"queues\":[\"a\",\"n/b\"],\"expires_at\":\"2030-01-01T00:00:00Z\"}"));
	struct request *request = scene_request(&scene);
	const struct token_row *row = &request->ops[0].token;
	assert_int_equal(request->ops[0].kind, OP_TOKEN_PUT);
	assert_true(str_eq(row->name, STR("worker")) && str_eq(row->scopes, STR("work read")) && str_eq(row->queues, STR("[\"a\",\"n/b\"]")));
	assert_true(row->hash.len == 32 && row->prefix.len == 8 && row->number && row->expires_us == INT64_C(1893456000000000));
	struct str prefix = row->prefix;
	unsigned char hash[TOKEN_HASH_BYTES], told[TOKEN_HASH_BYTES];
	memcpy(hash, row->hash.ptr, sizeof(hash));
	assert_true(str_starts(prefix, STR("rch_")));
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 201);
	const char *text = memmem(scene.body.ptr, scene.body.len, "\"token\":\"rch_", 13);
	assert_non_null(text);
	assert_true(token_hash((struct str){ text + 9, TOKEN_TEXT_BYTES - 1 }, told));
	assert_memory_equal(hash, told, sizeof(hash));

	scene_token(&scene, "read", NULL);
	scene_send(&scene, "DELETE", "/v1/tokens/0000000000002", NULL, STR(""));
	request = scene_request(&scene);
	assert_true(request->ops[0].token.number == 2 && request->ops[0].token.revoked_us == SCENE_NOW_US && request->ops[0].token.hash.len == 32);
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 204);

	scene_send(&scene, "GET", "/v1/tokens", NULL, STR(""));
	struct question *question = scene_question(&scene);
	question->answer = (struct answer){ .tokens = scene.tokens, .token_count = 1 };
	scene_answer(&scene, question);
	assert_true(str_eq(scene.body, STR("{\"tokens\":[{\"uid\":\"0000000000001\",\"name\":\"trial\",\"prefix\":\"rch_abcd\",\"scopes\":[\"admin\"],\"queues\":null,"
					   "\"created_at\":\"2026-11-23T19:11:12.000Z\",\"expires_at\":null,\"revoked_at\":null}],\"next_cursor\":null}")));
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scopes_as_text), cmocka_unit_test(tokens_as_text), cmocka_unit_test(queues_of_a_token), cmocka_unit_test(nobody_gets_in),
		cmocka_unit_test(time_and_revocation), cmocka_unit_test(scopes_on_every_route), cmocka_unit_test(limited_to_queues), cmocka_unit_test(foreign_uids),
		cmocka_unit_test(lists_show_its_own), cmocka_unit_test(unknown_tokens_wait_for_the_learning), cmocka_unit_test(a_failed_learning_is_tried_again),
		cmocka_unit_test(making_and_revoking), cmocka_unit_test(a_past_needs_operate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
