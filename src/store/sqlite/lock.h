/* src/store/sqlite/lock.h: one process at a time has a store: an exclusive lock on the file beside it, "<path>.lock", which also says
 * whose process it is. The lock goes with the process, however it ends; the file stays. Private to sqlite/. */
#pragma once
#include "base/err.h"

/* *out_fd keeps the lock until lock_release. E_STORE_LOCKED: the problem names the process. E_IO. */
MUST_USE enum err lock_take(const char *store_path, int *out_fd, struct problem *problem);
void lock_release(int fd); /* -1 is fine */
