#include "cli/bench_target.h"
#include "base/check.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TARGET_BUFFER_BYTES 16384u
#define TARGET_BACKLOG      512

struct target_client {
	LIST_ENTRY(target_client) link;
	int fd;
	bool dead;
	size_t len;
	char bytes[TARGET_BUFFER_BYTES];
};

/* The bytes of the first request in the buffer, 0 while it is not whole. *head: of them, up to the body. */
static size_t target_request_bytes(const struct target_client *client, size_t *head)
{
	const char *end = memmem(client->bytes, client->len, "\r\n\r\n", 4);
	if (!end)
		return 0;
	*head = (size_t)(end - client->bytes) + 4;
	const char *length = NULL;
	for (const char *at = client->bytes; at && !length && at < end; at = memchr(at, '\n', (size_t)(end - at)), at = at ? at + 1 : NULL) {
		if (strncasecmp(at, "content-length:", 15) == 0)
			length = at + 15;
	}
	size_t whole = *head + (length ? strtoul(length, NULL, 10) : 0);
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
	if (client->dead)
		return true;
	client->len += (size_t)n;
	for (size_t head, whole; (whole = target_request_bytes(client, &head)) != 0;) {
		if (target->look)
			target->look(target->context, (struct str){ client->bytes, head }, (struct str){ client->bytes + head, whole - head });
		memmove(client->bytes, client->bytes + whole, client->len - whole);
		client->len -= whole;
		if (send(client->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(answer) - 1)
			return false;
		atomic_fetch_add(&target->answered, 1);
	}
	return client->len < sizeof(client->bytes);
}

static void target_accept(struct target *target, const struct target_door *door)
{
	int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC);
	struct target_client *client = fd >= 0 ? mem_alloc(sizeof(*client)) : NULL;
	if (!client) {
		if (fd >= 0)
			close(fd);
		return;
	}
	client->fd = fd;
	client->len = 0;
	client->dead = door->dead;
	LIST_INSERT_HEAD(&target->clients, client, link);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	CHECK(epoll_ctl(target->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = client }) == 0);
}

static void target_drop(struct target_client *client)
{
	close(client->fd);
	LIST_REMOVE(client, link);
	mem_free(client);
}

static bool target_is_door(const struct target *target, const void *ptr)
{
	return (const struct target_door *)ptr >= target->doors && (const struct target_door *)ptr < target->doors + target->door_count;
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
			if (target_is_door(target, client)) {
				target_accept(target, events[i].data.ptr);
			} else if (!target_serve(target, client)) {
				target_drop(client);
			}
		}
	}
}

static enum err target_problem(struct problem *problem)
{
	return problem_set(problem, E_NETWORK, "", "Could not start the receiver: %s.", strerror(errno));
}

enum err target_init(struct target *target, uint32_t doors, struct problem *problem)
{
	*target = (struct target){ .door_capacity = doors };
	target->doors = mem_zalloc_array(doors, sizeof(*target->doors));
	target->epoll = epoll_create1(EPOLL_CLOEXEC);
	target->stop = eventfd(0, EFD_CLOEXEC);
	bool well = target->doors && target->epoll >= 0 && target->stop >= 0 &&
		    epoll_ctl(target->epoll, EPOLL_CTL_ADD, target->stop, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &target->stop }) == 0;
	return well ? E_OK : target_problem(problem);
}

enum err target_open(struct target *target, uint32_t offset, uint16_t port, bool dead, struct problem *problem)
{
	CHECK(target->door_count < target->door_capacity && !target->started);
	struct target_door *door = &target->doors[target->door_count++];
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + offset), .sin_port = htons(port) };
	socklen_t len = sizeof(address);
	door->dead = dead;
	door->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool well = door->fd >= 0 && setsockopt(door->fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0 &&
		    bind(door->fd, (struct sockaddr *)&address, len) == 0 && listen(door->fd, TARGET_BACKLOG) == 0 &&
		    getsockname(door->fd, (struct sockaddr *)&address, &len) == 0 &&
		    epoll_ctl(target->epoll, EPOLL_CTL_ADD, door->fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = door }) == 0;
	door->port = ntohs(address.sin_port);
	return well ? E_OK : target_problem(problem);
}

enum err target_start(struct target *target, struct problem *problem)
{
	target->started = pthread_create(&target->thread, NULL, target_main, target) == 0;
	return target->started ? E_OK : target_problem(problem);
}

void target_stop(struct target *target)
{
	uint64_t one = 1;
	if (target->started && write(target->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(target->thread, NULL);
	while (!LIST_EMPTY(&target->clients))
		target_drop(LIST_FIRST(&target->clients));
	for (uint32_t i = 0; i < target->door_count; i++)
		if (target->doors[i].fd >= 0)
			close(target->doors[i].fd);
	if (target->stop >= 0)
		close(target->stop);
	if (target->epoll >= 0)
		close(target->epoll);
	mem_free(target->doors);
	*target = (struct target){ .epoll = -1, .stop = -1 };
}
