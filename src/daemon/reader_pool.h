/* src/daemon/reader_pool.h: threads that answer questions, each on a store connection of its own, so that no list waits for the
 * writer. Quick questions (a job, payloads for workers) are taken before lists and searches, and one thread takes nothing else: a slow
 * search delays no worker. */
#pragma once
#include "store/store.h"

struct reader_pool;
struct reader_pool_config {
	uint32_t threads; /* 2 */
	void *context;
	void (*answered)(void *context, struct question *question); /* on a reader's thread; the taker's from now on */
};
MUST_USE enum err reader_pool_start(const struct reader_pool_config *config, struct store *store, struct reader_pool **out,
				    struct problem *problem);
void reader_pool_ask(struct reader_pool *pool, struct question *question); /* any thread */
/* What waits is answered with E_UNAVAILABLE, what runs is waited for. */
void reader_pool_stop(struct reader_pool *pool);
struct reader_pool_stats {
	uint64_t questions, busy_us;
	uint32_t waiting;
};
void reader_pool_stats(struct reader_pool *pool, struct reader_pool_stats *out);
