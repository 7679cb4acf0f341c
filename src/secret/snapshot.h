/* src/secret/snapshot.h: what all places say at one time. */
#pragma once
#include "secret/rack.h"

struct secret_snapshot {
	atomic_uint holders;
	struct rack *racks[SECRET_PLACE_COUNT]; /* held; NULL: nothing there */
};
/* That of `before` (NULL: nothing anywhere) with another rack in one place, which it holds. NULL: no memory. */
struct secret_snapshot *snapshot_with(const struct secret_snapshot *before, enum secret_place place, struct rack *rack);
struct secret_snapshot *snapshot_hold(struct secret_snapshot *snapshot);
