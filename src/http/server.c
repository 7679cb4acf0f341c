#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "http/server_priv.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void http_limits_default(struct http_limits *limits)
{
	*limits = (struct http_limits){
		.header_bytes = LIMIT_HEADER_BYTES,
		.body_bytes = LIMIT_BODY_DEFAULT,
		.body_memory = LIMIT_BODY_MEMORY,
		.header_ms = 10000,
		.body_idle_ms = 10000,
		.body_rate_bytes = 1024,
		.idle_ms = 75000,
		.write_idle_ms = 30000,
		.connections = 20000,
		.connections_per_address = 20000,
		.pipelined = 64,
	};
}

/* ---- time ---- */

int64_t http_server_now_ms(const struct http_server *server)
{
	return (int64_t)uv_now(server->loop) + server->ahead_ms;
}

static void server_write_date(struct http_server *server, time_t now_s)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm at;
	gmtime_r(&now_s, &at);
	int len = snprintf(server->date_lines, sizeof(server->date_lines),
			   "\r\nServer: ruche\r\nDate: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n", days + at.tm_wday * 3, at.tm_mday,
			   months + at.tm_mon * 3, at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
	server->date_lines_len = (size_t)len;
	server->date_s = now_s;
}

struct str http_server_date_lines(struct http_server *server)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != server->date_s)
		server_write_date(server, now.tv_sec);
	return (struct str){ server->date_lines, server->date_lines_len };
}

static struct http_connection *connection_of(struct http_deadline *deadline, enum http_deadline_kind kind)
{
	size_t offset = kind == HTTP_DUE_WRITE ? offsetof(struct http_connection, write_due) : offsetof(struct http_connection, read_due);
	return (struct http_connection *)(void *)((char *)deadline - offset);
}

void http_server_tick(struct http_server *server)
{
	struct http_deadline *deadline;
	while ((deadline = http_deadline_take(&server->deadlines, http_server_now_ms(server)))) {
		enum http_deadline_kind kind = deadline->kind;
		deadline->kind = HTTP_DUE_NONE;
		http_connection_due(connection_of(deadline, kind), kind);
	}
	for (struct http_listener *listener = server->listeners; listener; listener = listener->next)
		http_listener_resume(listener);
	if (!server->stopping || server->connections)
		http_server_wants_tick(server, http_deadlines_next_ms(&server->deadlines));
}

static void server_on_tick(uv_timer_t *timer)
{
	struct http_server *server = timer->data;
	server->tick_at_ms = HTTP_NEVER;
	http_server_tick(server);
}

void http_server_wants_tick(struct http_server *server, int64_t at_ms)
{
	if (at_ms >= server->tick_at_ms || server->base_closed)
		return;
	int64_t now_ms = http_server_now_ms(server);
	int64_t ticks = at_ms > now_ms ? (at_ms - now_ms + HTTP_TICK_MS - 1) / HTTP_TICK_MS : 1;
	server->tick_at_ms = now_ms + ticks * HTTP_TICK_MS;
	CHECK(uv_timer_start(&server->tick, server_on_tick, (uint64_t)(ticks * HTTP_TICK_MS), 0) == 0);
}

void http_server_set_due(struct http_connection *connection, struct http_deadline *deadline, enum http_deadline_kind kind)
{
	struct http_server *server = connection->server;
	if (kind == HTTP_DUE_NONE && deadline->kind == HTTP_DUE_NONE)
		return;
	http_deadline_set(&server->deadlines, deadline, kind, http_server_now_ms(server));
	if (kind != HTTP_DUE_NONE)
		http_server_wants_tick(server, deadline->at_ms);
}

/* ---- a turn's end ---- */

static void server_on_awake(uv_idle_t *awake)
{
	(void)awake;
}

void http_server_mark_dirty(struct http_connection *connection)
{
	struct http_server *server = connection->server;
	if (connection->dirty_link || connection->closed)
		return;
	if (!server->dirty && !server->base_closed)
		uv_idle_start(&server->awake, server_on_awake);
	connection->next_dirty = NULL;
	connection->dirty_link = server->dirty_last;
	*server->dirty_last = connection;
	server->dirty_last = &connection->next_dirty;
}

void http_server_unmark_dirty(struct http_connection *connection)
{
	if (!connection->dirty_link)
		return;
	*connection->dirty_link = connection->next_dirty;
	if (connection->next_dirty)
		connection->next_dirty->dirty_link = connection->dirty_link;
	else
		connection->server->dirty_last = connection->dirty_link;
	connection->dirty_link = NULL;
}

void http_server_flush(struct http_server *server)
{
	struct http_connection *connection;
	while ((connection = server->dirty)) {
		http_server_unmark_dirty(connection);
		http_connection_settle(connection);
	}
	if (!server->base_closed)
		uv_idle_stop(&server->awake);
}

static void server_on_prepare(uv_prepare_t *prepare)
{
	http_server_flush(prepare->data);
}

static void server_on_check(uv_check_t *check)
{
	http_server_flush(check->data);
}

/* ---- how many, and whose ---- */

static uint64_t peer_hash(const struct http_server *server, const struct ip_address *ip)
{
	return str_hash((struct str){ (const char *)ip->bytes, ip->is_v6 ? 16 : 4 }, server->peer_seed);
}

static uint64_t peer_hash_of(void *context, uint32_t item)
{
	struct http_server *server = context;
	const struct http_peer_count *count = pool_at(&server->peers, item);
	return peer_hash(server, &count->ip);
}

static bool peer_equal(void *context, uint32_t item, const void *key)
{
	struct http_server *server = context;
	const struct http_peer_count *count = pool_at(&server->peers, item);
	return ip_eq(&count->ip, key);
}

static enum http_refusal server_admit_address(struct http_server *server, const struct ip_address *ip, uint32_t *out_slot)
{
	uint64_t hash = peer_hash(server, ip);
	uint32_t slot = map_find(&server->peer_map, hash, peer_equal, ip);
	if (slot == MAP_NONE) {
		if (map_reserve(&server->peer_map, 1) || pool_take(&server->peers, &slot))
			return HTTP_REFUSE_NOMEM;
		*(struct http_peer_count *)pool_at(&server->peers, slot) = (struct http_peer_count){ .ip = *ip };
		CHECK(map_put(&server->peer_map, hash, slot) == E_OK);
	}
	struct http_peer_count *count = pool_at(&server->peers, slot);
	if (count->connections >= server->limits.connections_per_address)
		return HTTP_REFUSE_PEER_CONNECTIONS;
	count->connections++;
	*out_slot = slot;
	return HTTP_REFUSE_NOTHING;
}

enum http_refusal http_server_admit(struct http_server *server, const struct http_peer_address *peer, uint32_t *out_slot)
{
	*out_slot = POOL_NONE;
	if (server->stats.connections_now >= server->limits.connections)
		return HTTP_REFUSE_CONNECTIONS;
	if (peer->is_unix || server->limits.connections_per_address == 0)
		return HTTP_REFUSE_NOTHING;
	return server_admit_address(server, &peer->ip, out_slot);
}

void http_server_leave(struct http_server *server, uint32_t peer_slot)
{
	if (peer_slot == POOL_NONE)
		return;
	struct http_peer_count *count = pool_at(&server->peers, peer_slot);
	if (--count->connections > 0)
		return;
	map_remove(&server->peer_map, peer_hash(server, &count->ip), peer_slot);
	pool_give(&server->peers, peer_slot);
}

void http_server_stats(const struct http_server *server, struct http_server_stats *out)
{
	*out = server->stats;
}

/* ---- life ---- */

static void server_ignore_sigpipe(void)
{
	struct sigaction now;
	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

static void server_set_limits(struct http_server *server, const struct http_limits *limits)
{
	server->limits = *limits;
	if (server->limits.header_bytes > HTTP_HEADER_BYTES_MAX)
		server->limits.header_bytes = HTTP_HEADER_BYTES_MAX;
	if (server->limits.pipelined == 0)
		server->limits.pipelined = 1;
	http_deadlines_init(&server->deadlines);
	const int64_t spans_ms[HTTP_DUE_COUNT] = {
		[HTTP_DUE_IDLE] = limits->idle_ms,     [HTTP_DUE_HEAD] = limits->header_ms,  [HTTP_DUE_BODY] = limits->body_idle_ms,
		[HTTP_DUE_STOPPED] = HTTP_STOPPED_MS, [HTTP_DUE_LINGER] = HTTP_LINGER_MS, [HTTP_DUE_WRITE] = limits->write_idle_ms,
	};
	for (size_t kind = 0; kind < HTTP_DUE_COUNT; kind++)
		server->deadlines.lists[kind].span_ms = spans_ms[kind];
}

static void server_start_handles(struct http_server *server)
{
	uv_timer_init(server->loop, &server->tick); /* these inits cannot fail */
	uv_prepare_init(server->loop, &server->prepare);
	uv_check_init(server->loop, &server->check);
	uv_idle_init(server->loop, &server->awake);
	server->tick.data = server->prepare.data = server->check.data = server->awake.data = server;
	uv_prepare_start(&server->prepare, server_on_prepare);
	uv_check_start(&server->check, server_on_check);
	uv_unref((uv_handle_t *)&server->prepare); /* listeners, connections and what is due keep the loop going, these do not */
	uv_unref((uv_handle_t *)&server->check);
	server->handles = 4;
}

struct http_server *http_server_new(uv_loop_t *loop, const struct http_limits *limits, http_handler *handler, void *context)
{
	struct http_server *server = mem_zalloc(sizeof(*server));
	if (!server)
		return NULL;
	server->loop = loop;
	server->handler = handler;
	server->context = context;
	server->listeners_last = &server->listeners;
	server->dirty_last = &server->dirty;
	server->tick_at_ms = HTTP_NEVER;
	server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (uv_random(NULL, NULL, &server->peer_seed, sizeof(server->peer_seed), 0, NULL))
		server->peer_seed = (uint64_t)(uintptr_t)server ^ uv_hrtime();
	pool_init(&server->peers, sizeof(struct http_peer_count));
	map_init(&server->peer_map, peer_hash_of, server);
	server_set_limits(server, limits);
	server_ignore_sigpipe();
	server_start_handles(server);
	return server;
}

void http_server_set_gate(struct http_server *server, const struct http_gate *gate)
{
	server->gate = *gate;
}

/* Everything of libuv's is closed, no handler holds an exchange, and the owner wants it gone. */
static void server_free_now(struct http_server *server)
{
	while (server->kept) {
		struct http_exchange *exchange = server->kept;
		server->kept = exchange->next;
		mem_free(exchange);
	}
	http_pieces_fini(&server->pieces);
	pool_fini(&server->peers);
	map_fini(&server->peer_map);
	if (server->reserve_fd >= 0)
		close(server->reserve_fd);
	mem_free(server);
}

static bool server_may_be_freed(const struct http_server *server)
{
	return server->freed && server->handles == 0 && server->exchanges_out == 0;
}

void http_server_handle_closed(struct http_server *server)
{
	if (--server->handles > 0)
		return;
	bool frees = server_may_be_freed(server);
	void (*drained)(void *context) = server->drained;
	server->drained = NULL;
	if (drained)
		drained(server->drained_context); /* may free the server */
	if (frees)
		server_free_now(server);
}

static void server_on_closed(uv_handle_t *handle)
{
	http_server_handle_closed(handle->data);
}

static void server_close_base(struct http_server *server)
{
	if (server->base_closed)
		return;
	server->base_closed = true;
	uv_close((uv_handle_t *)&server->tick, server_on_closed);
	uv_close((uv_handle_t *)&server->prepare, server_on_closed);
	uv_close((uv_handle_t *)&server->check, server_on_closed);
	uv_close((uv_handle_t *)&server->awake, server_on_closed);
}

void http_server_check_drained(struct http_server *server)
{
	if (!server->stopping || server->connections || server->exchanges_out > 0)
		return;
	server_close_base(server);
	if (server_may_be_freed(server))
		server_free_now(server);
}

static void server_close_listeners(struct http_server *server)
{
	struct http_listener *listener = server->listeners, *next;
	server->listeners = NULL;
	server->listeners_last = &server->listeners;
	for (; listener; listener = next) {
		next = listener->next;
		http_listener_close(listener);
	}
}

void http_server_drain(struct http_server *server, void (*drained)(void *context), void *context)
{
	CHECK(!server->stopping);
	server->draining = server->stopping = true;
	server->drained = drained;
	server->drained_context = context;
	server_close_listeners(server);
	for (struct http_connection *connection = server->connections, *next; connection; connection = next) {
		next = connection->next;
		http_connection_drain(connection);
	}
	http_server_check_drained(server);
}

void http_server_abort(struct http_server *server)
{
	server->stopping = true;
	server_close_listeners(server);
	while (server->connections)
		http_connection_close(server->connections);
	server_close_base(server);
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	CHECK(!server->freed);
	http_server_abort(server);
	server->freed = true;
	if (server_may_be_freed(server))
		server_free_now(server);
}
