/* sim/shadow.h: what the rules say, kept apart from the engine: every committed change-set is applied here too, and each change is judged by
 * the rows alone. A broken rule is a failed CHECK that names it. */
#pragma once
#include "base/map.h"
#include "base/pool.h"
#include "store/changeset.h"

struct shadow_job {
	uint32_t reserved;
	struct job_row row;
	char group[16];
	bool exists, acknowledged, deleted;
	uint64_t completed_fence; /* of the last completion that was accepted */
};

struct shadow_queue {
	uint32_t number;
	char name[32];
	uint32_t concurrency, group_concurrency, rate_max;
	int64_t rate_per_us;
	int64_t starts_us[64]; /* ring of the last rate_max starts */
	uint32_t start_next, start_count;
	uint32_t active;
	uint64_t final[JOB_STATE_COUNT];
};

struct shadow_group {
	uint32_t queue;
	char key[16];
	uint32_t active;
};

struct shadow_started {
	uint32_t queue;
	int64_t at_us;
};

struct shadow {
	struct pool jobs;
	struct map by_uid;
	struct shadow_queue queues[16];
	uint32_t queue_count;
	struct shadow_group groups[128];
	uint32_t group_count;
	struct shadow_started starts[4096]; /* of the change-set being judged */
	uint32_t start_count;
	uint64_t seq;
	int64_t engine_us;
};

void shadow_init(struct shadow *shadow);
void shadow_fini(struct shadow *shadow);
void shadow_commit(struct shadow *shadow, const struct changeset *cs);
struct shadow_job *shadow_find(struct shadow *shadow, uint64_t uid); /* NULL: never seen */
/* What clients were told. */
void shadow_enqueued(struct shadow *shadow, uint64_t uid);                  /* acknowledged: must be there */
void shadow_completed(struct shadow *shadow, uint64_t uid, uint64_t fence); /* a completion was accepted */
void shadow_stale(struct shadow *shadow, uint64_t uid, uint64_t fence);     /* a completion was refused as stale: it must not hold the lease */
void shadow_granted(struct shadow *shadow, uint64_t uid, uint64_t fence);   /* a claim was answered, or a delivery left */
void shadow_at_rest(struct shadow *shadow);                                 /* nothing live is left */
void shadow_hash(struct shadow *shadow, uint64_t *hash);
