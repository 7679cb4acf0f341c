/* One call, waited for: what the command line sees. */
#include "http/client.h"
#include "third_party/third_party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* wants the four above */
#include <pthread.h>
#include <sys/un.h>
#include <unistd.h>

static void test_calls(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, "X-A: b\r\n", "one" },
						    { 404, NULL, "{\"code\":\"x\"}" },
						    { 204, NULL, NULL } };
	struct third_party *party = third_party_start(
		&(struct third_party_config){ .answers = answers, .answer_count = 3 });
	struct http_caller *caller = http_caller_new(&(struct http_caller_config){ .token = "rch_1" });
	struct http_answer answer;
	struct problem problem;
	char value[64];
	assert_int_equal(http_caller_call(caller, &(struct http_call){ .url = third_party_url(party, "/1") }, &answer,
					  &problem),
			 E_OK);
	assert_int_equal(answer.status, 200);
	assert_true(str_eq(buf_str(&answer.body), STR("one")));
	assert_true(str_eq(http_lines_find(buf_str(&answer.headers), STR("x-a")), STR("b")));
	http_answer_fini(&answer);
	const char *const headers[] = { "X-More: 1" };
	struct http_call post = {
		.url = third_party_url(party, "/2"), .body = STR("[1]"), .headers = headers, .header_count = 1
	};
	assert_int_equal(http_caller_call(caller, &post, &answer, &problem), E_OK);
	assert_int_equal(answer.status, 404);
	assert_true(str_eq(buf_str(&answer.body), STR("{\"code\":\"x\"}")));
	http_answer_fini(&answer);
	assert_int_equal(
		http_caller_call(caller, &(struct http_call){ .url = third_party_url(party, "/3"), .method = "DELETE" },
				 &answer, &problem),
		E_OK);
	assert_int_equal(answer.status, 204);
	http_answer_fini(&answer);
	const struct tp_request *request = third_party_request(party, 0);
	assert_true(strncmp(request->head, "GET /1 ", 7) == 0);
	assert_true(tp_request_header(request, "authorization", value, sizeof(value)));
	assert_string_equal(value, "Bearer rch_1");
	assert_false(tp_request_header(request, "content-type", value, sizeof(value)));
	request = third_party_request(party, 1);
	assert_true(strncmp(request->head, "POST /2 ", 8) == 0);
	assert_string_equal(request->body, "[1]");
	assert_true(tp_request_header(request, "content-type", value, sizeof(value)));
	assert_string_equal(value, "application/json");
	assert_true(tp_request_header(request, "x-more", value, sizeof(value)));
	assert_true(strncmp(third_party_request(party, 2)->head, "DELETE /3 ", 10) == 0);
	assert_int_equal(third_party_connections(party), 1);
	http_caller_free(caller);
	third_party_stop(party);
}

struct stream {
	char bytes[256];
	size_t len, stop_at;
};
static bool on_bytes(void *context, struct str bytes)
{
	struct stream *stream = context;
	assert_true(stream->len + bytes.len < sizeof(stream->bytes));
	memcpy(stream->bytes + stream->len, bytes.ptr, bytes.len);
	stream->len += bytes.len;
	return stream->len < stream->stop_at;
}

static void test_stream(void **state)
{
	(void)state;
	static const struct tp_step events[] = {
		TP_READ,
		TP_SEND("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"),
		TP_REPEAT("6\r\nid: 1\n\r\n", 3), TP_HANG, TP_END
	};
	struct third_party *party = third_party_start(&(struct third_party_config){ .scripts = { events } });
	struct http_caller *caller = http_caller_new(&(struct http_caller_config){ 0 });
	struct stream stream = { .stop_at = 18 };
	struct http_answer answer;
	struct problem problem;
	struct http_call call = { .url = third_party_url(party, "/"), .on_bytes = on_bytes, .context = &stream };
	assert_int_equal(http_caller_call(caller, &call, &answer, &problem), E_CANCELLED);
	assert_memory_equal(stream.bytes, "id: 1\nid: 1\nid: 1\n", 18);
	http_caller_free(caller);
	third_party_stop(party);
}

static void test_stream_refused(void **state)
{
	(void)state;
	static const struct tp_answer refusal = { 403, NULL, "{\"code\":\"forbidden\"}" };
	struct third_party *party = third_party_start(
		&(struct third_party_config){ .answers = &refusal, .answer_count = 1 });
	struct http_caller *caller = http_caller_new(&(struct http_caller_config){ 0 });
	struct stream stream = { .stop_at = 18 };
	struct http_answer answer;
	struct problem problem;
	struct http_call call = { .url = third_party_url(party, "/"), .on_bytes = on_bytes, .context = &stream };
	assert_int_equal(http_caller_call(caller, &call, &answer, &problem), E_OK);
	assert_int_equal(answer.status, 403);
	assert_true(str_eq(buf_str(&answer.body), STR("{\"code\":\"forbidden\"}")));
	assert_int_equal(stream.len, 0);
	http_answer_fini(&answer);
	http_caller_free(caller);
	third_party_stop(party);
}

static void test_stop(void **state)
{
	(void)state;
	static const struct tp_step hangs[] = { TP_READ, TP_HANG, TP_END };
	struct third_party *party = third_party_start(&(struct third_party_config){ .scripts = { hangs } });
	struct http_caller *caller = http_caller_new(&(struct http_caller_config){ 0 });
	volatile sig_atomic_t stop = 1;
	struct http_answer answer;
	struct problem problem;
	struct http_call call = { .url = third_party_url(party, "/"), .stop = &stop };
	assert_int_equal(http_caller_call(caller, &call, &answer, &problem), E_CANCELLED);
	http_caller_free(caller);
	third_party_stop(party);
}

static void test_troubles(void **state)
{
	(void)state;
	static const struct tp_step hangs[] = { TP_READ, TP_HANG, TP_END }, resets[] = { TP_READ, TP_RESET, TP_END };
	struct third_party *silent = third_party_start(&(struct third_party_config){ .scripts = { hangs } });
	struct third_party *rude = third_party_start(&(struct third_party_config){ .scripts = { resets } });
	struct third_party *deaf = third_party_start(&(struct third_party_config){ .deaf = true }),
			   *party = third_party_start(&(struct third_party_config){ 0 });
	struct third_party *full = third_party_start(&(struct third_party_config){ .never_accepts = true });
	struct http_caller *caller = http_caller_new(&(struct http_caller_config){ .connect_ms = 60000 });
	const struct {
		struct http_call call;
		enum err err;
	} cases[] = {
		{ { .url = third_party_url(deaf, "/") }, E_NETWORK },
		{ { .url = third_party_url(rude, "/") }, E_NETWORK },
		{ { .url = third_party_url(silent, "/"), .timeout_ms = 1000 }, E_TIMEOUT }, /* long enough to be connected */
		{ { .url = third_party_url(full, "/"), .timeout_ms = 50 }, E_NETWORK }, /* not even connected */
		{ { .url = "ftp://127.0.0.1/" }, E_INVALID },
		{ { .url = "" }, E_INVALID },
		{ { .url = third_party_url(party, "/"), .answer_max = 5 }, E_TOO_LARGE },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct problem problem = { 0 };
		struct http_answer answer;
		assert_int_equal(http_caller_call(caller, &cases[i].call, &answer, &problem), cases[i].err);
		assert_int_equal(problem.err, cases[i].err);
		assert_non_null(strstr(problem.detail, cases[i].call.url));
	}
	http_caller_free(caller);
	third_party_stop(full);
	third_party_stop(silent);
	third_party_stop(rude);
	third_party_stop(deaf);
	third_party_stop(party);
}

static void *answer_once(void *context)
{
	int *listener = context, fd = accept(*listener, NULL, NULL);
	char request[4096];
	assert_true(read(fd, request, sizeof(request)) > 0);
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix";
	assert_true(write(fd, answer, sizeof(answer) - 1) > 0);
	close(fd);
	return NULL;
}

static void test_unix_socket(void **state)
{
	(void)state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/ruche-caller-test.%d", (int)getpid());
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, answer_once, &listener), 0);
	struct http_caller *caller = http_caller_new(&(struct http_caller_config){ .unix_socket = address.sun_path });
	struct http_answer answer;
	struct problem problem;
	assert_int_equal(http_caller_call(caller, &(struct http_call){ .url = "http://ruche/v1/stats" }, &answer,
					  &problem),
			 E_OK);
	assert_true(str_eq(buf_str(&answer.body), STR("unix")));
	http_answer_fini(&answer);
	pthread_join(thread, NULL);
	http_caller_free(caller);
	close(listener);
	unlink(address.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls), cmocka_unit_test(test_stream),   cmocka_unit_test(test_stream_refused),
		cmocka_unit_test(test_stop),  cmocka_unit_test(test_troubles), cmocka_unit_test(test_unix_socket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
