/* tests/powerloss/shim.h: a disk whose power can be cut. An SQLite VFS, "shim", passes everything to the system's and keeps a record of
 * each write, truncation, sync, creation and removal. From the record any moment can be looked at afterwards: what was synced is there, of
 * what was not anything may be: lost, cut at 512 bytes, in any order.
 *
 * The same shim fails the n-th operation on demand: a full disk, a failing write, sync, read, truncation, a mapping that cannot grow. */
#pragma once
#include <sqlite3.h>

#include "base/str.h"

void shim_install(void); /* once */

/* ---- the record ---- */

struct record;
struct record *record_new(void);
void record_free(struct record *record);
size_t record_count(const struct record *record); /* operations */
void shim_record(struct record *record); /* where operations are written down from now on; NULL: nowhere */
void shim_note(uint64_t acknowledged);   /* the store has told that this commit is on disk */

/* Images are made in the order of the record. */
struct image;
struct image *image_new(const struct record *record, const char *path); /* files come to stand at this path and beside it: "-wal", "-journal" */
void image_free(struct image *image);
void image_adopt(struct image *image, const char *path); /* begins with these files, all of them on disk */
void image_advance(struct image *image);                 /* one operation further */
uint64_t image_acknowledged(const struct image *image);

enum loss {
	LOSS_NONE,    /* only the process died */
	LOSS_ALL,     /* nothing unsynced is there */
	LOSS_WRITES,  /* each unsynced write is there or not */
	LOSS_SECTORS, /* each 512 bytes of it */
	LOSS_TAIL,    /* unsynced writes up to one, which is cut */
	LOSS_COUNT
};
void image_print(const struct image *image); /* what was not synced */
void image_write(struct image *image, enum loss loss, uint64_t dice);

/* ---- faults ---- */

enum fault_kind { FAULT_FULL, FAULT_WRITE, FAULT_SYNC, FAULT_READ, FAULT_TRUNCATE, FAULT_MAP, FAULT_KIND_COUNT };
/* The nth operation of that kind from now on fails, and with `lasts` all after it until shim_heal. */
void shim_fail(enum fault_kind kind, uint64_t nth, bool lasts);
bool shim_heal(void); /* true if one failed */
/* The disk is full as long as this file has any bytes: what is kept in reserve is all there is. NULL: no longer. */
void shim_fill_unless_empty(const char *reserve_path);
