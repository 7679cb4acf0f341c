#include "third_party/third_party.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PARTY_HEAD_BYTES (1u << 20)
#define PARTY_FILLERS    4 /* connections that fill the queue of one that never accepts */

struct connection {
	struct connection *next;
	struct third_party *party;
	const struct tp_step *script;
	int fd;
	SSL *tls;
	pthread_t thread;
	char *unread;      /* came after the request that was read last */
	size_t unread_len;
};
struct text { /* given back when the party stops */
	struct text *next;
	char bytes[];
};
struct third_party {
	struct third_party_config config;
	int listen_fd, stop_fd, fillers[PARTY_FILLERS];
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t read_one;
	struct connection *connections;
	uint32_t connection_count, request_count, answer_next;
	struct tp_request **requests;
	struct text *texts;
	SSL_CTX *tls;
	char server_name[256];
};

static void party_must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "third party: %s: %s\n", what, strerror(errno));
	abort();
}

static void *party_alloc(size_t bytes)
{
	void *ptr = calloc(1, bytes ? bytes : 1);
	party_must(ptr != NULL, "memory");
	return ptr;
}

/* ---- bytes ---- */

/* False once the party stops or the time is over. */
static bool connection_wait(struct connection *connection, short events, int wait_ms)
{
	struct pollfd fds[] = { { .fd = connection->party->stop_fd, .events = POLLIN },
				{ .fd = connection->fd, .events = events } };
	return poll(fds, 2, wait_ms) > 0 && !fds[0].revents;
}

/* Waits for what TLS, or the socket, lacked; false: it is broken. */
static bool connection_again(struct connection *connection, long result, short events)
{
	if (!connection->tls)
		return result < 0 && (errno == EAGAIN || errno == EINTR) && connection_wait(connection, events, -1);
	int lacks = SSL_get_error(connection->tls, (int)result);
	if (lacks == SSL_ERROR_WANT_READ || lacks == SSL_ERROR_WANT_WRITE)
		return connection_wait(connection, lacks == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, -1);
	return false;
}

static bool connection_send(struct connection *connection, const char *bytes, size_t len)
{
	while (len) {
		long sent = connection->tls ? SSL_write(connection->tls, bytes, (int)(len < 65536 ? len : 65536))
					    : send(connection->fd, bytes, len, MSG_NOSIGNAL);
		if (sent > 0) {
			bytes += sent;
			len -= (size_t)sent;
		} else if (!connection_again(connection, sent, POLLOUT)) {
			return false;
		}
	}
	return true;
}

/* 0: the peer is gone, or the party stops. */
static size_t connection_receive(struct connection *connection, char *bytes, size_t max)
{
	for (;;) {
		long got = connection->tls ? SSL_read(connection->tls, bytes, (int)(max < 65536 ? max : 65536))
					   : recv(connection->fd, bytes, max, 0);
		if (got > 0)
			return (size_t)got;
		if ((!connection->tls && got == 0) || !connection_again(connection, got, POLLIN))
			return 0;
	}
}

/* ---- requests ---- */

static size_t request_body_len(const struct tp_request *request)
{
	char value[32];
	return tp_request_header(request, "content-length", value, sizeof(value)) ? strtoul(value, NULL, 10) : 0;
}

static bool connection_fill(struct connection *connection, size_t least)
{
	while (connection->unread_len < least) {
		size_t step = least - connection->unread_len > 65536 ? least - connection->unread_len : 65536;
		connection->unread = realloc(connection->unread, connection->unread_len + step + 1);
		party_must(connection->unread != NULL, "memory");
		size_t got = connection_receive(connection, connection->unread + connection->unread_len, step);
		if (!got)
			return false;
		connection->unread_len += got;
		connection->unread[connection->unread_len] = '\0';
	}
	return true;
}

static void connection_drop(struct connection *connection, size_t bytes)
{
	connection->unread_len -= bytes;
	memmove(connection->unread, connection->unread + bytes, connection->unread_len + 1);
}

static char *party_copy(const char *bytes, size_t len)
{
	char *copy = party_alloc(len + 1);
	memcpy(copy, bytes, len);
	return copy;
}

static bool connection_read_request(struct connection *connection, bool with_body)
{
	struct third_party *party = connection->party;
	char *blank;
	while (!connection->unread || !(blank = memmem(connection->unread, connection->unread_len, "\r\n\r\n", 4)))
		if (connection->unread_len > PARTY_HEAD_BYTES ||
		    !connection_fill(connection, connection->unread_len + 1))
			return false;
	size_t head_len = (size_t)(blank - connection->unread) + 4;
	struct tp_request *request = party_alloc(sizeof(*request));
	request->head = party_copy(connection->unread, head_len);
	connection_drop(connection, head_len);
	size_t body_len = with_body ? request_body_len(request) : 0;
	bool whole = connection_fill(connection, body_len);
	if (whole) {
		request->body = party_copy(connection->unread, body_len);
		request->body_len = body_len;
		connection_drop(connection, body_len);
	}
	pthread_mutex_lock(&party->lock);
	party->requests = realloc(party->requests, (party->request_count + 1) * sizeof(struct tp_request *));
	party_must(party->requests != NULL, "memory");
	party->requests[party->request_count++] = request;
	pthread_cond_broadcast(&party->read_one);
	pthread_mutex_unlock(&party->lock);
	return whole;
}

/* ---- the script ---- */

static bool connection_answer(struct connection *connection)
{
	struct third_party *party = connection->party;
	static const struct tp_answer fine = { .status = 200, .body = "{\"ok\":true}" };
	const struct tp_answer *answer = &fine;
	pthread_mutex_lock(&party->lock);
	if (party->config.answer_count) {
		answer = &party->config.answers[party->answer_next];
		if (party->answer_next + 1 < party->config.answer_count)
			party->answer_next++;
	}
	pthread_mutex_unlock(&party->lock);
	const char *body = answer->body ? answer->body : "", *headers = answer->headers ? answer->headers : "";
	char *text = NULL;
	int len = answer->status == 204 ? asprintf(&text, "HTTP/1.1 204 No Content\r\n%s\r\n", headers)
					: asprintf(&text, "HTTP/1.1 %d Scripted\r\n%sContent-Length: %zu\r\n\r\n%s",
						   answer->status, headers, strlen(body), body);
	party_must(len >= 0, "memory");
	bool sent = connection_send(connection, text, (size_t)len);
	free(text);
	return sent;
}

static bool connection_handshake(struct connection *connection)
{
	SSL *tls = SSL_new(connection->party->tls);
	party_must(tls != NULL, "TLS");
	SSL_set_fd(tls, connection->fd);
	connection->tls = tls;
	for (;;) {
		int result = SSL_accept(tls);
		if (result == 1) {
			const char *name = SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name);
			pthread_mutex_lock(&connection->party->lock);
			snprintf(connection->party->server_name, sizeof(connection->party->server_name), "%s", name ? name : "");
			pthread_mutex_unlock(&connection->party->lock);
			return true;
		}
		if (!connection_again(connection, result, POLLIN)) {
			ERR_clear_error();
			return false;
		}
	}
}

static bool connection_step(struct connection *connection, const struct tp_step *step)
{
	char waste[65536];
	switch (step->kind) {
	case TP_KIND_READ:
	case TP_KIND_READ_HEAD:
		return connection_read_request(connection, step->kind == TP_KIND_READ);
	case TP_KIND_SEND:
		return connection_send(connection, step->bytes, step->len);
	case TP_KIND_REPEAT:
		for (int64_t i = 0; step->count < 0 || i < step->count; i++)
			if (!connection_send(connection, step->bytes, step->len))
				return false;
		return true;
	case TP_KIND_DRIP:
		for (size_t i = 0; i < step->len; i++)
			if (!connection_send(connection, step->bytes + i, 1) ||
			    connection_wait(connection, 0, (int)step->count))
				return false;
		return true;
	case TP_KIND_WAIT:
		connection_wait(connection, 0, (int)step->count);
		return true;
	case TP_KIND_HANG:
		while (connection_receive(connection, waste, sizeof(waste)))
			;
		return false;
	case TP_KIND_RESET:
		setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
			   sizeof(struct linger));
		return false;
	case TP_KIND_SHUT:
		shutdown(connection->fd, SHUT_WR);
		return true;
	case TP_KIND_TLS:
		return connection_handshake(connection);
	case TP_KIND_ANSWER:
		return connection_answer(connection);
	case TP_KIND_END:
	case TP_KIND_AGAIN:
		break;
	}
	return false;
}

static void *connection_main(void *context)
{
	struct connection *connection = context;
	const struct tp_step *step = connection->script, *first = step;
	for (;;) {
		if (step->kind == TP_KIND_AGAIN) {
			step = first;
			continue;
		}
		if (!connection_step(connection, step))
			break;
		if (step->kind == TP_KIND_TLS)
			first = step + 1;
		step++;
	}
	if (connection->tls && step->kind == TP_KIND_END)
		SSL_shutdown(connection->tls);
	SSL_free(connection->tls);
	ERR_clear_error();
	close(connection->fd);
	free(connection->unread);
	return NULL;
}

/* ---- the party ---- */

static void party_accept(struct third_party *party)
{
	static const struct tp_step fine[] = { TP_READ, TP_ANSWER, TP_AGAIN };
	int fd = accept4(party->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	struct connection *connection = party_alloc(sizeof(*connection));
	connection->party = party;
	connection->fd = fd;
	pthread_mutex_lock(&party->lock);
	uint32_t n = party->connection_count < TP_SCRIPTS ? party->connection_count : TP_SCRIPTS - 1;
	party->connection_count++;
	while (n > 0 && !party->config.scripts[n])
		n--;
	connection->script = party->config.scripts[n] ? party->config.scripts[n] : fine;
	connection->next = party->connections;
	party->connections = connection;
	pthread_mutex_unlock(&party->lock);
	party_must(pthread_create(&connection->thread, NULL, connection_main, connection) == 0, "thread");
}

static void *party_main(void *context)
{
	struct third_party *party = context;
	for (;;) {
		struct pollfd fds[] = { { .fd = party->stop_fd, .events = POLLIN },
					{ .fd = party->listen_fd, .events = POLLIN } };
		poll(fds, party->config.never_accepts || party->config.deaf ? 1 : 2, -1);
		if (fds[0].revents)
			return NULL;
		if (fds[1].revents)
			party_accept(party);
	}
}

static socklen_t party_address(const struct third_party *party, struct sockaddr_storage *out)
{
	const char *text = party->config.address ? party->config.address : "127.0.0.1";
	memset(out, 0, sizeof(*out));
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
	if (strchr(text, ':')) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(party->port);
		party_must(inet_pton(AF_INET6, text, &six->sin6_addr) == 1, text);
		return sizeof(*six);
	}
	struct sockaddr_in *four = (struct sockaddr_in *)out;
	four->sin_family = AF_INET;
	four->sin_port = htons(party->port);
	party_must(inet_pton(AF_INET, text, &four->sin_addr) == 1, text);
	return sizeof(*four);
}

static void party_listen(struct third_party *party)
{
	struct sockaddr_storage address;
	socklen_t len = party_address(party, &address);
	party->listen_fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	party_must(party->listen_fd >= 0, "socket");
	setsockopt(party->listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	party_must(bind(party->listen_fd, (struct sockaddr *)&address, len) == 0, "bind");
	party_must(getsockname(party->listen_fd, (struct sockaddr *)&address, &len) == 0, "getsockname");
	party->port = ntohs(((struct sockaddr_in *)&address)->sin_port); /* at the same place for IPv6 */
	if (!party->config.deaf)
		party_must(listen(party->listen_fd, party->config.never_accepts ? 0 : 1024) == 0, "listen");
	for (int i = 0; i < PARTY_FILLERS; i++) {
		party->fillers[i] = -1;
		if (!party->config.never_accepts)
			continue;
		party->fillers[i] = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		len = party_address(party, &address);
		(void)!connect(party->fillers[i], (struct sockaddr *)&address, len);
	}
}

static int party_refuse_name(SSL *tls, int *alert, void *context)
{
	(void)tls;
	(void)context;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void party_open_tls(struct third_party *party)
{
	if (!party->config.certificate)
		return;
	party->tls = SSL_CTX_new(TLS_server_method());
	party_must(party->tls != NULL, "TLS");
	if (party->config.refuses_name)
		SSL_CTX_set_tlsext_servername_callback(party->tls, party_refuse_name);
	SSL_CTX_set_security_level(party->tls, 0); /* weak ones are there to be refused by the other side */
	if (party->config.client_authority) {
		SSL_CTX_set_verify(party->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		party_must(SSL_CTX_load_verify_locations(party->tls, party->config.client_authority, NULL) == 1 &&
				   SSL_CTX_set_session_id_context(party->tls, (const unsigned char *)"party", 5) == 1,
			   party->config.client_authority);
	}
	if (party->config.tls_max_version) {
		SSL_CTX_set_min_proto_version(party->tls, 0);
		SSL_CTX_set_max_proto_version(party->tls, party->config.tls_max_version);
	}
	SSL_CTX_set_options(party->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
	party_must(SSL_CTX_use_certificate_chain_file(party->tls, party->config.certificate) == 1,
		   party->config.certificate);
	party_must(SSL_CTX_use_PrivateKey_file(party->tls, party->config.key, SSL_FILETYPE_PEM) == 1,
		   party->config.key);
}

struct third_party *third_party_start(const struct third_party_config *config)
{
	struct third_party *party = party_alloc(sizeof(*party));
	party->config = *config;
	party->port = config->port;
	signal(SIGPIPE, SIG_IGN); /* TLS writes without MSG_NOSIGNAL */
	pthread_mutex_init(&party->lock, NULL);
	pthread_cond_init(&party->read_one, NULL);
	party->stop_fd = eventfd(0, EFD_CLOEXEC);
	party_must(party->stop_fd >= 0, "eventfd");
	party_open_tls(party);
	party_listen(party);
	party_must(pthread_create(&party->thread, NULL, party_main, party) == 0, "thread");
	return party;
}

void third_party_stop(struct third_party *party)
{
	if (!party)
		return;
	party_must(write(party->stop_fd, &(uint64_t){ 1 }, 8) == 8, "stop");
	pthread_join(party->thread, NULL);
	for (struct connection *connection = party->connections, *next; connection; connection = next) {
		next = connection->next;
		pthread_join(connection->thread, NULL);
		free(connection);
	}
	close(party->listen_fd);
	close(party->stop_fd);
	for (int i = 0; i < PARTY_FILLERS; i++)
		if (party->fillers[i] >= 0)
			close(party->fillers[i]);
	for (uint32_t i = 0; i < party->request_count; i++) {
		free(party->requests[i]->head);
		free(party->requests[i]->body);
		free(party->requests[i]);
	}
	free(party->requests);
	for (struct text *text = party->texts, *next; text; text = next) {
		next = text->next;
		free(text);
	}
	SSL_CTX_free(party->tls);
	pthread_cond_destroy(&party->read_one);
	pthread_mutex_destroy(&party->lock);
	free(party);
}

/* ---- what tests ask ---- */

uint16_t third_party_port(const struct third_party *party)
{
	return party->port;
}

static const char *party_keep(struct third_party *party, const char *scheme, const char *host, const char *path)
{
	size_t bytes = strlen(scheme) + strlen(host) + strlen(path) + 16;
	struct text *text = party_alloc(sizeof(*text) + bytes);
	snprintf(text->bytes, bytes, strchr(host, ':') ? "%s://[%s]:%u%s" : "%s://%s:%u%s", scheme, host, party->port,
		 path);
	pthread_mutex_lock(&party->lock);
	text->next = party->texts;
	party->texts = text;
	pthread_mutex_unlock(&party->lock);
	return text->bytes;
}

const char *third_party_url(struct third_party *party, const char *path)
{
	return party_keep(party, "http", party->config.address ? party->config.address : "127.0.0.1", path);
}

const char *third_party_https_url(struct third_party *party, const char *host, const char *path)
{
	return party_keep(party, "https", host, path);
}

uint32_t third_party_connections(struct third_party *party)
{
	pthread_mutex_lock(&party->lock);
	uint32_t count = party->connection_count;
	pthread_mutex_unlock(&party->lock);
	return count;
}

uint32_t third_party_requests(struct third_party *party)
{
	pthread_mutex_lock(&party->lock);
	uint32_t count = party->request_count;
	pthread_mutex_unlock(&party->lock);
	return count;
}

const char *third_party_server_name(struct third_party *party)
{
	pthread_mutex_lock(&party->lock);
	const char *name = party->server_name;
	pthread_mutex_unlock(&party->lock);
	return name;
}

const struct tp_request *third_party_request(struct third_party *party, uint32_t n)
{
	pthread_mutex_lock(&party->lock);
	while (party->request_count <= n)
		pthread_cond_wait(&party->read_one, &party->lock);
	const struct tp_request *request = party->requests[n];
	pthread_mutex_unlock(&party->lock);
	return request;
}

bool tp_request_header(const struct tp_request *request, const char *name, char *out, size_t out_bytes)
{
	size_t name_len = strlen(name);
	for (const char *line = strstr(request->head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n")) {
		const char *field = line + 2;
		if (strncasecmp(field, name, name_len) != 0 || field[name_len] != ':')
			continue;
		const char *value = field + name_len + 1, *end = strstr(field, "\r\n");
		while (*value == ' ')
			value++;
		snprintf(out, out_bytes, "%.*s", (int)(end - value), value);
		return true;
	}
	return false;
}
