/* The server on real sockets. Clients and server share one thread: a test says what it waits for, and the loop turns until it is so.
 * Time limits are reached by moving the server's clock, never by waiting. */
#include "http/server.h"
#include "base/mem.h"
#include "http/server_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#define STUCK_MS 60000 /* a test that gets nowhere for so long has failed */
#define H        "Host: x\r\n"

struct stage {
	uv_loop_t loop;
	struct http_server *server;
	struct http_limits limits;
	struct http_exchange *held[128];
	unsigned held_count, gone, drained;
	char peer[80];
};

struct client {
	int fd;
	struct buf got;
	bool ended, reset;
};

/* ---- the server's side ---- */

static void stage_on_gone(struct http_exchange *exchange, void *context)
{
	(void)exchange;
	((struct stage *)context)->gone++;
}

/* /echo gives the body back, /hold waits for the test, /big?n=N answers N bytes, anything else says "ok". */
static void stage_handle(void *context, struct http_exchange *exchange)
{
	struct stage *stage = context;
	struct str path = http_path(exchange), n;
	struct buf body;
	bool found = false;
	uint64_t bytes = 0;
	snprintf(stage->peer, sizeof(stage->peer), STR_FMT, STR_ARG(http_peer(exchange)));
	if (str_eq(path, STR("/echo"))) {
		http_take_body(exchange, &body);
		http_respond(exchange, 200, STR("text/plain"), STR(""), &body);
	} else if (str_eq(path, STR("/hold"))) {
		assert_true(stage->held_count < ARRAY_COUNT(stage->held));
		stage->held[stage->held_count++] = exchange;
		http_set_context(exchange, stage, stage_on_gone);
	} else if (str_eq(path, STR("/big"))) {
		assert_int_equal(http_query_param(exchange, STR("n"), &n, &found), E_OK);
		assert_true(found && str_u64(n, &bytes));
		buf_init(&body, SIZE_MAX);
		memset(buf_reserve(&body, bytes), 'b', bytes);
		body.len = bytes;
		http_respond(exchange, 200, STR("text/plain"), STR(""), &body);
	} else {
		http_respond_str(exchange, 200, STR("text/plain"), STR(""), STR("ok"));
	}
}

static void stage_open(struct stage *stage)
{
	*stage = (struct stage){ 0 };
	http_limits_default(&stage->limits);
	assert_int_equal(uv_loop_init(&stage->loop), 0);
}

static void stage_listen(struct stage *stage, const char *address)
{
	struct problem problem = { 0 };
	if (!stage->server)
		stage->server = http_server_new(&stage->loop, &stage->limits, stage_handle, stage);
	assert_non_null(stage->server);
	assert_int_equal(http_server_listen(stage->server, str_of(address), &problem), E_OK);
}

static void stage_close(struct stage *stage)
{
	http_server_free(stage->server);
	uv_run(&stage->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&stage->loop), 0);
}

static struct http_server_stats stage_stats(const struct stage *stage)
{
	struct http_server_stats stats;
	http_server_stats(stage->server, &stats);
	return stats;
}

static void stage_pass(struct stage *stage, int64_t ms)
{
	stage->server->ahead_ms += ms;
	http_server_tick(stage->server);
}

/* ---- the clients' side ---- */

static struct client client_wrap(int fd)
{
	struct client client = { .fd = fd };
	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	buf_init(&client.got, SIZE_MAX);
	return client;
}

static struct client client_connect_to(uint16_t port, bool v6)
{
	struct sockaddr_storage at;
	struct ip_address ip = { .is_v6 = v6, .bytes = { v6 ? 0 : 127, [3] = v6 ? 0 : 1, [15] = v6 ? 1 : 0 } };
	socklen_t len = ip_to_sockaddr(&ip, port, &at);
	int fd = socket(at.ss_family, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, len), 0);
	return client_wrap(fd);
}

static struct client client_connect(const struct stage *stage)
{
	return client_connect_to(http_server_port(stage->server, 0), false);
}

static struct client client_connect_unix(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return client_wrap(fd);
}

static void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	buf_fini(&client->got);
	client->fd = -1;
}

static void client_receive(struct client *client)
{
	ssize_t bytes = 1;
	while (bytes > 0 && !client->ended && !client->reset) {
		char *room = buf_reserve(&client->got, 65536);
		bytes = recv(client->fd, room, 65536, 0);
		if (bytes > 0)
			client->got.len += (size_t)bytes;
		client->ended = bytes == 0;
		client->reset = bytes < 0 && errno != EAGAIN;
	}
}

static bool client_has(const struct client *client, const char *text)
{
	return client->got.len && memmem(client->got.ptr, client->got.len, text, strlen(text));
}

/* One turn of both sides. */
static void stage_turn(struct stage *stage, struct client *client)
{
	uv_run(&stage->loop, UV_RUN_NOWAIT);
	if (client && client->fd >= 0)
		client_receive(client);
}

/* Until either side has something to do. */
static void stage_sleep(struct stage *stage, struct client *client, short events)
{
	bool listens = client && client->fd >= 0 && !client->ended && !client->reset;
	struct pollfd looks[] = { { .fd = uv_backend_fd(&stage->loop), .events = POLLIN },
				  { .fd = listens ? client->fd : -1, .events = events } };
	int timeout = uv_backend_timeout(&stage->loop);
	assert_true(poll(looks, 2, timeout < 0 || timeout > STUCK_MS ? STUCK_MS : timeout) >= 0);
}

#define WAIT(stage, client, condition)                                       \
	do {                                                                 \
		uint64_t began = uv_hrtime();                                \
		while (!(condition)) {                                       \
			stage_turn((stage), (client));                       \
			if (condition)                                       \
				break;                                       \
			if (uv_hrtime() - began > STUCK_MS * UINT64_C(1000000)) \
				fail_msg("never became true: %s", #condition); \
			stage_sleep((stage), (client), POLLIN);              \
		}                                                            \
	} while (0)

static void client_send_bytes(struct stage *stage, struct client *client, struct str bytes)
{
	while (bytes.len > 0 && !client->reset) {
		ssize_t sent = send(client->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
		if (sent > 0)
			bytes = str_from(bytes, (size_t)sent);
		else if (errno != EAGAIN)
			return;
		if (bytes.len > 0) {
			stage_turn(stage, client);
			stage_sleep(stage, client, POLLIN | POLLOUT);
		}
	}
}

static void client_send(struct stage *stage, struct client *client, const char *text)
{
	client_send_bytes(stage, client, str_of(text));
}

static void client_expect(struct stage *stage, struct client *client, const char *text)
{
	WAIT(stage, client, client_has(client, text) || client->ended || client->reset);
	if (!client_has(client, text))
		fail_msg("expected %s, got " STR_FMT, text, STR_ARG(buf_str(&client->got)));
}

/* ---- stories ---- */

static void ordinary_requests_on_each_kind_of_socket(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	char path[64], address[80];
	snprintf(path, sizeof(path), "/tmp/ruche-server-test-%d.sock", getpid());
	snprintf(address, sizeof(address), "unix:%s", path);
	stage_listen(&stage, "127.0.0.1:0");
	stage_listen(&stage, address);
	stage_listen(&stage, "localhost:0");
	assert_true(http_server_port(stage.server, 0) != 0);
	assert_true(http_server_port(stage.server, 1) != 0);
	assert_int_equal(http_server_port(stage.server, 2), 0);
	bool has_v6 = http_server_listen(stage.server, STR("[::1]:0"), NULL) == E_OK;
	for (unsigned kind = 0; kind < (has_v6 ? 3u : 2u); kind++) {
		struct client client = kind == 0   ? client_connect(&stage)
				       : kind == 1 ? client_connect_unix(path)
						   : client_connect_to(http_server_port(stage.server, 2), true);
		for (unsigned i = 0; i < 3; i++) {
			client_send(&stage, &client, "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello");
			client_expect(&stage, &client, "Content-Length: 5\r\n\r\nhello");
			buf_clear(&client.got);
		}
		assert_true(kind == 1 ? strcmp(stage.peer, "unix") == 0 : strncmp(stage.peer, kind ? "[::1]:" : "127.0.0.1:", 5) == 0);
		client_close(&client);
	}
	WAIT(&stage, NULL, stage_stats(&stage).connections_now == 0);
	assert_int_equal(stage_stats(&stage).requests, has_v6 ? 9 : 6);
	stage_close(&stage);
	assert_int_equal(access(path, F_OK), -1);
}

static void large_bodies_pass_while_small_requests_flow(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage.limits.body_bytes = 64 * 1024 * 1024;
	stage_listen(&stage, "127.0.0.1:0");
	struct client large = client_connect(&stage), small = client_connect(&stage);
	size_t bytes = 12 * 1024 * 1024 + 7;
	char *body = malloc(bytes);
	for (size_t i = 0; i < bytes; i++)
		body[i] = (char)(i * 2654435761u >> 13);
	for (unsigned chunked = 0; chunked <= 1; chunked++) {
		char head[128];
		snprintf(head, sizeof(head), chunked ? "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n%zx\r\n"
						     : "POST /echo HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n", bytes);
		client_send(&stage, &large, head);
		for (size_t at = 0; at < bytes; at += 1 << 20) {
			client_send_bytes(&stage, &large, (struct str){ body + at, bytes - at < 1 << 20 ? bytes - at : 1 << 20 });
			client_send(&stage, &small, "GET / HTTP/1.1\r\n" H "\r\n");
			client_expect(&stage, &small, "\r\n\r\nok");
			buf_clear(&small.got);
		}
		if (chunked)
			client_send(&stage, &large, "\r\n0\r\n\r\n");
		WAIT(&stage, &large, large.got.len > bytes);
		assert_memory_equal(large.got.ptr + large.got.len - bytes, body, bytes);
		buf_clear(&large.got);
	}
	client_send(&stage, &large, "GET /big?n=30000000 HTTP/1.1\r\n" H "\r\n");
	uv_run(&stage.loop, UV_RUN_NOWAIT);
	client_send(&stage, &small, "GET / HTTP/1.1\r\n" H "\r\n"); /* while nobody reads the large one */
	client_expect(&stage, &small, "\r\n\r\nok");
	WAIT(&stage, &large, large.got.len > 30000000);
	client_close(&large);
	client_close(&small);
	free(body);
	stage_close(&stage);
}

static void a_refused_upload_still_reads_its_answer(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	struct client client = client_connect(&stage);
	static char block[65536];
	client_send(&stage, &client, "POST /echo HTTP/1.1\r\n" H "Content-Length: 5000000\r\n\r\n");
	for (unsigned i = 0; i < 40; i++) { /* goes on sending, as most clients do */
		client_send_bytes(&stage, &client, (struct str){ block, sizeof(block) });
		uv_run(&stage.loop, UV_RUN_NOWAIT);
	}
	client_expect(&stage, &client, "\"code\":\"too_large\"");
	WAIT(&stage, &client, client.ended);
	assert_int_equal(stage_stats(&stage).connections_now, 1); /* lingers for the client to close */
	client_close(&client);
	WAIT(&stage, NULL, stage_stats(&stage).connections_now == 0);
	client = client_connect(&stage); /* and one that never closes is not waited for long */
	client_send(&stage, &client, "nonsense\r\n\r\n");
	WAIT(&stage, &client, client.ended);
	stage_pass(&stage, HTTP_LINGER_MS);
	WAIT(&stage, NULL, stage_stats(&stage).connections_now == 0);
	client_close(&client);
	stage_close(&stage);
}

static void clients_that_leave_are_noticed(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	enum { CLOSES, RESETS, HALF_CLOSES, WAYS };
	for (unsigned way = 0; way < WAYS; way++) {
		struct client client = client_connect(&stage);
		client_send(&stage, &client, "GET /hold HTTP/1.1\r\n" H "\r\n");
		WAIT(&stage, NULL, stage.held_count == way + 1);
		assert_int_equal(stage_stats(&stage).waiting_now, 1);
		assert_false(http_client_gone(stage.held[way]));
		if (way == RESETS)
			setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
		if (way == HALF_CLOSES)
			shutdown(client.fd, SHUT_WR);
		else
			client_close(&client);
		WAIT(&stage, NULL, stage.gone == way + 1);
		assert_true(http_client_gone(stage.held[way]));
		http_respond_str(stage.held[way], 200, STR("text/plain"), STR(""), STR("late"));
		if (way == HALF_CLOSES)
			client_expect(&stage, &client, "\r\n\r\nlate");
		WAIT(&stage, NULL, stage_stats(&stage).connections_now == 0);
		client_close(&client);
	}
	assert_int_equal(stage.gone, WAYS);
	assert_int_equal(stage_stats(&stage).waiting_now, 0);
	stage_close(&stage);
}

/* So many requests that the connection is not read any more: the client's leaving stands behind unread bytes. */
static void clients_that_leave_unread_are_noticed(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage.limits.pipelined = 2;
	stage_listen(&stage, "127.0.0.1:0");
	struct client client = client_connect(&stage);
	for (unsigned i = 0; i < 4000; i++)
		client_send(&stage, &client, "GET /hold HTTP/1.1\r\n" H "\r\n");
	WAIT(&stage, NULL, stage.held_count == 2 && stage.server->connections->stopped);
	stage_pass(&stage, HTTP_STOPPED_MS);
	assert_int_equal(stage.gone, 0);
	client_close(&client);
	stage_pass(&stage, HTTP_STOPPED_MS);
	assert_int_equal(stage.gone, 2);
	http_respond_str(stage.held[0], 200, STR(""), STR(""), STR(""));
	http_respond_str(stage.held[1], 200, STR(""), STR(""), STR(""));
	stage_close(&stage);
}

static void a_stream_flows_until_its_client_leaves(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	struct client client = client_connect(&stage);
	client_send(&stage, &client, "GET /hold HTTP/1.1\r\n" H "\r\n");
	WAIT(&stage, NULL, stage.held_count == 1);
	http_stream_begin(stage.held[0], 200, STR("text/event-stream"), STR("Cache-Control: no-store\r\n"));
	client_expect(&stage, &client, "Cache-Control: no-store\r\n\r\n");
	for (unsigned i = 0; i < 10; i++) {
		char event[32];
		snprintf(event, sizeof(event), "data: %u\n\n", i);
		assert_true(http_stream_write(stage.held[0], str_of(event)));
		client_expect(&stage, &client, event);
	}
	static char block[100000];
	unsigned taken = 0; /* a client that does not read: bounded */
	for (;;) {
		if (!http_stream_write(stage.held[0], (struct str){ block, sizeof(block) }))
			break;
		taken++;
		uv_run(&stage.loop, UV_RUN_NOWAIT);
	}
	assert_true(taken >= 10 && taken < 1000);
	client_close(&client);
	WAIT(&stage, NULL, stage.gone == 1);
	assert_false(http_stream_write(stage.held[0], STR("data: x\n\n")));
	http_stream_end(stage.held[0]);
	WAIT(&stage, NULL, stage_stats(&stage).connections_now == 0);
	stage_close(&stage);
}

static void an_answer_nobody_reads_is_given_up(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	struct client client = client_connect(&stage);
	client_send(&stage, &client, "GET /big?n=40000000 HTTP/1.1\r\n" H "\r\n");
	WAIT(&stage, NULL, stage_stats(&stage).requests == 1);
	size_t before = 0;
	while (before != stage.server->connections->output.bytes) { /* until the kernel's buffers are full */
		before = stage.server->connections->output.bytes;
		for (unsigned i = 0; i < 10; i++)
			uv_run(&stage.loop, UV_RUN_NOWAIT);
	}
	stage_pass(&stage, 10000);
	assert_int_equal(stage_stats(&stage).connections_now, 1);
	stage_pass(&stage, 30000);
	stage_pass(&stage, 30000); /* once more: bytes had moved since it was set */
	WAIT(&stage, &client, client.reset);
	assert_int_equal(stage_stats(&stage).connections_now, 0);
	assert_int_equal(stage_stats(&stage).timed_out, 1);
	client_close(&client);
	stage_close(&stage);
}

static void on_drained(void *context)
{
	((struct stage *)context)->drained++;
}

static void draining_lets_running_requests_finish(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	uint16_t port = http_server_port(stage.server, 0);
	struct client idle = client_connect(&stage), waiting = client_connect(&stage), sending = client_connect(&stage);
	client_send(&stage, &idle, "GET / HTTP/1.1\r\n" H "\r\n");
	client_expect(&stage, &idle, "\r\n\r\nok");
	client_send(&stage, &waiting, "GET /hold HTTP/1.1\r\n" H "\r\n");
	client_send(&stage, &sending, "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhe");
	WAIT(&stage, NULL, stage.held_count == 1);
	http_server_drain(stage.server, on_drained, &stage);
	WAIT(&stage, &idle, idle.ended);
	assert_false(client_has(&idle, "Connection: close"));
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), -1);
	close(fd);
	client_send(&stage, &sending, "llo");
	client_expect(&stage, &sending, "Connection: close\r\n\r\nhello");
	WAIT(&stage, &sending, sending.ended);
	client_close(&sending);
	assert_int_equal(stage.drained, 0);
	http_respond_str(stage.held[0], 200, STR("text/plain"), STR(""), STR("last"));
	client_expect(&stage, &waiting, "Connection: close\r\n\r\nlast");
	client_close(&waiting);
	WAIT(&stage, NULL, stage.drained == 1);
	client_close(&idle);
	stage_close(&stage);
}

static void drained_may_free(void *context)
{
	struct stage *stage = context;
	stage->drained++;
	http_server_free(stage->server);
	stage->server = NULL;
}

static void draining_waits_for_handlers_of_clients_long_gone(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	struct client client = client_connect(&stage);
	client_send(&stage, &client, "GET /hold HTTP/1.1\r\n" H "\r\n");
	WAIT(&stage, NULL, stage.held_count == 1);
	setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
	client_close(&client);
	WAIT(&stage, NULL, stage_stats(&stage).connections_now == 0);
	http_server_drain(stage.server, drained_may_free, &stage);
	for (unsigned i = 0; i < 10; i++)
		uv_run(&stage.loop, UV_RUN_NOWAIT);
	assert_int_equal(stage.drained, 0);
	http_respond_str(stage.held[0], 200, STR(""), STR(""), STR(""));
	WAIT(&stage, NULL, stage.drained == 1);
	stage_close(&stage);
}

static void aborting_frees_after_the_last_answer(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	struct client client = client_connect(&stage);
	client_send(&stage, &client, "GET /hold HTTP/1.1\r\n" H "\r\nGET /hold HTTP/1.1\r\n" H "\r\n");
	WAIT(&stage, NULL, stage.held_count == 2);
	http_server_abort(stage.server);
	assert_int_equal(stage.gone, 2);
	http_respond_str(stage.held[1], 200, STR(""), STR(""), STR(""));
	http_server_free(stage.server);
	stage.server = NULL;
	uv_run(&stage.loop, UV_RUN_DEFAULT);
	http_stream_begin(stage.held[0], 200, STR("text/plain"), STR(""));
	assert_false(http_stream_write(stage.held[0], STR("x")));
	http_stream_end(stage.held[0]);
	client_close(&client);
	stage_close(&stage);
}

static void connections_are_capped(void **state)
{
	(void)state;
	for (unsigned per_address = 0; per_address <= 1; per_address++) {
		struct stage stage;
		stage_open(&stage);
		*(per_address ? &stage.limits.connections_per_address : &stage.limits.connections) = 2;
		stage_listen(&stage, "127.0.0.1:0");
		struct client clients[3];
		for (unsigned i = 0; i < 2; i++) {
			clients[i] = client_connect(&stage);
			client_send(&stage, &clients[i], "GET / HTTP/1.1\r\n" H "\r\n");
			client_expect(&stage, &clients[i], "\r\n\r\nok");
		}
		clients[2] = client_connect(&stage);
		client_expect(&stage, &clients[2], "HTTP/1.1 503 Service Unavailable");
		WAIT(&stage, &clients[2], clients[2].ended || clients[2].reset);
		assert_true(client_has(&clients[2], per_address ? "This address has" : "As many connections"));
		assert_int_equal(stage_stats(&stage).refused_limit, 1);
		client_close(&clients[2]);
		client_close(&clients[0]);
		WAIT(&stage, NULL, stage_stats(&stage).connections_now == 1);
		clients[0] = client_connect(&stage);
		client_send(&stage, &clients[0], "GET / HTTP/1.1\r\n" H "\r\n");
		client_expect(&stage, &clients[0], "\r\n\r\nok");
		client_close(&clients[0]);
		client_close(&clients[1]);
		stage_close(&stage);
	}
}

static int highest_fd(void)
{
	int fd = open("/dev/null", O_RDONLY);
	close(fd);
	return fd;
}

static void without_descriptors_clients_are_told_so(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	struct client open = client_connect(&stage), turned_away[5];
	client_send(&stage, &open, "GET / HTTP/1.1\r\n" H "\r\n");
	client_expect(&stage, &open, "\r\n\r\nok");
	for (unsigned i = 0; i < ARRAY_COUNT(turned_away); i++)
		turned_away[i] = client_connect(&stage);
	struct rlimit before;
	getrlimit(RLIMIT_NOFILE, &before);
	struct rlimit tight = { .rlim_cur = (rlim_t)highest_fd(), .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	for (unsigned i = 0; i < ARRAY_COUNT(turned_away); i++) {
		client_expect(&stage, &turned_away[i], "no file descriptor left");
		client_close(&turned_away[i]);
		tight.rlim_cur = (rlim_t)highest_fd(); /* what the client gave back is not for the server */
		setrlimit(RLIMIT_NOFILE, &tight);
	}
	client_send(&stage, &open, "GET /again HTTP/1.1\r\n" H "\r\n"); /* who is in stays in */
	buf_clear(&open.got);
	client_expect(&stage, &open, "\r\n\r\nok");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	struct client client = client_connect(&stage);
	client_send(&stage, &client, "GET / HTTP/1.1\r\n" H "\r\n");
	client_expect(&stage, &client, "\r\n\r\nok");
	client_close(&client);
	client_close(&open);
	stage_close(&stage);
}

/* Not even the reserve is there: the listener rests instead of turning in circles, and comes back. */
static void without_a_reserve_the_listener_rests(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	struct client client = client_connect(&stage);
	client_send(&stage, &client, "GET / HTTP/1.1\r\n" H "\r\n");
	close(stage.server->reserve_fd);
	stage.server->reserve_fd = -1;
	struct rlimit before;
	getrlimit(RLIMIT_NOFILE, &before);
	struct rlimit tight = { .rlim_cur = (rlim_t)highest_fd(), .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	WAIT(&stage, NULL, stage.server->listeners->paused);
	assert_int_equal(uv_is_active((uv_handle_t *)&stage.server->listeners->poll), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	client_expect(&stage, &client, "\r\n\r\nok");
	assert_true(stage.server->reserve_fd >= 0);
	client_close(&client);
	stage_close(&stage);
}

static void a_reset_is_a_reset(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	struct client client = client_connect(&stage);
	client_send(&stage, &client, "GET /hold HTTP/1.1\r\n" H "\r\n");
	WAIT(&stage, NULL, stage.held_count == 1);
	http_reset(stage.held[0]);
	WAIT(&stage, &client, client.reset);
	assert_int_equal(client.got.len, 0);
	assert_int_equal(stage.gone, 0);
	client_close(&client);
	stage_close(&stage);
}

static void unix_sockets_are_guarded(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	char path[64], address[80];
	snprintf(path, sizeof(path), "/tmp/ruche-server-test-%d.sock", getpid());
	snprintf(address, sizeof(address), "unix:%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0); /* left over from a crash: nobody listens */
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
	stage_listen(&stage, address);
	struct stat made;
	assert_int_equal(stat(path, &made), 0);
	assert_int_equal(made.st_mode & 0777, 0660);
	struct problem problem = { 0 };
	assert_int_equal(http_server_listen(stage.server, str_of(address), &problem), E_ADDRESS_IN_USE);
	assert_non_null(strstr(problem.detail, path));
	http_server_free(stage.server);
	stage.server = NULL;
	uv_run(&stage.loop, UV_RUN_DEFAULT);
	assert_int_equal(access(path, F_OK), -1);
	int file = open(path, O_CREAT | O_WRONLY, 0600); /* somebody's file is never removed */
	close(file);
	stage.server = http_server_new(&stage.loop, &stage.limits, stage_handle, &stage);
	assert_int_equal(http_server_listen(stage.server, str_of(address), &problem), E_CONFIG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(http_server_listen(stage.server, STR("unix:/nonexistent/ruche.sock"), &problem), E_CONFIG);
	stage_close(&stage);
}

static void addresses_in_use_are_named(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	char address[64];
	snprintf(address, sizeof(address), "127.0.0.1:%u", http_server_port(stage.server, 0));
	struct problem problem = { 0 };
	assert_int_equal(http_server_listen(stage.server, str_of(address), &problem), E_ADDRESS_IN_USE);
	assert_non_null(strstr(problem.detail, address));
	assert_int_equal(http_server_listen(stage.server, STR("192.0.2.1:0"), &problem), E_CONFIG);
	assert_int_equal(http_server_listen(stage.server, STR("no.such.host.invalid:0"), &problem), E_CONFIG);
	assert_int_equal(http_server_listen(stage.server, STR("127.0.0.1"), &problem), E_INVALID);
	stage_close(&stage);
}

static void a_listening_descriptor_is_taken_over(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage.server = http_server_new(&stage.loop, &stage.limits, stage_handle, &stage);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct problem problem = { 0 };
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(http_server_listen_fd(stage.server, fd, &problem), E_CONFIG); /* bound, but not listening */
	assert_int_equal(http_server_listen_fd(stage.server, 9999, &problem), E_CONFIG);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(http_server_listen_fd(stage.server, fd, &problem), E_OK);
	struct client client = client_connect(&stage);
	client_send(&stage, &client, "GET / HTTP/1.1\r\n" H "\r\n");
	client_expect(&stage, &client, "\r\n\r\nok");
	client_close(&client);
	stage_close(&stage);
}

/* Many connections at once, many requests on each, answered late and out of order. */
static void a_crowd_is_served(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	struct client clients[16];
	for (unsigned c = 0; c < ARRAY_COUNT(clients); c++) {
		clients[c] = client_connect(&stage);
		for (unsigned i = 0; i < 8; i++)
			client_send(&stage, &clients[c], "GET /hold HTTP/1.1\r\n" H "\r\n");
	}
	WAIT(&stage, NULL, stage.held_count == 128);
	assert_int_equal(stage_stats(&stage).waiting_now, 16);
	for (unsigned i = 0; i < 128; i++) {
		char text[32];
		snprintf(text, sizeof(text), "answer %u.", i * 37 % 128);
		http_respond_str(stage.held[i * 37 % 128], 200, STR("text/plain"), STR(""), str_of(text));
	}
	for (unsigned c = 0; c < ARRAY_COUNT(clients); c++) {
		WAIT(&stage, &clients[c], clients[c].got.len >= 8 * 120);
		client_close(&clients[c]);
	}
	stage_close(&stage);
}

static void answer_before_sleep(uv_prepare_t *prepare)
{
	struct stage *stage = prepare->data;
	if (stage->held_count == 0)
		return;
	http_respond_str(stage->held[--stage->held_count], 200, STR("text/plain"), STR(""), STR("just in time"));
}

/* An answer that is given when the server has already flushed this turn: the loop must not sleep on it. */
static void late_answers_leave_before_the_loop_sleeps(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage);
	uv_prepare_t late;
	uv_prepare_init(&stage.loop, &late);
	uv_prepare_start(&late, answer_before_sleep); /* what was started first runs last */
	late.data = &stage;
	stage_listen(&stage, "127.0.0.1:0");
	struct client client = client_connect(&stage);
	client_send(&stage, &client, "GET /hold HTTP/1.1\r\n" H "\r\n");
	WAIT(&stage, NULL, stage.held_count == 1);
	assert_true(uv_backend_timeout(&stage.loop) > 0);
	uv_run(&stage.loop, UV_RUN_ONCE); /* would sleep for the idle time, were the answer forgotten */
	client_expect(&stage, &client, "\r\n\r\njust in time");
	assert_int_equal(uv_is_active((uv_handle_t *)&stage.server->awake), 0);
	uv_close((uv_handle_t *)&late, NULL);
	client_close(&client);
	stage_close(&stage);
}

static void waiting_costs_little(void **state)
{
	(void)state;
	assert_true(sizeof(struct http_connection) + HTTP_EXCHANGE_BYTES <= 4096);
	struct stage stage;
	stage_open(&stage);
	stage_listen(&stage, "127.0.0.1:0");
	struct client client = client_connect(&stage);
	client_send(&stage, &client, "POST /hold?a=b HTTP/1.1\r\n" H "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n"
				     "User-Agent: worker/1.0\r\nContent-Type: application/json\r\nAccept: */*\r\n\r\n");
	WAIT(&stage, NULL, stage.held_count == 1);
	struct http_connection *connection = stage.server->connections;
	assert_int_equal(connection->input.capacity, 0);
	assert_null(connection->output.first);
	assert_null(stage.held[0]->arena.chunks); /* all of it fits into the exchange itself */
	http_respond_str(stage.held[0], 200, STR(""), STR(""), STR(""));
	client_expect(&stage, &client, "HTTP/1.1 200");
	assert_null(connection->first);
	assert_null(connection->output.first);
	client_close(&client);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_requests_on_each_kind_of_socket),
		cmocka_unit_test(large_bodies_pass_while_small_requests_flow),
		cmocka_unit_test(a_refused_upload_still_reads_its_answer),
		cmocka_unit_test(clients_that_leave_are_noticed),
		cmocka_unit_test(clients_that_leave_unread_are_noticed),
		cmocka_unit_test(a_stream_flows_until_its_client_leaves),
		cmocka_unit_test(an_answer_nobody_reads_is_given_up),
		cmocka_unit_test(draining_lets_running_requests_finish),
		cmocka_unit_test(draining_waits_for_handlers_of_clients_long_gone),
		cmocka_unit_test(aborting_frees_after_the_last_answer),
		cmocka_unit_test(connections_are_capped),
		cmocka_unit_test(without_descriptors_clients_are_told_so),
		cmocka_unit_test(without_a_reserve_the_listener_rests),
		cmocka_unit_test(a_reset_is_a_reset),
		cmocka_unit_test(unix_sockets_are_guarded),
		cmocka_unit_test(addresses_in_use_are_named),
		cmocka_unit_test(a_listening_descriptor_is_taken_over),
		cmocka_unit_test(a_crowd_is_served),
		cmocka_unit_test(late_answers_leave_before_the_loop_sleeps),
		cmocka_unit_test(waiting_costs_little),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
