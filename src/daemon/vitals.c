#include "daemon/vitals.h"
#include "base/clock.h"
#include "net/address.h"
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

static uint64_t vitals_rss(void)
{
	unsigned long long whole, resident;
	FILE *file = fopen("/proc/self/statm", "re");
	int read = file ? fscanf(file, "%llu %llu", &whole, &resident) : 0;
	if (file)
		fclose(file);
	return read == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint32_t vitals_files(void)
{
	uint32_t count = 0;
	DIR *directory = opendir("/proc/self/fd");
	for (const struct dirent *entry; directory && (entry = readdir(directory)) != NULL;)
		count += entry->d_name[0] != '.';
	if (directory)
		closedir(directory);
	return count ? count - 1 : 0; /* the one just used for looking */
}

static void vitals_directory(const char *path, char out[PATH_MAX])
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(out, PATH_MAX, "%s", dirname(copy));
}

void vitals_read(const char *store_path, struct vitals *out)
{
	static int64_t started_us;
	char directory[PATH_MAX];
	struct statvfs disk;
	struct rusage usage;
	struct rlimit files;
	if (!started_us)
		started_us = clock_wall_us();
	*out = (struct vitals){ .rss_bytes = vitals_rss(), .files_open = vitals_files(), .started_us = started_us };
	vitals_directory(store_path, directory);
	if (statvfs(directory, &disk) == 0) {
		out->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
		out->disk_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
	}
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		out->cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
			      (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		out->files_max = files.rlim_cur > UINT32_MAX ? UINT32_MAX : (uint32_t)files.rlim_cur;
}

enum disk_kind disk_kind(const char *path)
{
	char directory[PATH_MAX];
	struct statfs disk;
	vitals_directory(path, directory);
	if (statfs(path, &disk) != 0 && statfs(directory, &disk) != 0)
		return DISK_KEEPS; /* opening it will tell what is wrong */
	switch ((unsigned long)disk.f_type) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC: return DISK_MEMORY;
	case OVERLAYFS_SUPER_MAGIC: return DISK_OVERLAY;
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case 0xff534d42ul: /* CIFS */
	case 0xfe534d42ul: /* SMB2 */ return DISK_NETWORK;
	default: return DISK_KEEPS;
	}
}

const char *disk_kind_name(enum disk_kind kind)
{
	static const char *const names[] = { "a disk", "memory (tmpfs)", "a container's overlay", "a network file system" };
	return names[kind];
}

bool address_binds(const struct address *address, int *out_error)
{
	struct sockaddr_storage storage;
	int one = 1;
	socklen_t len = ip_to_sockaddr(&address->ip, address->port, &storage);
	int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool bound = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
		     bind(fd, (struct sockaddr *)&storage, len) == 0 && listen(fd, 1) == 0;
	*out_error = errno;
	if (fd >= 0)
		close(fd);
	return bound;
}
