/* tests/stories/failing_disk.c: loaded before the C library (LD_PRELOAD), so that a story can let the real daemon's disk fail: while the file
 * $RUCHE_FAULT.sync exists no file is synced, while $RUCHE_FAULT.write exists none is written (EIO), while $RUCHE_FAULT.full exists none (ENOSPC).
 * Sockets and pipes do not come this way: SQLite writes at offsets. */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool fails(const char *what, int error)
{
	char path[512];
	const char *base = getenv("RUCHE_FAULT");
	int kept = errno;
	snprintf(path, sizeof(path), "%s.%s", base ? base : "/nowhere", what);
	bool there = access(path, F_OK) == 0;
	errno = there ? error : kept;
	return there;
}

static bool write_fails(void)
{
	return fails("write", EIO) || fails("full", ENOSPC);
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

int fsync(int fd)
{
	return fails("sync", EIO) ? -1 : NEXT(int (*)(int), "fsync")(fd);
}

int fdatasync(int fd)
{
	return fails("sync", EIO) ? -1 : NEXT(int (*)(int), "fdatasync")(fd);
}

#undef pwrite
#undef pwrite64
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
	return write_fails() ? -1 : NEXT(ssize_t (*)(int, const void *, size_t, off64_t), "pwrite64")(fd, bytes, count, at);
}
