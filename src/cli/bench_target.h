/* src/cli/bench_target.h: the receiver of the bench's deliveries, on a thread of its own. It costs next to nothing: it waits for the end of a request by its
 * Content-Length and answers 200, so that what is measured is the daemon. A door is an address that it listens on; behind a dead one nobody ever
 * answers. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

struct target_client;
struct target_door {
	int fd;
	uint16_t port;
	bool dead;
};
struct target {
	int epoll, stop;
	struct target_door *doors;
	uint32_t door_count, door_capacity;
	/* Called for each request that came whole, on the target's thread, before it is answered; may be NULL. */
	void (*look)(void *context, struct str head, struct str body);
	void *context;
	_Atomic uint64_t answered;
	pthread_t thread;
	bool started;
	LIST_HEAD(, target_client) clients;
};

MUST_USE enum err target_init(struct target *target, uint32_t doors, struct problem *problem); /* room for so many */
/* On 127.0.0.1 + offset, port 0: any. All doors are opened before the start. */
MUST_USE enum err target_open(struct target *target, uint32_t offset, uint16_t port, bool dead, struct problem *problem);
MUST_USE enum err target_start(struct target *target, struct problem *problem);
void target_stop(struct target *target); /* after a failed init or start, too */
