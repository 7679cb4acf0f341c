#include "store/sqlite/gather.h"
#include "base/check.h"
#include "base/mem.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

#define GATHER_BYTES      (31 * (24 + 4096)) /* in frames; SQLite's VFS for Unix takes a write's length modulo 128 KiB */
#define GATHER_NAME_BYTES 48
_Static_assert(GATHER_BYTES < 128 << 10, "one write");
_Static_assert(GATHER_BYTES >= 64 << 10, "a page: SQLite writes nothing larger");
#define WAL_WRITE_LOCK    0 /* among the locks in shared memory: the writer's. Part of the file format */

struct gather_vfs {
	sqlite3_vfs vfs; /* first: SQLite knows us by it */
	sqlite3_vfs *below;
	char name[GATHER_NAME_BYTES];
};

/* A database file, or its WAL. */
struct gather_file {
	sqlite3_file base; /* first, likewise */
	sqlite3_file *real;         /* behind this struct */
	struct gather_file *wal;    /* of the database file, while it is open */
	struct gather_file *main;   /* of a WAL */
	char *buffer;               /* of a WAL; NULL: writes go down one by one */
	sqlite3_int64 at;           /* where in the file the buffer begins, or began that could not be written */
	int pending;                /* bytes in it */
	int failed;                 /* why a write failed in this transaction, as SQLite's code */
};

static struct gather_file *of(sqlite3_file *file)
{
	return (struct gather_file *)file;
}

/* ---- the WAL's bytes ---- */

/* Hands down what is pending. What failed once is not there, so nothing of this transaction may succeed any more. */
static int gather_flush(struct gather_file *self)
{
	int bytes = self->pending;
	self->pending = 0;
	if (bytes && !self->failed)
		self->failed = self->real->pMethods->xWrite(self->real, self->buffer, bytes, self->at);
	return self->failed;
}

static int gather_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 at)
{
	struct gather_file *self = of(file);
	if (!self->buffer)
		return self->real->pMethods->xWrite(self->real, data, bytes, at);
	CHECK(bytes <= GATHER_BYTES);
	bool fits = bytes <= GATHER_BYTES - self->pending, follows = at == self->at + self->pending;
	int code = !self->failed && fits && follows ? SQLITE_OK : gather_flush(self);
	if (code)
		return code;
	if (!self->pending)
		self->at = at;
	memcpy(self->buffer + self->pending, data, (size_t)bytes);
	self->pending += bytes;
	return SQLITE_OK;
}

static int gather_read(sqlite3_file *file, void *out, int bytes, sqlite3_int64 at)
{
	struct gather_file *self = of(file);
	/* What stands before the buffer can always be read: a rollback needs it, also when the buffer is lost. */
	int code = at + bytes <= self->at ? SQLITE_OK : gather_flush(self);
	return code ? code : self->real->pMethods->xRead(self->real, out, bytes, at);
}

static int gather_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int code = gather_flush(of(file));
	return code ? code : of(file)->real->pMethods->xTruncate(of(file)->real, size);
}

static int gather_sync(sqlite3_file *file, int flags)
{
	int code = gather_flush(of(file));
	return code ? code : of(file)->real->pMethods->xSync(of(file)->real, flags);
}

static int gather_size(sqlite3_file *file, sqlite3_int64 *out)
{
	int code = gather_flush(of(file));
	return code ? code : of(file)->real->pMethods->xFileSize(of(file)->real, out);
}

static int gather_control(sqlite3_file *file, int operation, void *argument)
{
	int code = gather_flush(of(file));
	return code ? code : of(file)->real->pMethods->xFileControl(of(file)->real, operation, argument);
}

static int gather_close(sqlite3_file *file)
{
	struct gather_file *self = of(file);
	if (self->main)
		self->main->wal = NULL;
	mem_free(self->buffer);
	return self->real->pMethods->xClose(self->real);
}

/* ---- the moments of a transaction, on the database file ---- */

/* Between two copies of the header that tells others how far the WAL goes. */
static void gather_barrier(sqlite3_file *file)
{
	CHECK(!of(file)->wal || !of(file)->wal->pending);
	of(file)->real->pMethods->xShmBarrier(of(file)->real);
}

static int gather_shared_lock(sqlite3_file *file, int offset, int n, int flags)
{
	struct gather_file *wal = of(file)->wal;
	if (wal && offset == WAL_WRITE_LOCK && flags == (SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE)) {
		wal->pending = 0; /* of a transaction that was rolled back: of another it is down, see above */
		wal->failed = SQLITE_OK;
	}
	return of(file)->real->pMethods->xShmLock(of(file)->real, offset, n, flags);
}

/* ---- what goes through ---- */

static int gather_lock(sqlite3_file *file, int level)
{
	return of(file)->real->pMethods->xLock(of(file)->real, level);
}
static int gather_unlock(sqlite3_file *file, int level)
{
	return of(file)->real->pMethods->xUnlock(of(file)->real, level);
}
static int gather_check_lock(sqlite3_file *file, int *out)
{
	return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, out);
}
static int gather_sector(sqlite3_file *file)
{
	return of(file)->real->pMethods->xSectorSize(of(file)->real);
}
static int gather_traits(sqlite3_file *file)
{
	return of(file)->real->pMethods->xDeviceCharacteristics(of(file)->real);
}
static int gather_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **out)
{
	return of(file)->real->pMethods->xShmMap(of(file)->real, region, bytes, extend, out);
}
static int gather_unmap(sqlite3_file *file, int remove)
{
	return of(file)->real->pMethods->xShmUnmap(of(file)->real, remove);
}

static const sqlite3_io_methods gather_methods = {
	.iVersion = 2, /* no mapping of the database file, which nobody asks for */
	.xClose = gather_close,
	.xRead = gather_read,
	.xWrite = gather_write,
	.xTruncate = gather_truncate,
	.xSync = gather_sync,
	.xFileSize = gather_size,
	.xLock = gather_lock,
	.xUnlock = gather_unlock,
	.xCheckReservedLock = gather_check_lock,
	.xFileControl = gather_control,
	.xSectorSize = gather_sector,
	.xDeviceCharacteristics = gather_traits,
	.xShmMap = gather_map,
	.xShmLock = gather_shared_lock,
	.xShmBarrier = gather_barrier,
	.xShmUnmap = gather_unmap,
};

/* ---- opening ---- */

/* Where a torn write may hurt its neighbours, SQLite pads commits and syncs in the middle of a write: what follows is then not synced when it
 * is counted, and must go down at once. */
static bool gather_may(const struct gather_file *main)
{
	return main->real->pMethods->xDeviceCharacteristics(main->real) & SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int gather_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	sqlite3_vfs *below = ((struct gather_vfs *)vfs)->below;
	struct gather_file *self = of(file);
	if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL))) /* journals, temporary files: not ours */
		return below->xOpen(below, name, file, flags, out_flags);
	*self = (struct gather_file){ .real = (sqlite3_file *)(self + 1) };
	if (flags & SQLITE_OPEN_WAL) {
		self->main = of(sqlite3_database_file_object(name));
		self->buffer = gather_may(self->main) ? mem_alloc(GATHER_BYTES) : NULL;
		if (!self->buffer && gather_may(self->main))
			return SQLITE_NOMEM;
	}
	int code = below->xOpen(below, name, self->real, flags, out_flags);
	if (code) {
		mem_free(self->buffer);
		return code;
	}
	if (self->main)
		self->main->wal = self;
	self->base.pMethods = &gather_methods;
	return SQLITE_OK;
}

static enum err gather_register(sqlite3_vfs *below, const char *name, const char **out)
{
	struct gather_vfs *self = mem_alloc(sizeof(*self)); /* for good: connections may be open */
	if (!self)
		return E_NOMEM;
	*self = (struct gather_vfs){ .vfs = *below, .below = below };
	snprintf(self->name, sizeof(self->name), "%s", name);
	self->vfs.pNext = NULL;
	self->vfs.zName = self->name;
	self->vfs.szOsFile = (int)sizeof(struct gather_file) + below->szOsFile;
	self->vfs.xOpen = gather_open;
	if (sqlite3_vfs_register(&self->vfs, 0)) {
		mem_free(self);
		return E_NOMEM;
	}
	*out = self->name;
	return E_OK;
}

enum err gather_over(const char *below, const char **out)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	enum err err = E_OK;
	char name[GATHER_NAME_BYTES];
	sqlite3_vfs *found = sqlite3_vfs_find(below);
	if (!found || snprintf(name, sizeof(name), "gather-%s", found->zName) >= (int)sizeof(name))
		return E_IO;
	CHECK(pthread_mutex_lock(&lock) == 0);
	sqlite3_vfs *there = sqlite3_vfs_find(name);
	if (there)
		*out = there->zName;
	else
		err = gather_register(found, name, out);
	CHECK(pthread_mutex_unlock(&lock) == 0);
	return err;
}
