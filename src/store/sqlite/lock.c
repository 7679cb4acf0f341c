#include "store/sqlite/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

static enum err lock_refuse(int fd, const char *store_path, struct problem *problem)
{
	char owner[32] = "";
	ssize_t bytes = pread(fd, owner, sizeof(owner) - 1, 0);
	owner[bytes > 0 ? bytes : 0] = '\0';
	owner[strcspn(owner, "\n")] = '\0';
	return problem_set(problem, E_STORE_LOCKED, "", "%s is in use by process %s: stop that one, or name another store.", store_path,
	                   owner[0] ? owner : "(unknown)");
}

enum err lock_take(const char *store_path, int *out_fd, struct problem *problem)
{
	char path[PATH_MAX], pid[32];
	if (snprintf(path, sizeof(path), "%s.lock", store_path) >= (int)sizeof(path))
		return problem_set(problem, E_IO, "", "The store's path is too long.");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return problem_set(problem, E_IO, "", "%s cannot be made: %s%s.", path, strerrordesc_np(errno),
				   errno == ENOENT ? "; make its directory first" : errno == EACCES ? "; the daemon's user must own the directory" : "");
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		enum err err = errno == EWOULDBLOCK ? lock_refuse(fd, store_path, problem) :
		                                      problem_set(problem, E_IO, "", "%s cannot be locked: %s.", path, strerrordesc_np(errno));
		close(fd);
		return err;
	}
	int bytes = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	/* Only a courtesy to whoever finds it locked: a full disk must not keep a store from opening. */
	if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)bytes, 0) != bytes)
		errno = 0;
	*out_fd = fd;
	return E_OK;
}

void lock_release(int fd)
{
	if (fd >= 0)
		close(fd);
}
