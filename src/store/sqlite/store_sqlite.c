#include "base/check.h"
#include "base/mem.h"
#include "store/sqlite/ballast.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/load.h"
#include "store/sqlite/lock.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/writer.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct store_sqlite {
	struct store store;
	char path[PATH_MAX];
	char *vfs;              /* NULL: the system's */
	int lock_fd;
	uint32_t checkpoint_pages;
	bool open;              /* writer and loader stand; readers manage themselves */
	pthread_mutex_t copying; /* held by a backup as long as it needs the writer, and while the writer comes or goes */
	struct ballast ballast;
	struct writer writer;
	sqlite3 *load_db;
	struct loader loader;
	struct readers readers;
};

static struct store_sqlite *of(struct store *store)
{
	return (struct store_sqlite *)store;
}

/* ---- opening ---- */

static enum err sqlite_make_file(const char *path, bool create, struct problem *problem)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600); /* payloads are nobody else's business */
	if (fd < 0)
		return problem_set(problem, E_IO, "", "%s cannot be opened: %s%s", path, strerrordesc_np(errno),
		                   errno == ENOENT && !create ? "; 'ruche serve' makes it." : ".");
	close(fd);
	char directory[PATH_MAX];
	snprintf(directory, sizeof(directory), "%s", path);
	fd = open(dirname(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a new file's name must be on disk, too */
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	return E_OK;
}

/* After a failed sync the kernel may call pages clean that never reached the disk. Everything that recovery found is written once more,
 * into the main file, and synced: from then on what we see is what is there. */
static enum err sqlite_settle_wal(sqlite3 *db)
{
	int code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	enum err err = sql_err(code);
	return err == E_STORE_LOCKED || err == E_STORE_FULL ? E_OK : err; /* a shell reads it; no room to grow: nothing is lost by waiting */
}

static enum err sqlite_open_writer(struct store_sqlite *sqlite, struct problem *problem)
{
	sqlite3 *db;
	enum err err = connection_open(sqlite->path, sqlite->vfs, CONNECTION_WRITE, &db);
	if (err)
		return problem_set(problem, err, "", "%s cannot be opened: %s", sqlite->path, err_sentence(err));
	err = schema_migrate(db, sqlite->path, problem);
	if (!err) {
		err = connection_tune(db);
		if (!err)
			err = sqlite_settle_wal(db);
		if (err)
			problem_set(problem, err, "", "%s cannot be recovered: %s.", sqlite->path, sqlite3_errmsg(db));
	}
	if (err) {
		connection_close(db);
		return err;
	}
	return writer_start(&sqlite->writer, &sqlite->store, &sqlite->ballast, sqlite->checkpoint_pages, db);
}

static enum err sqlite_connect(struct store_sqlite *sqlite, struct problem *problem)
{
	enum err err = sqlite_open_writer(sqlite, problem);
	if (err)
		return err;
	err = connection_open(sqlite->path, sqlite->vfs, CONNECTION_LOAD, &sqlite->load_db);
	if (err) {
		writer_stop(&sqlite->writer);
		return problem_set(problem, err, "", "%s cannot be opened for reading: %s", sqlite->path, err_sentence(err));
	}
	loader_init(&sqlite->loader, sqlite->load_db);
	CHECK(pthread_mutex_lock(&sqlite->copying) == 0);
	sqlite->open = true;
	CHECK(pthread_mutex_unlock(&sqlite->copying) == 0);
	return E_OK;
}

static void sqlite_disconnect(struct store_sqlite *sqlite)
{
	readers_disconnect(&sqlite->readers);
	if (!sqlite->open)
		return;
	writer_forbid_copies(&sqlite->writer);
	CHECK(pthread_mutex_lock(&sqlite->copying) == 0); /* whoever copied has left */
	loader_fini(&sqlite->loader);
	connection_close(sqlite->load_db);
	writer_stop(&sqlite->writer); /* last: it checkpoints */
	sqlite->open = false;
	CHECK(pthread_mutex_unlock(&sqlite->copying) == 0);
}

/* ---- the port ---- */

static enum err sqlite_take(struct store *store, struct store_meta *out)
{
	return of(store)->open ? writer_take(&of(store)->writer, out) : E_OUTCOME_UNKNOWN;
}

static void sqlite_submit(struct store *store, struct changeset *cs)
{
	CHECK(of(store)->open);
	writer_submit(&of(store)->writer, cs);
}

static uint32_t sqlite_poll(struct store *store, struct outcome *out, uint32_t max)
{
	return of(store)->open ? writer_poll(&of(store)->writer, out, max) : 0;
}

static enum err sqlite_load(struct store *store, struct load *load, struct arena *arena)
{
	return of(store)->open ? loader_load(&of(store)->loader, load, arena) : E_IO;
}

static enum err sqlite_nth_final(struct store *store, uint32_t queue, enum job_state state, uint32_t n, int64_t *out_us, uint64_t *out_uid,
                                 uint64_t *out_bytes)
{
	return of(store)->open ? loader_nth_final(&of(store)->loader, queue, state, n, out_us, out_uid, out_bytes) : E_IO;
}

static enum err sqlite_far(struct store *store, struct far_page *page, struct arena *arena)
{
	return of(store)->open ? loader_far(&of(store)->loader, page, arena) : E_IO;
}

static enum err sqlite_scan(struct store *store, const struct scan_visitor *visitor)
{
	return of(store)->open ? loader_scan(&of(store)->loader, visitor) : E_IO;
}

static enum err sqlite_reopen(struct store *store, struct problem *problem)
{
	sqlite_disconnect(of(store));
	return sqlite_connect(of(store), problem);
}

static enum err sqlite_reader_open(struct store *store, struct reader **out)
{
	return readers_open(&of(store)->readers, out);
}

static enum err sqlite_backup(struct store *store, const char *path, void (*progress)(void *, uint64_t, uint64_t), void *context,
                              struct problem *problem)
{
	struct store_sqlite *sqlite = of(store);
	struct backup backup;
	enum err err = backup_prepare(&backup, path, problem);
	if (err)
		return err;
	CHECK(pthread_mutex_lock(&sqlite->copying) == 0); /* one at a time */
	if (sqlite->open)
		writer_backup(&sqlite->writer, &backup, progress, context);
	else
		backup.err = E_UNAVAILABLE;
	CHECK(pthread_mutex_unlock(&sqlite->copying) == 0);
	return backup_finish(&backup, problem);
}

static void sqlite_free(struct store_sqlite *sqlite)
{
	sqlite_disconnect(sqlite);
	readers_fini(&sqlite->readers);
	CHECK(pthread_mutex_destroy(&sqlite->copying) == 0);
	lock_release(sqlite->lock_fd);
	mem_free(sqlite->vfs);
	mem_free(sqlite);
}

static void sqlite_close(struct store *store)
{
	sqlite_free(of(store));
}

static const struct store_verbs store_sqlite_verbs = {
	.take = sqlite_take,
	.submit = sqlite_submit,
	.poll = sqlite_poll,
	.load = sqlite_load,
	.nth_final = sqlite_nth_final,
	.far = sqlite_far,
	.scan = sqlite_scan,
	.reopen = sqlite_reopen,
	.reader_open = sqlite_reader_open,
	.backup = sqlite_backup,
	.close = sqlite_close,
};

static enum err sqlite_set_up(struct store_sqlite *sqlite, const struct store_sqlite_options *options, struct problem *problem)
{
	char real[PATH_MAX];
	if (!options->path[0] || strcmp(options->path, ":memory:") == 0)
		return problem_set(problem, E_INVALID, "", "A store is a file: name its path.");
	if (strlen(options->path) + sizeof(".reserve") > sizeof(sqlite->path))
		return problem_set(problem, E_INVALID, "", "The store's path is too long.");
	/* Through any link to the file itself: one file, one lock. */
	strcpy(sqlite->path, realpath(options->path, real) && strlen(real) + sizeof(".reserve") <= sizeof(real) ? real : options->path);
	if (options->vfs) {
		sqlite->vfs = mem_alloc(strlen(options->vfs) + 1);
		if (!sqlite->vfs)
			return E_NOMEM;
		strcpy(sqlite->vfs, options->vfs);
	}
	sqlite->checkpoint_pages = options->checkpoint_pages;
	readers_init(&sqlite->readers, sqlite->path, sqlite->vfs);
	CHECK(pthread_mutex_init(&sqlite->copying, NULL) == 0);
	enum err err = options->unlocked ? E_OK : lock_take(sqlite->path, &sqlite->lock_fd, problem);
	if (!err && !options->vfs)
		err = sqlite_make_file(sqlite->path, options->create, problem);
	if (err)
		return err;
	ballast_init(&sqlite->ballast, sqlite->path, options->reserve_bytes);
	return sqlite_connect(sqlite, problem);
}

enum err store_sqlite_open(const struct store_sqlite_options *options, struct store **out, struct problem *problem)
{
	struct store_sqlite *sqlite = mem_zalloc(sizeof(*sqlite));
	if (!sqlite)
		return problem_set(problem, E_NOMEM, "", "%s", err_sentence(E_NOMEM));
	sqlite->store = (struct store){ .verbs = &store_sqlite_verbs, .in_flight_max = WRITER_IN_FLIGHT };
	sqlite->lock_fd = -1;
	enum err err = sqlite_set_up(sqlite, options, problem);
	if (err) {
		if (sqlite->readers.path)
			sqlite_free(sqlite);
		else
			mem_free(sqlite);
		return err;
	}
	*out = &sqlite->store;
	return E_OK;
}
