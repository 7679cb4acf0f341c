/* src/engine/engine.h: the one writer of a shard. Deterministic: requests, store outcomes and instants in; replies and effects out.
 * It has no thread, reads no clock and draws no dice: whoever owns it (the daemon's engine thread, the simulator) pushes requests,
 * calls engine_step whenever something arrived, an outcome is there or the asked instant has come, and takes what left. */
#pragma once
#include "engine/command.h"
#include "store/store.h"
#include "base/zone.h"

struct engine;

struct engine_config {
	uint32_t deliveries_max;    /* HTTP calls in flight, in all */
	uint32_t handed_back_max;   /* of those that were when the daemon died: so many are handed back in a step (1,000) */
	uint64_t backlog_max;       /* live jobs in memory; above it enqueues get E_BACKLOG (0: no limit) */
	uint64_t pending_bytes_max; /* of requests accepted and not yet applied; above it E_BACKLOG (0: 256 MiB) */
	uint64_t event_rows_max;    /* kept event rows (100,000) */
	int64_t event_age_ms;       /* 1 day */
	int64_t idempotency_age_ms; /* 1 day */
	bool types_listed;          /* messages only of event types that are in the catalogue of their namespace (otherwise of any) */
	int64_t message_age_ms;     /* messages that no job names any more are kept so long (30 days) */
	int64_t horizon_ms;         /* delayed jobs that are due later are on disk only (1 hour) */
	/* Time zones of chains, as base/zones.h: zones_find has them. NULL: there are none but UTC. */
	enum err (*zone_find)(struct str name, const struct zone **out, struct problem *problem);
};
void engine_config_default(struct engine_config *config);

struct engine *engine_new(const struct engine_config *config, struct store *store); /* NULL: no memory */
void engine_free(struct engine *engine); /* requests it still holds must have been taken with engine_abandon */

/* Takes the shard and rebuilds memory from the store. boot_us: a clock that never goes back (CLOCK_BOOTTIME); wall_us: the wall clock. */
MUST_USE enum err engine_start(struct engine *engine, int64_t boot_us, int64_t wall_us, struct problem *problem);

/* The request is the engine's until engine_take_replies gives it back. */
void engine_push(struct engine *engine, struct request *request);
/* Does all that can be done now. Answers the boot_us at which it wants to be called again (INT64_MAX: only when something arrives);
 * 0 or the past: at once, there is more to do. */
int64_t engine_step(struct engine *engine, int64_t boot_us, int64_t wall_us);
/* Requests that are answered, in the order of their answers, linked by ->link; NULL when none. */
struct request *engine_take_replies(struct engine *engine);
/* Effects that may leave, in order, linked by ->next; the taker frees them with effect_free. */
struct effect *engine_take_effects(struct engine *engine);
/* E_OK while it works. After an unknown outcome the engine reopens the store and rebuilds by itself; when that fails it answers
 * everything with this error and tries again each second. E_STALE_TERM is for ever. */
enum err engine_health(const struct engine *engine);
/* For shutting down: no new grants and no new deliveries from now on; everything else goes on. */
void engine_quiesce(struct engine *engine);
/* Nothing pending, nothing open, nothing in flight (parked requests do not count). */
bool engine_is_idle(const struct engine *engine);
/* Every request it still holds, as replies with this error; for the end. */
void engine_abandon(struct engine *engine, enum err err);

enum endpoints_counted { ENDPOINTS_OK, ENDPOINTS_FAILING, ENDPOINTS_OPEN, ENDPOINTS_PAUSED, ENDPOINTS_DISABLED, ENDPOINTS_COUNTED };
struct engine_stats {
	uint64_t commit_seq, live_jobs, far_jobs /* of those: on disk only */, queues, groups, waiters, deliveries, leases;
	uint64_t batches, requests, operations, rebuilds, refused_commits;
	uint64_t pending_requests, in_flight;
	uint64_t last_uid; /* the newest that it knows: makers start above it */
	bool store_full;
	uint64_t endpoints[ENDPOINTS_COUNTED]; /* as of the last maintenance */
};
void engine_stats(const struct engine *engine, struct engine_stats *out);
/* CHECKs every invariant that can be seen from inside (counts equal recounts, heaps ordered, limits kept). Slow: for tests. */
void engine_verify(const struct engine *engine);
/* Whether this job is not in memory. For tests. */
bool engine_has_left(const struct engine *engine, uint64_t uid);
/* Queues with their sums and settings, groups, operations, and a line for each job, sorted by uid: what memory knows of rows, so that equal states
 * give equal text. For tests. */
void engine_dump(const struct engine *engine, struct buf *out);
void engine_dump_job(const struct job_row *row, struct str group, struct buf *out); /* one such line */
