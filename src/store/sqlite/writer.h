/* src/store/sqlite/writer.h: the thread that owns the connection for writing. It commits whatever queued up while the previous commit
 * was on its way: one transaction, in which every change-set still moves seq by one and gets its own outcome.
 *
 *   BEGIN or a statement fails    rolled back: disk full, no memory, stale term and conflicts are sure; then each alone
 *   COMMIT meets a full disk      the commit's last frame was not written whole: rolled back, sure
 *   anything else fails           unknown, and so is everything until the store is opened again
 *
 * Checkpoints happen here too, after outcomes are told. Private to sqlite/. */
#pragma once
#include <pthread.h>

#include "store/sqlite/apply.h"
#include "store/sqlite/backup.h"
#include "store/sqlite/ballast.h"
#include "store/store.h"

#define WRITER_IN_FLIGHT 4u

struct writer {
	struct store *store;        /* whom to wake */
	struct ballast *ballast;
	/* the thread's */
	sqlite3 *db;
	struct apply apply;
	struct sql_statement begin, commit, rollback;
	bool padded_commits;        /* the file system may lose neighbours of a torn write: frames follow the commit's own */
	uint64_t seq;               /* committed, as far as we know */
	enum err last_err;          /* why what is in flight behind a failure fails */
	int checkpoint_pages;       /* so many in the WAL make a checkpoint worth its while */
	int wal_pages;
	int wal_pages_tried;        /* at the last checkpoint that could not empty the WAL */
	bool warm;                  /* there is memory to give back */
	/* shared */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, rest;  /* something to do; something was done */
	struct outcome ring[WRITER_IN_FLIGHT]; /* the n-th change-set ever stands at n % WRITER_IN_FLIGHT */
	uint64_t submitted, settled, polled;   /* ever */
	bool stopping, copies_forbidden;
	bool broken;                /* until the store is opened again; the thread's, but for take */
	struct backup *backup;
};

/* `db` is the writer's from now on, also when this fails. checkpoint_pages 0: a good number. */
MUST_USE enum err writer_start(struct writer *writer, struct store *store, struct ballast *ballast, uint32_t checkpoint_pages, sqlite3 *db);
/* Waits for what is in flight, then closes the connection. */
void writer_stop(struct writer *writer);
void writer_submit(struct writer *writer, struct changeset *cs);
uint32_t writer_poll(struct writer *writer, struct outcome *out, uint32_t max);
/* With nothing in flight: takes the shard. */
MUST_USE enum err writer_take(struct writer *writer, struct store_meta *out);
/* Copies the store, from one thread at a time; ends when the copy did, or with E_UNAVAILABLE after writer_forbid_copies. */
void writer_backup(struct writer *writer, struct backup *backup, void (*progress)(void *, uint64_t, uint64_t), void *context);
void writer_forbid_copies(struct writer *writer);
