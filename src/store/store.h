/* src/store/store.h: the port to what is durable. Three implementations, one behaviour (store/conformance.c): mem (the readable
 * reference, also the simulator's), sqlite (the default), later postgres.
 *
 * The engine's thread alone calls submit, poll, load and scan. Change-sets are submitted in the order of their seq, several may
 * be in flight, and outcomes come back in the same order; once one fails, all later ones fail too. Every commit checks the shard's
 * row: UPDATE shard SET seq = n+1 WHERE term = t AND seq = n; no row means that another engine took the shard (E_STALE_TERM). */
#pragma once
#include "store/changeset.h"
#include "store/query.h"

struct store;

struct store_meta {
	uint64_t commit_seq;
	uint64_t term;
	int64_t engine_us;     /* engine time of the last commit */
	uint64_t last_uid;
	uint64_t next_body;
	uint32_t last_queue;  /* the highest number that a queue ever had */
	uint32_t last_named;  /* likewise, of named things */
	int64_t created_us;
};

/* What a submitted change-set came to. E_OK: on disk. E_STORE_FULL, E_NOMEM: refused for sure, nothing of it is there, and the store
 * stays usable. E_CONFLICT: so too, but the engine is wrong: a key that is taken, or a row that is not where it says. E_STALE_TERM:
 * another term owns the shard. E_OUTCOME_UNKNOWN: it may or may not be there: the engine must store_reopen and rebuild. */
struct outcome {
	struct changeset *changeset;
	enum err err;
};

struct load_key {
	uint32_t queue;
	struct str id;
};
struct load_message_key {
	struct str namespace_name, key;
};
struct load_delivery { /* of a message to an endpoint */
	uint64_t message;
	struct str endpoint;      /* its name, that of the group; namespace: the message's */
};
struct load_gap { /* the keys of idempotency records next to one that has none */
	struct str below; /* empty: none */
	struct str above; /* ptr NULL: none */
};
/* Asks for jobs by uid and by (queue, id), for idempotency records, for edges above children and below parents, for messages by key and by
 * uid,
 * and for deliveries; answers stand in arrays of the same length. */
struct load {
	const uint64_t *uids;         uint32_t uid_count;
	const struct load_key *keys;  uint32_t key_count;
	const struct str *idempotency; uint32_t idempotency_count;
	bool gaps_wanted;             /* around those that are not there */
	const uint64_t *children;     uint32_t child_count;
	const uint64_t *parents;      uint32_t parent_count;
	const struct load_message_key *message_keys; uint32_t message_key_count;
	const uint64_t *messages;     uint32_t message_count;
	bool messages_bare;           /* without metadata and payload */
	const struct load_delivery *deliveries; uint32_t delivery_count;
	/* answers, in the arena */
	struct job_row *rows;         /* uid 0: not there. row.state tells live from done */
	struct job_definition *definitions; /* of rows, without payload */
	uint64_t *key_uids;           /* 0: free */
	struct idempotency_row *records;  /* key.len 0: not there */
	struct load_gap *gaps;            /* where they were wanted and the record is not there */
	struct edge_row *edges;           uint32_t edge_count; /* of all children, then of all parents, without values; no place each */
	uint64_t *message_key_uids;       /* 0: free */
	struct message_row *message_rows; /* with payload, whole, wherever it was, unless bare; uid 0: not there */
	uint64_t *delivery_uids;          /* the newest job; 0: there is none */
};

/* Room for the answers about messages and deliveries, all zero. For stores. E_NOMEM. */
MUST_USE enum err load_reserve_webhooks(struct load *load, struct arena *arena);

/* Asks for delayed jobs with ROW_FAR of one queue and one clock (ROW_DUE_WALL or not), in the order of (due_us, uid): those after the place
 * given, at most `max`, and none behind the first one that is due after up_to_us. */
struct far_page {
	uint32_t queue;
	bool wall;
	int64_t after_us;
	uint64_t after_uid;
	int64_t up_to_us;
	uint32_t max;
	/* answers, in the arena */
	struct job_row *rows;
	uint32_t count;
	bool more;                    /* there may be more behind the last one */
};

/* Everything a restart needs, in this order: limits, permits, queues, groups, named things by number, policies, counts, tokens, running
 * operations, live jobs, dedup keys, pending edges, chains, messages that are not expanded yet by uid. */
struct scan_visitor {
	void *context;
	enum err (*budget)(void *context, const struct budget_row *row);
	enum err (*permit)(void *context, const struct permit_row *row);
	enum err (*queue)(void *context, const struct queue_row *row);
	enum err (*group)(void *context, const struct group_row *row);
	enum err (*named)(void *context, const struct named_row *row);     /* NULL: none are asked for */
	enum err (*policy)(void *context, const struct policy_row *row);
	enum err (*counts)(void *context, const struct queue_counts *counts);
	enum err (*token)(void *context, const struct token_row *row);
	enum err (*operation)(void *context, const struct operation_row *row);
	enum err (*job)(void *context, const struct job_row *row); /* live ones, by uid */
	/* Of a row with ROW_FAR only uid, queue, state, flags, priority and due_us: *whole asks for the rest, by `job`. NULL: all come whole. */
	enum err (*far)(void *context, const struct job_row *row, bool *whole);
	enum err (*dedup)(void *context, const struct dedup_row *row);
	enum err (*edge)(void *context, const struct edge_row *row);
	enum err (*chain)(void *context, const struct chain_row *row);
	enum err (*expansion)(void *context, const struct message_row *row); /* without metadata and payload. NULL: none are asked for */
};

struct store_verbs {
	/* Takes the shard: a new term, above every earlier one; sweeps bodies that were staged and never referenced. Tells where the store
	 * stands. Nothing may be in flight. */
	enum err (*take)(struct store *store, struct store_meta *out);
	/* May be called while fewer than in_flight_max are unpolled. The change-set stays the engine's memory and must not change. */
	void (*submit)(struct store *store, struct changeset *changeset);
	/* Outcomes that are there, oldest first, at most max; waits for none. */
	uint32_t (*poll)(struct store *store, struct outcome *out, uint32_t max);
	/* Reads committed rows: at least all those whose outcome was polled. */
	enum err (*load)(struct store *store, struct load *load, struct arena *arena);
	/* Finish instant and uid of the n-th oldest final job (n from 1) of a queue in a state, and the bytes of all up to it; *out_uid 0 when
	 * there are fewer. For retention's slices (n at most LIMIT_SLICE_JOBS). */
	enum err (*nth_final)(struct store *store, uint32_t queue, enum job_state state, uint32_t n, int64_t *out_us, uint64_t *out_uid,
	                      uint64_t *out_bytes);
	/* For jobs that come back into memory; of committed rows, as load. */
	enum err (*far)(struct store *store, struct far_page *page, struct arena *arena);
	enum err (*scan)(struct store *store, const struct scan_visitor *visitor);
	/* After an unknown outcome: close everything, open again. Then take and scan. Readers go on by themselves. */
	enum err (*reopen)(struct store *store, struct problem *problem);
	enum err (*reader_open)(struct store *store, struct reader **out); /* any thread may use the reader, one at a time */
	/* A consistent copy while running, into a new file (E_CONFLICT when it exists). progress may be NULL. Any thread. */
	enum err (*backup)(struct store *store, const char *path, void (*progress)(void *context, uint64_t done, uint64_t total),
	                   void *context, struct problem *problem);
	void (*close)(struct store *store); /* waits for what is in flight; outcomes not polled are lost */
};
struct store {
	const struct store_verbs *verbs;
	uint32_t in_flight_max;
	void (*wake)(void *context); /* set by the owner: called from any thread when an outcome is there */
	void *wake_context;
};
struct reader {
	enum err (*run)(struct reader *reader, const struct query *query, struct arena *arena, struct answer *out);
	void (*close)(struct reader *reader);
};

/* ---- the stores ---- */
struct store_sqlite_options {
	const char *path;        /* ":memory:" is refused: use mem */
	const char *vfs;         /* NULL: the system's; tests name theirs */
	uint64_t reserve_bytes;  /* disk kept free for completions when enqueues get 507 (0: none) */
	uint32_t checkpoint_pages; /* of the WAL; 0: 500 */
	bool create;
	bool unlocked;           /* tests: no lock file, so that two stores over one file can fight for its term */
};
/* Opens or makes the file, migrates its schema forward. E_STORE_NEWER, E_STORE_LOCKED (another daemon has it: an exclusive lock file
 * beside it), E_STORE_CORRUPT, E_IO; the problem names the file and what to do. */
MUST_USE enum err store_sqlite_open(const struct store_sqlite_options *options, struct store **out, struct problem *problem);
/* The same copy as the verb's, of a store that another process may have open; without its lock. E_CONFLICT when `to` exists. */
MUST_USE enum err store_sqlite_backup_file(const char *path, const char *to, void (*progress)(void *context, uint64_t done, uint64_t total),
                                           void *context, struct problem *problem);
const char *store_sqlite_library(void); /* "3.40.1": of SQLite, as loaded */
struct store_sqlite_report {
	bool ours;                    /* a file of ruche's */
	bool locked;                  /* a daemon has it open */
	uint32_t version, supported;  /* of the format: the file's, this program's */
	uint64_t file_bytes, wal_bytes;
	char integrity[256];          /* "ok", or the first thing that is wrong */
};
/* Looks at a store, for `ruche doctor`: changes nothing, waits for nobody. deep: every index too. */
MUST_USE enum err store_sqlite_inspect(const char *path, bool deep, struct store_sqlite_report *out, struct problem *problem);
/* A store in memory. in_flight_max submissions stay unanswered until store_mem_settle, so that a simulator decides when and how. */
MUST_USE enum err store_mem_open(struct store **out);
