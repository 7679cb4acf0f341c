/* src/store/sqlite/gather.h: a layer over SQLite's VFS by which a commit reaches the WAL in one write. SQLite writes each page of a commit as
 * a frame of two writes; what follows on one another is gathered here and handed down before anything that could miss it: a sync, a read, a
 * truncation, a write elsewhere, a full buffer. An error comes back from the call that handed it down, and from all later ones of that
 * transaction. A transaction that ends otherwise than by a commit leaves nothing behind.
 *
 * Others read the WAL through files of their own and see nothing of what is gathered. They need not: a frame may be read once the header in
 * shared memory has counted it, and with synchronous = FULL the commit is synced before that, which is CHECKed. So this is for the one
 * connection that writes, and only for the default locking mode. Private to sqlite/. */
#pragma once
#include "base/err.h"

/* The name of the layer over the VFS `below` (NULL: the system's), made at its first use. E_NOMEM, E_IO: there is no such VFS. */
MUST_USE enum err gather_over(const char *below, const char **out);
