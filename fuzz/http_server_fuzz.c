/* fuzz/http_server_fuzz.c: any bytes through a connection of the HTTP server, without a socket.
 *
 * However the bytes are cut, the same requests come out and the same refusal. What our strict reading accepts, http-parser reads
 * in the same way: as many requests, with the same targets and bodies, so that no byte of one can pass for another. What is refused
 * by its head (/n) is one request too, wherever its body ends. Whatever is answered early, late, streamed or never asked for, nothing
 * leaks and every answer is whole. */
#include "fuzz.h"
#include "http/parser.h"
#include "http/server_priv.h"
#include <stdlib.h>

#define FUZZ_HELD_MAX 64

struct fuzz {
	uv_loop_t loop;
	struct http_server *server;
	struct buf log;      /* target, LF, body, NUL of each request that was handed to the handler */
	uint32_t requests;
	bool refused;        /* by the gate, at least one: its body may have no end */
	struct http_exchange *held[FUZZ_HELD_MAX];
	uint32_t held_count;
};

static void fuzz_answer(struct http_exchange *exchange, struct str path)
{
	struct buf body;
	struct str first, value;
	bool found;
	size_t at = 0;
	if (http_query_next(exchange, &at, &first, &value) && http_query_param(exchange, STR("a"), &value, &found) == E_OK && found)
		CHECK(str_is_utf8(value));
	if (str_starts(path, STR("/s"))) {
		http_stream_begin(exchange, 200, STR("text/plain"), STR(""));
		(void)http_stream_write(exchange, STR("streamed"));
		http_stream_end(exchange);
	} else if (str_starts(path, STR("/t"))) {
		http_take_body(exchange, &body);
		http_respond(exchange, 200, STR("text/plain"), STR("X-A: b\r\n"), &body);
	} else if (str_starts(path, STR("/r"))) {
		http_reset(exchange);
	} else {
		http_respond_str(exchange, 200, STR("text/plain"), STR(""), STR("ok"));
	}
}

static void fuzz_note(struct fuzz *fuzz, struct http_exchange *exchange)
{
	const struct http_head_values *head = &exchange->head;
	struct str path = http_path(exchange);
	CHECK(path.len > 0);
	CHECK(path.ptr[0] == '/');
	buf_add(&fuzz->log, (struct str){ exchange->head_bytes + head->path_at, (size_t)(head->query_at + head->query_len - head->path_at) });
	buf_add_byte(&fuzz->log, '\n');
	buf_add(&fuzz->log, http_body(exchange));
	buf_add_byte(&fuzz->log, '\0');
	fuzz->requests++;
}

static bool fuzz_judge(void *context, struct http_exchange *exchange)
{
	struct fuzz *fuzz = context;
	if (!str_starts(http_path(exchange), STR("/n"))) {
		http_let_body(exchange, SIZE_MAX, false);
		return true;
	}
	fuzz_note(fuzz, exchange);
	fuzz->refused = true;
	http_respond_str(exchange, 401, STR("text/plain"), STR(""), STR("no"));
	return false;
}

static void fuzz_lost(void *context, struct http_exchange *exchange)
{
	(void)context;
	CHECK(http_path(exchange).len > 0);
}

static void fuzz_handle(void *context, struct http_exchange *exchange)
{
	struct fuzz *fuzz = context;
	struct str path = http_path(exchange);
	fuzz_note(fuzz, exchange);
	if (str_starts(path, STR("/h")) && fuzz->held_count < FUZZ_HELD_MAX)
		fuzz->held[fuzz->held_count++] = exchange;
	else
		fuzz_answer(exchange, path);
}

static void fuzz_answer_held(struct fuzz *fuzz)
{
	while (fuzz->held_count > 0) { /* flushing lets in those that waited behind them */
		while (fuzz->held_count > 0) /* the last first */
			fuzz_answer(fuzz->held[--fuzz->held_count], STR(""));
		http_server_flush(fuzz->server);
	}
}

/* One client's life: its bytes in pieces of `step`, then its end. */
static void fuzz_converse(struct fuzz *fuzz, struct str bytes, size_t step, struct buf *answers)
{
	struct http_connection *connection = http_connection_open_bare(fuzz->server, answers);
	CHECK(connection);
	buf_clear(&fuzz->log);
	fuzz->requests = 0;
	fuzz->refused = false;
	while (bytes.len > 0 && !connection->closed) {
		struct str piece = { bytes.ptr, bytes.len < step ? bytes.len : step };
		bytes = str_from(bytes, piece.len);
		http_connection_feed(connection, piece);
		http_server_flush(fuzz->server);
		if (connection->stopped)
			fuzz_answer_held(fuzz);
		CHECK(connection->closed || !connection->stopped);
	}
	if (!connection->closed)
		http_connection_end(connection);
	http_server_flush(fuzz->server);
	fuzz_answer_held(fuzz);
	CHECK(connection->closed);
	CHECK(fuzz->server->exchanges_out == 0);
	CHECK(fuzz->server->stats.body_bytes == 0);
	http_connection_free_bare(connection);
	CHECK(answers->len == 0 || str_starts(buf_str(answers), STR("HTTP/1.1 ")));
}

/* ---- http-parser's reading of the same bytes ---- */

struct fuzz_reading {
	struct buf log;
	uint32_t requests, wanted;
	size_t target_at; /* in the log, of the request that is being read */
};

static int reading_on_begin(http_parser *parser)
{
	struct fuzz_reading *reading = parser->data;
	reading->target_at = reading->log.len;
	return 0;
}

static int reading_on_url(http_parser *parser, const char *at, size_t len)
{
	struct fuzz_reading *reading = parser->data;
	buf_add(&reading->log, (struct str){ at, len });
	return 0;
}

static int reading_on_headers(http_parser *parser)
{
	buf_add_byte(&((struct fuzz_reading *)parser->data)->log, '\n');
	return 0;
}

/* Of a request that its head refused nobody reads the body. */
static int reading_on_body(http_parser *parser, const char *at, size_t len)
{
	const struct fuzz_reading *reading = parser->data;
	if (str_starts(str_from(buf_str(&reading->log), reading->target_at), STR("/n")))
		return 0;
	return reading_on_url(parser, at, len);
}

static int reading_on_whole(http_parser *parser)
{
	struct fuzz_reading *reading = parser->data;
	buf_add_byte(&reading->log, '\0');
	return ++reading->requests >= reading->wanted || parser->upgrade; /* ends the reading */
}

static void fuzz_compare(const struct fuzz *fuzz, struct str bytes)
{
	static const http_parser_settings settings = { .on_message_begin = reading_on_begin,
						       .on_url = reading_on_url,
						       .on_headers_complete = reading_on_headers,
						       .on_body = reading_on_body,
						       .on_message_complete = reading_on_whole };
	struct fuzz_reading reading = { .wanted = fuzz->requests };
	buf_init(&reading.log, SIZE_MAX);
	http_parser parser;
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = &reading;
	if (fuzz->requests > 0)
		http_parser_execute(&parser, &settings, bytes.ptr, bytes.len);
	/* It leaves upgraded connections to others, and takes "Transfer-Encodings" for the header that it only begins with. */
	bool gave_up = fuzz->refused || parser.upgrade || HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_TRANSFER_ENCODING;
	CHECK(str_starts(buf_str(&fuzz->log), buf_str(&reading.log)));
	CHECK(gave_up || reading.log.len == fuzz->log.len);
	CHECK(gave_up || reading.requests == fuzz->requests);
	buf_fini(&reading.log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz fuzz; /* stays: reachable, not leaked */
	if (!fuzz.server) {
		struct http_limits limits;
		http_limits_default(&limits);
		limits.body_bytes = 4096;
		limits.pipelined = 4;
		CHECK(uv_loop_init(&fuzz.loop) == 0);
		buf_init(&fuzz.log, SIZE_MAX);
		fuzz.server = http_server_new(&fuzz.loop, &limits, fuzz_handle, &fuzz);
		CHECK(fuzz.server);
		http_server_set_gate(fuzz.server, &(struct http_gate){ fuzz_judge, fuzz_lost });
	}
	struct str bytes = fuzz_str(data, size);
	struct buf whole = { .max_bytes = SIZE_MAX }, cut = { .max_bytes = SIZE_MAX }, log = { .max_bytes = SIZE_MAX };
	fuzz_converse(&fuzz, bytes, SIZE_MAX, &whole);
	fuzz_compare(&fuzz, bytes);
	buf_add(&log, buf_str(&fuzz.log));
	for (size_t step = 1; step < size && step <= 64; step = step * 7 + 1) {
		fuzz_converse(&fuzz, bytes, step, &cut);
		CHECK(str_eq(buf_str(&log), buf_str(&fuzz.log)));
		buf_clear(&cut);
	}
	buf_fini(&whole);
	buf_fini(&cut);
	buf_fini(&log);
	return 0;
}
