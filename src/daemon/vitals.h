/* src/daemon/vitals.h: what the machine says about this process and its disk. */
#pragma once
#include "base/err.h"

struct vitals {
	uint64_t rss_bytes, cpu_us;
	uint64_t disk_free_bytes, disk_bytes; /* of the file system that holds the store; 0 when it cannot be asked */
	uint32_t files_open, files_max;
	int64_t started_us;                   /* wall time */
};
void vitals_read(const char *store_path, struct vitals *out); /* some 50 µs: not for every request */

/* What kind of file system holds the path (or its directory, when it is not there yet). */
enum disk_kind { DISK_KEEPS, DISK_MEMORY /* tmpfs, ramfs */, DISK_OVERLAY /* a container's own layer */, DISK_NETWORK };
enum disk_kind disk_kind(const char *path);
const char *disk_kind_name(enum disk_kind kind);

/* Whether that address, an ADDRESS_IP, can be listened on now; if not, why (an errno). */
struct address;
bool address_binds(const struct address *address, int *out_error);
