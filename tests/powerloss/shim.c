#include "shim.h"
#include "base/check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR_BYTES 512

/* ---- what is recorded ---- */

enum operation_kind { WROTE, TRUNCATED, SYNCED, CREATED, REMOVED, NOTED };
enum part { MAIN, WAL, JOURNAL, PART_COUNT }; /* the files of one store */
static const char *const part_ends[PART_COUNT] = { "", "-wal", "-journal" };

struct operation {
	enum operation_kind kind;
	enum part part;
	uint64_t at;     /* WROTE: offset; TRUNCATED: size; NOTED: commit */
	uint32_t bytes;
	char *data;
};

struct record {
	struct operation *operations;
	size_t count, capacity;
};

static struct {
	pthread_mutex_t lock;
	struct record *record; /* NULL: none */
	/* the fault to come */
	enum fault_kind fault;
	uint64_t until_fault; /* 0: none */
	bool lasts, failed;
	const char *reserve_path;
} shim = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void record_add(struct record *record, struct operation operation, const void *data)
{
	if (record->count == record->capacity) {
		record->capacity = record->capacity ? record->capacity * 2 : 1024;
		record->operations = realloc(record->operations, record->capacity * sizeof(*record->operations));
		CHECK(record->operations);
	}
	if (operation.bytes && data) {
		operation.data = malloc(operation.bytes);
		CHECK(operation.data);
		memcpy(operation.data, data, operation.bytes);
	}
	record->operations[record->count++] = operation;
}

static void note(struct operation operation, const void *data)
{
	CHECK(pthread_mutex_lock(&shim.lock) == 0);
	if (shim.record)
		record_add(shim.record, operation, data);
	CHECK(pthread_mutex_unlock(&shim.lock) == 0);
}

struct record *record_new(void)
{
	struct record *record = calloc(1, sizeof(*record));
	CHECK(record);
	return record;
}

void record_free(struct record *record)
{
	while (record->count)
		free(record->operations[--record->count].data);
	free(record->operations);
	free(record);
}

size_t record_count(const struct record *record)
{
	return record->count;
}

void shim_record(struct record *record)
{
	CHECK(pthread_mutex_lock(&shim.lock) == 0);
	shim.record = record;
	CHECK(pthread_mutex_unlock(&shim.lock) == 0);
}

void shim_note(uint64_t acknowledged)
{
	note((struct operation){ .kind = NOTED, .at = acknowledged }, NULL);
}

/* ---- faults ---- */

void shim_fail(enum fault_kind kind, uint64_t nth, bool lasts)
{
	CHECK(pthread_mutex_lock(&shim.lock) == 0);
	shim.fault = kind;
	shim.until_fault = nth;
	shim.lasts = lasts;
	shim.failed = false;
	CHECK(pthread_mutex_unlock(&shim.lock) == 0);
}

bool shim_heal(void)
{
	CHECK(pthread_mutex_lock(&shim.lock) == 0);
	bool failed = shim.failed;
	shim.until_fault = 0;
	shim.failed = false;
	CHECK(pthread_mutex_unlock(&shim.lock) == 0);
	return failed;
}

void shim_fill_unless_empty(const char *reserve_path)
{
	CHECK(pthread_mutex_lock(&shim.lock) == 0);
	shim.reserve_path = reserve_path;
	CHECK(pthread_mutex_unlock(&shim.lock) == 0);
}

static bool fails(enum fault_kind kind)
{
	bool now = false;
	struct stat reserve;
	CHECK(pthread_mutex_lock(&shim.lock) == 0);
	if (kind == FAULT_FULL && shim.reserve_path)
		now = stat(shim.reserve_path, &reserve) == 0 && reserve.st_size > 0;
	if (shim.until_fault && shim.fault == kind) {
		now = shim.until_fault == 1;
		if (!now || !shim.lasts)
			shim.until_fault--;
		shim.failed |= now;
	}
	CHECK(pthread_mutex_unlock(&shim.lock) == 0);
	return now;
}

/* ---- the VFS ---- */

struct shim_file {
	sqlite3_file base;
	enum part part;
	bool recorded; /* temporary files are not */
	sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *system_vfs(void)
{
	return sqlite3_vfs_find("unix");
}

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct shim_file *)file)->real;
}

static int shim_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int shim_read(sqlite3_file *file, void *out, int bytes, sqlite3_int64 at)
{
	return fails(FAULT_READ) ? SQLITE_IOERR_READ : real_of(file)->pMethods->xRead(real_of(file), out, bytes, at);
}

static int shim_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 at)
{
	struct shim_file *self = (struct shim_file *)file;
	bool full = fails(FAULT_FULL);
	if (full || fails(FAULT_WRITE)) { /* as the system does: some of it is there */
		if (bytes > SECTOR_BYTES && !real_of(file)->pMethods->xWrite(real_of(file), data, bytes / 2, at) && self->recorded)
			note((struct operation){ WROTE, self->part, (uint64_t)at, (uint32_t)bytes / 2, NULL }, data);
		return full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	int code = real_of(file)->pMethods->xWrite(real_of(file), data, bytes, at);
	if (code == SQLITE_OK && self->recorded)
		note((struct operation){ WROTE, self->part, (uint64_t)at, (uint32_t)bytes, NULL }, data);
	return code;
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct shim_file *self = (struct shim_file *)file;
	if (fails(FAULT_TRUNCATE))
		return SQLITE_IOERR_TRUNCATE;
	int code = real_of(file)->pMethods->xTruncate(real_of(file), size);
	if (code == SQLITE_OK && self->recorded)
		note((struct operation){ TRUNCATED, self->part, (uint64_t)size, 0, NULL }, NULL);
	return code;
}

static int shim_sync(sqlite3_file *file, int flags)
{
	struct shim_file *self = (struct shim_file *)file;
	(void)flags; /* the record is the disk: nothing need reach the real one */
	if (fails(FAULT_SYNC))
		return SQLITE_IOERR_FSYNC;
	if (self->recorded)
		note((struct operation){ SYNCED, self->part, 0, 0, NULL }, NULL);
	return SQLITE_OK;
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *out)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), out);
}
static int shim_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}
static int shim_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}
static int shim_check_lock(sqlite3_file *file, int *out)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}
static int shim_control(sqlite3_file *file, int operation, void *argument)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}
static int shim_sector(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}
static int shim_traits(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
static int shim_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **out)
{
	return fails(FAULT_MAP) ? SQLITE_IOERR_SHMSIZE : real_of(file)->pMethods->xShmMap(real_of(file), region, bytes, extend, out);
}
static int shim_map_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}
static void shim_map_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}
static int shim_unmap(sqlite3_file *file, int remove)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods shim_methods = {
	.iVersion = 2,
	.xClose = shim_close,
	.xRead = shim_read,
	.xWrite = shim_write,
	.xTruncate = shim_truncate,
	.xSync = shim_sync,
	.xFileSize = shim_size,
	.xLock = shim_lock,
	.xUnlock = shim_unlock,
	.xCheckReservedLock = shim_check_lock,
	.xFileControl = shim_control,
	.xSectorSize = shim_sector,
	.xDeviceCharacteristics = shim_traits,
	.xShmMap = shim_map,
	.xShmLock = shim_map_lock,
	.xShmBarrier = shim_map_barrier,
	.xShmUnmap = shim_unmap,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	struct shim_file *self = (struct shim_file *)file;
	(void)vfs;
	*self = (struct shim_file){ .real = (sqlite3_file *)(self + 1) };
	self->part = flags & SQLITE_OPEN_WAL ? WAL : flags & SQLITE_OPEN_MAIN_JOURNAL ? JOURNAL : MAIN;
	self->recorded = name && flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_MAIN_DB);
	bool fresh = self->recorded && access(name, F_OK) != 0;
	int code = system_vfs()->xOpen(system_vfs(), name, self->real, flags, out_flags);
	if (code == SQLITE_OK) {
		self->base.pMethods = &shim_methods;
		if (fresh)
			note((struct operation){ CREATED, self->part, 0, 0, NULL }, NULL);
	}
	return code;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
	(void)vfs;
	int code = system_vfs()->xDelete(system_vfs(), name, 0);
	size_t len = strlen(name);
	for (int part = WAL; part < PART_COUNT && code == SQLITE_OK; part++) {
		size_t end = strlen(part_ends[part]);
		if (len > end && strcmp(name + len - end, part_ends[part]) == 0)
			note((struct operation){ REMOVED, (enum part)part, (uint64_t)sync_directory, 0, NULL }, NULL);
	}
	return code;
}

void shim_install(void)
{
	static sqlite3_vfs vfs;
	vfs = *system_vfs();
	vfs.pNext = NULL;
	vfs.zName = "shim";
	vfs.szOsFile = (int)sizeof(struct shim_file) + system_vfs()->szOsFile;
	vfs.xOpen = shim_open;
	vfs.xDelete = shim_delete;
	CHECK(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

/* ---- images ---- */

struct content {
	char *bytes;
	size_t size, capacity;
	bool there;
};
struct image {
	const struct record *record;
	char path[PART_COUNT][256];
	size_t at;                          /* operations that happened */
	uint64_t acknowledged;
	struct content durable[PART_COUNT]; /* what is surely there */
	size_t *pending;                    /* operations that may be, in their order */
	size_t pending_count, pending_capacity;
};

static void content_resize(struct content *content, size_t size)
{
	if (size > content->capacity) {
		content->capacity = size * 2;
		content->bytes = realloc(content->bytes, content->capacity);
		CHECK(content->bytes);
	}
	if (size > content->size)
		memset(content->bytes + content->size, 0, size - content->size);
	content->size = size;
}

static void content_put(struct content *content, uint64_t at, const char *data, size_t bytes)
{
	content->there = true;
	if (at + bytes > content->size)
		content_resize(content, at + bytes);
	if (bytes)
		memcpy(content->bytes + at, data, bytes);
}

static void content_apply(struct content *content, const struct operation *operation)
{
	switch (operation->kind) {
	case WROTE: content_put(content, operation->at, operation->data, operation->bytes); break;
	case TRUNCATED: content_resize(content, operation->at); break;
	case CREATED: content->there = true; break;
	case REMOVED:
		content->there = false;
		content->size = 0;
		break;
	case SYNCED:
	case NOTED: break;
	}
}

static void content_copy(struct content *to, const struct content *from)
{
	content_resize(to, 0);
	to->there = from->there;
	content_put(to, 0, from->bytes, from->size);
	to->there = from->there;
}

struct image *image_new(const struct record *record, const char *path)
{
	struct image *image = calloc(1, sizeof(*image));
	CHECK(image);
	image->record = record;
	for (int part = 0; part < PART_COUNT; part++)
		snprintf(image->path[part], sizeof(image->path[part]), "%s%s", path, part_ends[part]);
	image->durable[MAIN].there = true; /* the store makes it, and syncs its directory */
	return image;
}

void image_free(struct image *image)
{
	for (int part = 0; part < PART_COUNT; part++)
		free(image->durable[part].bytes);
	free(image->pending);
	free(image);
}

void image_adopt(struct image *image, const char *path)
{
	for (int part = 0; part < PART_COUNT; part++) {
		char name[256], block[4096];
		struct content *content = &image->durable[part];
		snprintf(name, sizeof(name), "%s%s", path, part_ends[part]);
		FILE *file = fopen(name, "r");
		content->there = file != NULL;
		for (size_t bytes; file && (bytes = fread(block, 1, sizeof(block), file)) > 0;)
			content_put(content, content->size, block, bytes);
		if (file)
			CHECK(fclose(file) == 0);
	}
}

static void image_settle(struct image *image, enum part part) /* all of a file that was pending is there now */
{
	size_t kept = 0;
	for (size_t i = 0; i < image->pending_count; i++) {
		const struct operation *operation = &image->record->operations[image->pending[i]];
		if (operation->part == part)
			content_apply(&image->durable[part], operation);
		else
			image->pending[kept++] = image->pending[i];
	}
	image->pending_count = kept;
}

/* The first sync of a new journal or WAL syncs its directory, too: files that were removed are gone. */
static void image_settle_directory(struct image *image)
{
	for (int part = 0; part < PART_COUNT; part++) {
		size_t end = 0, kept = 0;
		for (size_t i = 0; i < image->pending_count; i++) {
			const struct operation *operation = &image->record->operations[image->pending[i]];
			if (operation->part == (enum part)part && operation->kind == REMOVED)
				end = i + 1;
		}
		for (size_t i = 0; i < image->pending_count; i++) {
			const struct operation *operation = &image->record->operations[image->pending[i]];
			if (i < end && operation->part == (enum part)part)
				content_apply(&image->durable[part], operation);
			else
				image->pending[kept++] = image->pending[i];
		}
		image->pending_count = kept;
	}
}

static bool image_is_new(const struct image *image, enum part part)
{
	bool fresh = false;
	for (size_t i = 0; i < image->pending_count; i++) {
		const struct operation *operation = &image->record->operations[image->pending[i]];
		fresh |= operation->kind == CREATED && operation->part == part;
	}
	return fresh;
}

void image_advance(struct image *image)
{
	const struct operation *operation = &image->record->operations[image->at++];
	if (operation->kind == NOTED) {
		image->acknowledged = operation->at;
		return;
	}
	if (operation->kind == SYNCED) {
		bool fresh = image_is_new(image, operation->part);
		image_settle(image, operation->part);
		if (fresh)
			image_settle_directory(image);
		return;
	}
	if (image->pending_count == image->pending_capacity) {
		image->pending_capacity = image->pending_capacity ? image->pending_capacity * 2 : 256;
		image->pending = realloc(image->pending, image->pending_capacity * sizeof(*image->pending));
		CHECK(image->pending);
	}
	image->pending[image->pending_count++] = image->at - 1;
	if (operation->kind == REMOVED && operation->at) /* with its directory synced */
		image_settle(image, operation->part);
}

uint64_t image_acknowledged(const struct image *image)
{
	return image->acknowledged;
}

void image_print(const struct image *image)
{
	static const char *const kinds[] = { "wrote", "truncated", "synced", "created", "removed", "noted" };
	for (size_t i = 0; i < image->pending_count; i++) {
		const struct operation *operation = &image->record->operations[image->pending[i]];
		printf("%zu: %s %s at %llu, %u bytes\n", image->pending[i], image->path[operation->part], kinds[operation->kind],
		       (unsigned long long)operation->at, operation->bytes);
	}
}

static uint64_t roll(uint64_t *dice)
{
	*dice ^= *dice << 13;
	*dice ^= *dice >> 7;
	*dice ^= *dice << 17;
	return *dice >> 11;
}

static void put_sectors(struct content *content, const struct operation *operation, uint64_t *dice)
{
	for (size_t from = 0, next; from < operation->bytes; from = next) {
		next = from + SECTOR_BYTES - (operation->at + from) % SECTOR_BYTES;
		if (next > operation->bytes)
			next = operation->bytes;
		if (roll(dice) & 1)
			content_put(content, operation->at + from, operation->data + from, next - from);
	}
}

static void image_lose(const struct image *image, enum loss loss, uint64_t dice, struct content parts[PART_COUNT])
{
	size_t tail = image->pending_count ? roll(&dice) % image->pending_count : 0;
	for (size_t i = 0; i < image->pending_count; i++) {
		const struct operation *operation = &image->record->operations[image->pending[i]];
		struct content *content = &parts[operation->part];
		bool there = loss == LOSS_NONE || (loss == LOSS_TAIL ? i < tail : loss != LOSS_ALL && roll(&dice) & 1);
		if (operation->kind == WROTE && (loss == LOSS_SECTORS || (loss == LOSS_TAIL && i == tail)))
			put_sectors(content, operation, &dice);
		else if (there)
			content_apply(content, operation);
	}
}

void image_write(struct image *image, enum loss loss, uint64_t dice)
{
	static struct content parts[PART_COUNT];
	for (int part = 0; part < PART_COUNT; part++)
		content_copy(&parts[part], &image->durable[part]);
	dice = dice * UINT64_C(0x9e3779b97f4a7c15) + 1;
	image_lose(image, loss, dice, parts);
	for (int part = 0; part < PART_COUNT; part++) {
		unlink(image->path[part]);
		if (!parts[part].there)
			continue;
		FILE *file = fopen(image->path[part], "w");
		CHECK(file);
		if (parts[part].size) /* an empty file has no bytes to point to */
			CHECK(fwrite(parts[part].bytes, 1, parts[part].size, file) == parts[part].size);
		CHECK(fclose(file) == 0);
	}
}
