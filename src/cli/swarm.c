#include "cli/swarm.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SWARM_EVENTS      128
#define SWARM_READ_BYTES  65536u
#define SWARM_BODY_MAX    (64u * 1024 * 1024)
#define SWARM_CALL_WAIT_US INT64_C(120000000)

struct swarm {
	int epoll;
	uint32_t count, waiting;
	swarm_handler *handler;
	void *context;
	struct buf auth; /* header line of the token, or empty */
	bool stopped;
	enum err err;
	struct problem *problem; /* of the present run */
	struct bee bees[];
};

/* ---- opening ---- */

static int swarm_connect_unix(struct str path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (path.len >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path.ptr, path.len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int swarm_connect_tcp(struct str address)
{
	char host[256], port[16];
	size_t colon = address.len;
	while (colon > 0 && address.ptr[colon - 1] != ':')
		colon--;
	struct str name = { address.ptr, colon ? colon - 1 : 0 };
	if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
		name = (struct str){ name.ptr + 1, name.len - 2 };
	snprintf(host, sizeof(host), STR_FMT, STR_ARG(name));
	snprintf(port, sizeof(port), STR_FMT, STR_ARG(str_from(address, colon)));
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list = NULL;
	if (getaddrinfo(host, port, &hints, &list) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	int fd = -1;
	for (struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
		if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) < 0) {
			int saved = errno;
			close(fd);
			fd = -1;
			errno = saved;
		}
	}
	freeaddrinfo(list);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	return fd;
}

static enum err swarm_add(struct swarm *swarm, struct str address, struct problem *problem)
{
	bool is_unix = str_starts(address, STR("unix:"));
	int fd = is_unix ? swarm_connect_unix(str_from(address, 5)) : swarm_connect_tcp(address);
	if (fd < 0)
		return problem_set(problem, E_NETWORK, "url", "Could not connect to " STR_FMT ": %s.", STR_ARG(address),
				   strerror(errno));
	struct bee *bee = &swarm->bees[swarm->count];
	*bee = (struct bee){ .fd = fd, .index = swarm->count, .swarm = swarm };
	buf_init(&bee->out, SWARM_BODY_MAX);
	buf_init(&bee->in, SWARM_BODY_MAX);
	swarm->count++;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = bee };
	if (epoll_ctl(swarm->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return problem_set(problem, E_NETWORK, "", "epoll_ctl: %s.", strerror(errno));
	return E_OK;
}

enum err swarm_open(struct str address, struct str token, uint32_t bees, swarm_handler *handler, void *context,
		    struct swarm **out, struct problem *problem)
{
	struct swarm *swarm = mem_zalloc(sizeof(*swarm) + bees * sizeof(swarm->bees[0]));
	if (!swarm)
		return problem_set(problem, E_NOMEM, "", "No memory for %u connections.", bees);
	swarm->handler = handler;
	swarm->context = context;
	buf_init(&swarm->auth, 4096);
	if (token.len)
		buf_addf(&swarm->auth, "Authorization: Bearer " STR_FMT "\r\n", STR_ARG(token));
	enum err err = E_OK;
	swarm->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (swarm->epoll < 0)
		err = problem_set(problem, E_NETWORK, "", "epoll_create1: %s.", strerror(errno));
	while (!err && swarm->count < bees)
		err = swarm_add(swarm, address, problem);
	if (err) {
		swarm_close(swarm);
		return err;
	}
	*out = swarm;
	return E_OK;
}

void swarm_close(struct swarm *swarm)
{
	if (!swarm)
		return;
	for (uint32_t i = 0; i < swarm->count; i++) {
		close(swarm->bees[i].fd);
		buf_fini(&swarm->bees[i].out);
		buf_fini(&swarm->bees[i].in);
	}
	if (swarm->epoll >= 0)
		close(swarm->epoll);
	buf_fini(&swarm->auth);
	mem_free(swarm);
}

struct bee *swarm_bee(struct swarm *swarm, uint32_t index)
{
	CHECK(index < swarm->count);
	return &swarm->bees[index];
}

/* ---- sending ---- */

enum err swarm_head(const struct swarm *swarm, const char *method, const char *path, struct buf *out)
{
	buf_addf(out, "%s %s HTTP/1.1\r\nHost: ruche\r\n", method, path);
	buf_add(out, buf_str(&swarm->auth));
	buf_add_lit(out, "Content-Type: application/json\r\nContent-Length: ");
	return buf_ok(out) ? E_OK : E_NOMEM;
}

static void swarm_fail(struct swarm *swarm, enum err err, const char *what)
{
	if (!swarm->err)
		swarm->err = problem_set(swarm->problem, err, "", "%s", what);
}

static void bee_watch(struct bee *bee, bool write)
{
	struct epoll_event event = { .events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = bee };
	if (bee->blocked != write)
		CHECK(epoll_ctl(bee->swarm->epoll, EPOLL_CTL_MOD, bee->fd, &event) == 0);
	bee->blocked = write;
}

static void bee_flush(struct bee *bee)
{
	while (bee->out_sent < bee->out.len) {
		ssize_t n = send(bee->fd, bee->out.ptr + bee->out_sent, bee->out.len - bee->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			bee_watch(bee, true);
			return;
		}
		if (n < 0) {
			swarm_fail(bee->swarm, E_NETWORK, "The daemon closed a connection while a request was being sent.");
			return;
		}
		bee->out_sent += (size_t)n;
	}
	bee_watch(bee, false);
}

void swarm_send(struct bee *bee, struct str head, struct str body)
{
	CHECK(!bee->waiting);
	bee->waiting = true;
	bee->swarm->waiting++;
	bee->answer_end = 0;
	bee->out_sent = 0;
	buf_clear(&bee->in);
	buf_clear(&bee->out);
	buf_add(&bee->out, head);
	buf_add_u64(&bee->out, body.len);
	buf_add_lit(&bee->out, "\r\n\r\n");
	buf_add(&bee->out, body);
	if (!buf_ok(&bee->out)) {
		swarm_fail(bee->swarm, E_NOMEM, "No memory for a request.");
		return;
	}
	bee->sent_us = clock_mono_us();
	bee_flush(bee);
}

/* ---- answers ---- */

/* The value of Content-Length in a head; false when there is none. */
static bool bee_content_length(struct str head, size_t *out)
{
	struct str name = STR("\ncontent-length:");
	for (size_t at = 0; at + name.len < head.len; at++) {
		if (head.ptr[at] != '\n' || !str_eq_nocase((struct str){ head.ptr + at, name.len }, name))
			continue;
		struct str rest = str_from(head, at + name.len);
		rest = str_trim((struct str){ rest.ptr, str_index(rest, '\r') });
		uint64_t length;
		if (!str_u64(rest, &length) || length > SWARM_BODY_MAX)
			return false;
		*out = (size_t)length;
		return true;
	}
	return false;
}

static void bee_read_head(struct bee *bee)
{
	char *end = memmem(bee->in.ptr, bee->in.len, "\r\n\r\n", 4);
	if (!end)
		return;
	size_t head_bytes = (size_t)(end - bee->in.ptr) + 4;
	uint64_t status;
	if (head_bytes < 16 || !str_u64((struct str){ bee->in.ptr + 9, 3 }, &status)) {
		swarm_fail(bee->swarm, E_NETWORK, "An answer was not HTTP.");
		return;
	}
	size_t body_bytes = 0;
	if (!bee_content_length((struct str){ bee->in.ptr, head_bytes }, &body_bytes) && status != 204) {
		swarm_fail(bee->swarm, E_NETWORK, "An answer had no Content-Length.");
		return;
	}
	bee->status = (int)status;
	bee->body_begin = head_bytes;
	bee->answer_end = head_bytes + body_bytes;
}

static void bee_read(struct bee *bee)
{
	struct swarm *swarm = bee->swarm;
	char *room = buf_reserve(&bee->in, SWARM_READ_BYTES);
	if (!room) {
		swarm_fail(swarm, E_NOMEM, "No memory for an answer.");
		return;
	}
	ssize_t n = recv(bee->fd, room, bee->in.capacity - bee->in.len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		swarm_fail(swarm, E_NETWORK, "The daemon closed a connection.");
		return;
	}
	bee->in.len += (size_t)n;
	if (!bee->answer_end)
		bee_read_head(bee);
	if (bee->answer_end && bee->in.len >= bee->answer_end && bee->waiting) {
		bee->waiting = false;
		swarm->waiting--;
		struct str body = { bee->in.ptr + bee->body_begin, bee->answer_end - bee->body_begin };
		if (swarm->handler)
			swarm->handler(swarm->context, bee, bee->status, body);
	}
}

enum err swarm_run(struct swarm *swarm, int64_t until_us, struct problem *problem)
{
	swarm->stopped = false;
	swarm->problem = problem;
	struct epoll_event events[SWARM_EVENTS];
	while (!swarm->err && !swarm->stopped && swarm->waiting) {
		int64_t left_us = until_us - clock_mono_us();
		if (left_us <= 0)
			return E_TIMEOUT;
		struct timespec wait = { .tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000 };
		int n = epoll_pwait2(swarm->epoll, events, SWARM_EVENTS, &wait, NULL);
		for (int i = 0; i < n; i++) {
			struct bee *bee = events[i].data.ptr;
			if (events[i].events & EPOLLOUT)
				bee_flush(bee);
			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				bee_read(bee);
		}
	}
	return swarm->err;
}

void swarm_stop(struct swarm *swarm)
{
	swarm->stopped = true;
}

enum err swarm_call(struct swarm *swarm, const char *method, const char *path, struct str request, int *status, struct str *body,
		    struct problem *problem)
{
	struct bee *bee = swarm_bee(swarm, 0);
	struct buf head;
	buf_init(&head, 16384);
	enum err err = swarm_head(swarm, method, path, &head);
	swarm_handler *handler = swarm->handler;
	swarm->handler = NULL; /* this answer is ours */
	if (!err) {
		swarm_send(bee, buf_str(&head), request);
		err = swarm_run(swarm, clock_mono_us() + SWARM_CALL_WAIT_US, problem);
	}
	swarm->handler = handler;
	buf_fini(&head);
	if (err)
		return err == E_TIMEOUT ? problem_set(problem, err, "", "The daemon did not answer %s %s.", method, path) : err;
	*status = bee->status;
	*body = (struct str){ bee->in.ptr + bee->body_begin, bee->answer_end - bee->body_begin };
	return E_OK;
}
