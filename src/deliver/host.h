/* src/deliver/host.h: the hosts that are being called (scheme, name and port), so that one of them takes at most so many connections
 * and the others never wait for it. A host is there as long as a delivery names it. One thread. */
#pragma once
#include "base/map.h"
#include "base/pool.h"
#include <sys/queue.h>

struct delivery;
TAILQ_HEAD(delivery_list, delivery);

struct host {
	uint32_t slot;              /* first: the pool's once it is given back */
	uint32_t users;             /* deliveries that name it; 0: the slot is free */
	uint32_t running;
	uint64_t hash;
	struct str origin;          /* owned */
	struct delivery_list held;  /* wait until fewer run */
};
struct host_table {
	struct pool pool;
	struct map map;
	uint64_t seed;
};

void host_table_init(struct host_table *table, uint64_t seed);
void host_table_fini(struct host_table *table);
struct host *host_take(struct host_table *table, struct str origin); /* NULL: no memory */
void host_give(struct host_table *table, struct host *host);         /* NULL is fine */
struct host *host_at(const struct host_table *table, uint32_t slot); /* NULL: none; slots run from 0 to table->pool.used - 1 */
