/* src/store/changeset.h: everything that one batch changes, as rows: the unit of commit. The engine fills it, the store makes it
 * durable whole or not at all, in the order of seq. Rows are final values, coalesced per row; attempts, events, log lines and
 * count deltas are additions and never coalesced away. Deletes apply before inserts, ranges last; what hangs on a job (attempts, lines,
 * progress, bodies) goes with it, also when it came in the same change-set, if only a write NONE→NONE tells of the job. */
#pragma once
#include "base/arena.h"
#include "store/row.h"

enum job_table { TABLE_NONE, TABLE_LIVE, TABLE_DONE };

struct job_write {
	struct job_row row;                        /* as it is after */
	enum job_table before, after;              /* where its row was and is: NONE→LIVE enqueue, LIVE→LIVE update, LIVE→DONE finish,
	                                            * NONE→DONE both at once, DONE→LIVE retry, →NONE delete with all that belongs to it */
	const struct job_definition *definition;   /* before NONE (and after not NONE) */
	const struct job_result *result;           /* after DONE; NULL keeps what is there for DONE→DONE */
};
struct body_chunk {
	uint64_t number;    /* of the body */
	uint32_t index;     /* 0, 1, … */
	struct str bytes;
};
struct range_delete { /* final jobs of a queue in one state, finished at or before (finished_us, uid): retention's own operation */
	uint32_t queue;
	enum job_state state;
	int64_t up_to_us;
	uint64_t up_to_uid; /* ties */
	uint64_t expected; /* the engine's: how many it will be, when it knows */
	uint64_t removed, removed_bytes; /* set by the store before the outcome is told; it lowers the queue's counts itself */
};
struct log_trim { /* of a job's log lines only the newest stay */
	uint64_t uid;
	uint32_t keep;
	uint32_t after;     /* so many lines of the change-set are added before */
};
struct progress_row {
	uint64_t uid;
	int64_t at_us;
	struct str json;
};

struct metric_add { /* added to what the minute has */
	struct metric_row row;
	int64_t keep_from;  /* the queue's minutes before it go; 0: none */
};
struct event_trim { /* of a queue's events, before those that this change-set adds: at least the newest `keep` stay, whole commits go, the oldest
                     * first, at most LIMIT_TRIM_ROWS of them */
	uint32_t queue;
	uint64_t keep;
	uint64_t removed;   /* events; set by the store before the outcome is told, as the rest: */
	uint64_t up_to_seq; /* they were of this commit or before; 0: nothing was trimmed */
	bool more;          /* the limit was reached */
	struct op_result *asker; /* the engine's */
};

struct message_range { /* messages that are expanded and that no job names any more: retention's, too. Their bodies go with them */
	uint64_t after_uid, up_to_uid; /* those above, up to and with */
	uint32_t max;       /* so many are looked at */
	uint64_t removed;   /* set by the store before the outcome is told, as the next: */
	uint64_t next_uid;  /* all up to here were looked at; up_to_uid: that was all */
};
struct entity_range { /* of an endpoint that is gone */
	uint32_t endpoint;
	uint32_t max;
	uint64_t removed;   /* set by the store before the outcome is told; below max: that was all */
};

#define CHANGE_LIST(type) struct { type *items; uint32_t count, capacity; }

struct changeset {
	uint64_t seq;               /* commit_seq after it */
	uint64_t term;
	int64_t engine_us;          /* engine time, saved with each commit */
	int64_t wall_us;
	uint64_t last_uid;          /* the makers never go below it again */
	uint64_t next_body;
	struct arena arena;         /* holds what the rows point to, unless a request's memory holds it */
	CHANGE_LIST(struct job_write) jobs;
	CHANGE_LIST(struct attempt_row) attempts;
	CHANGE_LIST(struct body_chunk) chunks;
	CHANGE_LIST(uint64_t) staged;        /* bodies begun here or before and not yet referenced: swept after a crash */
	CHANGE_LIST(uint64_t) unstaged;      /* bodies that a row references from now on */
	CHANGE_LIST(uint64_t) dropped_bodies;
	CHANGE_LIST(struct log_row) logs;
	CHANGE_LIST(struct log_trim) log_trims;
	CHANGE_LIST(struct progress_row) progress;
	CHANGE_LIST(struct queue_row) queues;
	CHANGE_LIST(uint32_t) dropped_queues; /* empty queues only: the engine made sure */
	CHANGE_LIST(struct group_row) groups;       /* insert or replace, or delete; in order: the last word on a group counts */
	CHANGE_LIST(struct budget_row) budgets;     /* insert or replace, or delete with its permits; of one number the last counts */
	CHANGE_LIST(struct permit_row) permits;     /* the same, of one limit and token */
	CHANGE_LIST(struct dedup_row) dedups;       /* insert or replace, or delete; of one key the last counts */
	CHANGE_LIST(struct chain_row) chains;       /* insert or replace, or delete; in order */
	CHANGE_LIST(struct edge_row) edges;         /* insert or replace, update, or delete; in order, after jobs. A job that goes takes those to
	                                             * its children along */
	CHANGE_LIST(struct named_row) nameds;       /* insert or replace, or delete; in order */
	CHANGE_LIST(struct message_row) messages;   /* insert, or update; in order, before jobs */
	CHANGE_LIST(struct entity_row) entities;    /* insert or merge, or delete; in order, after jobs */
	CHANGE_LIST(struct message_range) message_ranges; /* after the ranges of jobs */
	CHANGE_LIST(struct entity_range) entity_ranges;
	CHANGE_LIST(struct policy_row) policies;
	CHANGE_LIST(struct queue_counts) counts;    /* deltas, to be added (as two's complement) */
	CHANGE_LIST(struct metric_add) metrics;
	CHANGE_LIST(struct event_row) events;
	CHANGE_LIST(struct event_trim) event_trims;
	CHANGE_LIST(struct range_delete) ranges;
	uint64_t events_up_to;      /* event rows of this seq and below go; 0: none */
	CHANGE_LIST(struct token_row) tokens;       /* insert or replace */
	CHANGE_LIST(struct operation_row) operations;
	CHANGE_LIST(struct idempotency_row) idempotency;
	int64_t idempotency_before_us; /* records older than this go; 0: none */
};

/* Grows the list by one zeroed item from the arena and returns it, or NULL (E_NOMEM). */
#define change_add(cs, list) \
	((__typeof__((cs)->list.items))changeset_grow(&(cs)->arena, (void **)&(cs)->list.items, &(cs)->list.count, \
	                                              &(cs)->list.capacity, sizeof(*(cs)->list.items)))
void *changeset_grow(struct arena *arena, void **items, uint32_t *count, uint32_t *capacity, size_t item_bytes);
bool changeset_is_empty(const struct changeset *cs);
bool changeset_makes_jobs(const struct changeset *cs); /* or brings a part of a payload: the first to be refused where room is short */
