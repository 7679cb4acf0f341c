#include "store/sqlite/writer.h"
#include "base/check.h"
#include "store/sqlite/connection.h"

#include <errno.h>
#include <time.h>

#define WRITER_CHECKPOINT_PAGES 500 /* a small WAL is overwritten in place, which syncs twice as fast as a growing one */
#define WRITER_RESTART_PAGES    8000 /* readers kept it from restarting: wait for them a little */
#define WRITER_RESTART_WAIT_MS  50
#define WRITER_IDLE_S           2    /* then memory is given back */

static struct outcome *ring_at(struct writer *writer, uint64_t nth)
{
	return &writer->ring[nth % WRITER_IN_FLIGHT];
}

static enum err writer_run(struct writer *writer, struct sql_statement *statement)
{
	enum err err = sql_prepare(writer->db, statement);
	return err ? err : sql_run(statement->prepared);
}

/* ---- a transaction ---- */

static bool writer_is_sure(enum err err) /* of nothing having been written, once it is rolled back */
{
	return err == E_STORE_FULL || err == E_NOMEM || err == E_STALE_TERM || err == E_CONFLICT;
}

static enum err writer_roll_back(struct writer *writer, enum err err)
{
	bool sure = writer_is_sure(err);
	if (!sqlite3_get_autocommit(writer->db) && (writer_run(writer, &writer->rollback) || !sqlite3_get_autocommit(writer->db)))
		sure = false;
	return sure ? err : E_OUTCOME_UNKNOWN;
}

/* The next n of the ring in one transaction. */
static enum err writer_transact(struct writer *writer, uint64_t from, uint32_t n)
{
	enum err err = writer_run(writer, &writer->begin);
	for (uint32_t i = 0; i < n && !err; i++)
		err = apply_changeset(&writer->apply, ring_at(writer, from + i)->changeset);
	if (err)
		return writer_roll_back(writer, err);
	err = writer_run(writer, &writer->commit);
	if (err) {
		bool torn_for_sure = err == E_STORE_FULL && !writer->padded_commits;
		return writer_roll_back(writer, torn_for_sure ? err : E_OUTCOME_UNKNOWN);
	}
	writer->seq = ring_at(writer, from + n - 1)->changeset->seq;
	return E_OK;
}

/* ---- a full disk ---- */

static enum err writer_transact_one(struct writer *writer, uint64_t at)
{
	const struct changeset *cs = ring_at(writer, at)->changeset;
	if (cs->seq != writer->seq + 1 && writer->last_err)
		return writer->last_err; /* it was built upon one that failed */
	bool enqueues = changeset_makes_jobs(cs);
	if (!ballast_restore(writer->ballast) && enqueues)
		return E_STORE_FULL; /* what is left is for completions */
	enum err err = writer_transact(writer, at, 1);
	if (err == E_STORE_FULL) { /* an emptied WAL can be overwritten */
		sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		err = writer_transact(writer, at, 1);
	}
	if (err == E_STORE_FULL && !enqueues && ballast_throw(writer->ballast))
		err = writer_transact(writer, at, 1);
	return err;
}

/* ---- what queued up ---- */

static bool writer_can_group(struct writer *writer, uint64_t from, uint32_t n)
{
	if (n < 2 || !ballast_restore(writer->ballast))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (ring_at(writer, from + i)->changeset->seq != writer->seq + 1 + i)
			return false;
	return true;
}

static void writer_commit(struct writer *writer, uint64_t from, uint32_t n)
{
	if (!writer->broken && writer_can_group(writer, from, n)) {
		enum err err = writer_transact(writer, from, n);
		writer->broken = err == E_OUTCOME_UNKNOWN;
		if (!err) {
			writer->last_err = E_OK;
			for (uint32_t i = 0; i < n; i++)
				ring_at(writer, from + i)->err = E_OK;
			return;
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		enum err err = writer->broken ? E_OUTCOME_UNKNOWN : writer_transact_one(writer, from + i);
		writer->broken |= err == E_OUTCOME_UNKNOWN;
		ring_at(writer, from + i)->err = writer->last_err = err;
	}
}

/* ---- checkpoints, and memory ---- */

static int writer_count_pages(void *context, sqlite3 *db, const char *name, int pages)
{
	(void)db;
	(void)name;
	((struct writer *)context)->wal_pages = pages;
	return SQLITE_OK;
}

static void writer_checkpoint(struct writer *writer)
{
	if (writer->broken || writer->wal_pages < writer->checkpoint_pages + writer->wal_pages_tried)
		return;
	int pages = 0, moved = 0, mode = SQLITE_CHECKPOINT_PASSIVE;
	if (writer->wal_pages >= WRITER_RESTART_PAGES) {
		mode = SQLITE_CHECKPOINT_RESTART;
		sqlite3_busy_timeout(writer->db, WRITER_RESTART_WAIT_MS);
	}
	int code = sqlite3_wal_checkpoint_v2(writer->db, NULL, mode, &pages, &moved);
	if (mode == SQLITE_CHECKPOINT_RESTART)
		sqlite3_busy_timeout(writer->db, 5000);
	/* Some reader still needs the older pages: try again when as many more have come. */
	writer->wal_pages_tried = moved < pages ? writer->wal_pages : 0;
	if (code == SQLITE_OK && moved == pages)
		writer->wal_pages = 0;
	enum err err = sql_err(code);
	if (err && err != E_STORE_FULL && err != E_NOMEM && err != E_STORE_LOCKED)
		writer->broken = true; /* a sync failed: nothing more goes through this connection */
}

static void writer_rest(struct writer *writer) /* with the lock: until there is something to do */
{
	struct timespec until;
	if (!writer->warm) {
		CHECK(pthread_cond_wait(&writer->work, &writer->lock) == 0);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WRITER_IDLE_S;
	int code = pthread_cond_timedwait(&writer->work, &writer->lock, &until);
	CHECK(code == 0 || code == ETIMEDOUT);
	if (code == ETIMEDOUT) {
		sqlite3_db_release_memory(writer->db);
		writer->warm = false;
	}
}

/* ---- the thread ---- */

static void writer_work(struct writer *writer) /* with the lock */
{
	uint64_t from = writer->settled;
	uint32_t n = (uint32_t)(writer->submitted - from);
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	writer_commit(writer, from, n);
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	writer->settled += n;
	writer->warm = true;
	CHECK(pthread_cond_broadcast(&writer->rest) == 0);
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	if (writer->store->wake)
		writer->store->wake(writer->store->wake_context);
	writer_checkpoint(writer);
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
}

static void writer_copy(struct writer *writer) /* with the lock: the backup's next pages */
{
	struct backup *backup = writer->backup, next = *backup;
	bool abort = writer->broken || writer->copies_forbidden;
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	if (abort)
		backup_abort(&next, E_UNAVAILABLE);
	else
		backup_step(&next, writer->db, BACKUP_STEP_PAGES);
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	*backup = next;
	if (next.ended)
		writer->backup = NULL;
	CHECK(pthread_cond_broadcast(&writer->rest) == 0);
}

static void *writer_main(void *argument)
{
	struct writer *writer = argument;
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	for (;;) {
		if (writer->submitted > writer->settled)
			writer_work(writer);
		if (writer->backup)
			writer_copy(writer);
		else if (writer->submitted == writer->settled && writer->stopping)
			break;
		else if (writer->submitted == writer->settled)
			writer_rest(writer);
	}
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	return NULL;
}

/* ---- from other threads ---- */

void writer_submit(struct writer *writer, struct changeset *cs)
{
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	CHECK(writer->submitted - writer->polled < WRITER_IN_FLIGHT);
	*ring_at(writer, writer->submitted++) = (struct outcome){ cs, E_OK };
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	CHECK(pthread_cond_signal(&writer->work) == 0); /* not before: it would wake up and wait for the lock */
}

uint32_t writer_poll(struct writer *writer, struct outcome *out, uint32_t max)
{
	uint32_t given = 0;
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	while (given < max && writer->polled < writer->settled)
		out[given++] = *ring_at(writer, writer->polled++);
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	return given;
}

static enum err writer_take_shard(struct writer *writer)
{
	enum err err = writer_run(writer, &writer->begin);
	if (!err)
		err = sql_exec(writer->db, "UPDATE shard SET term = term + 1 WHERE id = 1;"
		                           "DELETE FROM body WHERE number IN (SELECT number FROM staged_body); DELETE FROM staged_body");
	if (err)
		return writer_roll_back(writer, err);
	err = writer_run(writer, &writer->commit);
	return err ? writer_roll_back(writer, err == E_STORE_FULL && !writer->padded_commits ? err : E_OUTCOME_UNKNOWN) : E_OK;
}

static enum err writer_read_meta(struct writer *writer, struct store_meta *out)
{
	struct sql_statement meta = { "SELECT seq, term, engine_us, last_uid, next_body, created_us, last_queue, last_named FROM shard WHERE id = 1", NULL };
	bool found = false;
	enum err err = sql_prepare(writer->db, &meta);
	if (!err)
		err = sql_step(meta.prepared, &found);
	if (found)
		*out = (struct store_meta){ .commit_seq = sql_u64(meta.prepared, 0), .term = sql_u64(meta.prepared, 1),
			                    .engine_us = sql_i64(meta.prepared, 2), .last_uid = sql_u64(meta.prepared, 3),
			                    .next_body = sql_u64(meta.prepared, 4), .created_us = sql_i64(meta.prepared, 5),
			                    .last_queue = sql_u32(meta.prepared, 6), .last_named = sql_u32(meta.prepared, 7) };
	sql_finalize(&meta, 1);
	return err ? err : found ? E_OK : E_STORE_CORRUPT;
}

enum err writer_take(struct writer *writer, struct store_meta *out)
{
	enum err err = E_OUTCOME_UNKNOWN;
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	CHECK(writer->polled == writer->submitted); /* the thread rests, or copies pages: it needs the lock for its next step */
	while (writer->backup)
		CHECK(pthread_cond_wait(&writer->rest, &writer->lock) == 0);
	if (!writer->broken) {
		err = writer_take_shard(writer);
		if (err == E_STORE_FULL && ballast_throw(writer->ballast))
			err = writer_take_shard(writer);
		writer->broken = err == E_OUTCOME_UNKNOWN;
	}
	if (!err)
		err = writer_read_meta(writer, out);
	if (!err) {
		writer->seq = out->commit_seq;
		writer->last_err = E_OK;
	}
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	return err;
}

void writer_backup(struct writer *writer, struct backup *backup, void (*progress)(void *, uint64_t, uint64_t), void *context)
{
	uint64_t told = 0;
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	CHECK(!writer->backup);
	if (writer->copies_forbidden) {
		backup->err = E_UNAVAILABLE;
		backup->ended = true;
	} else {
		writer->backup = backup;
		CHECK(pthread_cond_signal(&writer->work) == 0);
	}
	while (!backup->ended) {
		CHECK(pthread_cond_wait(&writer->rest, &writer->lock) == 0);
		uint64_t done = backup->pages_done, total = backup->pages_total;
		if (!progress || done == told)
			continue;
		told = done;
		CHECK(pthread_mutex_unlock(&writer->lock) == 0);
		progress(context, done, total);
		CHECK(pthread_mutex_lock(&writer->lock) == 0);
	}
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
}

void writer_forbid_copies(struct writer *writer)
{
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	writer->copies_forbidden = true;
	CHECK(pthread_cond_signal(&writer->work) == 0);
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
}

/* ---- life ---- */

static bool writer_pads_commits(sqlite3 *db)
{
	int safe = -1; /* asks */
	return sqlite3_file_control(db, "main", SQLITE_FCNTL_POWERSAFE_OVERWRITE, &safe) != SQLITE_OK || safe != 1;
}

enum err writer_start(struct writer *writer, struct store *store, struct ballast *ballast, uint32_t checkpoint_pages, sqlite3 *db)
{
	pthread_condattr_t monotonic;
	*writer = (struct writer){ .store = store, .ballast = ballast, .db = db, .begin = { "BEGIN IMMEDIATE", NULL }, .commit = { "COMMIT", NULL },
		                   .rollback = { "ROLLBACK", NULL }, .padded_commits = writer_pads_commits(db),
		                   .checkpoint_pages = checkpoint_pages ? (int)checkpoint_pages : WRITER_CHECKPOINT_PAGES };
	if (apply_init(&writer->apply, db)) {
		connection_close(db);
		return E_NOMEM;
	}
	sqlite3_wal_hook(db, writer_count_pages, writer);
	CHECK(pthread_mutex_init(&writer->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&monotonic) == 0);
	CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&writer->work, &monotonic) == 0);
	CHECK(pthread_cond_init(&writer->rest, NULL) == 0);
	CHECK(pthread_condattr_destroy(&monotonic) == 0);
	if (pthread_create(&writer->thread, NULL, writer_main, writer) == 0)
		return E_OK;
	connection_close(db);
	return E_NOMEM;
}

void writer_stop(struct writer *writer)
{
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	writer->stopping = true;
	CHECK(pthread_cond_signal(&writer->work) == 0);
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	CHECK(pthread_join(writer->thread, NULL) == 0);
	struct sql_statement *own[] = { &writer->begin, &writer->commit, &writer->rollback };
	for (size_t i = 0; i < ARRAY_COUNT(own); i++)
		sql_finalize(own[i], 1);
	apply_fini(&writer->apply);
	if (writer->broken) /* what may be torn stays as it is; whoever opens next recovers */
		sqlite3_db_config(writer->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	connection_close(writer->db);
	CHECK(pthread_cond_destroy(&writer->work) == 0);
	CHECK(pthread_cond_destroy(&writer->rest) == 0);
	CHECK(pthread_mutex_destroy(&writer->lock) == 0);
}
