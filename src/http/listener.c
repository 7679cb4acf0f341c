#include "base/check.h"
#include "base/mem.h"
#include "http/server_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define KEEPALIVE_IDLE_S  60
#define KEEPALIVE_EVERY_S 15
#define KEEPALIVE_PROBES  4

/* ---- letting connections in ---- */

/* No connection for this one: it is told so, as well as can be without one. */
static void listener_turn_away(struct http_server *server, int fd, enum http_refusal refusal)
{
	char text[1024];
	size_t len = http_exchange_refusal_text(server, refusal, text, sizeof(text));
	server->stats.refused_limit++;
	if (send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
		shutdown(fd, SHUT_WR);
		/* Unread bytes would make the close a reset, which could overtake the answer. */
		while (recv(fd, server->read_buffer, HTTP_READ_BYTES, MSG_DONTWAIT) == HTTP_READ_BYTES)
			;
	}
	close(fd);
}

static void listener_admit(struct http_listener *listener, int fd, const struct sockaddr *address)
{
	struct http_server *server = listener->server;
	struct http_peer_address peer = { .is_unix = listener->port == 0 };
	if (!peer.is_unix)
		ip_of_sockaddr(address, &peer.ip, &peer.port);
	uint32_t slot = POOL_NONE;
	enum http_refusal refusal = http_server_admit(server, &peer, &slot);
	if (refusal)
		listener_turn_away(server, fd, refusal);
	else
		http_connection_open(server, fd, &peer, slot);
}

static void listener_pause(struct http_listener *listener)
{
	listener->paused = true;
	uv_poll_stop(&listener->poll);
	http_server_wants_tick(listener->server, http_server_now_ms(listener->server) + HTTP_TICK_MS);
}

/* Descriptors ran out: the reserve is given up for as long as it takes to tell one client. False: no one was there to tell. */
static bool listener_shed(struct http_listener *listener)
{
	struct http_server *server = listener->server;
	if (server->reserve_fd < 0) {
		listener_pause(listener);
		return false;
	}
	close(server->reserve_fd);
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		listener_turn_away(server, fd, HTTP_REFUSE_DESCRIPTORS);
	server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

static bool listener_accept(struct http_listener *listener)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	int fd = accept4(listener->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		listener_admit(listener, fd, (struct sockaddr *)&address);
		return true;
	}
	switch (errno) {
	case EAGAIN: return false;
	case EMFILE:
	case ENFILE: return listener_shed(listener);
	case ENOBUFS:
	case ENOMEM: listener_pause(listener); return false;
	default: return true; /* that client's connection failed before it was ours */
	}
}

static void listener_on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	struct http_listener *listener = poll->data;
	for (unsigned i = 0; i < HTTP_ACCEPT_BATCH && !listener->closing && listener_accept(listener); i++)
		;
}

void http_listener_resume(struct http_listener *listener)
{
	struct http_server *server = listener->server;
	if (!listener->paused || listener->closing)
		return;
	if (server->reserve_fd < 0)
		server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listener->paused = false;
	CHECK(uv_poll_start(&listener->poll, UV_READABLE, listener_on_readable) == 0);
}

/* ---- closing ---- */

static void listener_on_closed(uv_handle_t *handle)
{
	struct http_listener *listener = handle->data;
	struct http_server *server = listener->server;
	mem_free(listener);
	http_server_handle_closed(server);
}

/* The socket file goes with us, unless someone put another one in its place. */
static void listener_unlink(struct http_listener *listener)
{
	struct stat found;
	bool is_ours = listener->path[0] && stat(listener->path, &found) == 0 && found.st_dev == listener->device &&
		       found.st_ino == listener->inode;
	if (is_ours)
		unlink(listener->path);
}

void http_listener_close(struct http_listener *listener)
{
	if (listener->closing)
		return;
	listener->closing = true;
	listener_unlink(listener);
	uv_poll_stop(&listener->poll);
	close(listener->fd);
	uv_close((uv_handle_t *)&listener->poll, listener_on_closed);
}

/* ---- opening ---- */

static enum err listener_problem(struct problem *problem, struct str address, int error)
{
	enum err err = error == EADDRINUSE ? E_ADDRESS_IN_USE : error == ENOMEM ? E_NOMEM : E_CONFIG;
	return problem_set(problem, err, "listen", "Cannot listen on " STR_FMT ": %s.", STR_ARG(address), strerror(error));
}

/* Accepted sockets inherit these: no delay for small answers, and clients that vanished without a word are noticed in two minutes. */
static void listener_tune_tcp(int fd)
{
	const struct {
		int level, option, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
	};
	for (size_t i = 0; i < ARRAY_COUNT(options); i++) /* comforts: without them it works too */
		(void)setsockopt(fd, options[i].level, options[i].option, &options[i].value, sizeof(int));
}

/* Takes fd over on success. */
static enum err listener_new(struct http_server *server, int fd, uint16_t port, struct http_listener **out)
{
	struct http_listener *listener = mem_zalloc(sizeof(*listener));
	if (!listener)
		return E_NOMEM;
	*listener = (struct http_listener){ .server = server, .fd = fd, .port = port };
	if (uv_poll_init(server->loop, &listener->poll, fd)) {
		mem_free(listener);
		return E_NOMEM;
	}
	listener->poll.data = listener;
	server->handles++;
	CHECK(uv_poll_start(&listener->poll, UV_READABLE, listener_on_readable) == 0);
	*server->listeners_last = listener;
	server->listeners_last = &listener->next;
	*out = listener;
	return E_OK;
}

static uint16_t listener_bound_port(int fd)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t len = sizeof(bound);
	struct ip_address ip;
	uint16_t port = 0;
	if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0)
		(void)ip_of_sockaddr((struct sockaddr *)&bound, &ip, &port);
	return port;
}

static enum err listener_open_tcp(struct http_server *server, struct str text, const struct sockaddr *at, socklen_t at_len,
				  struct problem *problem)
{
	const int yes = 1;
	int fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool is_bound = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
			(at->sa_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) == 0) &&
			bind(fd, at, at_len) == 0;
	enum err err = E_OK;
	struct http_listener *listener;
	if (is_bound)
		listener_tune_tcp(fd);
	if (!is_bound || listen(fd, SOMAXCONN) != 0)
		err = listener_problem(problem, text, errno);
	else if (listener_new(server, fd, listener_bound_port(fd), &listener))
		err = listener_problem(problem, text, ENOMEM);
	if (err && fd >= 0)
		close(fd);
	return err;
}

static enum err listener_open_ip(struct http_server *server, struct str text, const struct address *address, struct problem *problem)
{
	struct sockaddr_storage storage;
	socklen_t len = ip_to_sockaddr(&address->ip, address->port, &storage);
	return listener_open_tcp(server, text, (struct sockaddr *)&storage, len, problem);
}

/* All addresses of a name (localhost has two); with port 0 the first only, since each would get a port of its own. */
static enum err listener_open_name(struct http_server *server, struct str text, const struct address *address, struct problem *problem)
{
	char port[8];
	snprintf(port, sizeof(port), "%u", address->port);
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	int status = getaddrinfo(address->text, port, &hints, &found);
	if (status)
		return problem_set(problem, E_CONFIG, "listen", "Cannot listen on " STR_FMT ": %s.", STR_ARG(text), gai_strerror(status));
	unsigned opened = 0;
	enum err err = E_CONFIG;
	for (struct addrinfo *at = found; at && (opened == 0 || address->port != 0); at = at->ai_next) {
		enum err one = listener_open_tcp(server, text, at->ai_addr, at->ai_addrlen, problem);
		if (one == E_OK)
			opened++;
		else
			err = one;
	}
	freeaddrinfo(found);
	if (opened > 0 && problem)
		*problem = (struct problem){ .err = E_OK };
	return opened > 0 ? E_OK : err;
}

/* A socket file that nobody listens on is left over from a crash. Anything else at the path is not ours to remove. */
static int listener_clear_path(const struct sockaddr_un *at)
{
	struct stat found;
	if (lstat(at->sun_path, &found) != 0)
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(found.st_mode))
		return EEXIST;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	int error = connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ? 0 : errno;
	close(fd);
	if (error != ECONNREFUSED)
		return EADDRINUSE;
	return unlink(at->sun_path) == 0 || errno == ENOENT ? 0 : errno;
}

static int listener_bind_unix(int fd, const struct sockaddr_un *at)
{
	/* The mode is set before the file is there, so that there is no moment in which others may connect; then again past the umask. */
	if (fd < 0 || fchmod(fd, 0660) != 0 || bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0)
		return errno;
	return chmod(at->sun_path, 0660) != 0 || listen(fd, SOMAXCONN) != 0 ? errno : 0;
}

static enum err listener_open_unix(struct http_server *server, struct str text, const struct address *address, struct problem *problem)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	memcpy(at.sun_path, address->text, strlen(address->text) + 1);
	int error = listener_clear_path(&at);
	if (error)
		return listener_problem(problem, text, error);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	error = listener_bind_unix(fd, &at);
	struct http_listener *listener = NULL;
	struct stat made;
	if (!error && (stat(at.sun_path, &made) != 0 || listener_new(server, fd, 0, &listener)))
		error = ENOMEM;
	if (error) {
		if (fd >= 0)
			close(fd);
		return listener_problem(problem, text, error);
	}
	memcpy(listener->path, address->text, strlen(address->text) + 1);
	listener->device = made.st_dev;
	listener->inode = made.st_ino;
	return E_OK;
}

enum err http_server_listen(struct http_server *server, struct str text, struct problem *problem)
{
	struct address address;
	enum err err = address_parse(text, &address, problem);
	if (err)
		return err;
	switch (address.kind) {
	case ADDRESS_IP: return listener_open_ip(server, text, &address, problem);
	case ADDRESS_NAME: return listener_open_name(server, text, &address, problem);
	case ADDRESS_UNIX: return listener_open_unix(server, text, &address, problem);
	}
	UNREACHABLE();
}

enum err http_server_listen_fd(struct http_server *server, int fd, struct problem *problem)
{
	int listening = 0, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof(listening);
	bool is_listener = flags >= 0 && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
	if (!is_listener)
		return problem_set(problem, E_CONFIG, "listen", "Descriptor %d is not a listening socket.", fd);
	struct http_listener *listener;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
	    listener_new(server, fd, listener_bound_port(fd), &listener))
		return problem_set(problem, E_NOMEM, "listen", "Descriptor %d could not be watched.", fd);
	if (listener->port)
		listener_tune_tcp(fd);
	return E_OK;
}

uint16_t http_server_port(const struct http_server *server, uint32_t n)
{
	for (const struct http_listener *listener = server->listeners; listener; listener = listener->next) {
		if (listener->port && n-- == 0)
			return listener->port;
	}
	return 0;
}
