/* What is answered by a request's head alone, before any of its body is kept. */
#include "api/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <cmocka.h>

#define LARGE   "Content-Length: 67108864\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

static void tell(struct scene *scene, const char *name, const char *text)
{
	struct effect_named named = { .kind = NAMED_SOURCE, .number = 1, .namespace_name = STR("default"), .name = str_of(name),
				      .text = text ? shared_text_new(str_of(text), 1) : NULL };
	assert_int_equal(api_named(scene->api, &named), E_OK);
	shared_text_drop(named.text);
}

static uint64_t room_taken(const struct scene *scene)
{
	struct http_server_stats stats;
	http_server_stats(scene->server, &stats);
	return stats.body_bytes;
}

static void send_more(struct scene *scene, const char *text)
{
	assert_int_equal(send(scene->client.fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	scene_turn(scene);
}

enum { NOBODY = -1, READS, ENQUEUES, LIMITED, ADMIN, TOKENS };

struct head_row {
	int who, status;
	const char *code, *method, *path, *headers;
};
static const struct head_row head_rows[] = {
	{ NOBODY, 401, "unauthorized", "POST", "/v1/jobs", LARGE },
	{ NOBODY, 401, "unauthorized", "POST", "/v1/jobs", CHUNKED },
	{ NOBODY, 401, "unauthorized", "POST", "/v1/jobs", "Expect: 100-continue\r\n" LARGE },
	{ NOBODY, 401, "unauthorized", "POST", "/v1/jobs", "Content-Length: 99999999999\r\n" }, /* who asks comes before how much */
	{ NOBODY, 401, "unauthorized", "POST", "/v1/jobs", "Authorization: Bearer rch_0000000000000000000000000000000000000000000\r\n" LARGE },
	{ NOBODY, 404, "not_found", "POST", "/v1/nothing", LARGE },
	{ NOBODY, 405, "method_not_allowed", "PUT", "/v1/jobs", LARGE },
	{ NOBODY, 404, "source_not_found", "POST", "/in/nothing", LARGE },
	{ NOBODY, 404, "source_not_found", "POST", "/in/nowhere/ten", CHUNKED },
	{ NOBODY, 413, "too_large", "POST", "/in/ten", "Content-Length: 70000\r\n" },
	{ NOBODY, 400, "bad_request", "GET", "/livez", LARGE },
	{ READS, 403, "forbidden", "POST", "/v1/jobs", LARGE },
	{ READS, 403, "forbidden", "POST", "/v1/jobs", CHUNKED },
	{ READS, 400, "bad_request", "GET", "/v1/jobs", LARGE },
	{ ENQUEUES, 415, "unsupported_media_type", "POST", "/v1/jobs", "Content-Type: text/csv\r\n" LARGE },
	{ ENQUEUES, 400, "bad_request", "POST", "/v1/jobs?nonsense=1", LARGE },
	{ ENQUEUES, 413, "too_large", "POST", "/v1/jobs", "Content-Length: 67108865\r\n" },
	{ ENQUEUES, 413, "too_large", "POST", "/v1/jobs", "Expect: 100-continue\r\nContent-Length: 67108865\r\n" },
	{ LIMITED, 403, "forbidden", "PUT", "/v1/secrets/s", LARGE },
	{ ADMIN, 413, "too_large", "POST", "/v1/queues/q/pause", "Content-Length: 65537\r\n" },
	{ ADMIN, 413, "too_large", "PUT", "/v1/queues/q", "Content-Length: 1048577\r\n" },
	{ ADMIN, 413, "too_large", "PUT", "/v1/secrets/s", "Content-Length: 1048577\r\n" },
	{ ADMIN, 400, "bad_request", "POST", "/v1/claims", "Idempotency-Key: a\r\n" LARGE },
};

static void open_with_tokens(struct scene *scene)
{
	scene_open(scene, false, 0);
	const char *const scopes[TOKENS] = { "read", "enqueue", "admin", "admin" };
	for (int who = 0; who < TOKENS; who++)
		assert_int_equal(scene_token(scene, scopes[who], who == LIMITED ? "[\"mail\"]" : NULL), who);
	tell(scene, "ten", "{\"verify\":{\"kind\":\"none\"},\"into\":{\"message\":{\"type\":\"a\"}},\"body_bytes\":10}");
}

static void heads_are_enough_for_a_refusal(void **state)
{
	struct scene scene;
	(void)state;
	open_with_tokens(&scene);
	for (size_t i = 0; i < ARRAY_COUNT(head_rows); i++) {
		const struct head_row *row = &head_rows[i];
		char code[64];
		if (row->who == NOBODY)
			scene_as_nobody(&scene);
		else
			scene_as(&scene, (uint32_t)row->who);
		scene_send(&scene, row->method, row->path, row->headers, STR(""));
		if (scene.status != row->status)
			print_error("%s %s %s: " STR_FMT "\n", row->method, row->path, row->headers, STR_ARG(scene.body));
		assert_int_equal(scene.status, row->status);
		snprintf(code, sizeof(code), "\"code\":\"%s\"", row->code);
		assert_non_null(memmem(scene.body.ptr, scene.body.len, code, strlen(code)));
		assert_true(str_eq(scene_header(&scene, "Connection"), STR("close")));
		assert_int_equal(scene.request_count, 0);
		assert_int_equal(room_taken(&scene), 0);
		scene_hang_up(&scene);
	}
	assert_true(str_eq(scene_header(&scene, "Content-Type"), STR("application/problem+json")));
	scene_close(&scene);
}

static void a_refused_body_that_is_short_costs_no_connection(void **state)
{
	struct scene scene;
	(void)state;
	open_with_tokens(&scene);
	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"queue\":\"q\"}"));
	assert_int_equal(scene.status, 401);
	assert_int_equal(scene_header(&scene, "Connection").len, 0);
	int fd = scene.client.fd;
	scene_as(&scene, ENQUEUES);
	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"queue\":\"q\"}"));
	assert_int_equal(scene.client.fd, fd);
	struct request *request = scene_request(&scene);
	assert_true(str_eq(request->ops[0].enqueue.queue.name, STR("q")));
	request->err = E_UNAVAILABLE;
	scene_reply(&scene, request);
	scene_close(&scene);
}

static void chunks_are_counted_as_they_come(void **state)
{
	struct scene scene;
	(void)state;
	open_with_tokens(&scene);
	scene.brief = true;
	scene_send(&scene, "POST", "/in/ten", CHUNKED, STR(""));
	assert_int_equal(scene.status, 0);
	send_more(&scene, "8\r\n01234567\r\n3\r\n");
	assert_true(scene_receive(&scene));
	assert_int_equal(scene.status, 413);
	scene_hang_up(&scene);
	scene_send(&scene, "POST", "/in/ten", CHUNKED, STR(""));
	send_more(&scene, "8\r\n01234567\r\n2\r\n89\r\n0\r\n\r\n");
	struct request *request = scene_request(&scene);
	request->err = E_UNAVAILABLE;
	scene_reply(&scene, request);
	scene_send(&scene, "GET", "/livez", CHUNKED, STR("")); /* no body, said in a long way */
	send_more(&scene, "0\r\n\r\n");
	assert_true(scene_receive(&scene));
	assert_int_equal(scene.status, 200);
	scene_send(&scene, "GET", "/livez", CHUNKED, STR(""));
	send_more(&scene, "1\r\na\r\n0\r\n\r\n");
	assert_true(scene_receive(&scene));
	assert_int_equal(scene.status, 400);
	scene_close(&scene);
}

/* Let in by its head; what is true when it is whole counts. */
static void a_token_that_is_revoked_meanwhile_does_not_count(void **state)
{
	struct scene scene;
	(void)state;
	open_with_tokens(&scene);
	scene.brief = true;
	scene_as(&scene, ENQUEUES);
	scene_send(&scene, "POST", "/v1/jobs", "Content-Length: 13\r\n", STR(""));
	assert_int_equal(scene.status, 0);
	assert_int_equal(room_taken(&scene), 13);
	scene.tokens[ENQUEUES].revoked_us = scene.now_us;
	api_learn_tokens(scene.api);
	scene_turn(&scene);
	send_more(&scene, "{\"queue\":\"q\"}");
	assert_true(scene_receive(&scene));
	assert_int_equal(scene.status, 401);
	scene_as(&scene, ADMIN);
	scene.tokens[ADMIN].expires_us = scene.now_us + 1000;
	api_learn_tokens(scene.api);
	scene_turn(&scene);
	scene_send(&scene, "POST", "/v1/jobs", "Content-Length: 13\r\n", STR(""));
	scene.now_us += 1000;
	send_more(&scene, "{\"queue\":\"q\"}");
	assert_true(scene_receive(&scene));
	assert_int_equal(scene.status, 401);
	assert_int_equal(scene.request_count, 0);
	scene_close(&scene);
}

static void a_token_that_is_not_learnt_yet_comes_in_as_nobody(void **state)
{
	struct scene scene;
	struct http_server_stats stats;
	(void)state;
	open_with_tokens(&scene);
	scene.brief = scene.hold_tokens = true;
	uint32_t fresh = scene_token(&scene, "enqueue", NULL);
	scene_as(&scene, fresh);
	scene_send(&scene, "POST", "/v1/jobs", "Content-Length: 13\r\n", STR(""));
	assert_int_equal(scene.status, 0);
	http_server_stats(scene.server, &stats);
	assert_int_equal(stats.unknown_body_bytes, 13);
	scene.hold_tokens = false;
	scene_turn(&scene);
	send_more(&scene, "{\"queue\":\"q\"}");
	struct request *request = scene_request(&scene);
	request->err = E_UNAVAILABLE;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 503);
	scene_as(&scene, ADMIN);
	scene_send(&scene, "POST", "/v1/jobs", "Content-Length: 13\r\n", STR(""));
	http_server_stats(scene.server, &stats);
	assert_int_equal(stats.body_bytes, 13);
	assert_int_equal(stats.unknown_body_bytes, 0);
	scene_close(&scene); /* it goes with half of its body: its call is given back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_enough_for_a_refusal),
		cmocka_unit_test(a_refused_body_that_is_short_costs_no_connection),
		cmocka_unit_test(chunks_are_counted_as_they_come),
		cmocka_unit_test(a_token_that_is_revoked_meanwhile_does_not_count),
		cmocka_unit_test(a_token_that_is_not_learnt_yet_comes_in_as_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
