/* A connection without a socket: bytes in, answers out. What must be refused, what must be accepted, however the bytes are cut. */
#include "base/limits.h"
#include "base/mem.h"
#include "http/server_priv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct stage {
	uv_loop_t loop;
	struct http_server *server;
	struct http_connection *connection;
	struct buf answers, log; /* log: "POST /path?query body-length:body;" for each request */
	struct http_exchange *held[200];
	unsigned held_count, gone;
	bool holds, aborts;
};

static void stage_on_gone(struct http_exchange *exchange, void *context)
{
	struct stage *stage = context;
	(void)exchange;
	stage->gone++;
}

static void stage_handle(void *context, struct http_exchange *exchange)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER" };
	struct stage *stage = context;
	struct str body = http_body(exchange);
	buf_addf(&stage->log, "%s " STR_FMT, names[http_method(exchange)], STR_ARG(http_path(exchange)));
	if (http_query(exchange).len)
		buf_addf(&stage->log, "?" STR_FMT, STR_ARG(http_query(exchange)));
	buf_addf(&stage->log, " %zu:", body.len);
	buf_add(&stage->log, body.len < 64 ? body : STR("..."));
	buf_add_byte(&stage->log, ';');
	if (stage->aborts) {
		http_connection_close(stage->connection);
		http_respond_str(exchange, 200, STR("text/plain"), STR(""), STR("ok"));
	} else if (stage->holds) {
		assert_true(stage->held_count < ARRAY_COUNT(stage->held));
		stage->held[stage->held_count++] = exchange;
		http_set_context(exchange, stage, stage_on_gone);
	} else {
		http_respond_str(exchange, 200, STR("text/plain"), STR(""), STR("ok"));
	}
}

static void stage_open(struct stage *stage, const struct http_limits *limits)
{
	struct http_limits usual;
	http_limits_default(&usual);
	*stage = (struct stage){ 0 };
	assert_int_equal(uv_loop_init(&stage->loop), 0);
	buf_init(&stage->answers, SIZE_MAX);
	buf_init(&stage->log, SIZE_MAX);
	stage->server = http_server_new(&stage->loop, limits ? limits : &usual, stage_handle, stage);
	assert_non_null(stage->server);
	stage->connection = http_connection_open_bare(stage->server, &stage->answers);
	assert_non_null(stage->connection);
}

static void stage_reopen(struct stage *stage)
{
	if (!stage->connection->closed)
		http_connection_close(stage->connection);
	http_connection_free_bare(stage->connection);
	stage->connection = http_connection_open_bare(stage->server, &stage->answers);
	buf_clear(&stage->answers);
	buf_clear(&stage->log);
}

static void stage_close(struct stage *stage)
{
	if (stage->connection) {
		http_connection_close(stage->connection);
		http_connection_free_bare(stage->connection);
	}
	http_server_free(stage->server);
	uv_run(&stage->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&stage->loop), 0);
	buf_fini(&stage->answers);
	buf_fini(&stage->log);
}

static void stage_feed(struct stage *stage, struct str bytes)
{
	http_connection_feed(stage->connection, bytes);
	http_server_flush(stage->server);
}

static unsigned stage_count(const struct stage *stage, const char *text)
{
	unsigned count = 0;
	struct str rest = buf_str(&stage->answers);
	const char *found;
	while (rest.len && (found = memmem(rest.ptr, rest.len, text, strlen(text)))) {
		rest = str_from(rest, (size_t)(found - rest.ptr) + strlen(text));
		count++;
	}
	return count;
}

/* How many answers came; *status is the last one's. */
static unsigned stage_answers(const struct stage *stage, int *status)
{
	unsigned count = 0;
	struct str rest = buf_str(&stage->answers);
	const char *found;
	*status = 0;
	while (rest.len && (found = memmem(rest.ptr, rest.len, "HTTP/1.1 ", 9))) {
		rest = str_from(rest, (size_t)(found - rest.ptr) + 9);
		bool is_status = rest.len > 3 && rest.ptr[3] == ' ' && rest.ptr[0] >= '1' && rest.ptr[0] <= '5'; /* not prose */
		if (is_status)
			*status = (rest.ptr[0] - '0') * 100 + (rest.ptr[1] - '0') * 10 + (rest.ptr[2] - '0');
		count += is_status;
	}
	return count;
}

static int stage_status(const struct stage *stage)
{
	int status;
	stage_answers(stage, &status);
	return status;
}

/* ---- what must be refused ---- */

#define H "Host: x\r\n"
struct refused_row {
	int status;
	const char *request;
	size_t len; /* 0: strlen */
};
#define RAW(status, literal) { status, literal, sizeof(literal) - 1 }
static const struct refused_row refused_rows[] = {
	/* two lengths */
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "content-length: 0\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\nhello", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5,6\r\n\r\nhello", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nhello", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\nhello", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\nhello", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\nhello", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5a\r\n\r\nhello", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: \r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999999\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5.0\r\n\r\nhello", 0 },
	/* encodings */
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 0 },
	{ 400, "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0 },
	/* line ends */
	{ 400, "GET / HTTP/1.1\nHost: x\n\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nHost: x\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nHost: x\r\n\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\rHost: x\r\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n", 0 },
	{ 400, "\nGET / HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "\rGET / HTTP/1.1\r\n" H "\r\n", 0 },
	/* header lines */
	{ 400, "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n A: b\r\n" H "\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H "A\t: b\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H "A b: c\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H ": b\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H "NoColon\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H "A(b): c\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H "A\xc3\xa9: c\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H "A: b\x01" "c\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\n" H "A: b\x1b[0m\r\n\r\n", 0 },
	RAW(400, "GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n"),
	RAW(400, "GET / HTTP/1.1\r\n" H "A\0: b\r\n\r\n"),
	RAW(400, "GET /\0 HTTP/1.1\r\n" H "\r\n"),
	RAW(400, "\0GET / HTTP/1.1\r\n" H "\r\n"),
	/* host */
	{ 400, "GET / HTTP/1.1\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 0 },
	{ 400, "GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n", 0 },
	/* request lines */
	{ 400, "GET /\r\n\r\n", 0 },
	{ 400, "GET\r\n" H "\r\n", 0 },
	{ 400, "GET  / HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET /  HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET / HTTP/1.1 \r\n" H "\r\n", 0 },
	{ 400, "GET\t/ HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, " GET / HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET /a b HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET / http/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET / HTTP/1.10\r\n" H "\r\n", 0 },
	{ 400, "GET / HTTP/1\r\n" H "\r\n", 0 },
	{ 400, "GET / HTTP/1,1\r\n" H "\r\n", 0 },
	{ 400, "GET / HTTP 1.1\r\n" H "\r\n", 0 },
	{ 400, "GET / XTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "G@T / HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "\x16\x03\x01\x02\x00\x01", 6 }, /* TLS hello */
	{ 400, "{\"json\": true}\r\n\r\n", 0 },
	{ 505, "GET / HTTP/0.9\r\n" H "\r\n", 0 },
	{ 505, "GET / HTTP/1.2\r\n" H "\r\n", 0 },
	{ 505, "GET / HTTP/2.0\r\n" H "\r\n", 0 },
	{ 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0 },
	{ 501, "BREW / HTTP/1.1\r\n" H "\r\n", 0 },
	{ 501, "get / HTTP/1.1\r\n" H "\r\n", 0 },
	/* targets */
	{ 400, "GET http://x/ HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET x:80 HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "CONNECT x:443 HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "CONNECT / HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "OPTIONS * HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET a HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET ?a HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET /a#b HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET /\x7f HTTP/1.1\r\n" H "\r\n", 0 },
	{ 400, "GET /a\tb HTTP/1.1\r\n" H "\r\n", 0 },
	/* chunks */
#define C "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
	{ 400, C "\r\n", 0 },
	{ 400, C "g\r\n", 0 },
	{ 400, C " 5\r\nhello\r\n0\r\n\r\n", 0 },
	{ 400, C "5 \r\nhello\r\n0\r\n\r\n", 0 },
	{ 400, C "5 ;a\r\nhello\r\n0\r\n\r\n", 0 },
	{ 400, C "0x5\r\nhello\r\n0\r\n\r\n", 0 },
	{ 400, C "+5\r\nhello\r\n0\r\n\r\n", 0 },
	{ 400, C "-1\r\nhello\r\n0\r\n\r\n", 0 },
	{ 400, C "5\nhello\r\n0\r\n\r\n", 0 },
	{ 400, C "5\rhello\r\n0\r\n\r\n", 0 },
	{ 400, C "5\r\nhelloX\r\n0\r\n\r\n", 0 },
	{ 400, C "5\r\nhello\n0\r\n\r\n", 0 },
	{ 400, C "5\r\nhello0\r\n\r\n", 0 },
	{ 400, C "5\r\nhello\r0\r\n\r\n", 0 },
	{ 400, C "5;a=\x01\r\nhello\r\n0\r\n\r\n", 0 },
	{ 400, C "5;a\nb\r\nhello\r\n0\r\n\r\n", 0 },
	{ 400, C "10000000000000000\r\n", 0 },
	{ 400, C "00000000000000005\r\nhello\r\n0\r\n\r\n", 0 },
	{ 413, C "fffffffffffffff0\r\nhello", 0 },
	{ 400, C "0\r\nA : b\r\n\r\n", 0 },
	{ 400, C "0\r\n A: b\r\n\r\n", 0 },
	{ 400, C "0\r\nA: b\n\r\n", 0 },
	{ 400, C "0\r\n\n", 0 },
	{ 400, C "0\r\nA\r\n\r\n", 0 },
	{ 400, C "0\r\nContent-Length: 0\r\n\r\n", 0 },
	{ 400, C "0\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
	/* expectations and sizes */
	{ 417, "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", 0 },
	{ 413, "POST / HTTP/1.1\r\n" H "Content-Length: 4194305\r\n\r\n", 0 },
	{ 413, "POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", 0 },
	{ 413, "POST / HTTP/1.1\r\n" H "Content-Length: 1844674407370955160\r\n\r\n", 0 },
};

static void assert_refused(const struct stage *stage, const struct refused_row *row)
{
	int status;
	unsigned answers = stage_answers(stage, &status);
	if (status != row->status || !stage->connection->closed || stage->log.len)
		print_error("request: %s\nanswers: " STR_FMT "\nlog: " STR_FMT "\n", row->request, STR_ARG(buf_str(&stage->answers)),
			    STR_ARG(buf_str(&stage->log)));
	assert_int_equal(status, row->status);
	assert_int_equal(answers, 1);
	assert_true(stage->connection->closed);
	assert_int_equal(stage->log.len, 0);
	assert_int_equal(stage_count(stage, "\r\nConnection: close\r\n"), 1);
	assert_int_equal(stage_count(stage, "\r\nContent-Type: application/problem+json\r\n"), 1);
	assert_int_equal(stage_count(stage, "{\"type\":\"about:blank\",\"title\":\""), 1);
}

static void malformed_requests_are_refused(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	assert_true(ARRAY_COUNT(refused_rows) >= 60);
	for (size_t i = 0; i < ARRAY_COUNT(refused_rows); i++) {
		const struct refused_row *row = &refused_rows[i];
		struct str all = { row->request, row->len ? row->len : strlen(row->request) };
		for (size_t cut = 0; cut < all.len; cut++) {
			stage_feed(&stage, (struct str){ all.ptr, cut });
			if (!stage.connection->closed)
				stage_feed(&stage, str_from(all, cut));
			assert_refused(&stage, row);
			stage_reopen(&stage);
		}
		for (size_t at = 0; at < all.len && !stage.connection->closed; at++)
			stage_feed(&stage, (struct str){ all.ptr + at, 1 });
		assert_refused(&stage, row);
		stage_reopen(&stage);
	}
	struct http_server_stats stats;
	http_server_stats(stage.server, &stats);
	assert_true(stats.refused_parse > 0 && stats.refused_limit > 0);
	assert_int_equal(stats.requests, 0);
	stage_close(&stage);
}

/* ---- what must be accepted ---- */

static const struct accepted_row {
	const char *request, *log;
	bool closes;
} accepted_rows[] = {
	{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / 0:;", false },
	{ "GET / HTTP/1.1\r\nHost:x\r\n\r\n", "GET / 0:;", false },
	{ "GET / HTTP/1.1\r\nHost: \t x \t \r\n\r\n", "GET / 0:;", false },
	{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / 0:;", false },
	{ "GET / HTTP/1.1\r\nHost: [::1]:8420\r\n\r\n", "GET / 0:;", false },
	{ "GET / HTTP/1.1\r\nhOST: a.b-c_d.example:8420\r\n\r\n", "GET / 0:;", false },
	{ "\r\nGET / HTTP/1.1\r\n" H "\r\n", "GET / 0:;", false },
	{ "HEAD /a HTTP/1.1\r\n" H "\r\n", "HEAD /a 0:;", false },
	{ "OPTIONS /a HTTP/1.1\r\n" H "\r\n", "OPTIONS /a 0:;", false },
	{ "DELETE /a/b%20c HTTP/1.1\r\n" H "\r\n", "DELETE /a/b%20c 0:;", false },
	{ "PATCH / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi", "PATCH / 2:hi;", false },
	{ "PUT / HTTP/1.1\r\n" H "Content-Length: 0002\r\n\r\nhi", "PUT / 2:hi;", false },
	{ "PROPFIND / HTTP/1.1\r\n" H "\r\n", "OTHER / 0:;", false },
	{ "TRACE / HTTP/1.1\r\n" H "\r\n", "OTHER / 0:;", false },
	{ "GET /?a=1&b=[2]|{3} HTTP/1.1\r\n" H "\r\n", "GET /?a=1&b=[2]|{3} 0:;", false },
	{ "GET //x?? HTTP/1.1\r\n" H "\r\n", "GET //x?? 0:;", false },
	{ "GET / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", "GET / 5:hello;", false },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", "POST / 0:;", false },
	{ "POST / HTTP/1.1\r\n" H "\r\n", "POST / 0:;", false },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: \t5 \r\n\r\nhello", "POST / 5:hello;", false },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\n\r\n\r\n\nGET ", "POST / 9:\r\n\r\n\nGET ;", false },
	{ "POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na", "POST / 1:a;", false },
	{ "GET / HTTP/1.1\r\n" H "A: caf\xc3\xa9\r\nB:\r\nC: a\tb\r\nD: \"x\\\"y\"\r\n\r\n", "GET / 0:;", false },
	{ "GET / HTTP/1.1\r\n" H "Content_Length: 5\r\nX-Content-Length: 6\r\n!#$%&'*+-.^_`|~: t\r\n\r\n", "GET / 0:;", false },
	{ "GET / HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / 0:;", false },
	{ "GET / HTTP/1.1\r\n" H "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n", "GET / 0:;", false },
	{ "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "GET / 0:;", true },
	{ "GET / HTTP/1.1\r\n" H "Connection: x, CLOSE\r\n\r\nGET /never HTTP/1.1\r\n" H "\r\n", "GET / 0:;", true },
	{ "GET / HTTP/1.0\r\n\r\n", "GET / 0:;", true },
	{ "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", "GET / 0:;", false },
	{ "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", "POST / 5:hello;", true },
	{ C "0\r\n\r\n", "POST / 0:;", false },
	{ C "5\r\nhello\r\n0\r\n\r\n", "POST / 5:hello;", false },
	{ C "A\r\n0123456789\r\nb\r\nabcdefghijk\r\n000\r\n\r\n", "POST / 21:0123456789abcdefghijk;", false },
	{ C "5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\nTrailer: v\r\nU:\r\n\r\n", "POST / 5:hello;", false },
	{ C "0000000000000005\r\nhello\r\n0\r\n\r\n", "POST / 5:hello;", false },
	{ C "2\r\n\r\n\r\n0\r\n\r\n", "POST / 2:\r\n;", false },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\t Chunked \r\n\r\n1\r\na\r\n0\r\n\r\n", "POST / 1:a;", false },
	{ C "1\r\na\r\n0\r\n\r\nGET /2 HTTP/1.1\r\n" H "\r\nPOST /3 HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc\r\nGET /4 HTTP/1.1\r\n" H "\r\n",
	  "POST / 1:a;GET /2 0:;POST /3 3:abc;GET /4 0:;", false },
};

static void assert_accepted(const struct stage *stage, const struct accepted_row *row)
{
	if (!str_eq(buf_str(&stage->log), str_of(row->log)))
		print_error("request: %s\nanswers: " STR_FMT "\nlog: " STR_FMT "\n", row->request, STR_ARG(buf_str(&stage->answers)),
			    STR_ARG(buf_str(&stage->log)));
	assert_true(str_eq(buf_str(&stage->log), str_of(row->log)));
	assert_int_equal(stage_status(stage), 200);
	assert_int_equal(stage->connection->closed, row->closes);
	assert_int_equal(stage_count(stage, "Connection: close"), row->closes);
	if (!row->closes) { /* nothing is held for what comes next */
		assert_int_equal(stage->connection->input.capacity, 0);
		assert_null(stage->connection->first);
	}
}

static void sound_requests_are_accepted_however_cut(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	assert_true(ARRAY_COUNT(accepted_rows) >= 20);
	for (size_t i = 0; i < ARRAY_COUNT(accepted_rows); i++) {
		const struct accepted_row *row = &accepted_rows[i];
		struct str all = str_of(row->request);
		for (size_t cut = 0; cut < all.len; cut++) {
			stage_feed(&stage, (struct str){ all.ptr, cut });
			if (!stage.connection->closed)
				stage_feed(&stage, str_from(all, cut));
			assert_accepted(&stage, row);
			stage_reopen(&stage);
		}
		for (size_t at = 0; at < all.len && !stage.connection->closed; at++)
			stage_feed(&stage, (struct str){ all.ptr + at, 1 });
		assert_accepted(&stage, row);
		stage_reopen(&stage);
	}
	stage_close(&stage);
}

/* ---- limits ---- */

static void feed_text(struct stage *stage, const char *text)
{
	stage_feed(stage, str_of(text));
}

static void sizes_are_limited(void **state)
{
	(void)state;
	struct stage stage;
	struct http_limits limits;
	http_limits_default(&limits);
	limits.body_bytes = 10;
	stage_open(&stage, &limits);
	static const struct {
		const char *begin;
		char fill;
		size_t count;
		const char *end;
		int status; /* 200: fits */
	} rows[] = {
		{ "GET /", 'a', LIMIT_URL_BYTES - 1, " HTTP/1.1\r\n" H "\r\n", 200 },
		{ "GET /", 'a', LIMIT_URL_BYTES, " HTTP/1.1\r\n" H "\r\n", 414 },
		{ "GET /", 'a', 3 * LIMIT_URL_BYTES, "", 414 },
		{ "GET / HTTP/1.1\r\n" H "A: ", 'a', LIMIT_HEADER_BYTES - 32, "\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\n" H "A: ", 'a', LIMIT_HEADER_BYTES - 31, "\r\n\r\n", 431 },
		{ "GET / HTTP/1.1\r\n" H "A: ", 'a', 4 * LIMIT_HEADER_BYTES, "", 431 },
		{ "POST / HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n", 'a', 10, "", 200 },
		{ "POST / HTTP/1.1\r\n" H "Content-Length: 11\r\n\r\n", 'a', 1, "", 413 },
		{ C "a\r\n", 'a', 10, "\r\n0\r\n\r\n", 200 },
		{ C "a\r\n", 'a', 10, "\r\n1\r\na", 413 },
		{ C "1;", 'a', HTTP_CHUNK_EXTRA_MAX, "\r\na\r\n0\r\n\r\n", 200 },
		{ C "1;", 'a', HTTP_CHUNK_EXTRA_MAX + 1, "\r\na\r\n0\r\n\r\n", 400 },
		{ C "0\r\nA:", 'a', HTTP_CHUNK_EXTRA_MAX - 2, "\r\n\r\n", 200 },
		{ C "0\r\nA:", 'a', HTTP_CHUNK_EXTRA_MAX - 1, "\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: ", 'a', 300, "\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\nHost: ", 'a', 301, "\r\n\r\n", 400 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char *fill = malloc(rows[i].count + 1);
		memset(fill, rows[i].fill, rows[i].count);
		feed_text(&stage, rows[i].begin);
		for (size_t at = 0; at < rows[i].count && !stage.connection->closed; at += 1000)
			stage_feed(&stage, (struct str){ fill + at, rows[i].count - at < 1000 ? rows[i].count - at : 1000 });
		if (!stage.connection->closed)
			feed_text(&stage, rows[i].end);
		assert_int_equal(stage_status(&stage), rows[i].status);
		assert_int_equal(stage.connection->closed, rows[i].status != 200);
		stage_reopen(&stage);
		free(fill);
	}
	stage_close(&stage);
}

static void headers_are_counted(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	for (unsigned more = 0; more <= 1; more++) {
		feed_text(&stage, "GET / HTTP/1.1\r\n" H);
		for (unsigned i = 0; i < LIMIT_HEADERS - 1 + more; i++)
			feed_text(&stage, "A: b\r\n");
		feed_text(&stage, "\r\n");
		assert_int_equal(stage_status(&stage), more ? 431 : 200);
		stage_reopen(&stage);
	}
	stage_close(&stage);
}

/* ---- time ---- */

static void stage_pass(struct stage *stage, int64_t ms)
{
	stage->server->ahead_ms += ms;
	http_server_tick(stage->server);
	http_server_flush(stage->server);
}

static void slow_heads_are_ended(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	feed_text(&stage, "GET / HT");
	for (unsigned i = 0; i < 9; i++) { /* a byte now and then does not help */
		stage_pass(&stage, 1000);
		feed_text(&stage, "T");
	}
	assert_false(stage.connection->closed);
	stage_pass(&stage, 1000);
	assert_true(stage.connection->closed);
	assert_int_equal(stage_status(&stage), 408);
	stage_close(&stage);
}

static void slow_bodies_are_ended(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	feed_text(&stage, "POST / HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n");
	stage_pass(&stage, 9999);
	assert_false(stage.connection->closed);
	stage_pass(&stage, 1);
	assert_int_equal(stage_status(&stage), 408);
	assert_true(stage.connection->closed);

	stage_reopen(&stage); /* bytes keep coming, but fewer than 1,024 a second */
	feed_text(&stage, "POST / HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n");
	for (unsigned i = 0; i < 5; i++) {
		stage_pass(&stage, 1000);
		feed_text(&stage, "aaaa");
		assert_false(stage.connection->closed);
	}
	stage_pass(&stage, 1000);
	feed_text(&stage, "aaaa");
	assert_int_equal(stage_status(&stage), 408);

	stage_reopen(&stage); /* fast enough */
	char kilobyte[1024];
	memset(kilobyte, 'a', sizeof(kilobyte));
	feed_text(&stage, "POST / HTTP/1.1\r\n" H "Content-Length: 20480\r\n\r\n");
	for (unsigned i = 0; i < 20; i++) {
		stage_pass(&stage, 1000);
		stage_feed(&stage, (struct str){ kilobyte, sizeof(kilobyte) });
	}
	assert_int_equal(stage_status(&stage), 200);
	struct http_server_stats stats;
	http_server_stats(stage.server, &stats);
	assert_int_equal(stats.timed_out, 2);
	stage_close(&stage);
}

static void idle_connections_are_closed_and_waiting_ones_kept(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	feed_text(&stage, "GET / HTTP/1.1\r\n" H "\r\n");
	stage_pass(&stage, 74999);
	assert_false(stage.connection->closed);
	feed_text(&stage, "GET / HTTP/1.1\r\n" H "\r\n"); /* anew from here */
	stage_pass(&stage, 74999);
	assert_false(stage.connection->closed);
	stage_pass(&stage, 1);
	assert_true(stage.connection->closed);
	assert_int_equal(stage_count(&stage, "HTTP/1.1 200"), 2);
	int status;
	assert_int_equal(stage_answers(&stage, &status), 2); /* no answer to a question nobody asked */
	stage_reopen(&stage);
	stage.holds = true;
	feed_text(&stage, "GET /wait HTTP/1.1\r\n" H "\r\n");
	stage_pass(&stage, 86400000);
	assert_false(stage.connection->closed);
	assert_int_equal(http_deadlines_next_ms(&stage.server->deadlines), HTTP_NEVER);
	http_respond_str(stage.held[0], 204, STR(""), STR(""), STR(""));
	http_server_flush(stage.server);
	assert_int_equal(stage_status(&stage), 204);
	stage_close(&stage);
}

/* ---- pipelining ---- */

static void answers_keep_the_order_of_requests(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	stage.holds = true;
	feed_text(&stage, "GET /0 HTTP/1.1\r\n" H "\r\nGET /1 HTTP/1.1\r\n" H "\r\nHEAD /2 HTTP/1.1\r\n" H "\r\nGET /3 HTTP/1.1\r\n" H "\r\n");
	assert_int_equal(stage.held_count, 4);
	http_stream_begin(stage.held[3], 200, STR("text/event-stream"), STR(""));
	assert_true(http_stream_write(stage.held[3], STR("three")));
	struct buf body = { .max_bytes = SIZE_MAX };
	for (unsigned i = 0; i < 20000; i++)
		buf_add_byte(&body, 'b');
	http_respond(stage.held[1], 200, STR("text/plain"), STR("X-N: 1\r\n"), &body);
	assert_null(body.ptr);
	http_respond_str(stage.held[2], 200, STR("text/plain"), STR("X-N: 2\r\n"), STR("never seen"));
	http_server_flush(stage.server);
	assert_int_equal(stage.answers.len, 0);
	http_respond_str(stage.held[0], 200, STR("text/plain"), STR("X-N: 0\r\n"), STR("zero"));
	http_server_flush(stage.server);
	assert_true(http_stream_write(stage.held[3], STR("four")));
	http_stream_end(stage.held[3]);
	http_server_flush(stage.server);
	buf_add_byte(&stage.answers, '\0');
	const char *zero = strstr(stage.answers.ptr, "X-N: 0\r\n\r\nzero");
	const char *one = strstr(stage.answers.ptr, "Content-Length: 20000\r\nX-N: 1\r\n\r\nb");
	const char *two = strstr(stage.answers.ptr, "Content-Length: 10\r\nX-N: 2\r\n\r\nHTTP/1.1 200 OK");
	const char *three = strstr(stage.answers.ptr, "Transfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n4\r\nfour\r\n0\r\n\r\n");
	assert_non_null(zero);
	assert_true(zero < one);
	assert_true(one < two);
	assert_true(two < three);
	assert_null(strstr(stage.answers.ptr, "never seen"));
	stage_close(&stage);
}

static void requests_in_line_are_bounded(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	stage.holds = true;
	for (unsigned i = 0; i < 100; i++)
		http_connection_feed(stage.connection, STR("GET / HTTP/1.1\r\n" H "\r\n"));
	http_server_flush(stage.server);
	assert_int_equal(stage.held_count, 64);
	assert_true(stage.connection->stopped);
	for (unsigned i = 0; i < stage.held_count; i++) {
		http_respond_str(stage.held[i], 200, STR(""), STR(""), STR(""));
		http_server_flush(stage.server);
	}
	assert_int_equal(stage.held_count, 100);
	assert_false(stage.connection->stopped);
	assert_int_equal(stage_count(&stage, "HTTP/1.1 200"), 100);
	assert_int_equal(stage.connection->input.capacity, 0);
	stage_close(&stage);
}

static void a_refusal_waits_for_earlier_answers(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	stage.holds = true;
	feed_text(&stage, "GET /0 HTTP/1.1\r\n" H "\r\nGET /1 HTTP/1.1\n\n");
	assert_int_equal(stage.answers.len, 0);
	http_respond_str(stage.held[0], 200, STR("text/plain"), STR(""), STR("zero"));
	http_server_flush(stage.server);
	int status;
	assert_int_equal(stage_answers(&stage, &status), 2);
	assert_int_equal(status, 400);
	assert_true(stage.connection->closed);
	stage_close(&stage);
}

static void continue_is_said_in_turn(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	stage.holds = true;
	static const char head[] = "POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
	feed_text(&stage, head);
	assert_int_equal(stage_count(&stage, "HTTP/1.1 100 Continue\r\n\r\n"), 1);
	feed_text(&stage, "hi");
	feed_text(&stage, head);
	assert_int_equal(stage_count(&stage, "100 Continue"), 1); /* the first is not answered yet */
	http_respond_str(stage.held[0], 200, STR(""), STR(""), STR(""));
	http_server_flush(stage.server);
	assert_int_equal(stage_count(&stage, "100 Continue"), 2);
	feed_text(&stage, "hi");
	assert_string_equal((buf_add_byte(&stage.log, '\0'), stage.log.ptr), "POST / 2:hi;POST / 2:hi;");
	http_respond_str(stage.held[1], 200, STR(""), STR(""), STR(""));
	http_server_flush(stage.server);
	assert_int_equal(stage_count(&stage, "HTTP/1.1 200"), 2);
	stage_close(&stage);
}

/* ---- clients that go, and odd ends ---- */

static void a_client_that_goes_is_noticed_once(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	stage.holds = true;
	feed_text(&stage, "GET /0 HTTP/1.1\r\n" H "\r\nGET /1 HTTP/1.1\r\n" H "\r\nPOST /2 HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nhalf");
	http_connection_end(stage.connection);
	http_server_flush(stage.server);
	assert_int_equal(stage.gone, 2);
	assert_true(http_client_gone(stage.held[0]));
	assert_false(stage.connection->closed); /* it may only have closed its half: what it asked is answered */
	http_respond_str(stage.held[0], 200, STR(""), STR(""), STR(""));
	http_server_flush(stage.server);
	http_connection_close(stage.connection);
	assert_int_equal(stage.gone, 2);
	http_respond_str(stage.held[1], 200, STR(""), STR(""), STR(""));
	assert_int_equal(stage_count(&stage, "HTTP/1.1 200"), 1);
	stage_close(&stage);
}

static void a_half_closed_client_gets_its_answers(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	feed_text(&stage, "GET /0 HTTP/1.1\r\n" H "\r\nGET /1 HTTP/1.1\r\n" H "\r\nGET /ha");
	http_connection_end(stage.connection);
	http_server_flush(stage.server);
	assert_int_equal(stage_count(&stage, "HTTP/1.1 200"), 2);
	assert_true(stage.connection->closed);
	stage_close(&stage);
}

static void a_handler_may_end_the_connection(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	stage.aborts = true;
	feed_text(&stage, "GET /0 HTTP/1.1\r\n" H "\r\nGET /1 HTTP/1.1\r\n" H "\r\n");
	assert_string_equal((buf_add_byte(&stage.log, '\0'), stage.log.ptr), "GET /0 0:;");
	stage_reopen(&stage);
	stage.aborts = false;
	stage.holds = true;
	feed_text(&stage, "GET /0 HTTP/1.1\r\n" H "\r\nGET /1 HTTP/1.1\r\n" H "\r\n");
	http_reset(stage.held[1]);
	assert_true(stage.connection->closed);
	assert_int_equal(stage.gone, 1); /* the other one */
	http_respond_str(stage.held[0], 200, STR(""), STR(""), STR(""));
	stage_close(&stage);
}

static void streams_are_bounded_and_end_with_their_client(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	stage.holds = true;
	feed_text(&stage, "GET / HTTP/1.1\r\n" H "\r\nGET / HTTP/1.0\r\n\r\n");
	static char block[65536];
	http_stream_begin(stage.held[1], 200, STR("text/plain"), STR("")); /* it waits behind the first, and fills up */
	unsigned taken = 0;
	while (http_stream_write(stage.held[1], (struct str){ block, sizeof(block) }))
		taken++;
	assert_int_equal(taken, 15);
	http_stream_begin(stage.held[0], 200, STR("text/plain"), STR(""));
	assert_true(http_stream_write(stage.held[0], STR("a")));
	http_stream_end(stage.held[0]);
	http_server_flush(stage.server);
	assert_int_equal(stage_count(&stage, "1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK"), 1);
	assert_true(http_stream_write(stage.held[1], STR("until close")));
	http_stream_end(stage.held[1]);
	http_server_flush(stage.server);
	assert_true(stage.connection->closed);
	assert_int_equal(stage_count(&stage, "Transfer-Encoding"), 1);
	assert_memory_equal(stage.answers.ptr + stage.answers.len - 11, "until close", 11);

	stage_reopen(&stage);
	stage.held_count = 0;
	feed_text(&stage, "GET / HTTP/1.1\r\n" H "\r\n");
	http_stream_begin(stage.held[0], 200, STR("text/plain"), STR(""));
	http_connection_end(stage.connection);
	assert_int_equal(stage.gone, 1);
	assert_false(http_stream_write(stage.held[0], STR("a")));
	http_stream_end(stage.held[0]);
	stage_close(&stage);
}

/* ---- what a handler may ask ---- */

static void the_request_can_be_read(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	stage.holds = true;
	feed_text(&stage, "POST /v1/jobs?state=a%2Cb+c&x=%E2%82%AC&bad=%ff&worse=%2&nul=%00&flag HTTP/1.1\r\n" H
			  "Authorization:  Bearer abc \r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 4\r\n\r\nbody");
	struct http_exchange *exchange = stage.held[0];
	assert_int_equal(http_method(exchange), HTTP_M_POST);
	assert_true(str_eq(http_path(exchange), STR("/v1/jobs")));
	assert_true(str_eq(http_header(exchange, STR("AUTHORIZATION")), STR("Bearer abc")));
	assert_true(str_eq(http_header(exchange, STR("X-A")), STR("1")));
	assert_int_equal(http_header(exchange, STR("X-B")).len, 0);
	assert_true(str_eq(http_peer(exchange), STR("unix")));
	struct str value;
	bool found;
	assert_int_equal(http_query_param(exchange, STR("state"), &value, &found), E_OK);
	assert_true(found && str_eq(value, STR("a,b c")));
	assert_int_equal(http_query_param(exchange, STR("x"), &value, &found), E_OK);
	assert_true(found && str_eq(value, STR("\xe2\x82\xac")));
	assert_int_equal(http_query_param(exchange, STR("flag"), &value, &found), E_OK);
	assert_true(found && value.len == 0);
	assert_int_equal(http_query_param(exchange, STR("none"), &value, &found), E_OK);
	assert_false(found);
	assert_int_equal(http_query_param(exchange, STR("bad"), &value, &found), E_BAD_REQUEST);
	assert_int_equal(http_query_param(exchange, STR("worse"), &value, &found), E_BAD_REQUEST);
	assert_int_equal(http_query_param(exchange, STR("nul"), &value, &found), E_BAD_REQUEST);
	struct str before = http_body(exchange);
	struct buf taken;
	http_take_body(exchange, &taken);
	assert_ptr_equal(taken.ptr, before.ptr);
	assert_int_equal(http_body(exchange).len, 0);
	http_respond_str(exchange, 200, STR(""), STR(""), STR(""));
	assert_memory_equal(before.ptr, "body", 4);
	buf_fini(&taken);
	stage_close(&stage);
}

static void answers_are_well_formed(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	stage.holds = true;
	static const struct {
		int status;
		const char *type, *body, *expected;
	} rows[] = {
		{ 200, "text/plain", "abc", "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc" },
		{ 201, "text/plain", "", "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n" },
		{ 202, "", "", "GMT\r\nContent-Length: 0\r\n\r\n" },
		{ 204, "", "", "GMT\r\n\r\n" },
		{ 304, "", "", "GMT\r\n\r\n" },
		{ 499, "", "", "Content-Length: 0\r\n\r\n" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char line[32];
		feed_text(&stage, "GET / HTTP/1.1\r\n" H "\r\n");
		http_respond_str(stage.held[stage.held_count - 1], rows[i].status, str_of(rows[i].type), STR(""), str_of(rows[i].body));
		http_server_flush(stage.server);
		snprintf(line, sizeof(line), "HTTP/1.1 %d ", rows[i].status);
		size_t len = strlen(rows[i].expected);
		assert_int_equal(stage_count(&stage, line), 1);
		assert_int_equal(stage_count(&stage, "\r\nServer: ruche\r\nDate: "), 1);
		assert_memory_equal(stage.answers.ptr + stage.answers.len - len, rows[i].expected, len);
		buf_clear(&stage.answers);
	}
	feed_text(&stage, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	struct buf failed = { .failed = true };
	http_respond(stage.held[stage.held_count - 1], 200, STR("text/plain"), STR(""), &failed);
	http_server_flush(stage.server);
	assert_int_equal(stage_count(&stage, "\r\nConnection: keep-alive\r\n"), 1);
	assert_int_equal(stage_count(&stage, "\"code\":\"out_of_memory\""), 1);
	stage_close(&stage);
}

/* Each allocation of a conversation fails in turn: a refusal or a close, never more. */
static void allocations_that_fail_harm_one_request(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, NULL);
	uint64_t nth = 1;
	do {
		http_pieces_fini(&stage.server->pieces);
		mem_fail_after(nth++, MEM_FAIL_ONE);
		stage.connection->captured = &stage.answers;
		static const char *const parts[] = { "POST / HTTP/1.1\r\nHo", "st: x\r\nContent-Length: 3\r\n\r\na", "bc",
						     C "2;x\r\nhi\r\n0\r", "\n\r\nGET / HTTP/1.1\r\n" H "\r\n" };
		buf_clear(&stage.log);
		for (size_t i = 0; i < ARRAY_COUNT(parts) && !stage.connection->closed; i++)
			feed_text(&stage, parts[i]);
		bool failed = mem_fail_disarm();
		assert_true(failed || stage_count(&stage, "HTTP/1.1 200") == 3);
		assert_true(buf_ok(&stage.log));
		if (!failed)
			break;
		stage_reopen(&stage);
		assert_non_null(stage.connection);
	} while (nth < 1000);
	assert_true(nth > 5 && nth < 1000);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_requests_are_refused),
		cmocka_unit_test(sound_requests_are_accepted_however_cut),
		cmocka_unit_test(sizes_are_limited),
		cmocka_unit_test(headers_are_counted),
		cmocka_unit_test(slow_heads_are_ended),
		cmocka_unit_test(slow_bodies_are_ended),
		cmocka_unit_test(idle_connections_are_closed_and_waiting_ones_kept),
		cmocka_unit_test(answers_keep_the_order_of_requests),
		cmocka_unit_test(requests_in_line_are_bounded),
		cmocka_unit_test(a_refusal_waits_for_earlier_answers),
		cmocka_unit_test(continue_is_said_in_turn),
		cmocka_unit_test(a_client_that_goes_is_noticed_once),
		cmocka_unit_test(a_half_closed_client_gets_its_answers),
		cmocka_unit_test(a_handler_may_end_the_connection),
		cmocka_unit_test(streams_are_bounded_and_end_with_their_client),
		cmocka_unit_test(the_request_can_be_read),
		cmocka_unit_test(answers_are_well_formed),
		cmocka_unit_test(allocations_that_fail_harm_one_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
