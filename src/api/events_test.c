/* Events: as a stream and as a read; where they begin and resume; names of queues; slow clients; ends. */
#include "api/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define UID_1 "000000000002d"
#define NO_UID "0000000000000"
#define AT_US  INT64_C(1767225600000000)
#define AT     "\"at\":\"2026-01-01T00:00:00.000Z\""

static struct event_row row_of(uint64_t seq, uint32_t queue, const char *lines)
{
	struct event_row row = { .seq = seq, .queue = queue, .at_us = AT_US, .lines = str_of(lines) };
	for (const char *c = lines; *c; c++)
		row.count += *c == '\n';
	return row;
}

/* Answers the question under way with these rows, as of `seq`. */
static void tell(struct scene *scene, struct event_row *rows, uint32_t count, uint64_t seq, uint64_t first)
{
	struct question *question = scene_question(scene);
	assert_int_equal(question->query.kind, QUERY_EVENTS);
	question->answer = (struct answer){ .events = rows, .event_count = count, .seq = seq, .first_event_seq = first };
	scene_answer(scene, question);
}

/* Answers the request for queues' names: numbers 1 and 2. */
static void name_queues(struct scene *scene)
{
	struct queue_info infos[2] = { { .queue = { STR_INIT(""), STR_INIT("mail") }, .number = 1 }, { .queue = { STR_INIT("n"), STR_INIT("site") }, .number = 2 } };
	struct request *request = scene_request(scene);
	assert_int_equal(request->ops[0].kind, OP_QUEUES);
	request->ops[0].result = (struct op_result){ .queues = infos, .count = 2 };
	scene_reply(scene, request);
}

static void expect_stream(struct scene *scene, const char *wanted)
{
	struct str got = scene_stream(scene);
	struct buf text; /* without the chunks' frames */
	buf_init(&text, 1 << 24);
	while (got.len) {
		size_t bytes = strtoul(got.ptr, NULL, 16), head = str_index(got, '\n') + 1;
		buf_add(&text, (struct str){ got.ptr + head, bytes });
		got = str_from(got, head + bytes + 2);
	}
	if (!str_eq(buf_str(&text), str_of(wanted)))
		fail_msg("wanted %s\n  got " STR_FMT, wanted, STR_ARG(buf_str(&text)));
	buf_fini(&text);
	buf_clear(&scene->client.in);
}

/* The head of the stream came, and the comment that opens it. */
static void expect_open(struct scene *scene)
{
	struct str in = scene_stream(scene);
	assert_true(str_starts(in, STR("HTTP/1.1 200 OK\r\n")));
	const char *end = memmem(in.ptr, in.len, "\r\n\r\n", 4);
	assert_non_null(end);
	assert_non_null(memmem(in.ptr, (size_t)(end - in.ptr), "Content-Type: text/event-stream", 31));
	buf_consume(&scene->client.in, (size_t)(end - in.ptr) + 4);
}

static void a_stream_from_now_on(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "GET", "/v1/events", NULL, STR(""));
	assert_true(scene.questions[0]->query.after_seq == INT64_MAX);
	tell(&scene, NULL, 0, 10, 3);
	expect_open(&scene);
	expect_stream(&scene, ":\n\n");

	api_events(scene.api, 10); /* nothing new */
	assert_int_equal(scene.question_count, 0);
	api_events(scene.api, 12);
	assert_true(scene.questions[0]->query.after_seq == 10);
	struct event_row rows[2] = { row_of(11, 1, "enqueued " UID_1 "\nactive " UID_1 " {\"worker\":\"w\"}\n"), row_of(12, 2, "queue_paused " NO_UID "\n") };
	tell(&scene, rows, 2, 12, 3);
	name_queues(&scene);
	expect_stream(&scene, "id: 0.11.1048576\nevent: enqueued\ndata: {\"uid\":\"" UID_1 "\",\"queue\":\"mail\",\"namespace\":\"default\"," AT "}\n\n"
		      "id: 0.11.1048577\nevent: active\ndata: {\"uid\":\"" UID_1 "\",\"queue\":\"mail\",\"namespace\":\"default\"," AT ",\"worker\":\"w\"}\n\n"
		      "id: 0.12.2097152\nevent: queue_paused\ndata: {\"uid\":null,\"queue\":\"site\",\"namespace\":\"n\"," AT "}\n\n");

	/* a queue that nobody knows: deleted. Asked for once. */
	api_events(scene.api, 13);
	struct event_row lost = row_of(13, 9, "deleted " UID_1 "\n");
	tell(&scene, &lost, 1, 13, 3);
	name_queues(&scene);
	expect_stream(&scene, "id: 0.13.9437184\nevent: deleted\ndata: {\"uid\":\"" UID_1 "\",\"queue\":null,\"namespace\":null," AT "}\n\n");
	api_events(scene.api, 14);
	lost.seq = 14;
	tell(&scene, &lost, 1, 14, 3);
	assert_int_equal(scene.request_count, 0);
	scene_close(&scene);
}

static void only_some_types(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "GET", "/v1/events?types=completed,failed&queue=mail&after=0.5", NULL, STR(""));
	assert_true(str_eq(scene.questions[0]->query.queue, STR("mail")) && scene.questions[0]->query.after_seq == 5);
	struct event_row row = row_of(6, 1, "enqueued " UID_1 "\ncompleted " UID_1 "\n");
	tell(&scene, &row, 1, 6, 3);
	name_queues(&scene);
	expect_open(&scene);
	expect_stream(&scene, ":\n\nid: 0.6.1048577\nevent: completed\ndata: {\"uid\":\"" UID_1 "\",\"queue\":\"mail\",\"namespace\":\"default\"," AT "}\n\n");
	scene_close(&scene);
}

static void resuming_within_a_change_set(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "GET", "/v1/events", "Last-Event-ID: 0.6.1048576\r\n", STR(""));
	assert_true(scene.questions[0]->query.after_seq == 5);
	struct event_row row = row_of(6, 1, "enqueued " UID_1 "\ncompleted " UID_1 "\n");
	tell(&scene, &row, 1, 6, 6);
	name_queues(&scene);
	expect_open(&scene);
	expect_stream(&scene, ":\n\nid: 0.6.1048577\nevent: completed\ndata: {\"uid\":\"" UID_1 "\",\"queue\":\"mail\",\"namespace\":\"default\"," AT "}\n\n");
	scene_close(&scene);
}

static void too_old_is_a_gap(void **state)
{
	static const struct {
		const char *after;
		uint64_t first, seq;
		bool gap;
	} rows[] = {
		{ "0.5", 6, 9, false }, { "0.5", 7, 9, true }, { "0.5.0", 7, 9, true }, { "0.5", 0, 9, false }, { "0.0", 4, 9, true }, { "0", 4, 9, false },
		{ "0.50", 4, 9, true /* from another life of the store */ },
	};
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char path[64];
		snprintf(path, sizeof(path), "/v1/events?after=%s", rows[i].after);
		scene_send(&scene, "GET", path, NULL, STR(""));
		tell(&scene, NULL, 0, rows[i].seq, rows[i].first);
		struct str in = scene_stream(&scene);
		bool told = memmem(in.ptr, in.len, "event: gap\n", 11) != NULL;
		if (told != rows[i].gap)
			fail_msg("%s, first %d: " STR_FMT, rows[i].after, (int)rows[i].first, STR_ARG(in));
		scene_hang_up(&scene);

		snprintf(path, sizeof(path), "/v1/events?wait_ms=0&after=%s", rows[i].after);
		scene_send(&scene, "GET", path, NULL, STR(""));
		tell(&scene, NULL, 0, rows[i].seq, rows[i].first);
		assert_true(str_eq(scene.body, rows[i].gap ? STR("{\"events\":[],\"cursor\":\"0.9\",\"gap\":true}") : STR("{\"events\":[],\"cursor\":\"0.9\",\"gap\":false}")));
	}
	scene_close(&scene);
}

static void a_read_that_waits(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "GET", "/v1/events?wait_ms=60000", NULL, STR(""));
	tell(&scene, NULL, 0, 10, 3);
	assert_int_equal(scene.status, 0);
	api_events(scene.api, 11);
	struct event_row row = row_of(11, 1, "enqueued " UID_1 "\n");
	tell(&scene, &row, 1, 11, 3);
	name_queues(&scene);
	assert_int_equal(scene.status, 200);
	assert_true(str_eq(scene.body, STR("{\"events\":[{\"id\":\"0.11.1048576\",\"type\":\"enqueued\",\"uid\":\"" UID_1 "\",\"queue\":\"mail\",\"namespace\":\"default\"," AT
					   "}],\"cursor\":\"0.11\",\"gap\":false}")));

	/* at its limit it stops within a change-set */
	scene_send(&scene, "GET", "/v1/events?limit=1&after=0.10", "Accept: application/json\r\n", STR(""));
	struct event_row two = row_of(11, 1, "enqueued " UID_1 "\nactive " UID_1 "\n");
	tell(&scene, &two, 1, 11, 3);
	assert_non_null(memmem(scene.body.ptr, scene.body.len, "\"cursor\":\"0.11.1048576\"", 23));

	/* nothing until the end of the wait */
	scene_send(&scene, "GET", "/v1/events?wait_ms=1&after=0.11", NULL, STR(""));
	tell(&scene, NULL, 0, 11, 3);
	for (int i = 0; i < 100000 && !scene.status; i++)
		if (!scene_receive(&scene))
			uv_run(&scene.loop, UV_RUN_ONCE);
	assert_true(str_eq(scene.body, STR("{\"events\":[],\"cursor\":\"0.11\",\"gap\":false}")));

	/* an unknown queue */
	scene_send(&scene, "GET", "/v1/events?queue=nobody", NULL, STR(""));
	struct question *question = scene_question(&scene);
	question->err = E_QUEUE_NOT_FOUND;
	scene_answer(&scene, question);
	assert_int_equal(scene.status, 404);
	scene_close(&scene);
}

/* More than fits in one portion: told piece by piece, whole and in order; then the next page. */
static void much_at_once(void **state)
{
	struct scene scene;
	struct buf lines;
	struct event_row rows[32];
	(void)state;
	scene_open(&scene, true, 0);
	buf_init(&lines, 1 << 24);
	for (int i = 0; i < 500; i++)
		buf_add_lit(&lines, "enqueued " UID_1 "\n");
	buf_add_byte(&lines, '\0');
	for (uint32_t i = 0; i < 32; i++)
		rows[i] = row_of(i + 1, 1, lines.ptr);
	scene_send(&scene, "GET", "/v1/events?after=0.0", NULL, STR(""));
	tell(&scene, rows, 32, 40, 1);
	name_queues(&scene);
	uint64_t told = 0;
	for (int i = 0; i < 100000 && scene.question_count == 0; i++) {
		struct str in = scene_stream(&scene);
		for (const char *at; (at = memmem(in.ptr, in.len, "event: enqueued\n", 16)) != NULL; told++)
			in = str_from(in, (size_t)(at - in.ptr) + 16);
		buf_consume(&scene.client.in, scene.client.in.len - in.len);
		if (scene.question_count == 0)
			uv_run(&scene.loop, UV_RUN_ONCE);
	}
	struct str in = scene_stream(&scene);
	for (const char *at; (at = memmem(in.ptr, in.len, "event: enqueued\n", 16)) != NULL; told++)
		in = str_from(in, (size_t)(at - in.ptr) + 16);
	assert_true(told >= 32 * 500 - 8 && told <= 32 * 500); /* a mark may be cut by a chunk's frame */
	assert_true(scene.questions[0]->query.after_seq == 32);
	buf_fini(&lines);
	scene_close(&scene);
}

static void ends(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "GET", "/v1/events", NULL, STR("")); /* the client leaves while a question is under way */
	struct question *question = scene_question(&scene);
	scene_hang_up(&scene);
	api_answer(scene.api, question);
	scene_turn(&scene);
	scene_send(&scene, "GET", "/v1/events", NULL, STR("")); /* and while nothing happens */
	tell(&scene, NULL, 0, 10, 3);
	scene_hang_up(&scene);
	api_events(scene.api, 11);
	assert_int_equal(scene.question_count, 0);

	scene_send(&scene, "GET", "/v1/events", NULL, STR("")); /* we stop */
	tell(&scene, NULL, 0, 11, 3);
	expect_open(&scene);
	api_quiesce(scene.api);
	struct str in = scene_stream(&scene);
	assert_true(in.len >= 5 && memcmp(in.ptr + in.len - 5, "0\r\n\r\n", 5) == 0);
	buf_clear(&scene.client.in);
	scene_send(&scene, "GET", "/v1/events", NULL, STR(""));
	assert_int_equal(scene.status, 503);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_from_now_on), cmocka_unit_test(only_some_types), cmocka_unit_test(resuming_within_a_change_set),
		cmocka_unit_test(too_old_is_a_gap), cmocka_unit_test(a_read_that_waits), cmocka_unit_test(much_at_once), cmocka_unit_test(ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
