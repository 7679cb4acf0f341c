#include "store/sqlite/ballast.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool ballast_has_room(const struct ballast *ballast)
{
	struct statvfs disk;
	return statvfs(ballast->path, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize >= 2 * ballast->bytes;
}

bool ballast_restore(struct ballast *ballast)
{
	if (ballast->bytes == 0 || ballast->aboard)
		return true;
	int fd = open(ballast->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	struct stat file;
	if (fstat(fd, &file) == 0 && (uint64_t)file.st_blocks * 512 >= ballast->bytes)
		ballast->aboard = true; /* from an earlier run */
	else if (ballast_has_room(ballast))
		ballast->aboard = posix_fallocate(fd, 0, (off_t)ballast->bytes) == 0;
	if (!ballast->aboard && ftruncate(fd, 0))
		ballast->aboard = false; /* what was allocated stays until the next try */
	close(fd);
	return ballast->aboard;
}

void ballast_init(struct ballast *ballast, const char *store_path, uint64_t bytes)
{
	*ballast = (struct ballast){ .bytes = bytes };
	if (snprintf(ballast->path, sizeof(ballast->path), "%s.reserve", store_path) >= (int)sizeof(ballast->path))
		ballast->bytes = 0;
	ballast_restore(ballast);
}

bool ballast_throw(struct ballast *ballast)
{
	if (!ballast->aboard || truncate(ballast->path, 0))
		return false;
	ballast->aboard = false;
	return true;
}
