#include "base/check.h"
#include "base/mem.h"
#include "http/server_priv.h"
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the line of exchanges ---- */

static void line_append(struct http_connection *connection, struct http_exchange *exchange)
{
	if (connection->last)
		connection->last->next = exchange;
	else
		connection->first = exchange;
	connection->last = exchange;
	connection->line_count++;
}

static struct http_exchange *line_shift(struct http_connection *connection)
{
	struct http_exchange *exchange = connection->first;
	connection->first = exchange->next;
	if (!connection->first)
		connection->last = NULL;
	connection->line_count--;
	exchange->next = NULL;
	return exchange;
}

/* The exchange whose body was coming in will not be whole. */
static void line_drop_receiving(struct http_connection *connection)
{
	struct http_exchange *dropped = connection->receiving;
	if (!dropped)
		return;
	connection->receiving = NULL;
	struct http_exchange *before = NULL;
	for (struct http_exchange *at = connection->first; at != dropped; at = at->next)
		before = at;
	connection->last = before;
	if (before)
		before->next = NULL;
	else
		connection->first = NULL;
	connection->line_count--;
	http_exchange_free(dropped);
}

void http_connection_advance(struct http_connection *connection)
{
	while (connection->first && connection->first->answered) {
		struct http_exchange *through = line_shift(connection);
		http_exchange_free(through);
		struct http_exchange *next = connection->first;
		if (next && next->wants_continue && connection->receiving == next)
			http_exchange_write_continue(connection);
		if (next)
			http_output_splice(&connection->output, &next->output);
	}
}

/* ---- refusing ---- */

/* Nothing more is taken from this client; the refusal is its last answer, after those it still waits for. */
static void connection_refuse(struct http_connection *connection, enum http_refusal refusal)
{
	struct http_server *server = connection->server;
	line_drop_receiving(connection);
	connection->state = HTTP_INPUT_NONE;
	connection->refusal = refusal;
	int status = http_refusal_status(refusal);
	if (status == 408)
		server->stats.timed_out++;
	else if (status == 413 || status == 414 || status == 431 || status == 503)
		server->stats.refused_limit++;
	else
		server->stats.refused_parse++;
	http_server_mark_dirty(connection);
}

/* ---- reading requests ---- */

static bool connection_is_full(const struct http_connection *connection)
{
	return connection->line_count >= connection->server->limits.pipelined || connection->output.bytes > HTTP_UNSENT_MAX;
}

/* From now on somebody owes its answer. */
static void connection_hand_over(struct http_connection *connection, struct http_exchange *exchange)
{
	exchange->dispatched = true;
	exchange->gone = connection->ended;
	if (connection->unanswered++ == 0)
		connection->server->stats.waiting_now++;
}

static void connection_take_back(struct http_connection *connection, struct http_exchange *exchange)
{
	exchange->dispatched = false;
	if (--connection->unanswered == 0)
		connection->server->stats.waiting_now--;
}

static void connection_dispatch(struct http_connection *connection, struct http_exchange *exchange)
{
	struct http_server *server = connection->server;
	connection->state = exchange->closes ? HTTP_INPUT_NONE : HTTP_INPUT_HEAD;
	connection->receiving = NULL;
	connection->scan = (struct http_scan){ 0 };
	http_server_set_due(connection, &connection->read_due, HTTP_DUE_NONE);
	connection_hand_over(connection, exchange);
	server->stats.requests++;
	server->handler(server->context, exchange);
}

static void connection_expect(struct http_connection *connection, enum http_input state, uint64_t length)
{
	connection->state = state;
	connection->chunked = (struct http_chunked){ 0 };
	connection->body_left = length;
	connection->body_wire_bytes = 0;
	connection->body_since_ms = http_server_now_ms(connection->server);
	http_server_set_due(connection, &connection->read_due, HTTP_DUE_BODY);
}

/* False: the gate has answered. A body that is too long to be read for nothing ends the connection, and so does one that the client may or may not
 * send now (`Expect`), as what follows could be read in two ways. */
static bool connection_pass_gate(struct http_connection *connection, struct http_exchange *exchange)
{
	struct http_server *server = connection->server;
	uint64_t length = exchange->head.content_length;
	bool skips = !exchange->head.is_chunked && !exchange->head.expects_continue && length <= HTTP_SKIP_BYTES;
	if (!server->gate.judge)
		return true;
	exchange->closes = !exchange->head.keep_alive || !skips;
	connection_hand_over(connection, exchange);
	if (server->gate.judge(server->context, exchange)) {
		connection_take_back(connection, exchange);
		exchange->closes = !exchange->head.keep_alive;
		exchange->let_in = true;
		return true;
	}
	server->stats.requests++;
	server->stats.refused_early++;
	if (connection->state == HTTP_INPUT_NONE || connection->closed)
		return false;
	connection->scan = (struct http_scan){ 0 };
	connection_expect(connection, HTTP_INPUT_SKIP, length);
	return false;
}

/* For a body of known length, whole: one that was begun can also be ended, whoever comes meanwhile. */
static enum http_refusal exchange_make_room(struct http_exchange *exchange)
{
	uint64_t length = exchange->head.content_length;
	if (length > exchange->body.max_bytes)
		return HTTP_REFUSE_BODY_BYTES;
	if (!http_exchange_count_body(exchange, length))
		return HTTP_REFUSE_BODY_MEMORY;
	exchange->body.max_bytes = (size_t)length;
	return buf_reserve(&exchange->body, length < HTTP_BODY_RESERVE ? (size_t)length : HTTP_BODY_RESERVE) ? HTTP_REFUSE_NOTHING : HTTP_REFUSE_NOMEM;
}

static void connection_begin_body(struct http_connection *connection, struct http_exchange *exchange, bool nothing_came_yet)
{
	connection->receiving = exchange;
	connection_expect(connection, HTTP_INPUT_BODY, exchange->head.content_length);
	enum http_refusal refusal = exchange->head.is_chunked ? HTTP_REFUSE_NOTHING : exchange_make_room(exchange);
	if (refusal) {
		connection_refuse(connection, refusal);
		return;
	}
	if (!nothing_came_yet || !exchange->head.expects_continue || exchange->head.is_1_0)
		return;
	if (exchange == connection->first) {
		http_exchange_write_continue(connection);
		http_server_mark_dirty(connection);
	} else {
		exchange->wants_continue = true;
	}
}

/* A whole head is there: an exchange begins. */
static void connection_begin_exchange(struct http_connection *connection, struct str head, bool nothing_follows)
{
	struct http_server *server = connection->server;
	struct http_exchange *exchange = http_exchange_new(server, connection);
	if (!exchange) {
		connection_refuse(connection, HTTP_REFUSE_NOMEM);
		return;
	}
	enum http_refusal refusal = http_exchange_read_head(exchange, head, connection->scan.lines);
	if (refusal) {
		http_exchange_free(exchange);
		connection_refuse(connection, refusal);
		return;
	}
	exchange->closes = !exchange->head.keep_alive;
	line_append(connection, exchange);
	if (!exchange->head.is_chunked && exchange->head.content_length == 0)
		connection_dispatch(connection, exchange);
	else if (connection_pass_gate(connection, exchange))
		connection_begin_body(connection, exchange, nothing_follows);
}

/* False: more is needed. */
static bool connection_take_head(struct http_connection *connection, struct str *rest)
{
	size_t head_bytes;
	struct http_scan *scan = &connection->scan;
	enum http_refusal refusal = http_scan_head(scan, *rest, connection->server->limits.header_bytes, &head_bytes);
	if (refusal) {
		connection_refuse(connection, refusal);
		return true;
	}
	if (head_bytes == 0)
		return false;
	struct str head = { rest->ptr + scan->start, head_bytes - scan->start };
	*rest = str_from(*rest, head_bytes);
	connection_begin_exchange(connection, head, rest->len == 0);
	return true;
}

static void connection_take_length(struct http_connection *connection, struct str *rest)
{
	struct http_exchange *exchange = connection->receiving;
	size_t len = rest->len < connection->body_left ? rest->len : (size_t)connection->body_left;
	buf_add(&exchange->body, (struct str){ rest->ptr, len });
	*rest = str_from(*rest, len);
	connection->body_left -= len;
	connection->body_wire_bytes += len;
	if (!buf_ok(&exchange->body))
		connection_refuse(connection, HTTP_REFUSE_NOMEM);
	else if (connection->body_left == 0)
		connection_dispatch(connection, exchange);
}

static void connection_take_skipped(struct http_connection *connection, struct str *rest)
{
	size_t len = rest->len < connection->body_left ? rest->len : (size_t)connection->body_left;
	*rest = str_from(*rest, len);
	connection->body_left -= len;
	connection->body_wire_bytes += len;
	if (connection->body_left > 0)
		return;
	connection->state = HTTP_INPUT_HEAD;
	http_server_mark_dirty(connection);
}

/* As much room is counted as the growing buffer may take. */
static enum http_refusal exchange_add_chunk(struct http_exchange *exchange, struct str content)
{
	struct buf *body = &exchange->body;
	size_t needed = body->len + content.len, doubled = 2 * exchange->body_room;
	size_t wanted = doubled > body->max_bytes ? body->max_bytes : doubled;
	if (needed > exchange->body_room && !http_exchange_count_body(exchange, needed > wanted ? needed : wanted))
		return HTTP_REFUSE_BODY_MEMORY;
	buf_add(body, content);
	return buf_ok(body) ? HTTP_REFUSE_NOTHING : HTTP_REFUSE_NOMEM;
}

static void connection_take_chunked(struct http_connection *connection, struct str *rest)
{
	struct http_exchange *exchange = connection->receiving;
	size_t before = rest->len;
	struct str content;
	bool done;
	enum http_refusal refusal = http_chunked_read(&connection->chunked, rest, &content, &done);
	connection->body_wire_bytes += before - rest->len;
	size_t room = exchange->body.max_bytes - exchange->body.len;
	if (!refusal && (content.len > room || http_chunked_announced(&connection->chunked) > room - content.len))
		refusal = HTTP_REFUSE_BODY_BYTES;
	if (!refusal)
		refusal = exchange_add_chunk(exchange, content);
	if (refusal)
		connection_refuse(connection, refusal);
	else if (done)
		connection_dispatch(connection, exchange);
}

/* Understands as much as is there and may be begun; answers what is left. The handler runs in here: afterwards the connection may
 * be closed or refuse input. */
static struct str connection_understand(struct http_connection *connection, struct str rest)
{
	while (rest.len > 0 && connection->state != HTTP_INPUT_NONE && !connection->closed) {
		if (connection->state == HTTP_INPUT_HEAD) {
			if (connection_is_full(connection)) {
				connection->stopped = true;
				break;
			}
			if (!connection_take_head(connection, &rest))
				break;
		} else if (connection->state == HTTP_INPUT_SKIP) {
			connection_take_skipped(connection, &rest);
		} else if (connection->receiving->head.is_chunked) {
			connection_take_chunked(connection, &rest);
		} else {
			connection_take_length(connection, &rest);
		}
	}
	return connection->state == HTTP_INPUT_NONE || connection->closed ? STR("") : rest;
}

/* A body that trickles in too slowly for its size. */
static bool connection_is_too_slow(const struct http_connection *connection)
{
	const struct http_limits *limits = &connection->server->limits;
	int64_t elapsed_ms = http_server_now_ms(connection->server) - connection->body_since_ms;
	bool is_body = connection->state == HTTP_INPUT_BODY || connection->state == HTTP_INPUT_SKIP;
	if (!is_body || elapsed_ms <= HTTP_RATE_GRACE_MS || limits->body_rate_bytes <= 0)
		return false;
	return connection->body_wire_bytes / (uint64_t)(elapsed_ms / 1000) < (uint64_t)limits->body_rate_bytes;
}

/* A request that was answered by its head has its answer already. */
static void connection_lose_patience(struct http_connection *connection)
{
	if (connection->state != HTTP_INPUT_SKIP) {
		connection_refuse(connection, HTTP_REFUSE_BODY_SLOW);
		return;
	}
	connection->state = HTTP_INPUT_NONE;
	connection->server->stats.timed_out++;
	http_server_mark_dirty(connection);
}

static void connection_set_read_due(struct http_connection *connection, bool bytes_came)
{
	enum http_deadline_kind now = connection->read_due.kind, wanted = HTTP_DUE_NONE;
	if (connection->lingering)
		wanted = HTTP_DUE_LINGER;
	else if (connection->state == HTTP_INPUT_NONE || connection->ended)
		wanted = HTTP_DUE_NONE;
	else if (connection->state == HTTP_INPUT_BODY || connection->state == HTTP_INPUT_SKIP)
		wanted = HTTP_DUE_BODY;
	else if (connection->stopped)
		wanted = HTTP_DUE_STOPPED;
	else if (connection->input.len > 0)
		wanted = HTTP_DUE_HEAD;
	else if (connection->line_count == 0)
		wanted = HTTP_DUE_IDLE;
	if (wanted != now || (wanted == HTTP_DUE_BODY && bytes_came))
		http_server_set_due(connection, &connection->read_due, wanted);
}

/* Keeps what could not be understood yet. `rest` is the end of the input buffer, or stands elsewhere. */
static void connection_keep(struct http_connection *connection, struct str rest, bool is_inside)
{
	struct buf *input = &connection->input;
	if (!is_inside)
		buf_add(input, rest);
	else if (buf_ok(input))
		buf_consume(input, input->len - rest.len);
	if (!buf_ok(input))
		connection_refuse(connection, HTTP_REFUSE_NOMEM);
	if (input->len == 0 || !buf_ok(input))
		buf_fini(input);
}

static void connection_take(struct http_connection *connection, struct str bytes)
{
	struct buf *input = &connection->input;
	bool is_inside = input->len > 0;
	if (is_inside)
		buf_add(input, bytes);
	if (buf_ok(input))
		bytes = connection_understand(connection, is_inside ? buf_str(input) : bytes);
	connection_keep(connection, bytes, is_inside);
}

void http_connection_feed(struct http_connection *connection, struct str bytes)
{
	if (connection->state != HTTP_INPUT_NONE)
		connection_take(connection, bytes);
	if (!connection->closed && connection_is_too_slow(connection))
		connection_lose_patience(connection);
	if (!connection->closed)
		connection_set_read_due(connection, true);
}

/* ---- the client goes ---- */

static struct http_exchange *connection_next_ungone(struct http_connection *connection)
{
	struct http_exchange *exchange = connection->first;
	while (exchange && (!exchange->dispatched || exchange->answered || exchange->gone))
		exchange = exchange->next;
	return exchange;
}

/* Tells every handler that waits. A handler may answer at once, which changes the line: so it is walked anew each time. */
static void connection_tell_gone(struct http_connection *connection)
{
	struct http_exchange *exchange;
	while ((exchange = connection_next_ungone(connection))) {
		exchange->gone = true;
		if (exchange->on_gone)
			exchange->on_gone(exchange, exchange->context);
	}
}

void http_connection_end(struct http_connection *connection)
{
	connection->ended = true;
	connection_tell_gone(connection);
	if (!connection->closed)
		http_server_mark_dirty(connection);
}

/* Lets go of the line: what handlers hold is theirs until they answer, the rest is freed. */
static void connection_release_line(struct http_connection *connection)
{
	connection->receiving = NULL;
	if (connection->unanswered > 0)
		connection->server->stats.waiting_now--;
	connection->unanswered = 0;
	while (connection->first) {
		struct http_exchange *exchange = line_shift(connection);
		exchange->connection = NULL;
		if (!exchange->dispatched || exchange->answered)
			http_exchange_free(exchange);
	}
}

static void connection_forget(struct http_connection *connection)
{
	http_output_drop(&connection->output, &connection->server->pieces);
	buf_fini(&connection->input);
	http_server_unmark_dirty(connection);
}

static void connection_on_closed(uv_handle_t *handle)
{
	struct http_connection *connection = handle->data;
	struct http_server *server = connection->server;
	connection_forget(connection);
	mem_free(connection);
	http_server_handle_closed(server);
}

void http_connection_free_bare(struct http_connection *connection)
{
	CHECK(connection->closed);
	connection_forget(connection);
	mem_free(connection);
}

/* Everything of closing but the socket. Output stays until libuv is done with it. */
static void connection_leave(struct http_connection *connection)
{
	struct http_server *server = connection->server;
	connection->closed = true;
	http_server_set_due(connection, &connection->read_due, HTTP_DUE_NONE);
	http_server_set_due(connection, &connection->write_due, HTTP_DUE_NONE);
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	http_server_leave(server, connection->peer_slot);
	server->stats.connections_now--;
	connection_tell_gone(connection);
	connection_release_line(connection);
	http_server_check_drained(server);
}

void http_connection_close(struct http_connection *connection)
{
	if (connection->closed)
		return;
	if (!connection->captured)
		uv_close(&connection->socket.handle, connection_on_closed);
	connection_leave(connection);
}

void http_connection_reset(struct http_connection *connection)
{
	if (connection->closed)
		return;
	bool is_tcp = !connection->captured && connection->socket.handle.type == UV_TCP;
	if (is_tcp && uv_tcp_close_reset(&connection->socket.tcp, connection_on_closed) == 0)
		connection_leave(connection);
	else
		http_connection_close(connection);
}

/* ---- reading the socket ---- */

/* A large body of known length is read into its place; everything else passes through the shared buffer. */
static bool connection_direct_room(struct http_connection *connection, uv_buf_t *out)
{
	if (connection->state != HTTP_INPUT_BODY || connection->receiving->head.is_chunked || connection->body_left < HTTP_DIRECT_READ)
		return false;
	struct buf *body = &connection->receiving->body;
	if (!buf_reserve(body, HTTP_DIRECT_READ))
		return false; /* told when the bytes come */
	size_t room = body->capacity - body->len;
	*out = (uv_buf_t){ .base = body->ptr + body->len, .len = room < connection->body_left ? room : (size_t)connection->body_left };
	return true;
}

static void connection_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	(void)suggested;
	struct http_connection *connection = handle->data;
	if (!connection_direct_room(connection, out))
		*out = (uv_buf_t){ .base = connection->server->read_buffer, .len = HTTP_READ_BYTES };
}

/* The bytes are in the body already: only counting is left. */
static void connection_took_direct(struct http_connection *connection, size_t bytes)
{
	struct http_exchange *exchange = connection->receiving;
	exchange->body.len += bytes;
	connection->body_left -= bytes;
	connection->body_wire_bytes += bytes;
	if (connection->body_left == 0)
		connection_dispatch(connection, exchange);
	http_connection_feed(connection, STR(""));
}

/* Reading stops while too much is owed; whether the client is still there is looked at by the clock (HTTP_DUE_STOPPED). */
static void connection_stop(struct http_connection *connection)
{
	if (connection->stopped && !connection->captured)
		uv_read_stop(&connection->socket.stream);
}

static void connection_on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
	struct http_connection *connection = stream->data;
	if (connection->closed || bytes == 0)
		return;
	if (bytes == UV_EOF) {
		http_connection_end(connection);
	} else if (bytes < 0) {
		http_connection_close(connection);
	} else {
		if (buffer->base == connection->server->read_buffer)
			http_connection_feed(connection, (struct str){ buffer->base, (size_t)bytes });
		else
			connection_took_direct(connection, (size_t)bytes);
		if (!connection->closed && connection->stopped) {
			connection_stop(connection);
			http_server_mark_dirty(connection);
		}
	}
}

/* ---- writing the socket ---- */

static void connection_wrote(struct http_connection *connection, size_t bytes)
{
	http_output_sent(&connection->output, &connection->server->pieces, bytes);
}

static void connection_on_written(uv_write_t *write, int status)
{
	struct http_connection *connection = write->data;
	if (connection->closed)
		return;
	if (status < 0) {
		http_connection_close(connection);
		return;
	}
	size_t bytes = connection->writing_bytes;
	connection->writing_bytes = 0;
	http_server_set_due(connection, &connection->write_due, HTTP_DUE_NONE);
	connection_wrote(connection, bytes);
	http_server_mark_dirty(connection);
}

static size_t slices_bytes(const uv_buf_t *slices, unsigned count)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < count; i++)
		bytes += slices[i].len;
	return bytes;
}

/* The socket takes no more now, or this turn has written its share: the next slice goes when libuv says so. */
static void connection_write_later(struct http_connection *connection)
{
	uv_buf_t slices[HTTP_WRITE_SLICES];
	unsigned count = http_output_slices(&connection->output, slices, HTTP_WRITE_SLICES, HTTP_WRITE_SLICE);
	connection->writing_bytes = slices_bytes(slices, count);
	http_output_seal(&connection->output, connection->writing_bytes);
	uv_write_t *write = &connection->output.first->write;
	write->data = connection;
	if (uv_write(write, &connection->socket.stream, slices, count, connection_on_written)) {
		http_connection_close(connection);
		return;
	}
	connection->unwritten_bytes = uv_stream_get_write_queue_size(&connection->socket.stream);
	http_server_set_due(connection, &connection->write_due, HTTP_DUE_WRITE);
}

static void connection_write_captured(struct http_connection *connection)
{
	uv_buf_t slices[HTTP_WRITE_SLICES];
	unsigned count;
	while ((count = http_output_slices(&connection->output, slices, HTTP_WRITE_SLICES, HTTP_WRITE_SLICE))) {
		for (unsigned i = 0; i < count; i++)
			buf_add(connection->captured, (struct str){ slices[i].base, slices[i].len });
		connection_wrote(connection, slices_bytes(slices, count));
	}
}

static void connection_write(struct http_connection *connection)
{
	if (connection->captured) {
		connection_write_captured(connection);
		return;
	}
	if (connection->writing_bytes > 0 || connection->output.bytes == 0)
		return;
	uv_buf_t slices[HTTP_WRITE_SLICES];
	unsigned count = http_output_slices(&connection->output, slices, HTTP_WRITE_SLICES, HTTP_WRITE_SLICE);
	int wrote = uv_try_write(&connection->socket.stream, slices, count);
	if (wrote < 0 && wrote != UV_EAGAIN) {
		http_connection_close(connection);
		return;
	}
	if (wrote > 0)
		connection_wrote(connection, (size_t)wrote);
	if (connection->output.bytes > 0)
		connection_write_later(connection);
}

/* ---- the turn's end ---- */

static void connection_resume(struct http_connection *connection)
{
	if (!connection->stopped || connection_is_full(connection))
		return;
	connection->stopped = false;
	http_connection_feed(connection, STR(""));
	if (!connection->closed && !connection->stopped && !connection->ended && !connection->captured)
		CHECK(uv_read_start(&connection->socket.stream, connection_on_alloc, connection_on_read) == 0);
}

/* The client sends no more: what is not a whole request never will be. */
static void connection_drop_partial(struct http_connection *connection)
{
	if (!connection->ended || connection->stopped || connection->state == HTTP_INPUT_NONE)
		return;
	line_drop_receiving(connection);
	connection->state = HTTP_INPUT_NONE;
}

/* Nothing that is still to be answered has begun to come. */
static bool connection_is_between_requests(const struct http_connection *connection)
{
	return connection->state == HTTP_INPUT_SKIP || (connection->state == HTTP_INPUT_HEAD && connection->input.len == 0);
}

static bool connection_is_over(const struct http_connection *connection)
{
	bool wants_no_more = connection->state == HTTP_INPUT_NONE || (connection->server->draining && connection_is_between_requests(connection));
	return wants_no_more && connection->line_count == 0 && connection->output.bytes == 0;
}

/* All is said. Closing with unread bytes in the socket would reset the connection and could take our last answer with it: so we only
 * stop sending, and wait a little for the client to close. */
static void connection_finish(struct http_connection *connection)
{
	if (connection->lingering && !connection->ended)
		return;
	int fd;
	bool may_linger = !connection->ended && !connection->captured && uv_fileno(&connection->socket.handle, &fd) == 0;
	if (may_linger && shutdown(fd, SHUT_WR) == 0) {
		connection->lingering = true;
		connection->state = HTTP_INPUT_NONE;
		connection_set_read_due(connection, false);
	} else {
		http_connection_close(connection);
	}
}

void http_connection_settle(struct http_connection *connection)
{
	if (connection->closed)
		return;
	connection_resume(connection);
	if (connection->closed)
		return;
	connection_drop_partial(connection);
	if (connection->state == HTTP_INPUT_NONE)
		buf_fini(&connection->input);
	if (connection->refusal && connection->line_count == 0) {
		http_exchange_write_refusal(connection, connection->refusal);
		connection->refusal = HTTP_REFUSE_NOTHING;
	}
	connection_write(connection);
	if (connection->closed)
		return;
	if (connection->broken) {
		http_connection_close(connection);
	} else if (connection_is_over(connection)) {
		connection_finish(connection);
	} else {
		connection_stop(connection);
		connection_set_read_due(connection, false);
		if (connection->stopped && !connection_is_full(connection))
			http_server_mark_dirty(connection);
	}
}

void http_connection_drain(struct http_connection *connection)
{
	if (connection->state == HTTP_INPUT_SKIP)
		http_server_mark_dirty(connection); /* a close at once could take the answer with it */
	else if (connection_is_between_requests(connection) && connection->line_count == 0 && connection->output.bytes == 0)
		http_connection_close(connection);
}

/* ---- deadlines ---- */

static bool connection_made_progress(struct http_connection *connection)
{
	size_t left = connection->captured ? 0 : uv_stream_get_write_queue_size(&connection->socket.stream);
	bool moved = left < connection->unwritten_bytes;
	connection->unwritten_bytes = left;
	return moved;
}

/* Is the client still there? The kernel knows, although unread bytes stand before the end of the stream. */
static void connection_look(struct http_connection *connection)
{
	int fd;
	if (connection->captured || uv_fileno(&connection->socket.handle, &fd))
		return;
	struct pollfd look = { .fd = fd, .events = POLLRDHUP };
	if (poll(&look, 1, 0) <= 0)
		return;
	if (look.revents & (POLLERR | POLLHUP))
		http_connection_close(connection);
	else if (look.revents & POLLRDHUP)
		connection_tell_gone(connection);
}

void http_connection_due(struct http_connection *connection, enum http_deadline_kind kind)
{
	struct http_server *server = connection->server;
	switch (kind) {
	case HTTP_DUE_IDLE:
	case HTTP_DUE_LINGER: http_connection_close(connection); break;
	case HTTP_DUE_HEAD: connection_refuse(connection, HTTP_REFUSE_HEAD_SLOW); break;
	case HTTP_DUE_BODY: connection_lose_patience(connection); break;
	case HTTP_DUE_STOPPED:
		connection_look(connection);
		if (!connection->closed)
			connection_set_read_due(connection, false);
		break;
	case HTTP_DUE_WRITE:
		if (connection_made_progress(connection)) {
			http_server_set_due(connection, &connection->write_due, HTTP_DUE_WRITE);
		} else {
			server->stats.timed_out++;
			http_connection_reset(connection);
		}
		break;
	case HTTP_DUE_NONE:
	case HTTP_DUE_COUNT: UNREACHABLE();
	}
}

/* ---- opening ---- */

static struct http_connection *connection_new(struct http_server *server, const struct http_peer_address *peer, uint32_t peer_slot)
{
	struct http_connection *connection = mem_zalloc(sizeof(*connection));
	if (!connection)
		return NULL;
	connection->server = server;
	connection->peer = *peer;
	connection->peer_slot = peer_slot;
	buf_init(&connection->input, HTTP_HEADER_BYTES_MAX + 1 + 2 * HTTP_READ_BYTES);
	connection->next = server->connections;
	connection->link = &server->connections;
	if (connection->next)
		connection->next->link = &connection->next;
	server->connections = connection;
	server->stats.connections_now++;
	server->stats.connections_total++;
	connection_set_read_due(connection, false);
	return connection;
}

/* Hands the descriptor to libuv. The handle is libuv's from its init on, so that a failure after it ends in http_connection_close. */
static bool connection_attach(struct http_connection *connection, int fd)
{
	struct http_server *server = connection->server;
	bool is_unix = connection->peer.is_unix;
	CHECK((is_unix ? uv_pipe_init(server->loop, &connection->socket.pipe, 0) : uv_tcp_init(server->loop, &connection->socket.tcp)) == 0);
	connection->socket.handle.data = connection;
	server->handles++;
	if (is_unix ? uv_pipe_open(&connection->socket.pipe, fd) : uv_tcp_open(&connection->socket.tcp, fd)) {
		close(fd);
		return false;
	}
	return uv_read_start(&connection->socket.stream, connection_on_alloc, connection_on_read) == 0;
}

void http_connection_open(struct http_server *server, int fd, const struct http_peer_address *peer, uint32_t peer_slot)
{
	struct http_connection *connection = connection_new(server, peer, peer_slot);
	if (!connection) {
		close(fd);
		http_server_leave(server, peer_slot);
		return;
	}
	if (!connection_attach(connection, fd))
		http_connection_close(connection);
}

struct http_connection *http_connection_open_bare(struct http_server *server, struct buf *captured)
{
	struct http_peer_address peer = { .is_unix = true };
	struct http_connection *connection = connection_new(server, &peer, POOL_NONE);
	if (connection)
		connection->captured = captured;
	return connection;
}
