/* Deliveries: an http queue, 100 calls at once, to a receiver on a thread of its own that costs next to nothing: it waits for the
 * end of a request by its Content-Length and answers 200, so that what is measured is the daemon. */
#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TARGET_BUFFER_BYTES 16384u
#define TARGET_CONCURRENCY  100
#define TARGET_STALL_US     INT64_C(300000000)

struct target_client {
	struct target_client *next;
	int fd; /* -1: gone; freed at the end */
	size_t len;
	char bytes[TARGET_BUFFER_BYTES];
};
struct target {
	int listener, epoll, stop;
	uint16_t port;
	_Atomic uint64_t answered;
	pthread_t thread;
	bool started;
	struct target_client *clients;
};

/* The bytes of the first request in the buffer, 0 while it is not whole. */
static size_t target_request_bytes(const struct target_client *client)
{
	const char *end = memmem(client->bytes, client->len, "\r\n\r\n", 4);
	if (!end)
		return 0;
	size_t head = (size_t)(end - client->bytes) + 4;
	const char *length = NULL;
	for (const char *at = client->bytes; at && !length && at < end; at = memchr(at, '\n', (size_t)(end - at)), at = at ? at + 1 : NULL) {
		if (strncasecmp(at, "content-length:", 15) == 0)
			length = at + 15;
	}
	size_t whole = head + (length ? strtoul(length, NULL, 10) : 0);
	return client->len >= whole ? whole : 0;
}

static bool target_serve(struct target *target, struct target_client *client)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok";
	ssize_t n = recv(client->fd, client->bytes + client->len, sizeof(client->bytes) - client->len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	client->len += (size_t)n;
	for (size_t whole; (whole = target_request_bytes(client)) != 0;) {
		memmove(client->bytes, client->bytes + whole, client->len - whole);
		client->len -= whole;
		if (send(client->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(answer) - 1)
			return false;
		atomic_fetch_add(&target->answered, 1);
	}
	return client->len < sizeof(client->bytes);
}

static void target_accept(struct target *target)
{
	int fd = accept4(target->listener, NULL, NULL, SOCK_CLOEXEC);
	struct target_client *client = fd >= 0 ? mem_zalloc(sizeof(*client)) : NULL;
	if (!client) {
		if (fd >= 0)
			close(fd);
		return;
	}
	client->fd = fd;
	client->next = target->clients;
	target->clients = client;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	CHECK(epoll_ctl(target->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = client }) == 0);
}

static void *target_main(void *argument)
{
	struct target *target = argument;
	struct epoll_event events[64];
	for (;;) {
		int n = epoll_wait(target->epoll, events, (int)ARRAY_COUNT(events), -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &target->stop)
				return NULL;
			struct target_client *client = events[i].data.ptr;
			if (events[i].data.ptr == &target->listener) {
				target_accept(target);
			} else if (!target_serve(target, client)) {
				close(client->fd);
				client->fd = -1;
			}
		}
	}
}

static enum err target_start(struct target *target, struct problem *problem)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	target->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	target->epoll = epoll_create1(EPOLL_CLOEXEC);
	target->stop = eventfd(0, EFD_CLOEXEC);
	bool well = target->listener >= 0 && target->epoll >= 0 && target->stop >= 0 &&
		    bind(target->listener, (struct sockaddr *)&address, len) == 0 && listen(target->listener, 512) == 0 &&
		    getsockname(target->listener, (struct sockaddr *)&address, &len) == 0 &&
		    epoll_ctl(target->epoll, EPOLL_CTL_ADD, target->listener,
			      &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &target->listener }) == 0 &&
		    epoll_ctl(target->epoll, EPOLL_CTL_ADD, target->stop,
			      &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &target->stop }) == 0;
	target->port = ntohs(address.sin_port);
	if (well)
		target->started = well = pthread_create(&target->thread, NULL, target_main, target) == 0;
	return well ? E_OK : problem_set(problem, E_NETWORK, "", "Could not start the receiver: %s.", strerror(errno));
}

static void target_stop(struct target *target)
{
	uint64_t one = 1;
	if (target->started && write(target->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(target->thread, NULL);
	for (struct target_client *client = target->clients, *next; client; client = next) {
		next = client->next;
		if (client->fd >= 0)
			close(client->fd);
		mem_free(client);
	}
	close(target->stop);
	close(target->epoll);
	close(target->listener);
}

static enum err deliveries_call(struct bench *bench, struct swarm *swarm, const char *method, const char *path, const char *text)
{
	int status;
	struct str body;
	enum err err = swarm_call(swarm, method, path, str_of(text), &status, &body, &bench->problem);
	return err || status / 100 == 2 ? err : bench_fail(bench, path, status, body);
}

/* Counts by asking now and then: the last completion is what ends the measure. */
static enum err deliveries_wait(struct bench *bench, struct swarm *swarm, struct target *target, uint64_t jobs)
{
	int64_t until_us = clock_mono_us() + TARGET_STALL_US;
	uint64_t done = 0;
	enum err err = E_OK;
	while (!err && done < jobs) {
		usleep(atomic_load(&target->answered) < jobs ? 20000 : 1000);
		err = bench_count(bench, swarm, "/v1/queues/" BENCH_QUEUE, "ended.completed", &done);
		if (!err && done < jobs && clock_mono_us() > until_us)
			err = problem_set(&bench->problem, E_TIMEOUT, "", "%llu of %llu deliveries were made.", (unsigned long long)done,
					  (unsigned long long)jobs);
	}
	return err;
}

enum err bench_http_deliveries(struct bench *bench)
{
	uint64_t jobs = ((bench->jobs ? bench->jobs : 50000) + 999) / 1000 * 1000;
	struct target target = { .listener = -1, .epoll = -1, .stop = -1 };
	struct swarm *swarm = NULL;
	char settings[256];
	enum err err = target_start(&target, &bench->problem);
	snprintf(settings, sizeof(settings), "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1:%u/hook\"},\"concurrency\":%u}", target.port,
		 bench->connections ? bench->connections : TARGET_CONCURRENCY);
	if (!err)
		err = bench_swarm(bench, 1, NULL, NULL, &swarm);
	if (!err)
		err = deliveries_call(bench, swarm, "PUT", "/v1/queues/" BENCH_QUEUE, settings);
	if (!err)
		err = deliveries_call(bench, swarm, "POST", "/v1/queues/" BENCH_QUEUE "/pause", "");
	if (!err)
		err = bench_fill(bench, jobs);
	int64_t begun_us = clock_mono_us();
	if (!err)
		err = deliveries_call(bench, swarm, "POST", "/v1/queues/" BENCH_QUEUE "/resume", "");
	if (!err)
		err = deliveries_wait(bench, swarm, &target, jobs);
	if (!err)
		bench->value[0] = (double)jobs * 1e6 / (double)(clock_mono_us() - begun_us);
	swarm_close(swarm);
	target_stop(&target);
	return err;
}
