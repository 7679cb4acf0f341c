/* Requests judged by their heads (struct http_gate), and how much room bodies take. Connections without a socket: bytes in, answers out. */
#include "base/mem.h"
#include "http/server_priv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* /no is refused; /ten may bring 10 bytes; senders of /nobody are not known; the handler keeps /hold. */
struct stage {
	uv_loop_t loop;
	struct http_server *server;
	struct http_connection *connection;
	struct buf answers, log; /* log: "POST /path body;" for each request */
	struct http_exchange *held;
	unsigned judged, lost;
};

static bool stage_judge(void *context, struct http_exchange *exchange)
{
	struct stage *stage = context;
	stage->judged++;
	assert_int_equal(exchange->body.capacity, 0);
	if (str_eq(http_path(exchange), STR("/no"))) {
		http_respond_str(exchange, 401, STR("text/plain"), STR(""), STR("who are you?"));
		return false;
	}
	http_let_body(exchange, str_eq(http_path(exchange), STR("/ten")) ? 10 : SIZE_MAX, !str_eq(http_path(exchange), STR("/nobody")));
	return true;
}

static void stage_lost(void *context, struct http_exchange *exchange)
{
	struct stage *stage = context;
	assert_true(http_path(exchange).len > 1);
	stage->lost++;
}

static void stage_handle(void *context, struct http_exchange *exchange)
{
	struct stage *stage = context;
	struct str body = http_body(exchange);
	buf_addf(&stage->log, STR_FMT " " STR_FMT ";", STR_ARG(http_path(exchange)), STR_ARG(body.len < 64 ? body : STR("...")));
	if (str_eq(http_path(exchange), STR("/hold")))
		stage->held = exchange;
	else
		http_respond_str(exchange, 200, STR("text/plain"), STR(""), STR("ok"));
}

static void stage_open(struct stage *stage, size_t body_memory)
{
	struct http_limits limits;
	http_limits_default(&limits);
	limits.body_memory = body_memory;
	*stage = (struct stage){ 0 };
	assert_int_equal(uv_loop_init(&stage->loop), 0);
	buf_init(&stage->answers, SIZE_MAX);
	buf_init(&stage->log, SIZE_MAX);
	stage->server = http_server_new(&stage->loop, &limits, stage_handle, stage);
	assert_non_null(stage->server);
	http_server_set_gate(stage->server, &(struct http_gate){ stage_judge, stage_lost });
	stage->connection = http_connection_open_bare(stage->server, &stage->answers);
	assert_non_null(stage->connection);
}

static void stage_leave(struct stage *stage)
{
	if (!stage->connection->closed)
		http_connection_close(stage->connection);
	http_connection_free_bare(stage->connection);
	stage->connection = NULL;
}

static void stage_reopen(struct stage *stage)
{
	stage_leave(stage);
	stage->connection = http_connection_open_bare(stage->server, &stage->answers);
	buf_clear(&stage->answers);
	buf_clear(&stage->log);
	stage->judged = stage->lost = 0;
}

static void stage_close(struct stage *stage)
{
	if (stage->connection)
		stage_leave(stage);
	assert_int_equal(stage->server->stats.body_bytes, 0);
	assert_int_equal(stage->server->stats.unknown_body_bytes, 0);
	http_server_free(stage->server);
	uv_run(&stage->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&stage->loop), 0);
	buf_fini(&stage->answers);
	buf_fini(&stage->log);
}

static void connection_feed_text(struct http_connection *connection, struct str bytes)
{
	http_connection_feed(connection, bytes);
	http_server_flush(connection->server);
}

static void feed(struct stage *stage, const char *text)
{
	connection_feed_text(stage->connection, str_of(text));
}

static unsigned buf_count(const struct buf *buf, const char *text)
{
	unsigned count = 0;
	struct str rest = buf_str(buf);
	const char *found;
	while (rest.len && (found = memmem(rest.ptr, rest.len, text, strlen(text)))) {
		rest = str_from(rest, (size_t)(found - rest.ptr) + strlen(text));
		count++;
	}
	return count;
}

static unsigned answered(const struct stage *stage, const char *text)
{
	return buf_count(&stage->answers, text);
}

static uint64_t room_taken(const struct stage *stage)
{
	struct http_server_stats stats;
	http_server_stats(stage->server, &stats);
	return stats.body_bytes;
}

#define H "Host: x\r\n"

static void a_long_body_is_refused_before_a_byte_of_it(void **state)
{
	static const char *const heads[] = {
		"POST /no HTTP/1.1\r\n" H "Content-Length: 67108864\r\n\r\n",
		"POST /no HTTP/1.1\r\n" H "Content-Length: 1844674407370955160\r\n\r\n",
		"POST /no HTTP/1.1\r\n" H "Content-Length: 65537\r\n\r\n",
		"POST /no HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
		"POST /no HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
		"POST /no HTTP/1.1\r\n" H "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
		"DELETE /no HTTP/1.0\r\nContent-Length: 5\r\n\r\n",
	};
	static char more[100000];
	(void)state;
	struct stage stage;
	stage_open(&stage, 0);
	for (size_t i = 0; i < ARRAY_COUNT(heads); i++) {
		feed(&stage, heads[i]);
		assert_int_equal(answered(&stage, "HTTP/1.1 "), 1);
		assert_int_equal(answered(&stage, "HTTP/1.1 401 "), 1);
		assert_int_equal(answered(&stage, "\r\nConnection: close\r\n"), 1);
		assert_int_equal(stage.judged, 1);
		assert_true(stage.connection->closed); /* without a socket nothing lingers */
		stage_reopen(&stage);
		http_connection_feed(stage.connection, str_of(heads[i])); /* the same, with a body behind it: dropped */
		http_connection_feed(stage.connection, (struct str){ more, sizeof(more) });
		assert_int_equal(room_taken(&stage), 0);
		assert_int_equal(stage.connection->input.len, 0);
		http_server_flush(stage.server);
		assert_int_equal(answered(&stage, "HTTP/1.1 "), 1);
		assert_int_equal(stage.log.len, 0);
		assert_int_equal(stage.lost, 0);
		stage_reopen(&stage);
	}
	struct http_server_stats stats;
	http_server_stats(stage.server, &stats);
	assert_int_equal(stats.refused_early, 2 * ARRAY_COUNT(heads));
	stage_close(&stage);
}

static void a_short_body_is_skipped_and_the_connection_goes_on(void **state)
{
	static const char text[] = "POST /no HTTP/1.1\r\n" H "Content-Length: 21\r\n\r\nGET /in HTTP/1.1\r\n\r\nx"
				   "POST /yes HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello"
				   "POST /no HTTP/1.1\r\n" H "Connection: close\r\nContent-Length: 5\r\n\r\nhelloGET /late HTTP/1.1\r\n" H "\r\n";
	struct str all = { text, sizeof(text) - 1 };
	(void)state;
	struct stage stage;
	stage_open(&stage, 0);
	for (size_t cut = 0; cut <= all.len; cut++) {
		connection_feed_text(stage.connection, (struct str){ all.ptr, cut });
		if (!stage.connection->closed)
			connection_feed_text(stage.connection, str_from(all, cut));
		assert_true(str_eq(buf_str(&stage.log), STR("/yes hello;")));
		assert_int_equal(answered(&stage, "HTTP/1.1 "), 3);
		assert_int_equal(answered(&stage, "HTTP/1.1 401 "), 2);
		assert_int_equal(answered(&stage, "\r\nConnection: close\r\n"), 1);
		assert_int_equal(stage.judged, 3);
		assert_true(stage.connection->closed);
		stage_reopen(&stage);
	}
	stage_close(&stage);
}

static void a_refusal_at_the_gate_waits_for_its_turn(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, 0);
	feed(&stage, "POST /hold HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\na");
	feed(&stage, "POST /no HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\naaGET /after HTTP/1.1\r\n" H "\r\n");
	feed(&stage, "POST /no HTTP/1.1\r\n" H "Content-Length: 99999999\r\n\r\n");
	assert_int_equal(stage.answers.len, 0);
	http_respond_str(stage.held, 202, STR("text/plain"), STR(""), STR("held"));
	http_server_flush(stage.server);
	const char *held = memmem(stage.answers.ptr, stage.answers.len, " 202 ", 5), *refused = memmem(stage.answers.ptr, stage.answers.len, " 401 ", 5);
	const char *after = memmem(stage.answers.ptr, stage.answers.len, " 200 ", 5);
	assert_true(held && held < refused && refused < after);
	assert_int_equal(answered(&stage, " 401 "), 2);
	assert_true(stage.connection->closed);
	stage_close(&stage);
}

static void a_slow_rest_ends_the_connection_without_another_answer(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, 0);
	feed(&stage, "POST /no HTTP/1.1\r\n" H "Content-Length: 60000\r\n\r\nabc");
	assert_int_equal(answered(&stage, "HTTP/1.1 401 "), 1);
	stage.server->ahead_ms += stage.server->limits.body_idle_ms + 1;
	http_server_tick(stage.server);
	http_server_flush(stage.server);
	assert_true(stage.connection->closed);
	assert_int_equal(answered(&stage, "HTTP/1.1 "), 1);
	stage_reopen(&stage);
	feed(&stage, "POST /no HTTP/1.1\r\n" H "Content-Length: 60000\r\n\r\nabc"); /* a byte now and then is not enough */
	for (int i = 0; i < 3 && !stage.connection->closed; i++) {
		stage.server->ahead_ms += stage.server->limits.body_idle_ms - 1;
		feed(&stage, "d");
	}
	assert_true(stage.connection->closed);
	assert_int_equal(answered(&stage, "HTTP/1.1 "), 1);
	stage_close(&stage);
}

static void a_rest_to_be_skipped_holds_up_no_drain(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, 0);
	feed(&stage, "POST /hold HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\na");
	feed(&stage, "POST /no HTTP/1.1\r\n" H "Content-Length: 60000\r\n\r\nabc");
	http_server_drain(stage.server, NULL, NULL);
	http_server_flush(stage.server);
	assert_false(stage.connection->closed); /* it owes the first answer */
	http_respond_str(stage.held, 202, STR("text/plain"), STR(""), STR("held"));
	http_server_flush(stage.server);
	assert_int_equal(answered(&stage, " 202 "), 1);
	assert_int_equal(answered(&stage, " 401 "), 1);
	assert_true(stage.connection->closed);
	stage_close(&stage);
	stage_open(&stage, 0);
	feed(&stage, "POST /no HTTP/1.1\r\n" H "Content-Length: 60000\r\n\r\nabc");
	assert_false(stage.connection->closed);
	http_server_drain(stage.server, NULL, NULL);
	http_server_flush(stage.server);
	assert_true(stage.connection->closed);
	stage_close(&stage);
}

static void each_request_has_its_own_time(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, 0);
	for (int i = 0; i < 3; i++) { /* half of the time each: together more than one may take */
		feed(&stage, "POST /yes HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\na");
		stage.server->ahead_ms += stage.server->limits.body_idle_ms / 2;
		http_server_tick(stage.server);
		feed(&stage, "b");
	}
	assert_int_equal(answered(&stage, "HTTP/1.1 200 "), 3);
	feed(&stage, "POST /yes HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\na");
	stage.server->ahead_ms += stage.server->limits.body_idle_ms + 1;
	http_server_tick(stage.server);
	http_server_flush(stage.server);
	assert_int_equal(answered(&stage, "HTTP/1.1 408 "), 1);
	assert_int_equal(stage.lost, 1);
	stage_close(&stage);
}

static void a_body_may_have_what_the_gate_said(void **state)
{
	static const struct {
		const char *request;
		const char *answer, *log;
		unsigned lost;
	} rows[] = {
		{ "POST /ten HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n0123456789", "HTTP/1.1 200 ", "/ten 0123456789;", 0 },
		{ "POST /ten HTTP/1.1\r\n" H "Content-Length: 11\r\n\r\n", "HTTP/1.1 413 ", "", 1 },
		{ "POST /ten HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n", "HTTP/1.1 413 ", "", 1 },
		{ "POST /ten HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", "HTTP/1.1 200 ", "/ten 0123456789;", 0 },
		{ "POST /ten HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n", "HTTP/1.1 413 ", "", 1 },
		{ "POST /yes HTTP/1.1\r\n" H "Content-Length: 4194305\r\n\r\n", "HTTP/1.1 413 ", "", 1 },
		{ "POST /yes HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n400001\r\n", "HTTP/1.1 413 ", "", 1 },
		{ "POST /ten HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 400 ", "", 1 },
		{ "GET /ten HTTP/1.1\r\n" H "\r\n", "HTTP/1.1 200 ", "/ten ;", 0 },
	};
	(void)state;
	struct stage stage;
	stage_open(&stage, 0);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		feed(&stage, rows[i].request);
		assert_int_equal(answered(&stage, rows[i].answer), 1);
		assert_int_equal(answered(&stage, "HTTP/1.1 "), 1);
		assert_int_equal(stage.lost, rows[i].lost);
		assert_true(str_eq(buf_str(&stage.log), str_of(rows[i].log)));
		assert_int_equal(room_taken(&stage), 0);
		stage_reopen(&stage);
	}
	stage_close(&stage);
}

static void whoever_goes_is_told_lost_once(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, 0);
	feed(&stage, "POST /yes HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhel");
	assert_int_equal(room_taken(&stage), 5);
	http_connection_end(stage.connection);
	http_server_flush(stage.server);
	assert_int_equal(stage.lost, 1);
	stage_reopen(&stage);
	feed(&stage, "POST /yes HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nhel");
	http_connection_close(stage.connection);
	assert_int_equal(stage.lost, 1);
	assert_int_equal(room_taken(&stage), 0);
	stage_reopen(&stage);
	feed(&stage, "POST /hold HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello"); /* the handler has it: not lost, and counted until it answers */
	http_connection_close(stage.connection);
	assert_int_equal(room_taken(&stage), 5);
	http_respond_str(stage.held, 200, STR("text/plain"), STR(""), STR("late"));
	assert_int_equal(room_taken(&stage), 0);
	assert_int_equal(stage.lost, 0);
	stage_close(&stage);
}

struct visitor {
	struct buf answers;
	struct http_connection *connection;
};

static void visitor_come(struct visitor *visitor, struct stage *stage, const char *text)
{
	buf_init(&visitor->answers, SIZE_MAX);
	visitor->connection = http_connection_open_bare(stage->server, &visitor->answers);
	assert_non_null(visitor->connection);
	connection_feed_text(visitor->connection, str_of(text));
}

static unsigned visitor_go(struct visitor *visitor, const char *text)
{
	unsigned count = buf_count(&visitor->answers, text);
	if (!visitor->connection->closed)
		http_connection_close(visitor->connection);
	http_connection_free_bare(visitor->connection);
	buf_fini(&visitor->answers);
	return count;
}

static void bodies_together_are_bounded(void **state)
{
	(void)state;
	struct stage stage;
	struct visitor first, next;
	stage_open(&stage, 1000);
	visitor_come(&first, &stage, "POST /nobody HTTP/1.1\r\n" H "Content-Length: 400\r\n\r\n");
	assert_int_equal(room_taken(&stage), 400);
	visitor_come(&next, &stage, "POST /nobody HTTP/1.1\r\n" H "Content-Length: 101\r\n\r\n"); /* those who are not known have half */
	assert_int_equal(buf_count(&next.answers, "\r\nRetry-After: "), 1);
	assert_int_equal(visitor_go(&next, "HTTP/1.1 503 "), 1);
	visitor_come(&next, &stage, "POST /nobody HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
	assert_int_equal(visitor_go(&next, "HTTP/1.1 "), 0);
	visitor_come(&next, &stage, "POST /nobody HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n65\r\n");
	for (int i = 0; i < 101; i++)
		connection_feed_text(next.connection, STR("a"));
	assert_int_equal(visitor_go(&next, "HTTP/1.1 503 "), 1);
	visitor_come(&next, &stage, "POST /known HTTP/1.1\r\n" H "Content-Length: 601\r\n\r\n");
	assert_int_equal(visitor_go(&next, "HTTP/1.1 503 "), 1);
	visitor_come(&next, &stage, "POST /known HTTP/1.1\r\n" H "Content-Length: 600\r\n\r\n");
	assert_int_equal(room_taken(&stage), 1000);
	assert_int_equal(visitor_go(&next, "HTTP/1.1 "), 0);
	assert_int_equal(stage.lost, 5);
	visitor_go(&first, "");
	visitor_come(&first, &stage, "POST /nobody HTTP/1.1\r\n" H "Content-Length: 2000\r\n\r\n"); /* alone it always finds room */
	assert_int_equal(room_taken(&stage), 2000);
	assert_int_equal(visitor_go(&first, "HTTP/1.1 "), 0);
	stage_close(&stage);
}

static void allocations_that_fail_harm_one_request(void **state)
{
	(void)state;
	struct stage stage;
	uint64_t nth = 1;
	stage_open(&stage, 0);
	bool failed = true;
	for (; failed && nth < 1000; nth++) {
		mem_fail_after(nth, MEM_FAIL_ONE);
		feed(&stage, "POST /no HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhe");
		if (!stage.connection->closed)
			feed(&stage, "lloPOST /yes HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello");
		if (!stage.connection->closed)
			feed(&stage, "POST /yes HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
		failed = mem_fail_disarm();
		assert_true(failed || answered(&stage, "HTTP/1.1 200") == 2);
		if (failed)
			stage_reopen(&stage);
	}
	assert_true(nth > 3 && nth < 1000);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_body_is_refused_before_a_byte_of_it),
		cmocka_unit_test(a_short_body_is_skipped_and_the_connection_goes_on),
		cmocka_unit_test(a_refusal_at_the_gate_waits_for_its_turn),
		cmocka_unit_test(a_slow_rest_ends_the_connection_without_another_answer),
		cmocka_unit_test(a_rest_to_be_skipped_holds_up_no_drain),
		cmocka_unit_test(each_request_has_its_own_time),
		cmocka_unit_test(a_body_may_have_what_the_gate_said),
		cmocka_unit_test(whoever_goes_is_told_lost_once),
		cmocka_unit_test(bodies_together_are_bounded),
		cmocka_unit_test(allocations_that_fail_harm_one_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
