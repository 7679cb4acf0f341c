#include "base/check.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/query.h"
#include "http/server_priv.h"
#include <stdio.h>

_Static_assert(sizeof(struct http_exchange) + 1024 < HTTP_EXCHANGE_BYTES, "an ordinary request fits into its exchange");

#define EXCHANGE_HEAD_ROOM 320 /* of an answer's head without content type and extra headers */

/* ---- life ---- */

struct http_exchange *http_exchange_new(struct http_server *server, struct http_connection *connection)
{
	struct http_exchange *exchange = server->kept;
	if (exchange) {
		server->kept = exchange->next;
		server->kept_count--;
	} else if (!(exchange = mem_alloc(HTTP_EXCHANGE_BYTES))) {
		return NULL;
	}
	*exchange = (struct http_exchange){ .server = server, .connection = connection, .peer = connection->peer, .known = !server->gate.judge };
	buf_init(&exchange->body, server->limits.body_bytes);
	arena_init(&exchange->arena, 0);
	exchange->arena.next = exchange->memory; /* the arena's first room is ours; what does not fit goes to chunks */
	exchange->arena.end = (char *)exchange + HTTP_EXCHANGE_BYTES;
	server->exchanges_out++;
	return exchange;
}

static void exchange_forget_body(struct http_exchange *exchange)
{
	struct http_server_stats *stats = &exchange->server->stats;
	stats->body_bytes -= exchange->body_room;
	stats->unknown_body_bytes -= exchange->known ? 0 : exchange->body_room;
	exchange->body_room = 0;
	buf_fini(&exchange->body);
}

/* Who is known cannot be kept out by those who are not: they have half. A body that is alone always finds room. */
bool http_exchange_count_body(struct http_exchange *exchange, uint64_t bytes)
{
	struct http_server_stats *stats = &exchange->server->stats;
	uint64_t max = exchange->server->limits.body_memory, room = exchange->body_room, more = bytes - room;
	uint64_t others = stats->body_bytes - room, unknown_others = exchange->known ? 0 : stats->unknown_body_bytes - room;
	if (bytes <= room)
		return true;
	if (max && ((others && others + bytes > max) || (unknown_others && unknown_others + bytes > max / 2)))
		return false;
	stats->body_bytes += more;
	stats->unknown_body_bytes += exchange->known ? 0 : more;
	exchange->body_room = (size_t)bytes;
	return true;
}

void http_exchange_free(struct http_exchange *exchange)
{
	struct http_server *server = exchange->server;
	if (exchange->let_in && !exchange->dispatched)
		server->gate.lost(server->context, exchange);
	exchange_forget_body(exchange);
	http_output_drop(&exchange->output, &server->pieces);
	arena_fini(&exchange->arena);
	if (server->kept_count < HTTP_EXCHANGES_KEPT) {
		exchange->next = server->kept;
		server->kept = exchange;
		server->kept_count++;
	} else {
		mem_free(exchange);
	}
	server->exchanges_out--;
	if (server->stopping)
		http_server_check_drained(server);
}

enum http_refusal http_exchange_read_head(struct http_exchange *exchange, struct str head, uint32_t lines)
{
	uint32_t fields_max = lines - 1;
	exchange->head_bytes = arena_alloc(&exchange->arena, head.len);
	exchange->fields = arena_alloc(&exchange->arena, fields_max * sizeof(struct http_field));
	if (!exchange->head_bytes || !exchange->fields)
		return HTTP_REFUSE_NOMEM;
	memcpy(exchange->head_bytes, head.ptr, head.len);
	return http_head_read((struct str){ exchange->head_bytes, head.len }, exchange->fields, fields_max, &exchange->head);
}

/* ---- the request ---- */

enum http_method http_method(const struct http_exchange *exchange)
{
	return exchange->head.method;
}

struct str http_path(const struct http_exchange *exchange)
{
	return (struct str){ exchange->head_bytes + exchange->head.path_at, exchange->head.path_len };
}

struct str http_query(const struct http_exchange *exchange)
{
	return (struct str){ exchange->head_bytes + exchange->head.query_at, exchange->head.query_len };
}

struct str http_header(const struct http_exchange *exchange, struct str name)
{
	for (uint32_t i = 0; i < exchange->head.field_count; i++) {
		const struct http_field *field = &exchange->fields[i];
		struct str field_name = { exchange->head_bytes + field->name_at, field->name_len };
		if (field_name.len == name.len && str_eq_nocase(field_name, name))
			return (struct str){ exchange->head_bytes + field->value_at, field->value_len };
	}
	return STR("");
}

struct str http_body(const struct http_exchange *exchange)
{
	return buf_str(&exchange->body);
}

uint64_t http_content_length(const struct http_exchange *exchange)
{
	return exchange->head.content_length;
}

bool http_is_chunked(const struct http_exchange *exchange)
{
	return exchange->head.is_chunked;
}

void http_let_body(struct http_exchange *exchange, size_t max_bytes, bool known)
{
	CHECK(exchange->body_room == 0);
	exchange->known = known;
	if (exchange->body.max_bytes > max_bytes)
		exchange->body.max_bytes = max_bytes;
}

void http_take_body(struct http_exchange *exchange, struct buf *out)
{
	*out = exchange->body;
	buf_init(&exchange->body, exchange->body.max_bytes);
}

/* The text is made when asked for: few requests need it. */
struct str http_peer(const struct http_exchange *exchange)
{
	if (exchange->peer.is_unix)
		return STR("unix");
	char ip[IP_TEXT_BYTES];
	ip_text(&exchange->peer.ip, ip);
	struct arena *arena = http_arena((struct http_exchange *)(uintptr_t)exchange);
	return str_of(arena_printf(arena, exchange->peer.ip.is_v6 ? "[%s]:%u" : "%s:%u", ip, exchange->peer.port));
}

uint64_t http_peer_hash(const struct http_exchange *exchange, uint64_t seed)
{
	const struct http_peer_address *peer = &exchange->peer;
	struct str bytes = { (const char *)peer->ip.bytes, peer->ip.is_v6 ? 8 : 4 }; /* who has an IPv6 address has 2^64 of them */
	return str_hash(peer->is_unix ? STR("unix") : bytes, seed);
}

struct arena *http_arena(struct http_exchange *exchange)
{
	return &exchange->arena;
}

bool http_query_next(struct http_exchange *exchange, size_t *at, struct str *name, struct str *value)
{
	return http_query_walk(http_query(exchange), at, name, value);
}

enum err http_query_param(struct http_exchange *exchange, struct str name, struct str *out, bool *found)
{
	size_t at = 0;
	struct str found_name, value;
	*found = false;
	while (http_query_next(exchange, &at, &found_name, &value)) {
		if (!str_eq(found_name, name))
			continue;
		enum err err = http_percent_decode(&exchange->arena, value, true, out);
		*found = err == E_OK;
		return err;
	}
	return E_OK;
}

void http_set_context(struct http_exchange *exchange, void *context, void (*on_gone)(struct http_exchange *exchange, void *context))
{
	exchange->context = context;
	exchange->on_gone = on_gone;
}

void *http_context(const struct http_exchange *exchange)
{
	return exchange->context;
}

bool http_client_gone(const struct http_exchange *exchange)
{
	return exchange->gone;
}

/* ---- the answer ---- */

/* Where this answer's bytes go: out, when all earlier answers are through. NULL: the connection is closed. */
static struct http_output *exchange_output(struct http_exchange *exchange)
{
	if (!exchange->connection)
		return NULL;
	return exchange == exchange->connection->first ? &exchange->connection->output : &exchange->output;
}

static void answer_status(struct buf *to, struct http_server *server, int status)
{
	buf_add_lit(to, "HTTP/1.1 ");
	buf_add_u64(to, (uint64_t)status);
	buf_add_byte(to, ' ');
	buf_add(to, str_of(http_reason(status)));
	buf_add(to, http_server_date_lines(server));
}

enum answer_body { ANSWER_LENGTH, ANSWER_CHUNKED, ANSWER_UNTIL_CLOSE };

struct answer_head {
	int status;
	struct str content_type, extra;
	enum answer_body body;
	size_t length;
	bool closes, keeps_1_0;
};

static void answer_head(struct buf *to, struct http_server *server, const struct answer_head *head)
{
	answer_status(to, server, head->status);
	if (head->content_type.len) {
		buf_add_lit(to, "Content-Type: ");
		buf_add(to, head->content_type);
		buf_add_lit(to, "\r\n");
	}
	bool never_a_body = head->status == 204 || head->status == 304;
	if (head->body == ANSWER_LENGTH && !never_a_body) {
		buf_add_lit(to, "Content-Length: ");
		buf_add_u64(to, head->length);
		buf_add_lit(to, "\r\n");
	} else if (head->body == ANSWER_CHUNKED) {
		buf_add_lit(to, "Transfer-Encoding: chunked\r\n");
	}
	if (head->closes)
		buf_add_lit(to, "Connection: close\r\n");
	else if (head->keeps_1_0)
		buf_add_lit(to, "Connection: keep-alive\r\n");
	buf_add(to, head->extra);
	buf_add_lit(to, "\r\n");
}

/* While the server drains, the last answer of a line is the connection's last: nothing more is read. */
static void exchange_decide_close(struct http_exchange *exchange)
{
	struct http_connection *connection = exchange->connection;
	if (exchange->server->draining && exchange == connection->last)
		exchange->closes = true;
	if (exchange->closes)
		connection->state = HTTP_INPUT_NONE;
}

/* A buf with the answer's head in it, or NULL when there is no memory: then the connection ends. */
static struct buf *exchange_begin_answer(struct http_exchange *exchange, struct http_output *output, struct answer_head *head, size_t more)
{
	CHECK(exchange->dispatched);
	CHECK(!exchange->answered);
	CHECK(!exchange->streaming);
	CHECK(head->status >= 200);
	CHECK(head->extra.len == 0 || head->extra.ptr[head->extra.len - 1] == '\n');
	exchange_decide_close(exchange);
	head->closes = exchange->closes;
	head->keeps_1_0 = exchange->head.is_1_0;
	size_t room = EXCHANGE_HEAD_ROOM + head->content_type.len + head->extra.len + more;
	struct buf *to = http_output_tail(output, &exchange->server->pieces, room);
	if (!to) {
		exchange->connection->broken = true;
		return NULL;
	}
	size_t before = to->len;
	answer_head(to, exchange->server, head);
	http_output_wrote(output, to->len - before);
	return to;
}

/* The answer is complete: whoever waits behind it may move up. */
static void exchange_finish(struct http_exchange *exchange)
{
	struct http_connection *connection = exchange->connection;
	exchange->answered = true;
	exchange->streaming = false;
	if (!connection) {
		http_exchange_free(exchange);
		return;
	}
	if (--connection->unanswered == 0)
		exchange->server->stats.waiting_now--;
	if (exchange == connection->first)
		http_connection_advance(connection);
	http_server_mark_dirty(connection);
}

/* Will the answer arrive, as far as can be known? */
static bool exchange_finish_answer(struct http_exchange *exchange, const struct buf *to)
{
	bool written = to && !exchange->connection->broken;
	exchange_finish(exchange);
	return written;
}

static bool exchange_has_body(const struct http_exchange *exchange, int status)
{
	return exchange->head.method != HTTP_M_HEAD && status != 204 && status != 304;
}

/* The answer could not be built: the client is told so, and may try again. */
static void exchange_respond_nomem(struct http_exchange *exchange)
{
	struct buf body;
	buf_init(&body, 2048);
	http_refusal_body(HTTP_REFUSE_NOMEM, &body);
	struct str text = buf_ok(&body) ? buf_str(&body) : STR("");
	http_respond_str(exchange, 503, STR("application/problem+json"), STR("Retry-After: 1\r\n"), text);
	buf_fini(&body);
}

bool http_respond(struct http_exchange *exchange, int status, struct str content_type, struct str extra_headers, struct buf *body)
{
	if (!buf_ok(body)) {
		buf_fini(body);
		exchange_respond_nomem(exchange);
		return false;
	}
	struct http_output *output = exchange_output(exchange);
	struct answer_head head = { status, content_type, extra_headers, ANSWER_LENGTH, content_type.len ? body->len : 0, false, false };
	bool is_small = head.length <= HTTP_COPY_MAX;
	struct buf *to = output ? exchange_begin_answer(exchange, output, &head, is_small ? head.length : 0) : NULL;
	if (to && head.length > 0 && exchange_has_body(exchange, status)) {
		if (is_small) {
			buf_add(to, buf_str(body));
			http_output_wrote(output, body->len);
		} else if (!http_output_give(output, &exchange->server->pieces, body)) {
			exchange->connection->broken = true;
		}
	}
	buf_fini(body);
	return exchange_finish_answer(exchange, to);
}

bool http_respond_str(struct http_exchange *exchange, int status, struct str content_type, struct str extra_headers, struct str body)
{
	struct http_output *output = exchange_output(exchange);
	struct answer_head head = { status, content_type, extra_headers, ANSWER_LENGTH, content_type.len ? body.len : 0, false, false };
	struct buf *to = output ? exchange_begin_answer(exchange, output, &head, head.length) : NULL;
	if (to && head.length > 0 && exchange_has_body(exchange, status)) {
		size_t before = to->len;
		buf_add(to, body);
		http_output_wrote(output, to->len - before);
		exchange->connection->broken |= !buf_ok(to);
	}
	return exchange_finish_answer(exchange, to);
}

void http_stream_begin(struct http_exchange *exchange, int status, struct str content_type, struct str extra_headers)
{
	struct http_output *output = exchange_output(exchange);
	exchange->chunks = !exchange->head.is_1_0;
	if (output) {
		exchange->closes |= exchange->head.is_1_0;
		enum answer_body body = exchange->chunks ? ANSWER_CHUNKED : ANSWER_UNTIL_CLOSE;
		struct answer_head head = { status, content_type, extra_headers, body, 0, false, false };
		exchange_begin_answer(exchange, output, &head, 0);
		http_server_mark_dirty(exchange->connection);
	}
	exchange->streaming = true;
}

static void stream_add(struct buf *to, struct str bytes, bool chunks)
{
	if (chunks)
		buf_addf(to, "%zx\r\n", bytes.len);
	buf_add(to, bytes);
	if (chunks)
		buf_add_lit(to, "\r\n");
}

bool http_stream_write(struct http_exchange *exchange, struct str bytes)
{
	CHECK(exchange->streaming);
	struct http_output *output = exchange_output(exchange);
	if (!output || exchange->gone || exchange->connection->broken)
		return false;
	if (bytes.len == 0 || exchange->head.method == HTTP_M_HEAD)
		return true;
	if (output->bytes + bytes.len > HTTP_UNSENT_MAX)
		return false;
	struct buf *to = http_output_tail(output, &exchange->server->pieces, bytes.len + 24);
	if (!to) {
		exchange->connection->broken = true;
		http_server_mark_dirty(exchange->connection);
		return false;
	}
	size_t before = to->len;
	stream_add(to, bytes, exchange->chunks);
	http_output_wrote(output, to->len - before);
	http_server_mark_dirty(exchange->connection);
	return true;
}

void http_stream_end(struct http_exchange *exchange)
{
	CHECK(exchange->streaming);
	struct http_output *output = exchange_output(exchange);
	if (output && exchange->chunks && exchange->head.method != HTTP_M_HEAD) {
		struct buf *to = http_output_tail(output, &exchange->server->pieces, 8);
		if (to) {
			buf_add_lit(to, "0\r\n\r\n");
			http_output_wrote(output, 5);
		} else {
			exchange->connection->broken = true;
		}
	}
	exchange_finish(exchange);
}

void http_reset(struct http_exchange *exchange)
{
	CHECK(exchange->dispatched);
	CHECK(!exchange->answered);
	struct http_connection *connection = exchange->connection;
	exchange->on_gone = NULL; /* it is the caller who ends it */
	if (connection)
		http_connection_reset(connection);
	exchange_finish(exchange);
}

/* ---- answers of the server itself ---- */

void http_exchange_write_continue(struct http_connection *connection)
{
	struct buf *to = http_output_tail(&connection->output, &connection->server->pieces, 64);
	if (!to) {
		connection->broken = true;
		return;
	}
	size_t before = to->len;
	buf_add_lit(to, "HTTP/1.1 100 Continue\r\n\r\n");
	http_output_wrote(&connection->output, to->len - before);
}

static void refusal_write(struct buf *to, struct http_server *server, enum http_refusal refusal)
{
	struct buf body;
	buf_init(&body, 2048);
	http_refusal_body(refusal, &body);
	int status = http_refusal_status(refusal);
	struct str extra = status == 503 ? STR("Retry-After: 1\r\n") : STR("");
	struct answer_head head = { status, STR("application/problem+json"), extra, ANSWER_LENGTH, body.len, true, false };
	answer_head(to, server, &head);
	buf_add(to, buf_str(&body));
	buf_fini(&body);
}

void http_exchange_write_refusal(struct http_connection *connection, enum http_refusal refusal)
{
	struct buf *to = http_output_tail(&connection->output, &connection->server->pieces, 1024);
	if (!to) {
		connection->broken = true;
		return;
	}
	size_t before = to->len;
	refusal_write(to, connection->server, refusal);
	http_output_wrote(&connection->output, to->len - before);
}

size_t http_exchange_refusal_text(struct http_server *server, enum http_refusal refusal, char *out, size_t out_bytes)
{
	struct buf text;
	buf_init(&text, out_bytes);
	refusal_write(&text, server, refusal);
	size_t len = buf_ok(&text) ? text.len : 0;
	if (len)
		memcpy(out, text.ptr, len);
	buf_fini(&text);
	return len;
}
