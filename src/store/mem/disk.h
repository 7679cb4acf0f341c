/* src/store/mem/disk.h: what a store in memory holds, and how a change-set changes it. Private to mem/. */
#pragma once
#include <pthread.h>

#include "base/map.h"
#include "base/pool.h"
#include "store/mem/mem.h"

/* Tables of plain rows: those of change-set list `list`; a row with the same key is replaced. Slices are named so that a row can own
 * what they point to. X(table, list, row type, same key (NULL: rows are only added), slices) */
#define MEM_TABLES(X)                                                                                                               \
	X(QUEUES, queues, struct queue_row, queue_same, SLICE(struct queue_row, namespace_name) SLICE(struct queue_row, name)        \
	  SLICE(struct queue_row, settings))                                                                                         \
	X(GROUPS, groups, struct group_row, group_same, SLICE(struct group_row, key) SLICE(struct group_row, settings))              \
	X(BUDGETS, budgets, struct budget_row, budget_same, SLICE(struct budget_row, namespace_name) SLICE(struct budget_row, name)  \
	  SLICE(struct budget_row, settings))                                                                                        \
	X(PERMITS, permits, struct permit_row, permit_same, )                                                                        \
	X(DEDUPS, dedups, struct dedup_row, dedup_same, SLICE(struct dedup_row, key) SLICE(struct dedup_row, owner_id)               \
	  SLICE(struct dedup_row, next_id))                                                                                          \
	X(EDGES, edges, struct edge_row, edge_same, SLICE(struct edge_row, id) SLICE(struct edge_row, value))                        \
	X(CHAINS, chains, struct chain_row, chain_same, SLICE(struct chain_row, key) SLICE(struct chain_row, schedule)               \
	  SLICE(struct chain_row, job) SLICE(struct chain_row, payload) SLICE(struct chain_row, metadata))                           \
	X(POLICIES, policies, struct policy_row, policy_same, SLICE(struct policy_row, json))                                        \
	X(TOKENS, tokens, struct token_row, token_same, SLICE(struct token_row, name) SLICE(struct token_row, hash)                  \
	  SLICE(struct token_row, prefix) SLICE(struct token_row, scopes) SLICE(struct token_row, queues))                           \
	X(OPERATIONS, operations, struct operation_row, operation_same, SLICE(struct operation_row, action)                          \
	  SLICE(struct operation_row, arguments) SLICE(struct operation_row, filter))                                                \
	X(IDEMPOTENCY, idempotency, struct idempotency_row, idempotency_same, SLICE(struct idempotency_row, key)                     \
	  SLICE(struct idempotency_row, answer))                                                                                     \
	X(PROGRESS, progress, struct progress_row, progress_same, SLICE(struct progress_row, json))                                  \
	X(STAGED, staged, uint64_t, staged_same, )                                                                                   \
	X(ATTEMPTS, attempts, struct attempt_row, NULL, SLICE(struct attempt_row, worker) SLICE(struct attempt_row, error)           \
	  SLICE(struct attempt_row, exchange))                                                                                       \
	X(LOGS, logs, struct log_row, NULL, SLICE(struct log_row, line))                                                             \
	X(EVENTS, events, struct event_row, NULL, SLICE(struct event_row, lines))                                                    \
	X(CHUNKS, chunks, struct body_chunk, NULL, SLICE(struct body_chunk, bytes))                                                  \
	X(COUNTS, counts, struct queue_counts, counts_same, )                                                                        \
	X(METRICS, metrics, struct metric_add, metric_same, )                                                                        \
	X(EVENT_TRIMS, event_trims, struct event_trim, event_trim_same, )

#define X(table, list, type, same, slices) MEM_##table,
enum mem_table { MEM_TABLES(X) MEM_TABLE_COUNT };
#undef X

struct mem_rows { /* in the order of their arrival; each row is one allocation with all that its slices point to */
	void **rows;
	uint32_t count, capacity;
};

struct mem_job { /* in the pool; each part is one allocation */
	uint32_t link;               /* the pool's, while free */
	uint64_t uid;                /* 0: free, or not in place yet */
	enum job_table table;
	struct job_definition *definition;
	struct job_row *row;
	struct job_result *result; /* NULL: none */
};

struct mem_disk {
	pthread_mutex_t lock;
	uint32_t stores;             /* open over it */
	struct store_meta meta;
	int64_t wall_us;
	uint64_t first_event_seq;    /* older events were trimmed */
	struct pool jobs;
	struct map by_uid, by_key;   /* of all jobs; of those with an id */
	struct mem_rows tables[MEM_TABLE_COUNT];
};

struct mem_disk *disk_new(void); /* NULL: no memory */
void disk_free(struct mem_disk *disk);
/* All or nothing: E_STALE_TERM, E_CONFLICT (a key that is taken, a row that is not where the change-set says: a bug of the engine),
 * E_NOMEM. */
MUST_USE enum err disk_apply(struct mem_disk *disk, struct changeset *cs);
void disk_sweep(struct mem_disk *disk); /* bodies that were staged and never referenced */
struct mem_job *disk_job(const struct mem_disk *disk, uint64_t uid);                       /* NULL: none */
struct mem_job *disk_job_by_id(const struct mem_disk *disk, uint32_t queue, struct str id);
/* Jobs for which takes() holds, by uid, in the arena. NULL: no memory. */
struct mem_job **disk_jobs(const struct mem_disk *disk, struct arena *arena, bool (*takes)(void *context, const struct mem_job *job),
                           void *context, uint32_t *out_count);
static inline void *disk_row(const struct mem_disk *disk, enum mem_table table, uint32_t i)
{
	return disk->tables[table].rows[i];
}
