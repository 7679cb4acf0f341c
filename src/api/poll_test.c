#include "api/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define NOW_MS  "1795461072000"
#define UID_77  "000000000002d"
#define AGE_MS  INT64_C(3600000)

static struct named_row endpoint = { .number = 3, .text = STR_INIT("{\"kind\":\"poll\",\"types\":[\"*\"]}"), .created_us = SCENE_NOW_US, .created_seq = 5 };
static struct message_row messages[2] = {
	{ .uid = 77, .seq = 8, .namespace_name = STR_INIT("default"), .type = STR_INIT("a.b"), .entity = STR_INIT("e"), .payload = STR_INIT("{ \"n\":1}") },
	{ .uid = 78, .seq = 8, .namespace_name = STR_INIT("default"), .type = STR_INIT("a"), .payload = STR_INIT("2"), .flags = MESSAGE_DELETED },
};

static void ask(struct scene *scene, const char *query)
{
	char path[160];
	snprintf(path, sizeof(path), "/v1/endpoints/crm/poll%s", query);
	scene_send(scene, "GET", path, NULL, STR(""));
}

/* What the reader found: so many messages, as of this commit; or an enough of a scan. */
static const struct query *answer(struct scene *scene, uint32_t count, uint64_t seq, bool full)
{
	static struct query asked;
	struct question *question = scene_question(scene);
	asked = question->query;
	question->answer.endpoint = &endpoint;
	question->answer.messages = messages;
	question->answer.message_count = count;
	question->answer.seq = seq;
	question->answer.scanned_short = full;
	question->answer.next_seq = 8;
	question->answer.next_uid = 77;
	scene_answer(scene, question);
	return &asked;
}

static bool body_is(const struct scene *scene, const char *text)
{
	if (!str_eq(scene->body, str_of(text)))
		printf("got " STR_FMT "\n", STR_ARG(scene->body));
	return str_eq(scene->body, str_of(text));
}

static void turn_until_asked(struct scene *scene)
{
	while (!scene->question_count)
		uv_run(&scene->loop, UV_RUN_NOWAIT);
}

static void messages_are_told_with_their_place(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	ask(&scene, "");
	const struct query *asked = answer(&scene, 2, 9, false);
	assert_int_equal(asked->kind, QUERY_POLL);
	assert_false(asked->poll.resumes);
	assert_int_equal(asked->limit, 100);
	assert_int_equal(scene.status, 200);
	assert_true(body_is(&scene,
			    "{\"data\":[{\"id\":\"msg_" UID_77 "\",\"type\":\"a.b\",\"timestamp\":\"2024-01-01T00:00:00.000Z\",\"entity\":\"e\",\"deleted\":false,"
			    "\"body\":{\"type\":\"a.b\",\"timestamp\":\"2024-01-01T00:00:00.000Z\",\"data\":{ \"n\":1}}},"
			    "{\"id\":\"msg_000000000002e\",\"type\":\"a\",\"timestamp\":\"2024-01-01T00:00:00.000Z\",\"entity\":null,\"deleted\":true,"
			    "\"body\":{\"type\":\"a\",\"timestamp\":\"2024-01-01T00:00:00.000Z\",\"data\":2}}],"
			    "\"next\":\"9.." NOW_MS "\",\"done\":true,\"gap\":false}"));
	ask(&scene, "?after=9.." NOW_MS "&limit=1"); /* a full page: behind the last of it */
	asked = answer(&scene, 1, 9, true);
	assert_true(asked->poll.resumes);
	assert_int_equal(asked->poll.after_seq, 9);
	assert_int_equal(asked->poll.after_uid, INT64_MAX);
	assert_int_equal(asked->limit, 1);
	static const char place[] = "\"next\":\"8." UID_77 ".1704067200000\",\"done\":false"; /* of the last one that was told */
	assert_non_null(memmem(scene.body.ptr, scene.body.len, place, strlen(place)));
	ask(&scene, "?after=8." UID_77 "." NOW_MS);
	asked = answer(&scene, 0, 9, false);
	assert_int_equal(asked->poll.after_seq, 8);
	assert_int_equal(asked->poll.after_uid, 77);
	assert_true(body_is(&scene, "{\"data\":[],\"next\":\"9.." NOW_MS "\",\"done\":true,\"gap\":false}"));
	scene_close(&scene);
}

/* A message came by, and is in this commit. */
static void hear(struct scene *scene, uint64_t seq)
{
	scene_send(scene, "POST", "/v1/messages", NULL, STR("{\"type\":\"a\"}"));
	struct request *request = scene_request(scene);
	request->commit_seq = seq;
	scene_reply(scene, request);
}

static void it_waits_for_what_is_committed(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	ask(&scene, "?wait_ms=60000");
	answer(&scene, 0, 9, false);
	assert_int_equal(scene.status, 0);
	api_events(scene.api, 9); /* seen */
	scene_turn(&scene);
	assert_int_equal(scene.question_count, 0);
	api_events(scene.api, 10);
	turn_until_asked(&scene);
	const struct query *asked = answer(&scene, 0, 10, false); /* of something else */
	assert_true(asked->poll.resumes);
	assert_int_equal(asked->poll.after_seq, 9);
	assert_int_equal(scene.status, 0);
	hear(&scene, 12);
	turn_until_asked(&scene);
	hear(&scene, 13); /* while it is being asked, and not seen by the answer */
	answer(&scene, 0, 12, false);
	turn_until_asked(&scene);
	answer(&scene, 1, 13, false);
	assert_int_equal(scene.status, 200);
	scene_close(&scene);
}

static void a_scan_goes_on_until_it_finds_or_ends(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	ask(&scene, "");
	answer(&scene, 0, 9, true);
	assert_int_equal(scene.status, 0);
	const struct query *asked = answer(&scene, 1, 9, false);
	assert_int_equal(asked->poll.after_seq, 8);
	assert_int_equal(asked->poll.after_uid, 77);
	assert_int_equal(scene.status, 200);
	scene_close(&scene);
}

/* Millions of messages that nobody wants are not looked at for a client that has gone, nor while the daemon stops. */
static void a_scan_ends_when_nobody_waits_for_it(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	ask(&scene, "?wait_ms=60000");
	scene_hang_up(&scene);
	answer(&scene, 0, 9, true);
	assert_int_equal(scene.question_count, 0);
	ask(&scene, "?after=10.." NOW_MS "&wait_ms=60000"); /* of another life of the store */
	answer(&scene, 0, 9, true);
	ask(&scene, "?wait_ms=60000");
	api_quiesce(scene.api);
	answer(&scene, 0, 9, true);
	assert_int_equal(scene.status, 503); /* its place is not known yet */
	assert_int_equal(scene.question_count, 1);
	answer(&scene, 0, 9, true);
	assert_int_equal(scene.status, 200); /* it goes on from there */
	assert_non_null(memmem(scene.body.ptr, scene.body.len, "\"data\":[],\"next\":\"8." UID_77 ".", 31));
	assert_non_null(memmem(scene.body.ptr, scene.body.len, "\"done\":false", 12));
	scene_close(&scene);
}

static void waits_end(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	ask(&scene, "?wait_ms=30");
	answer(&scene, 0, 9, false);
	turn_until_asked(&scene); /* looks once more */
	answer(&scene, 0, 9, false);
	assert_int_equal(scene.status, 200);
	ask(&scene, "?wait_ms=60000");
	answer(&scene, 0, 9, false);
	scene_hang_up(&scene); /* the client goes */
	turn_until_asked(&scene);
	answer(&scene, 0, 9, false);
	ask(&scene, "?wait_ms=60000");
	answer(&scene, 0, 9, false);
	api_quiesce(scene.api); /* the daemon stops */
	turn_until_asked(&scene);
	answer(&scene, 0, 9, false);
	assert_int_equal(scene.status, 200);
	assert_true(body_is(&scene, "{\"data\":[],\"next\":\"9.." NOW_MS "\",\"done\":true,\"gap\":false}"));
	ask(&scene, "?wait_ms=60000");
	answer(&scene, 0, 9, false);
	assert_int_equal(scene.status, 200);
	scene_close(&scene);
}

static bool says_gap(const struct scene *scene)
{
	return memmem(scene->body.ptr, scene->body.len, "\"gap\":true", 10) != NULL;
}

static void old_places_tell_a_gap(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	ask(&scene, "?after=9..1795457472000"); /* as old as messages are kept */
	answer(&scene, 1, 9, false);
	assert_false(says_gap(&scene));
	ask(&scene, "?after=9..1795457471999");
	answer(&scene, 1, 9, false);
	assert_true(says_gap(&scene));
	endpoint.created_us = SCENE_NOW_US - AGE_MS * 1000 - 1;
	ask(&scene, "");
	answer(&scene, 1, 9, false);
	endpoint.created_us = SCENE_NOW_US;
	assert_true(says_gap(&scene));
	scene_close(&scene);
}

/* After a backup was put back, what came since the place's instant is told, some of it again. */
static void places_of_another_life_go_on_by_their_instants(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	ask(&scene, "?after=10.." NOW_MS);
	answer(&scene, 1, 9, false);
	assert_int_equal(scene.status, 0);
	const struct query *asked = answer(&scene, 1, 9, false);
	assert_false(asked->poll.resumes);
	assert_int_equal(asked->poll.least_uid, uid_floor(SCENE_NOW_US - INT64_C(60000000)));
	assert_true(says_gap(&scene));
	scene_close(&scene);
}

static void others_are_refused(void **state)
{
	struct scene scene;
	struct str text = endpoint.text;
	(void)state;
	scene_open(&scene, false, 0);
	scene_token(&scene, "poll", "[\"crm\",\"n/other\"]");
	scene_as(&scene, 0);
	ask(&scene, "");
	endpoint.text = STR("{\"url\":\"https://x/\"}");
	answer(&scene, 0, 9, false);
	assert_int_equal(scene.status, 409);
	endpoint.text = text;
	endpoint.state = NAMED_PAUSED;
	ask(&scene, "");
	answer(&scene, 0, 9, false);
	endpoint.state = NAMED_ENABLED;
	assert_int_equal(scene.status, 409);
	ask(&scene, "?namespace=n");
	assert_int_equal(scene.status, 403);
	scene_send(&scene, "GET", "/v1/endpoints/other/poll", NULL, STR(""));
	assert_int_equal(scene.status, 403);
	scene_send(&scene, "GET", "/v1/endpoints/other/poll?namespace=n", NULL, STR(""));
	struct question *question = scene_question(&scene);
	question->err = E_ENDPOINT_NOT_FOUND;
	scene_answer(&scene, question);
	assert_int_equal(scene.status, 404);
	scene_send(&scene, "GET", "/v1/endpoints/crm", NULL, STR("")); /* for asking only */
	assert_int_equal(scene.status, 403);
	scene_close(&scene);
}

/* Counting what would be replayed goes over the same messages. */
static void a_count_ends_when_nobody_waits_for_it(void **state)
{
	static const struct str dry = STR_INIT("{\"since\":\"2024-01-01T00:00:00Z\",\"dry_run\":true}");
	struct named_info info = { .text = STR("{\"url\":\"https://x/\"}"), .number = 3 };
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	for (int stops = 0; stops < 2; stops++) {
		scene_send(&scene, "POST", "/v1/endpoints/crm/replay", NULL, dry);
		struct request *request = scene_request(&scene);
		request->ops[0].result.nameds = &info;
		scene_reply(&scene, request);
		scene_answer(&scene, scene_question(&scene)); /* a slice of them */
		assert_int_equal(scene.question_count, 1);
		if (stops)
			api_quiesce(scene.api);
		else
			scene_hang_up(&scene);
		scene_answer(&scene, scene_question(&scene));
		assert_int_equal(scene.question_count, 0);
	}
	assert_int_equal(scene.status, 503);
	info.text = STR("{\"kind\":\"poll\"}"); /* as the work itself */
	scene_send(&scene, "POST", "/v1/endpoints/crm/replay", NULL, dry);
	struct request *request = scene_request(&scene);
	request->ops[0].result.nameds = &info;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 409);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_told_with_their_place), cmocka_unit_test(it_waits_for_what_is_committed),
		cmocka_unit_test(a_scan_goes_on_until_it_finds_or_ends), cmocka_unit_test(waits_end), cmocka_unit_test(a_scan_ends_when_nobody_waits_for_it),
		cmocka_unit_test(old_places_tell_a_gap),
		cmocka_unit_test(places_of_another_life_go_on_by_their_instants), cmocka_unit_test(others_are_refused),
		cmocka_unit_test(a_count_ends_when_nobody_waits_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
